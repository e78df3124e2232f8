"""The ready judge: it loads, tells an answer from other text, and grades a run from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from relsearch.core import tables
from relsearch.core.errors import ConfigError
from relsearch.core.settings.config import Config, LabelConfig
from relsearch.core.types import Pair
from relsearch.judge.judge_card import ADAPTER, read_card
from relsearch.judge.registry import READY, judge_folder, open_judge
from tests.conftest import REPOSITORY
from tests.judge.conftest import judge_pairs

_QUERY = "what does a keep-alive connection do in http"
_ANSWER = (
    "With keep-alive an HTTP connection stays open after a response, so that the next request need not connect anew."
)
_RELATED = "HTTP has methods such as GET and POST, status codes and headers."
_OTHER = "Knead the dough for ten minutes and let it rise until it has doubled."


def test_the_ready_judge_is_whole_and_small() -> None:
    """Its card fits its adapter, names no folder of the machine it was tuned on, and all of it fits into a wheel."""
    folder = judge_folder(READY)
    card = read_card(folder)
    adapter = json.loads((folder / ADAPTER / "adapter_config.json").read_text("utf-8"))
    named = {card.judge.base, adapter["base_model_name_or_path"], *(one.model for one in card.encoders)}
    assert not {name for name in named if name.startswith(("/", "."))}
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 56e6


@pytest.mark.slow
def test_the_ready_judge_tells_an_answer_from_other_text() -> None:
    """Expected grades fall from the answer over the topic to something else."""
    judge = open_judge(Config(label=LabelConfig(judge=READY)))
    pairs = [Pair("1", str(place), _QUERY, text) for place, text in enumerate((_ANSWER, _RELATED, _OTHER))]
    answer, related, other = judge_pairs(judge, pairs)
    assert answer.expected is not None
    assert related.expected is not None
    assert other.expected is not None
    assert answer.expected > related.expected > other.expected
    assert other.grade == 0


@pytest.mark.slow
def test_a_run_is_graded_from_the_command_line(tmp_path: Path) -> None:
    """`relsearch grade` writes a table with one label a pair, and does nothing twice; it needs no model of a hub."""
    from relsearch.data.collection import load_collection

    demo = load_collection("demo")
    (query, *_), documents = list(demo.queries()), [doc for doc, _ in zip(demo.documents(), range(5), strict=False)]
    lines = [f"{query.query_id} Q0 {doc.doc_id} {rank} {9 - rank} x\n" for rank, doc in enumerate(documents, 1)]
    (tmp_path / "run.trec").write_text("".join(lines), encoding="utf-8")
    command = [
        sys.executable,
        "-c",
        "from relsearch.cli import main; main()",
        "grade",
        "run.trec",
        "--collection",
        "demo",
        "-o",
        "out.parquet",
    ]
    environment = {"PYTHONPATH": str(REPOSITORY), "PATH": "", "HOME": str(tmp_path)}
    for _ in range(2):
        result = subprocess.run(
            [*command, "--json"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        assert sum(json.loads(result.stdout)["grades"].values()) == 5
    table = tables.read(tmp_path / "out.parquet", tables.JUDGMENTS)
    assert table["doc_id"].to_list() == [doc.doc_id for doc in documents]
    assert len(list((tmp_path / "out.parquet.store").glob("part-*.parquet"))) == 1
    assert table.select(pl.col("confidence").is_between(0, 1).all()).item()
    human = [f"{query.query_id} 0 {doc.doc_id} {grade}\n" for doc, grade in zip(documents, (0, 3, 3), strict=False)]
    (tmp_path / "human.qrels").write_text("".join(human), encoding="utf-8")
    result = subprocess.run(
        [*command, "--json", "--qrels", "human.qrels"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(result.stdout)["calibrated_queries"] == 1
    assert len(list((tmp_path / "out.parquet.store").glob("part-*.parquet"))) == 1
    held = tables.read(tmp_path / "out.parquet", tables.JUDGMENTS)
    assert (held["expected"][3:] > table["expected"][3:]).all()


def test_a_name_that_leads_nowhere_is_refused() -> None:
    """The error lists what can be named."""
    with pytest.raises(
        ConfigError, match="ready, zero-shot, remote, reranker:NAME, a judge folder or a file of labels"
    ):
        open_judge(Config(label=LabelConfig(judge="nowhere")))
