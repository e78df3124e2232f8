"""What of a document's JSON is text: the fields that a template can read."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from numbers import Integral, Real

from relsearch.core.errors import DataError
from relsearch.core.files.text_files import encodable
from relsearch.core.ids import shown

_PANDAS_NULLS = {"NAType", "NaTType"}  # by name: pandas need not be installed


def field_texts(where: str, row: Mapping[str, object], read: Container[str]) -> dict[str, str]:
    """Return the fields that are text, numbers or lists of texts, without empty ones; others are left out.

    Raise DataError, which begins with `where`, for one of the others that `read` names.
    """
    fields = {}
    for name, value in row.items():
        text = text_of(value)
        if text is None and name in read:
            kind = type(value).__name__
            raise DataError(f"{where}: field {shown(name)} is a {kind}; expected text, a number or a list of texts")
        if text:
            fields[encodable(name)] = text
    return fields


def text_of(value: object) -> str | None:
    """Return a field's value as text that UTF-8 can encode, "" for null and for what pandas has for it, such as NaN.

    Return None for what is no text: a truth value, an object, a list that is not of texts (a vector), infinity.
    """
    if isinstance(value, str):
        return encodable(value)
    if value is None or type(value).__name__ in _PANDAS_NULLS or (isinstance(value, Real) and math.isnan(value)):
        return ""
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return encodable(" ".join(value))
    if isinstance(value, bool) or not isinstance(value, Real):  # numpy's numbers are no int nor float
        return None
    return str(value) if isinstance(value, Integral) or math.isfinite(value) else None


def path_text(source: Mapping[str, object], path: str, *, most: int | None = None) -> str:
    """Return the text at a dotted path of a JSON document, "" where there is none.

    Keys may hold dots themselves. Lists, also of objects, are looked into; their texts and numbers are joined by
    spaces, up to the one with which they have `most` characters without the white space around each.
    """
    texts: list[str] = []
    count = 0
    for value in _values_at(source, path):
        if text := text_of(value):
            texts.append(text)
            count += len(text.strip())
            if most is not None and count >= most:
                break
    return " ".join(texts)


def _values_at(node: object, path: str) -> Iterator[object]:
    if isinstance(node, list):
        for item in node:
            yield from _values_at(item, path)
    elif isinstance(node, Mapping):
        if path in node:
            yield from _leaves(node[path])
        for place, sign in enumerate(path):
            if sign == "." and path[:place] in node:
                yield from _values_at(node[path[:place]], path[place + 1 :])


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from _leaves(item)
    else:
        yield value
