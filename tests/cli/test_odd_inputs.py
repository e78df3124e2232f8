"""Every verb on odd files and arguments: a result, or one line, and no file that was there before has changed."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from relsearch.cli import app
from tests.odd_inputs import odd
from tests.odd_verbs import BEFORE, VERBS, Case, check_case, odd_cases


def test_every_verb_is_tried() -> None:
    """None is forgotten but `demo`, which reads no file and runs everything."""
    known = set(typer.main.get_command(app).commands) - {"demo"}  # type: ignore[attr-defined]
    assert known == {verb.command.split()[0] for verb in VERBS.values()}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in ("doctor", "rerank") else name for name in VERBS]
)
def test_verbs(name: str, tmp_path: Path) -> None:
    """Twice in a row, since the second time it finds its own output."""
    verb = VERBS[name]

    @odd(odd_cases(verb), share=verb.share)
    def run(case: Case) -> None:
        check_case(verb, case, tmp_path, before=BEFORE.get(name, ()))

    run()
