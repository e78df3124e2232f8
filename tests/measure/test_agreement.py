"""Agreement: the textbook figures, their intervals, and published values on real labels."""

from __future__ import annotations

import json
from pathlib import Path

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from relsearch.core.errors import DataError
from relsearch.core.tables import judgments_table
from relsearch.core.types import SCALES, Judgment
from relsearch.data.trec import read_qrels
from relsearch.measure.agreement import Agreement, agreement, auc
from relsearch.stats.bootstrap import Figure

SCALE = SCALES["0-3"]
GRADES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=4, max_size=60)


def _agreement(grades: list[tuple[int, int]], expected: list[float] | None = None) -> Agreement:
    human = [Judgment(f"q{row % 3}", f"d{row}", grade, "human") for row, (grade, _) in enumerate(grades)]
    scores: list[float | None] = list(expected) if expected else [None] * len(grades)
    judged = [
        Judgment(f"q{row % 3}", f"d{row}", grade, "judge", "j", expected=score)
        for row, ((_, grade), score) in enumerate(zip(grades, scores, strict=True))
    ]
    return agreement(judgments_table(human), judgments_table(judged), SCALE, resamples=200, seed=1)


def test_a_pair_without_a_human_grade_is_left_out() -> None:
    """As one without a judged grade is."""
    judged = [Judgment("q", doc, grade, "judge", "j") for doc, grade in {"a": 0, "b": 3, "c": 1}.items()]
    human = [Judgment("q", "a", 0, "human"), Judgment("q", "b", 2, "human")]
    tables = [judgments_table(each) for each in (human, [*human, Judgment("q", "c", None, "human")])]
    found = [agreement(each, judgments_table(judged), SCALE, resamples=100, seed=1) for each in tables]
    assert found[0] == found[1]
    assert found[1].pairs == 2


@settings(max_examples=50)
@given(GRADES)
def test_figures_equal_the_reference_implementations(grades: list[tuple[int, int]]) -> None:
    """Kappa, quadratic kappa and ordinal alpha equal scikit-learn's and krippendorff's."""
    human, judged = np.array(grades).T
    found = _agreement(grades)
    assert (found.kappa is None) == (found.kappa_quadratic is None) == (len(set(human)) == 1)
    if found.kappa and found.kappa_quadratic:
        assert found.kappa.value == pytest.approx(cohen_kappa_score(human, judged), abs=1e-12)
        quadratic = cohen_kappa_score(human, judged, labels=SCALE.grades, weights="quadratic")
        assert found.kappa_quadratic.value == pytest.approx(quadratic, abs=1e-12)
    assert (found.alpha_ordinal is None) == (len({*human, *judged}) == 1)
    if found.alpha_ordinal:
        alpha = krippendorff.alpha(np.stack([human, judged]), level_of_measurement="ordinal")
        assert found.alpha_ordinal.value == pytest.approx(alpha, abs=1e-9)
    assert found.mae.value == pytest.approx(np.abs(human - judged).mean())


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 3)), min_size=1, max_size=40))
def test_auc_equals_scikit_learns(rows: list[tuple[int, bool, int]]) -> None:
    """With weights and ties; it is nan where scikit-learn has none."""
    scores, relevant, weights = (np.array(column) for column in zip(*rows, strict=True))
    found = auc(scores.astype(float), relevant, weights.astype(float))
    if len(set(relevant[weights > 0])) < 2:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(roc_auc_score(relevant, scores, sample_weight=weights))


def test_missing_labels_are_not_compared() -> None:
    """A pair that the judge gave no grade counts neither for nor against it."""
    human = judgments_table(Judgment("q", f"d{grade}", grade, "human") for grade in SCALE.grades)
    judged = [Judgment("q", f"d{grade}", grade, "judge", "j", expected=float(grade)) for grade in (0, 1, 2)]
    missing = Judgment("q", "d3", None, "judge", "j")
    found = agreement(human, judgments_table([*judged, missing]), SCALE, resamples=200, seed=1)
    assert (found.pairs, found.accuracy.value) == (3, 1.0)
    assert found.auc is not None


@pytest.mark.parametrize(
    ("year", "labels", "kappa", "binary"),
    [
        ("trec-dl-2019", "gpt4", 0.338, 0.512),
        ("trec-dl-2019", "deepseekv3", 0.360, 0.518),
        ("trec-dl-2019", "llama3-8b", 0.108, 0.244),
        ("trec-dl-2021", "gpt4", 0.346, 0.473),
    ],
)
def test_published_labels_give_the_published_kappas(
    collections: Path, year: str, labels: str, kappa: float, binary: float
) -> None:
    """On all judged pairs of a TREC year, larger models' labels agree as far as was published."""
    human = read_qrels(collections / year / "qrels.tsv", SCALE)
    judged = read_qrels(collections / year / f"llm_{labels}_umbrela.tsv", SCALE)
    found = agreement(human, judged, SCALE, resamples=500, seed=1)
    assert found.kappa is not None
    assert found.kappa_binary is not None
    assert (found.kappa.value, found.kappa_binary.value) == pytest.approx((kappa, binary), abs=5e-4)
    assert found.kappa.low < found.kappa.value < found.kappa.high


def test_perfect_and_constant_judges() -> None:
    """A judge that repeats the humans has kappa 1 and AUC 1; one that always says one grade has kappa 0."""
    human = [0, 1, 2, 3, 0, 3]
    perfect = _agreement([(grade, grade) for grade in human], [float(grade) for grade in human])
    constant = _agreement([(grade, 1) for grade in human])
    figures = perfect.to_json()
    assert [figures[name]["value"] for name in ("kappa", "alpha_ordinal", "mae", "auc")] == [1, 1, 0, 1]
    assert constant.kappa == Figure(0, 0, 0)
    assert constant.auc is None
    assert sum(map(sum, constant.confusion)) == len(human)


def test_over_rating_has_a_sign() -> None:
    """A judge that is one grade too kind over-rates by 1."""
    assert _agreement([(0, 1), (1, 2), (2, 3), (0, 1)]).over_rating.value == 1


def test_labels_without_a_common_pair_are_refused() -> None:
    """Comparing labels of different collections is an error, not a zero."""
    human = judgments_table([Judgment("q", "a", 1, "human")])
    judged = judgments_table([Judgment("q", "b", 1, "judge")])
    with pytest.raises(DataError, match="no pair has both"):
        agreement(human, judged, SCALE, resamples=100, seed=1)


def test_a_grade_outside_the_scale_is_named() -> None:
    """A label of another scale is refused."""
    human = judgments_table([Judgment("q", "a", 4, "human")])
    with pytest.raises(DataError, match="grade 4 is outside scale 0-3"):
        agreement(human, human, SCALE, resamples=100, seed=1)


def test_where_all_pairs_are_relevant_there_is_no_auc() -> None:
    """Held-out labels of relevant documents alone: the other figures stand, and nothing warns."""
    found = _agreement([(3, 3), (2, 1), (3, 2)], expected=[2.9, 1.2, 2.1])
    assert found.auc is None
    assert found.auc_within_query is None
    assert found.mae.value == pytest.approx(2 / 3)


KAPPAS = {"kappa", "kappa_binary", "kappa_quadratic"}
AUCS = {"auc", "auc_within_query"}


@pytest.mark.parametrize(
    ("grades", "undefined", "note"),
    [
        ([(0, 2)], {*KAPPAS, "alpha_ordinal"}, "every human label is of grade 0"),
        ([(3, 3)] * 6, {*KAPPAS, "alpha_ordinal"}, "every human label is of grade 3"),
        ([(3, 3), (3, 0)] * 6, KAPPAS, "every human label is of a relevant document"),
        ([(0, 0), (1, 1)] * 6, {"kappa_binary"}, "no human label reaches grade 2"),
        ([(2, 0), (3, 1)] * 6, {"kappa_binary"}, "every human label is of a relevant document"),
    ],
)
def test_what_the_labels_cannot_tell_is_not_defined(
    grades: list[tuple[int, int]], undefined: set[str], note: str
) -> None:
    """A dash in the table and null in JSON, not 0 or 1, and a note that says why."""
    found = _agreement(grades, [float(judged) for _, judged in grades])
    as_json = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert {name for name, figure in as_json.items() if figure is None} == undefined | AUCS
    rows = [line.split() for line in found.to_table().splitlines()]
    assert {row[0] for row in rows if row[1:] == ["-", "-"]} == undefined | AUCS
    assert any(line.startswith(note) for line in found.notes)


def test_one_query_has_values_without_intervals() -> None:
    """Its pairs say nothing of other queries."""
    labels = judgments_table(Judgment("q", f"d{grade}", grade, "human") for grade in SCALE.grades)
    found = agreement(labels, labels, SCALE, resamples=200, seed=1)
    assert found.to_json()["kappa"] == {"value": 1.0, "low": None, "high": None}
    assert found.notes == ("all pairs are of one query: there are no intervals",)


def test_a_notebook_shows_figures_and_confusion() -> None:
    """Kappa with its interval, and the counts by people's grade."""
    found = _agreement([(0, 0), (1, 1), (2, 3), (3, 3)])
    shown = found._repr_html_()
    assert found.kappa is not None
    assert f'<th scope="row">kappa</th><td>{found.kappa.value:.3f}</td>' in shown
    assert '<th scope="row">2</th><td>0</td><td>0</td><td>0</td><td>1</td>' in shown
