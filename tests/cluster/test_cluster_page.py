"""The page docs/cluster.md: verbs, torchrun and accelerate take its commands, and its Python code writes pairs."""

from __future__ import annotations

import shlex
from pathlib import Path

import polars as pl
import pytest
from accelerate.commands.launch import launch_command_parser
from torch.distributed.run import parse_args
from typer.main import get_command

from relsearch.cli import app
from relsearch.core.files.storage import open_storage
from relsearch.data.pair_files import PAIRS, pair_files, read_pools
from tests.conftest import REPOSITORY
from tests.documentation import blocks

PAGE = REPOSITORY / "docs" / "cluster.md"
TRAINING = ("tune", "train")


def test_the_commands_of_the_page_parse() -> None:
    """Each names a verb and options that it has; training is started by a launcher, all else spread by Ray."""
    verbs = get_command(app).commands  # type: ignore[attr-defined]
    lines = [line for block in blocks(PAGE) if block.language == "sh" for line in block.commands]
    assert lines
    for line in lines:
        launched, _, rest = line.partition("relsearch ")
        words = shlex.split(rest)
        params = verbs[words[0]].make_context(words[0], words[1:]).params
        if words[0] not in TRAINING:
            assert params["on"] == "ray"
        elif launched.startswith("torchrun "):
            assert parse_args(shlex.split(line)[1:]).training_script == "relsearch"
        else:
            assert launched.startswith("accelerate launch ")
            assert launch_command_parser().parse_args(shlex.split(line)[2:]).training_script == "relsearch"


def test_the_python_code_writes_files_of_whole_pools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All queries of a joined table, each once."""
    pytest.importorskip("pyarrow", reason="pip install 'relsearch[ray]'")
    monkeypatch.chdir(tmp_path)
    Path("joined").mkdir()
    rows = [(str(number % 9), f"query {number % 9}", str(number), "text") for number in range(40)]
    pl.DataFrame(rows, schema=dict(PAIRS), orient="row").write_parquet("joined/a.parquet")
    (code,) = (block.text for block in blocks(PAGE) if block.language == "python")
    exec(code, {})  # noqa: S102 - the page's own
    storage = open_storage("pairs")
    pools = [pool for name in pair_files(storage) for pool in read_pools(storage, name)]
    assert sorted(pool.query_id for pool in pools) == [str(number) for number in range(9)]
    assert sum(map(len, pools)) == 40
