"""The posterior of normal effects on ordinal logits, given the levels of some rows, by Laplace's approximation.

Levels follow proportional odds: logit P(level >= k) is a row's own plus its effect. The effects are normal with mean 0
and a given covariance (Rasmussen and Williams 2006, chapter 3.4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Levels = NDArray[np.int64]

_JITTER = 1e-6
_STEPS, _TOLERANCE = 30, 1e-5  # of Newton's method; it needs about five
_LEAST = 1e-9


@dataclass(frozen=True, slots=True)
class Posterior:
    """The posterior of the known rows' effects, shape [known] each.

    The mean effect of any row is its covariance with the known rows times `gradient`. `left_out` is the mean effect of
    each known row, predicted from the others without its own level (Vehtari et al. 2016).
    """

    gradient: Floats
    left_out: Floats


def posterior(logits: Floats, levels: Levels, covariance: Floats) -> Posterior:
    """Return the posterior given the rows' levels; logits are [known, levels - 1], the covariance is [known, known]."""
    covariance = covariance + _JITTER * np.eye(len(levels))
    effects = np.zeros(len(levels))
    for _ in range(_STEPS):
        gradient, curvature = _slopes(logits, levels, effects)
        wanted = curvature * effects + gradient
        before, effects = effects, covariance @ (wanted - _solved(curvature, covariance, covariance @ wanted))
        if np.abs(effects - before).max() < _TOLERANCE:
            break
    gradient, curvature = _slopes(logits, levels, effects)
    variance = np.diag(covariance - covariance @ _solved(curvature, covariance, covariance))
    variance = np.maximum(variance, _LEAST)
    precision = np.maximum(1 / variance - curvature, _LEAST)
    return Posterior(gradient, (effects / variance - curvature * effects - gradient) / precision)


def log_likelihood(logits: Floats, levels: Levels, effects: Floats) -> float:
    """Return the sum of log P(level) of rows whose effects are known."""
    reached, passed = _around(logits, levels, effects)
    return float(np.log(np.maximum(reached - passed, _LEAST)).sum())


def _solved(curvature: Floats, covariance: Floats, right: Floats) -> Floats:
    """(covariance + curvature^-1)^-1 times the right side, without an inverse of either."""
    root = np.sqrt(curvature)
    scaled = np.eye(len(root)) + root[:, None] * covariance * root
    columns = right if right.ndim == 2 else right[:, None]
    found = root[:, None] * np.linalg.solve(scaled, root[:, None] * columns)
    return np.asarray(found if right.ndim == 2 else found[:, 0])


def _slopes(logits: Floats, levels: Levels, effects: Floats) -> tuple[Floats, Floats]:
    """First and negative second derivative of log P(level) by the effect."""
    reached, passed = _around(logits, levels, effects)
    return 1 - reached - passed, np.maximum(reached * (1 - reached) + passed * (1 - passed), _LEAST)


def _around(logits: Floats, levels: Levels, effects: Floats) -> tuple[Floats, Floats]:
    """P(at least the row's level) and P(more than it)."""
    from scipy.special import expit

    above = expit(logits + effects[:, None])
    edges = np.column_stack([np.ones(len(levels)), above, np.zeros(len(levels))])
    rows = np.arange(len(levels))
    return edges[rows, levels], edges[rows, levels + 1]
