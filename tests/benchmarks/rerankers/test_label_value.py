"""The student that trains in a second, and what is pooled of its gains."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.rerankers.label_value.adapter import Adapter, Candidates, Target
from benchmarks.rerankers.label_value.gain import labels_worth, pooled_rows, resampled

_RNG = np.random.default_rng(3)


def _pool(documents: int = 12, size: int = 8) -> Candidates:
    features = _RNG.normal(size=(documents, 2))
    vectors = _RNG.normal(size=(documents, size)).astype(np.float32)
    return Candidates(features, vectors, _RNG.normal(size=size).astype(np.float32))


def test_the_student_starts_as_the_ready_reranker() -> None:
    """Labels that the ready reranker's scores foretell leave its order as it is."""
    pool = _pool()
    student = Adapter.fit([Target(pool, np.exp(1.5 * pool.features[:, 0]))])
    assert np.array_equal(np.argsort(student.scores(pool)), np.argsort(pool.features[:, 0]))


def test_the_student_learns_what_vectors_say() -> None:
    """On queries that it never saw it finds the documents whose first numbers agree with the query's."""
    pools = [_pool() for _ in range(80)]
    targets = [Target(pool, np.exp(3.0 * pool.documents[:, 0] * pool.query[0])) for pool in pools]
    student = Adapter.fit(targets[:60])
    found = [each.gains[student.scores(each.candidates).argmax()] == each.gains.max() for each in targets[60:]]
    ready = [each.gains[each.candidates.features[:, 0].argmax()] == each.gains.max() for each in targets[60:]]
    assert np.mean(found) > np.mean(ready) + 0.3


def test_a_gain_everywhere_is_significant_and_one_of_two_is_not() -> None:
    """Collections are drawn too: what one of two gains and the other loses is no gain of others."""
    gain = np.full((2, 30), 0.05) + _RNG.normal(scale=0.05, size=(2, 30))
    low, _, p = resampled([gain, gain[:, ::-1]])
    assert low > 0
    assert p < 0.01
    assert resampled([gain, -gain / 2])[2] > 0.1


@pytest.mark.parametrize(("score", "worth"), [(0.40, 0.0), (0.43, 7.5), (0.44, 10.0), (0.50, 100.0)])
def test_a_score_is_worth_the_labels_that_reach_it(score: float, worth: float) -> None:
    """Between two numbers of labels the line counts, beyond all labels their number."""
    assert labels_worth(score, [0, 5, 10, 100], [0.40, 0.42, 0.44, 0.48]) == worth


def test_labels_that_gain_nothing_are_worth_nothing_known() -> None:
    """Without a gap neither its share nor the labels that it takes are defined."""
    same = np.zeros((1, 4))
    arms = {(0, "human"): same, (0, "judged"): same + 0.1, (-1, "all"): same}
    (row,) = pooled_rows({"one": arms}, {"one": 9}, [0], arms=["judged"], human="human", every="all")
    assert (row["gain"], row["gap_closed"], row["labels_worth"]) == (0.1, None, None)


def test_a_share_of_a_gap_and_its_labels() -> None:
    """Half of what nine labels gain is half of the gap, and worth half of the labels."""
    zero = np.zeros((1, 4))
    arms = {(0, "human"): zero, (0, "judged"): zero + 0.1, (-1, "all"): zero + 0.2}
    (row,) = pooled_rows({"one": arms}, {"one": 9}, [0], arms=["judged"], human="human", every="all")
    assert (row["gap"]["gain"], row["gap_closed"], row["labels_worth"]) == (0.2, 0.5, 4.5)
