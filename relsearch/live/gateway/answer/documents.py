"""The text of a hit that the reranker reads, cut to what it can read before anything else is done with it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from relsearch.core.fields.template import render, template_fields
from relsearch.encoders.character_limit import beginning
from relsearch.index.engine.hits import hit_fields, template_paths

# White space is collapsed after a field is cut: so much more is taken of it, that what is left still fills the model.
_SPARE = 4
_TOGETHER = 16  # so much more is taken of all fields, however many and however often the template names them


def read_text(hit: Mapping[str, Any], template: str, paths: Mapping[str, str], *, most: int) -> str:
    """Return up to `most` characters of the text that a reranker with this template reads of a hit."""
    fields = hit_fields(_shortened(hit, _SPARE * most), template_paths(template, paths), most=_SPARE * most)
    share = min(_SPARE * most, _TOGETHER * most // len(template_fields(template)))
    return render({name: beginning(text, share) for name, text in fields.items()}, template)[:most]


def _shortened(value: Any, most: int) -> Any:
    """The same value with texts and lists that are not longer than `most`."""
    if isinstance(value, str):
        return beginning(value, most)
    if isinstance(value, dict):
        return {name: _shortened(each, most) for name, each in value.items()}
    if isinstance(value, list):
        return [_shortened(each, most) for each in islice(value, most)]
    return value
