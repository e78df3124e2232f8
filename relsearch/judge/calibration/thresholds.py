"""Cuts: the scores at which the next grade begins, fitted on held-out queries for what the user aims at.

kappa       four-grade Cohen's kappa, averaged over resamples of the queries: on few queries the best cuts of the
            sample itself follow its noise
mae         the mean distance between judged and human grade
frequency   the human grades' frequencies (ordinal.matching_thresholds)

For cuts c_1 <= c_2 <= …, both the observed and the chance agreement of kappa are sums of one term a cut, as is the
error. So each candidate's terms are counted once, cumulatively over the sorted scores, and a search only adds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relsearch.core.errors import DataError
from relsearch.core.settings.config import Aim
from relsearch.core.types import Scale
from relsearch.stats.bootstrap import query_draws
from relsearch.stats.ordinal import matching_thresholds

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_RESAMPLES = 100
# Places between scores that kappa's search tries, at quantiles: every place of 2,000 pairs; few megabytes.
_PLACES = 2000
# On noisy samples of 3,000 pairs 6 random starts found what 100 did.
_RANDOM_STARTS = 12


def fit_thresholds(
    scores: ArrayLike,
    grades: Sequence[int] | NDArray[np.int64],
    query_ids: Sequence[str],
    scale: Scale,
    *,
    aim: Aim,
    seed: int,
) -> tuple[float, ...]:
    """Return the cuts that serve the aim best, one per grade above the lowest, in non-decreasing order.

    A grade that the aim never wants has both its cuts at one place. Raise DataError on unusable input.
    """
    frequency = matching_thresholds(scores, grades, scale)
    values, levels = np.asarray(scores, dtype=np.float64), np.asarray(grades, dtype=np.int64) - scale.lowest
    if len(query_ids) != len(values):
        raise DataError(f"cuts: {len(query_ids)} query ids for {len(values)} scores; give one query id a score")
    if aim == "frequency":
        return frequency
    error = _mae_cuts(values, levels, scale)
    if aim == "mae":
        return error
    places = _thinned(_places(values), values)
    queries = np.unique(np.asarray(query_ids), return_inverse=True)[1]
    terms = _terms(_below(values, levels, queries, places, scale, seed=seed))
    starts = [_nearest(places, cuts) for cuts in (frequency, error)]
    return tuple(float(places[place]) for place in _search(terms, [*starts, *_random_starts(terms, seed)]))


@dataclass(frozen=True, slots=True)
class _Terms:
    """What a cut at each place adds to the agreement, shape [cuts, resamples, places], and what is there without."""

    observed: Floats
    chance: Floats
    observed_base: Floats
    chance_base: Floats

    def kappa(self, observed: Floats, chance: Floats) -> Floats:
        """Return the mean kappa over resamples [resamples, n] of the sums of terms, shape [n]."""
        possible = np.maximum(1 - chance, 1e-12)
        return np.asarray(np.where(chance < 1, (observed - chance) / possible, 0.0).mean(axis=0), dtype=np.float64)


def _places(values: Floats) -> Floats:
    """Every place that a cut can take: under the lowest score, between two neighbours, over the highest."""
    distinct = np.unique(values)
    middle = distinct[:-1] + np.diff(distinct) / 2
    between = np.where(middle > distinct[:-1], middle, distinct[1:])
    return np.concatenate([distinct[:1], between, [np.nextafter(distinct[-1], np.inf)]])


def _thinned(places: Floats, values: Floats) -> Floats:
    if len(places) <= _PLACES:
        return places
    wanted = np.quantile(values, np.linspace(0, 1, _PLACES - 1))
    kept = np.unique(np.searchsorted(places, wanted))
    return np.asarray(places[np.unique(np.concatenate([[0], kept, [len(places) - 1]]))], dtype=np.float64)


def _nearest(places: Floats, cuts: Sequence[float]) -> Indices:
    return np.minimum(np.searchsorted(places, np.asarray(cuts)), len(places) - 1)


def _mae_cuts(values: Floats, levels: Indices, scale: Scale) -> tuple[float, ...]:
    """The error is a sum over cuts of the pairs on their wrong side, so each cut is best by itself."""
    places = _places(values)
    order = np.argsort(values, kind="stable")
    below = np.searchsorted(values[order], places)
    cuts = []
    for level in range(1, len(scale.names)):
        missed = np.concatenate([[0], np.cumsum(levels[order] >= level)])[below]
        # Under the cut: better pairs are wrong there, worse ones right. The first best place keeps cuts in order.
        cuts.append(float(places[np.argmin(missed - (below - missed))]))
    return tuple(cuts)


def _below(values: Floats, levels: Indices, queries: Indices, places: Floats, scale: Scale, *, seed: int) -> Floats:
    """Each resample's share of pairs that lie under each place, by grade: [resamples, places + 1, grades]."""
    counts = np.zeros((int(queries.max()) + 1, len(places) + 1, len(scale.names)))
    np.add.at(counts, (queries, np.searchsorted(places, values, side="right"), levels), 1)
    draws = query_draws(len(counts), resamples=_RESAMPLES, seed=seed).astype(np.float64)
    draws = draws if len(draws) else np.ones((1, 1))  # a single query is not resampled
    below = np.tensordot(draws, np.cumsum(counts, axis=1), axes=1)
    return np.asarray(below / below[:, -1].sum(axis=1)[:, None, None], dtype=np.float64)


def _terms(below: Floats) -> _Terms:
    grades = below[:, -1]
    shares = below[:, :-1].sum(axis=2)
    cuts = range(1, grades.shape[1])
    observed = np.stack([below[:, :-1, cut - 1] - below[:, :-1, cut] for cut in cuts])
    chance = np.stack([shares * (grades[:, cut - 1] - grades[:, cut])[:, None] for cut in cuts])
    return _Terms(observed, chance, grades[:, -1:], grades[:, -1:])


def _random_starts(terms: _Terms, seed: int) -> Iterator[Indices]:
    rng = np.random.default_rng(seed)
    for _ in range(_RANDOM_STARTS):
        yield np.sort(rng.integers(0, terms.observed.shape[2], size=len(terms.observed)))


def _search(terms: _Terms, starts: Sequence[Indices]) -> Indices:
    climbed = [_climb(terms, start) for start in starts]
    return max(climbed, key=lambda found: found[0])[1]


def _climb(terms: _Terms, start: Indices) -> tuple[float, Indices]:
    """Move one cut at a time to its best place between its neighbours until none gains."""
    chosen, best, gained = start.copy(), -np.inf, True
    while gained:
        gained = False
        for cut in range(len(chosen)):
            kappas, lowest = _along(terms, chosen, cut)
            place = int(np.argmax(kappas))
            if kappas[place] > best + 1e-12:
                best, gained = float(kappas[place]), True
                chosen[cut] = lowest + place
    return best, chosen


def _along(terms: _Terms, chosen: Indices, cut: int) -> tuple[Floats, int]:
    lowest = int(chosen[cut - 1]) if cut else 0
    highest = int(chosen[cut + 1]) if cut + 1 < len(chosen) else terms.observed.shape[2] - 1
    observed, chance = terms.observed_base.copy(), terms.chance_base.copy()
    for other, place in enumerate(chosen):
        if other != cut:
            observed += terms.observed[other, :, place, None]
            chance += terms.chance[other, :, place, None]
    span = slice(lowest, highest + 1)
    return terms.kappa(observed + terms.observed[cut, :, span], chance + terms.chance[cut, :, span]), lowest
