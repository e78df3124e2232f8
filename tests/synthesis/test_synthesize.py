"""Synthetic queries: diverse seeds, filters that count what they keep, negatives that are none of the relevant."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from relsearch.core.settings.config import SynthesizeConfig
from relsearch.core.tables import candidates_table
from relsearch.core.types import SCALES, Candidate
from relsearch.synthesis.synthesize import (
    FilterCounts,
    distinct,
    diverse,
    filter_counts,
    identified,
    labelled,
    passed,
    round_trip,
    sample,
    to_judge,
)

DOCS = [f"d{number}" for number in range(12)]
WRITTEN = identified(
    [
        ("how do tides work", "d1", "llm"),
        ("how do tides work?", "d2", "titles"),
        ("spring and neap tides", "d3", "titles"),
        ("why do cats purr", "d4", "llm"),
    ]
)


def _pool(ranked: dict[str, list[str]]) -> pl.DataFrame:
    return candidates_table(
        Candidate(query, doc, -float(rank), rank, "x")
        for query, docs in ranked.items()
        for rank, doc in enumerate(docs, 1)
    )


def test_seeds_come_from_every_cluster() -> None:
    """Of three far groups of unlike size three seeds are one of each; the same seed gives the same rows."""
    rng = np.random.default_rng(1)
    centres = np.repeat(np.eye(3) * 10, (50, 5, 5), axis=0)
    vectors = (centres + rng.normal(size=centres.shape)).astype(np.float32)
    rows = diverse(vectors, 3, seed=7)
    assert [0 <= rows[0] < 50, 50 <= rows[1] < 55, 55 <= rows[2] < 60] == [True] * 3
    assert diverse(vectors, 3, seed=7) == rows
    assert diverse(vectors[:2], 3, seed=7) == [0, 1]


def test_a_sample_does_not_depend_on_order() -> None:
    """Shuffled ids give the same sample, another seed another one."""
    assert sample(DOCS, 5, seed=1) == sample(reversed(DOCS), 5, seed=1)
    assert sample(DOCS, 5, seed=1) != sample(DOCS, 5, seed=2)
    assert sample(DOCS, 50, seed=1) == sorted(DOCS)


def test_repeats_of_each_other_and_of_known_queries_go() -> None:
    """The first of two like queries stays, and none that people asked already."""
    found = distinct(WRITTEN, ["Why do cats purr?"], threshold=0.8)
    assert [(query.doc_id, query.source) for query in found] == [("d1", "llm"), ("d3", "titles")]
    assert distinct([*WRITTEN, WRITTEN[0]], [], threshold=1.0) == [WRITTEN[0], WRITTEN[2], WRITTEN[3]]


def test_a_query_must_find_its_own_document() -> None:
    """Found at the depth it passes; found below or not at all it goes."""
    ids = [query.query_id for query in WRITTEN]
    pool = _pool({ids[0]: ["d9", "d1"], ids[2]: ["d9", "d8", "d3"], ids[3]: ["d9"]})
    assert round_trip(WRITTEN, pool, depth=2) == [WRITTEN[0]]
    assert round_trip(WRITTEN, pool, depth=3) == [WRITTEN[0], WRITTEN[2]]


def test_negatives_are_asked_for_once_and_never_the_source() -> None:
    """Hard ones are the head of the pool, random ones come from outside it, and order does not matter."""
    config = SynthesizeConfig(hard_negatives=2, random_negatives=3)
    pool = _pool({WRITTEN[0].query_id: ["d5", "d1", "d6", "d7", "d8", "d9"]})
    table = to_judge(WRITTEN[:1], pool, DOCS, config, seed=1)
    by_role = dict(table.group_by("role").agg("doc_id").iter_rows())
    assert by_role["source"] == ["d1"]
    assert by_role["hard"] == ["d5", "d6", "d7", "d8"]
    assert len(by_role["random"]) == 3
    assert set(by_role["random"]) <= set(DOCS) - {"d1", "d5", "d6", "d7", "d8", "d9"}
    assert to_judge(WRITTEN[:1], pool, DOCS, config, seed=1).equals(table)
    assert to_judge([], pool, DOCS, config, seed=1).height == 0


@pytest.mark.parametrize(
    ("grades", "expected"),
    [
        ({"d1": 3, "d5": 0, "d6": 2, "d7": 1, "d8": 0, "d2": 0}, ["d1", "d2", "d5", "d7"]),
        ({"d1": 3, "d5": 3, "d6": 3, "d7": 2, "d8": 2, "d2": 3}, ["d1"]),
        ({"d1": 1, "d5": 0, "d6": 0, "d7": 0, "d8": 0, "d2": 0}, []),
    ],
)
def test_no_negative_is_one_that_the_judge_calls_relevant(grades: dict[str, int], expected: list[str]) -> None:
    """Relevant candidates are skipped for the next ones; a query whose own document is not relevant goes whole."""
    roles = {"d1": "source", "d2": "random"}
    judged = pl.DataFrame(
        [("q", doc, grade, roles.get(doc, "hard")) for doc, grade in grades.items()],
        schema=["query_id", "doc_id", "grade", "role"],
        orient="row",
    )
    config = SynthesizeConfig(hard_negatives=2, random_negatives=1)
    assert labelled(passed(judged, SCALES["0-3"]), config, SCALES["0-3"])["doc_id"].to_list() == expected


def test_queries_pass_whole_or_not_at_all() -> None:
    """All that was graded beside an own document stays if the judge calls that relevant, in the order of the pool."""
    rows = [("q1", "d2", 3, "hard"), ("q1", "d1", 2, "source"), ("q2", "d3", 1, "source"), ("q2", "d1", 3, "random")]
    judged = pl.DataFrame(rows, schema=["query_id", "doc_id", "grade", "role"], orient="row")
    assert passed(judged, SCALES["0-3"]).rows() == rows[:2]


def test_no_negatives_may_be_wanted() -> None:
    """Then the source document stands alone."""
    rows = [("q", "d1", 3, "source"), ("q", "d2", 0, "hard"), ("q", "d3", 0, "random")]
    judged = pl.DataFrame(rows, schema=["query_id", "doc_id", "grade", "role"], orient="row")
    config = SynthesizeConfig(hard_negatives=0, random_negatives=0)
    assert labelled(judged, config, SCALES["0-3"]).rows() == rows[:1]


def test_each_filter_is_counted_by_source() -> None:
    """One row a source, that which wrote nothing too, then all."""
    rows = filter_counts((WRITTEN, WRITTEN[:3], WRITTEN[1:3], WRITTEN[2:3]), sources=("headings", "llm"))
    assert rows == [
        FilterCounts("headings", 0, 0, 0, 0),
        FilterCounts("llm", 2, 1, 0, 0),
        FilterCounts("titles", 2, 2, 2, 1),
        FilterCounts("all", 4, 3, 2, 1),
    ]
