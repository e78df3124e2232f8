"""docs/settings.md holds every key as the models have it."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.report.settings import GAINS, keys, settings
from benchmarks.report.when import WHEN

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"


def test_the_page_is_what_the_models_say() -> None:
    """`python -m cogapp -r docs/settings.md` writes it anew."""
    page = PAGE.read_text(encoding="utf-8")
    assert f"]]] -->\n{settings()}<!-- [[[end]]]" in page


def test_a_gain_is_that_of_a_key_that_there_is() -> None:
    """A renamed key takes its figures along."""
    assert GAINS.keys() <= dict(keys()).keys()
    assert all(re.search(r"\d", gain) for gain in GAINS.values())


def test_every_key_says_when_to_change_it() -> None:
    """No more, no less."""
    assert WHEN.keys() == dict(keys()).keys()
