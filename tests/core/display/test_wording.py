"""Numbers in sentences."""

from __future__ import annotations

import pytest

from relsearch.core.display.wording import counted


@pytest.mark.parametrize(
    ("value", "noun", "said"),
    [(1, "row", "1 row"), (0, "row", "0 rows"), (1, "query", "1 query"), (1200, "query", "1,200 queries")],
)
def test_one_is_no_plural(value: int, noun: str, said: str) -> None:
    """Zero is; thousands are set apart."""
    assert counted(value, noun) == said
