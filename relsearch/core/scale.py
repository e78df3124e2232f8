"""Relevance scales by their names, or as a user writes them."""

from __future__ import annotations

import re

from relsearch.core.errors import ConfigError
from relsearch.core.types import SCALES, Scale

HIGHEST = 9  # a grade is one digit: a judge answers with one token


def parse_scale(text: str) -> Scale:
    """Return a named scale, or a custom one written `lowest-highest:relevant`, e.g. `0-4:3`."""
    if text in SCALES:
        return SCALES[text]
    found = re.fullmatch("([0-9]{1,4})-([0-9]{1,4}):([0-9]{1,4})", text)
    if not found:
        raise ConfigError(f"scale {text!r}: use {', '.join(SCALES)} or lowest-highest:relevant, e.g. 0-4:3")
    low, high, cut = map(int, found.groups())
    if not low < cut <= high <= HIGHEST:
        raise ConfigError(f"scale {text!r}: needs lowest < relevant <= highest <= {HIGHEST}")
    return Scale(low, tuple(f"grade {grade}" for grade in range(low, high + 1)), cut)
