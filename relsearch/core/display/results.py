"""What ranking and grading a list of documents return: small records, and tuples of them that print as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from relsearch.core.display.html_table import html_table
from relsearch.core.display.text_table import number, table
from relsearch.core.errors import DataError
from relsearch.core.fields.field_texts import field_texts
from relsearch.core.fields.template import render, template_fields

TextOrFields = str | Mapping[str, Any]
_SHOWN = 60  # characters of a document in a table
_RANKED = ("rank", "score", "document")
_GRADED = ("grade", "expected", "confidence", "document")


@dataclass(frozen=True, slots=True)
class RankedDocument:
    """A document as it was given, its place in that list (from 0), and its P(relevant) in (0, 1)."""

    index: int
    score: float
    document: TextOrFields


@dataclass(frozen=True, slots=True)
class GradedDocument:
    """A document as it was given, its place in that list (from 0), and the judge's label.

    `probabilities` has one entry per grade of the scale, lowest first; `expected` is its mean grade and `confidence`
    the probability of `grade`. All are None where a remote judge gave no grade.
    """

    index: int
    grade: int | None
    probabilities: tuple[float, ...] | None
    expected: float | None
    confidence: float | None
    document: TextOrFields


class RankResult(tuple[RankedDocument, ...]):
    """Ranked documents, best first."""

    __slots__ = ()

    def to_table(self) -> str:
        """Return rank, score and the beginning of each document as text."""
        return table(_RANKED, self._rows())

    def __repr__(self) -> str:
        return self.to_table()

    def _repr_html_(self) -> str:
        """Return the same as a notebook shows it."""
        return html_table(_RANKED, self._rows())

    def _rows(self) -> list[list[str]]:
        return [[str(rank), number(each.score), _brief(each.document)] for rank, each in enumerate(self, 1)]


class GradeResult(tuple[GradedDocument, ...]):
    """Graded documents, in the order in which they were given."""

    __slots__ = ()

    def to_table(self) -> str:
        """Return grade, expected grade, confidence and the beginning of each document as text."""
        return table(_GRADED, self._rows())

    def __repr__(self) -> str:
        return self.to_table()

    def _repr_html_(self) -> str:
        """Return the same as a notebook shows it."""
        return html_table(_GRADED, self._rows())

    def _rows(self) -> list[list[str]]:
        return [
            [
                "-" if each.grade is None else str(each.grade),
                number(each.expected, ".2f"),
                number(each.confidence, ".2f"),
                _brief(each.document),
            ]
            for each in self
        ]


def document_texts(documents: Iterable[TextOrFields], template: str) -> list[str]:
    """Return the text of each document: a string as it is, a mapping's fields rendered by the template.

    Raise TypeError for anything else, DataError for a mapping with none of the template's fields.
    """
    if isinstance(documents, str | Mapping | Set | Iterator):  # which have no places, or are read once
        raise TypeError("documents: give a list of strings or of dicts")
    if hasattr(documents, "columns"):  # a frame is iterated over by its columns' names
        raise TypeError('documents: of a frame give frame.to_dict("records")')
    names = template_fields(template)
    return [_text(f"documents[{place}]", each, names, template) for place, each in enumerate(documents)]


def _text(where: str, document: TextOrFields, names: Sequence[str], template: str) -> str:
    if isinstance(document, str):
        return document
    if not isinstance(document, Mapping):
        raise TypeError(f"{where} is of type {type(document).__name__}; give a string, or a dict of fields")
    if not any(name in document for name in names):
        given = ", ".join(map(str, document)) or "nothing"
        example = f"{{{next(map(str, document), 'body')}}}"
        raise DataError(
            f"{where} has the fields {given}; {', '.join(names)} are read: name them so, or give template={example!r}"
        )
    return render(field_texts(where, document, names), template)


def _brief(document: TextOrFields) -> str:
    fields = document.values() if isinstance(document, Mapping) else [document]
    text = " ".join(" ".join(map(str, fields)).split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
