"""Retrieval features: what each column says of a pair, and what it takes to know it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from relsearch.core.query_pool import pools_of, rows_by_query
from relsearch.core.settings.config import EncoderConfig, RetrievalFeature
from relsearch.core.types import Pair, Scale
from relsearch.encoders.encoder import Encoder, Vectors, load_encoder
from relsearch.judge.retrieval_features import Floats, RetrievalFeatures, columns_of

_ALL: tuple[RetrievalFeature, ...] = get_args(RetrievalFeature)


class _Unasked(Encoder):
    """An encoder that must not be used."""

    def __init__(self) -> None:
        pass

    def vectors(self, pairs: Sequence[Pair]) -> tuple[Vectors, Vectors]:
        """Fail."""
        raise AssertionError("encoded without need")


@pytest.fixture(scope="module")
def encoder(tiny_bert: Path) -> Encoder:
    """A random encoder, exact, so that a cosine does not depend on its batch."""
    return load_encoder(EncoderConfig(model=str(tiny_bert)), exact=True)


@pytest.fixture(scope="module")
def cosines(encoder: Encoder, pairs: list[Pair]) -> Floats:
    """The cosine of each pair."""
    return encoder.cosines(pairs).astype(np.float64)


def _columns(pairs: list[Pair], encoders: list[Encoder], names: Sequence[RetrievalFeature]) -> Floats:
    return columns_of(pools_of(pairs), encoders, names)


def _column(name: RetrievalFeature, pairs: list[Pair], encoder: Encoder) -> Floats:
    return _columns(pairs, [encoder], [name])[:, 0]


def test_the_cosine_is_the_encoder_s(encoder: Encoder, pairs: list[Pair], cosines: Floats) -> None:
    """The plain column knows nothing of pools."""
    np.testing.assert_allclose(_column("cosine", pairs, encoder), cosines, atol=1e-6)
    np.testing.assert_allclose(_column("cosine", pairs[3:4], encoder), cosines[3:4], atol=1e-5)


def test_feedback_is_the_cosine_with_the_query_moved_to_the_best_others(encoder: Encoder, pairs: list[Pair]) -> None:
    """Of two candidates it is the cosine with the sum of query and other; one alone has the plain cosine."""
    two = pairs[:2]
    queries, texts = encoder.vectors(two)
    moved = queries + texts[::-1]
    expected = np.einsum("nd,nd->n", texts, moved) / np.linalg.norm(moved, axis=1)
    np.testing.assert_allclose(_column("cosine_feedback", two, encoder), expected, atol=1e-5)
    np.testing.assert_allclose(_column("cosine_feedback", two[:1], encoder), encoder.cosines(two[:1]), atol=1e-5)


def test_contrast_is_likeness_to_the_best_less_likeness_to_all(encoder: Encoder, pairs: list[Pair]) -> None:
    """Nothing for one candidate or two, which have no others to choose from; among three the better other counts."""
    for alone in (pairs[:1], pairs[:2]):
        np.testing.assert_allclose(_column("cosine_contrast", alone, encoder), 0, atol=1e-6)
    three = pairs[:3]
    _, texts = encoder.vectors(three)
    cosines = _column("cosine", three, encoder)
    weights = np.exp(2 * (cosines - cosines.mean()) / cosines.std())
    first = (weights[1] - weights[2]) / (weights[1] + weights[2]) / 2 * texts[0] @ (texts[1] - texts[2])
    np.testing.assert_allclose(_column("cosine_contrast", three, encoder)[0], first, atol=1e-5)


def test_z_has_mean_zero_and_deviation_one_in_each_pool(encoder: Encoder, pairs: list[Pair]) -> None:
    """Pools of easy and of hard queries are made alike; a pool of one gets 0."""
    z = _column("cosine_z", pairs, encoder)
    for pool in rows_by_query(pairs):
        assert z[pool].mean() == pytest.approx(0.0, abs=1e-9)
        assert z[pool].std() == pytest.approx(1.0)
    assert _column("cosine_z", pairs[:1], encoder)[0] == 0.0


def test_equal_texts_have_equal_columns(encoder: Encoder, pairs: list[Pair]) -> None:
    """Twins in a pool are told apart by no column."""
    values = _columns([*pairs[:4], pairs[2]], [encoder], _ALL)
    np.testing.assert_array_equal(values[2], values[4])


def test_columns_stand_in_the_order_asked(encoder: Encoder, pairs: list[Pair]) -> None:
    """Names decide places."""
    np.testing.assert_array_equal(
        _columns(pairs, [encoder], _ALL)[:, ::-1], _columns(pairs, [encoder], tuple(reversed(_ALL)))
    )


@pytest.mark.parametrize("names", [(), *((name,) for name in _ALL), ("cosine", "cosine_z")])
def test_what_depends_on_the_pool_says_so(
    encoder: Encoder, pairs: list[Pair], grades: list[int], scale: Scale, names: tuple[RetrievalFeature, ...]
) -> None:
    """`depend_on_pool` is true exactly where leaving out a query's other documents changes a score."""
    pools = pools_of(pairs)
    features, known = RetrievalFeatures.fit(pools, grades, encoders=[encoder], names=names, scale=scale)
    alone = [features.scores([pools[0].part([row])])[0] for row in range(10)]
    assert features.depend_on_pool == (not np.allclose(alone, known[:10], atol=1e-3))
    assert features.depend_on_pool == any(name != "cosine" for name in names)


def test_without_names_nothing_is_encoded(pairs: list[Pair], grades: list[int], scale: Scale) -> None:
    """A judge without retrieval features needs no encoder; every document has 0."""
    pools = pools_of(pairs)
    features, known = RetrievalFeatures.fit(pools, grades, encoders=[_Unasked()], names=(), scale=scale)
    np.testing.assert_array_equal(known, np.zeros(len(pairs)))
    np.testing.assert_array_equal(features.scores(pools), known)


def test_fitted_scores_are_found_again(encoder: Encoder, pairs: list[Pair], grades: list[int], scale: Scale) -> None:
    """The scores that fit returns are those of the same pools later."""
    pools = pools_of(pairs)
    features, known = RetrievalFeatures.fit(pools, grades, encoders=[encoder], names=_ALL, scale=scale)
    assert known.std() > 0
    np.testing.assert_allclose(features.scores(pools), known, atol=1e-5)


def test_the_order_of_documents_and_pools_does_not_matter(
    encoder: Encoder, pairs: list[Pair], grades: list[int], scale: Scale
) -> None:
    """Each document has its score wherever it stands."""
    features, known = RetrievalFeatures.fit(pools_of(pairs), grades, encoders=[encoder], names=_ALL, scale=scale)
    order = random.Random(5).sample(range(len(pairs)), len(pairs))  # noqa: S311
    mixed = [pairs[row] for row in order]
    places = [order[row] for rows in rows_by_query(mixed) for row in rows]
    np.testing.assert_allclose(features.scores(pools_of(mixed)), known[places], atol=1e-4)


def test_two_pools_of_one_query_are_two(encoder: Encoder, pairs: list[Pair], grades: list[int], scale: Scale) -> None:
    """A pool is what is given as one, whatever else the query has."""
    features, _ = RetrievalFeatures.fit(pools_of(pairs), grades, encoders=[encoder], names=_ALL, scale=scale)
    halves = [pools_of(pairs[:5])[0], pools_of(pairs[5:10])[0]]
    each = np.concatenate([features.scores([half]) for half in halves])
    np.testing.assert_allclose(features.scores(halves), each, atol=1e-5)


def test_a_second_encoder_gives_every_column(
    encoder: Encoder, pairs: list[Pair], grades: list[int], scale: Scale
) -> None:
    """Its own, after the first one's."""
    other = load_encoder(EncoderConfig(model=encoder.config.model, query_prefix="other "))
    names: tuple[RetrievalFeature, ...] = ("cosine", "cosine_z")
    pools = pools_of(pairs)
    features, known = RetrievalFeatures.fit(pools, grades, encoders=[encoder, other], names=names, scale=scale)
    assert features.blend.columns == ("cosine", "cosine_z", "cosine:2", "cosine_z:2")
    values = columns_of(pools, [encoder, other], names)
    np.testing.assert_array_equal(values[:, :2], columns_of(pools, [encoder], names))
    np.testing.assert_array_equal(values[:, 2:], columns_of(pools, [other], names))
    np.testing.assert_allclose(values[:, 2], other.cosines(pairs), atol=1e-6)
    np.testing.assert_allclose(features.scores(pools), known, atol=1e-6)
