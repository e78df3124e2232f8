"""What of a document's JSON is text: the fields that a template can read."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping

from relsearch.core.errors import DataError
from relsearch.core.files.text_files import encodable
from relsearch.core.ids import shown


def field_texts(where: str, row: Mapping[str, object], read: Container[str]) -> dict[str, str]:
    """Return the fields that are text, numbers or lists of texts, without empty ones; others are left out.

    Raise DataError, which begins with `where`, for one of the others that `read` names.
    """
    fields = {}
    for name, value in row.items():
        text = _text(value)
        if text is None and name in read:
            kind = type(value).__name__
            raise DataError(f"{where}: field {shown(name)} is a {kind}; expected text, a number or a list of texts")
        if text:
            fields[encodable(name)] = text
    return fields


def _text(value: object) -> str | None:
    """The value as text; None where it is none: a truth value, an object, a vector, a number that is not finite."""
    if value is None:
        return ""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return encodable(" ".join(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(value) if isinstance(value, int) or math.isfinite(value) else None
