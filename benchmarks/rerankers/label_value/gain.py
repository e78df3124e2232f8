"""Differences of arms pooled over collections: what they gain, and how many labelled queries that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.deals import SEED

Floats = NDArray[np.float64]
Values = Mapping[str, Mapping[tuple[int, str], Floats]]  # NDCG@10 [seeds, queries] by collection, then k and arm
_RESAMPLES = 5000


def pooled_rows(
    values: Values, learnt: Mapping[str, int], ks: Sequence[int], *, arms: Sequence[str], human: str, every: str
) -> list[dict[str, Any]]:
    """Return, for each k and arm, the gain over the k labels alone, and what all labels gain over them (`gap`).

    `gap_closed` is the share of that gap. `labels_worth` is the number of labelled queries that alone come to the same,
    by the line through all k and the mean number of all labels. Both are None where the gap is not significant: a share
    of noise says nothing.
    """
    rows = []
    most = float(np.mean(list(learnt.values())))
    curve = [_mean(values, (k, human)) for k in ks] + [_mean(values, (-1, every))]
    for k in ks:
        gap = pooled_gain([found[-1, every] - found[k, human] for found in values.values()])
        for arm in arms:
            gain = pooled_gain([found[k, arm] - found[k, human] for found in values.values()])
            worth = labels_worth(_mean(values, (k, arm)), [*map(float, ks), most], curve)
            rows.append(
                {
                    "k": k,
                    "arm": arm,
                    **gain,
                    "gap": gap,
                    "gap_closed": gap_closed(gain, gap),
                    "labels_worth": worth if gap["low"] > 0 else None,
                }
            )
    return rows


def pooled_gain(differences: Sequence[Floats]) -> dict[str, float]:
    """Return the mean over collections of differences [seeds, queries], as `resampled` tells of them."""
    gain = float(np.mean([each.mean() for each in differences]))
    named = zip(("gain", "low", "high", "p"), (gain, *resampled(differences)), strict=True)
    return {name: round(value, 4) for name, value in named}


def gap_closed(gain: Mapping[str, float], gap: Mapping[str, float]) -> float | None:
    """Return the share of a gap that a gain closes, both as `pooled_gain` tells; None where the gap may be none."""
    return round(gain["gain"] / gap["gain"], 3) if gap["low"] > 0 else None


def resampled(differences: Sequence[Floats]) -> tuple[float, float, float]:
    """Return the 95 % interval of the mean over collections and its two-sided p, of differences [seeds, queries].

    A hierarchical bootstrap: collections are drawn, of each its seeds and its queries. With four collections the
    interval is wide on purpose: it speaks of a fifth.
    """
    rng = np.random.default_rng(SEED)
    means = np.array([[_draw(each, rng) for _ in range(_RESAMPLES)] for each in differences])
    drawn = rng.integers(0, len(differences), size=(_RESAMPLES, len(differences)))
    totals = means[drawn, np.arange(_RESAMPLES)[:, None]].mean(axis=1)
    low, high = np.percentile(totals, [2.5, 97.5])
    tail = min((totals <= 0).sum(), (totals >= 0).sum())
    return float(low), float(high), float(min(1.0, 2 * (tail + 1) / (_RESAMPLES + 1)))


def labels_worth(score: float, ks: Sequence[float], curve: Sequence[float]) -> float:
    """Return the number of labelled queries at which the curve, made monotone, first comes to a score."""
    rising = np.maximum.accumulate(curve)
    kept = [place for place in range(len(rising)) if place == 0 or rising[place] > rising[place - 1]]
    return round(float(np.interp(score, rising[kept], np.asarray(ks)[kept])), 1)


def _draw(differences: Floats, rng: np.random.Generator) -> float:
    seeds, queries = differences.shape
    seed_counts = np.bincount(rng.integers(0, seeds, seeds), minlength=seeds) / seeds
    query_counts = np.bincount(rng.integers(0, queries, queries), minlength=queries) / queries
    return float(seed_counts @ differences @ query_counts)


def _mean(values: Values, arm: tuple[int, str]) -> float:
    return float(np.mean([found[arm].mean() for found in values.values()]))
