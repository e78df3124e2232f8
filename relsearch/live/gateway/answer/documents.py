"""The text of a hit that the reranker reads, cut to what it can read before anything else is done with it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from relsearch.encoders.character_limit import beginning
from relsearch.index.engine.hits import hit_text

# White space is collapsed after a field is cut: so much more is taken of it, that what is left still fills the model.
_SPARE = 4


def read_text(hit: Mapping[str, Any], template: str, paths: Mapping[str, str], *, most: int) -> str:
    """Return up to `most` characters of the text that a reranker with this template reads of a hit."""
    return hit_text(_shortened(hit, _SPARE * most), template, paths)[:most]


def _shortened(value: Any, most: int) -> Any:
    """The same value with texts and lists that are not longer than `most`."""
    if isinstance(value, str):
        return beginning(value, most)
    if isinstance(value, dict):
        return {name: _shortened(each, most) for name, each in value.items()}
    if isinstance(value, list):
        return [_shortened(each, most) for each in islice(value, most)]
    return value
