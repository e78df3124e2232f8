"""Texts in a temporary file: a mapping as any other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relsearch.core.files.disk_texts import DiskTexts

_TEXT = st.text(st.characters(), max_size=5)  # with halves of surrogate pairs


@given(st.dictionaries(_TEXT, _TEXT, max_size=5))
def test_texts_are_found_as_they_were_given(texts: dict[str, str]) -> None:
    """In their order, whatever they hold."""
    found = DiskTexts(texts.items())
    assert list(found.items()) == list(texts.items())
    assert len(found) == len(texts)


def test_an_unknown_id_has_no_text() -> None:
    """It is a KeyError, as of a dictionary."""
    found = DiskTexts([("a", "text")])
    assert "b" not in found
    with pytest.raises(KeyError):
        found["b"]
