"""The page docs/cluster.md: its commands are ones that the verbs, torchrun and accelerate take."""

from __future__ import annotations

import shlex

from accelerate.commands.launch import launch_command_parser
from torch.distributed.run import parse_args
from typer.main import get_command

from relsearch.cli import app
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
