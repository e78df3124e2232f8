"""The nouns of the field as frozen dataclasses: what every stage reads and writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# A file or a folder, as whatever opens, reads or writes one takes it.
StrPath = str | Path
LabelSource = Literal["human", "judge", "assumed"]

LARGEST_SEED = 2**32 - 1  # NumPy's old generator, which transformers seeds, takes no larger one
MOST_RESAMPLES = 10_000  # of 8,000 queries, 640 MB of draws


@dataclass(frozen=True, slots=True)
class Query:
    """One information need, as the user typed it."""

    query_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """One retrievable unit: an id and its named text fields (title, url, text, any other)."""

    doc_id: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One document that a searcher returned for a query; rank counts from 1."""

    query_id: str
    doc_id: str
    score: float
    rank: int
    searcher: str


@dataclass(frozen=True, slots=True)
class Pair:
    """One query with one document rendered to the text that judge, training and serving see."""

    query_id: str
    doc_id: str
    query: str
    text: str


@dataclass(frozen=True, slots=True)
class Judgment:
    """One relevance label and where it came from.

    `probabilities` has one entry per grade, lowest grade first, summing to 1; `expected` is its mean
    grade; `confidence` is the probability of `grade`. Human labels have none of the three.
    `judge` is the fingerprint of the judge (base, adapter, prompt, scale), None for human labels; "calibrated" after it
    says that human grades of the query moved the label.
    `grade` is None where a judge was asked and gave none: a missing label, which no consumer counts as a grade.
    """

    query_id: str
    doc_id: str
    grade: int | None
    source: LabelSource
    judge: str | None = None
    probabilities: tuple[float, ...] | None = None
    expected: float | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """A relevance scale: consecutive integer grades with names; `relevant` is the binary cut-off."""

    lowest: int
    names: tuple[str, ...]
    relevant: int

    @property
    def grades(self) -> tuple[int, ...]:
        """All grades, lowest first."""
        return tuple(range(self.lowest, self.lowest + len(self.names)))

    @property
    def highest(self) -> int:
        """The best grade."""
        return self.lowest + len(self.names) - 1

    @property
    def level(self) -> int:
        """The binary cut-off on grades that count from 0, as measures take it."""
        return self.relevant - self.lowest

    def gain(self, grade: float) -> float:
        """The grade as a gain in [0, 1], linear on the scale."""
        return (grade - self.lowest) / (len(self.names) - 1)


SCALES: Mapping[str, Scale] = {
    "0-3": Scale(0, ("irrelevant", "related", "highly relevant", "perfectly relevant"), 2),
    "1-4": Scale(1, ("irrelevant", "related", "highly relevant", "perfectly relevant"), 3),
    "binary": Scale(0, ("irrelevant", "relevant"), 1),
}
