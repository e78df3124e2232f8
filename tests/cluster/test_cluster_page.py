"""The page docs/cluster.md: its commands are ones that the verbs take."""

from __future__ import annotations

import shlex

from typer.main import get_command

from relsearch.cli import app
from tests.conftest import REPOSITORY
from tests.documentation import blocks

PAGE = REPOSITORY / "docs" / "cluster.md"


def test_the_commands_of_the_page_parse() -> None:
    """Each names a verb and options that it has."""
    verbs = get_command(app).commands  # type: ignore[attr-defined]
    lines = [line for block in blocks(PAGE) if block.language == "sh" for line in block.commands]
    assert lines
    for line in lines:
        words = shlex.split(line.partition("relsearch ")[2])
        assert verbs[words[0]].make_context(words[0], words[1:]).params["on"] == "ray"
