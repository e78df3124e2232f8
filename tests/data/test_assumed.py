"""What nobody labelled: irrelevant where labels name relevant documents only, unknown where people said more."""

from __future__ import annotations

from typing import Literal

import polars as pl
import pytest

from relsearch.core.tables import candidates_table, judgments_table
from relsearch.core.types import SCALES, Candidate, Judgment
from relsearch.data.assumed import with_assumed

SCALE = SCALES["binary"]
POSITIVE = [Judgment("q1", "a", 1, "human"), Judgment("q1", "outside", 1, "human")]
CANDIDATES = candidates_table(
    Candidate(query, doc, score=1 / rank, rank=rank, searcher="bm25")
    for query in ("q1", "unlabelled")
    for rank, doc in enumerate(("a", "b", "c"), 1)
)


def _assumed(unjudged: Literal["auto", "unknown", "irrelevant"], human: list[Judgment]) -> list[tuple[str, str, int]]:
    labels = with_assumed(judgments_table(human), CANDIDATES, unjudged=unjudged, scale=SCALE)
    assert labels.head(len(human)).equals(judgments_table(human))
    added = labels.filter(pl.col("source") == "assumed")
    assert added.height == labels.height - len(human)
    return added.select("query_id", "doc_id", "grade").rows()


@pytest.mark.parametrize("unjudged", ["auto", "irrelevant"])
def test_labels_of_relevant_documents_alone_make_the_rest_irrelevant(unjudged: Literal["auto", "irrelevant"]) -> None:
    """Candidates of labelled queries get the lowest grade; those of other queries get none."""
    assert _assumed(unjudged, POSITIVE) == [("q1", "b", 0), ("q1", "c", 0)]


def test_where_a_person_graded_irrelevant_the_rest_is_unknown() -> None:
    """One label of the lowest grade shows that people wrote those down too."""
    human = [*POSITIVE, Judgment("q1", "b", 0, "human")]
    assert _assumed("auto", human) == []
    assert _assumed("irrelevant", human) == [("q1", "c", 0)]


def test_unknown_adds_nothing() -> None:
    """The user's word counts, whatever the labels look like."""
    assert _assumed("unknown", POSITIVE) == []
