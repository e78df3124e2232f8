"""What an id may be: TREC runs and qrels set ids apart by white space, so none may hold any."""

from __future__ import annotations

import re
from reprlib import Repr

# White space and control characters; a byte-order mark, which readers drop; half a surrogate pair, which is no UTF-8.
_UNUSABLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ufeff\ud800-\udfff]")
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 80


def id_fault(text: str) -> str | None:
    """Return what keeps a text from being an id, and what to do; None for one that every format can hold."""
    if not text:
        return "is empty; give every one an id"
    if found := _UNUSABLE.search(text):
        kind = "white space" if found[0].isspace() else "a control character"
        return f"holds {kind} (U+{ord(found[0]):04X}), which TREC files cannot keep; put _ in its place"
    return None


def shown(value: object) -> str:
    """Return a value as an error shows it: on one line, with the middle of a long one left out."""
    return _SHORT.repr(value)
