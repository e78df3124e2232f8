"""Two orders side by side: who moved, how far, and which words of the query a passage has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from relsearch.index.matching import matched_spans
from relsearch.live.ui.orders.sources import Passage
from relsearch.live.ui.orders.systems import Order

SHOWN = 10
_BODY = 2_000  # characters of a passage that are sent to the browser
_EXCERPT = 240
_BEFORE = 60  # characters before the first matched word


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text; `marked` where it is a word of the query."""

    text: str
    marked: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A passage in one of two orders; `other` is its rank in the other one, None where it is not in it."""

    rank: int
    other: int | None
    passage: Passage
    score: float
    excerpt: tuple[Piece, ...]
    body: tuple[Piece, ...]
    rest: int

    @property
    def move(self) -> int:
        """How many places up from the other order; 0 where it is not in it."""
        return 0 if self.other is None else self.other - self.rank

    @property
    def leaves(self) -> bool:
        """Whether the other order does not show it."""
        return self.other is None or self.other > SHOWN


@dataclass(frozen=True, slots=True)
class Side:
    """One order as it is shown."""

    system: str
    ms: float
    rows: tuple[Row, ...]


def side(order: Order, other: Order, query: str, *, language: str) -> Side:
    """Return the first passages of an order, with their rank in the other one."""
    ranks = {passage.doc_id: rank for rank, passage in enumerate(other.passages, 1)}
    rows = [
        _row(rank, ranks.get(passage.doc_id), passage, score, query, language)
        for rank, (passage, score) in enumerate(zip(order.passages[:SHOWN], order.scores[:SHOWN], strict=True), 1)
    ]
    return Side(order.system, order.ms, tuple(rows))


def _row(rank: int, other: int | None, passage: Passage, score: float, query: str, language: str) -> Row:
    body = passage.body.strip()
    shown = pieces(body[:_BODY], query, language)
    start = _word_start(body, next((at for at, piece in _placed(shown) if piece.marked), 0) - _BEFORE)
    excerpt = " ".join(body[start : start + _EXCERPT].split())
    cut = f"{'… ' if start else ''}{excerpt}{' …' if start + _EXCERPT < len(body) else ''}"
    return Row(rank, other, passage, score, pieces(cut, query, language), shown, max(0, len(body) - _BODY))


def pieces(text: str, query: str, language: str) -> tuple[Piece, ...]:
    """Return the text in pieces, those that are words of the query marked."""
    found: list[Piece] = []
    end = 0
    for start, stop in matched_spans(query, text, language):
        if start > end:
            found.append(Piece(text[end:start], marked=False))
        found.append(Piece(text[start:stop], marked=True))
        end = stop
    if end < len(text):
        found.append(Piece(text[end:], marked=False))
    return tuple(found)


def _word_start(text: str, place: int) -> int:
    """The start of the first word at or after a place, of the text where the place is before it."""
    if place <= 0:
        return 0
    space = text.find(" ", place, place + _BEFORE)
    return place if space < 0 else space + 1


def _placed(parts: Sequence[Piece]) -> Iterator[tuple[int, Piece]]:
    at = 0
    for part in parts:
        yield at, part
        at += len(part.text)
