"""Cumulative-link model: a score becomes a distribution over ordered grades.

P(grade >= k | s) = sigmoid(slope * z(s) - threshold_k), with slope > 0 and thresholds in increasing order, by
maximum likelihood (McCullagh 1980, proportional odds); z standardises by the fitting data's mean and deviation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from relsearch.core.errors import DataError, ModelError, model_fault
from relsearch.core.types import Scale
from relsearch.stats.deviation import standard_deviation

Floats = NDArray[np.float64]

# A weak pull of every threshold and the log-slope towards 0: keeps separable or one-grade data finite.
_RIDGE = 1e-3
_FLOOR = 1e-6


class _Fields(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    deviation: float
    slope: float
    thresholds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CumulativeLink:
    """A fitted model; `thresholds` has one entry per grade above the lowest."""

    mean: float
    deviation: float
    slope: float
    thresholds: tuple[float, ...]

    @classmethod
    def fit(cls, scores: ArrayLike, grades: Sequence[int] | NDArray[np.int64], scale: Scale) -> CumulativeLink:
        """Fit slope and thresholds by penalised maximum likelihood; raise DataError on unusable input."""
        from scipy.optimize import minimize

        values = np.asarray(scores, dtype=np.float64)
        levels = np.asarray(grades, dtype=np.int64) - scale.lowest
        _check(values, levels, scale)
        mean, deviation = float(values.mean()), float(standard_deviation(values)) or 1.0
        standardised = (values - mean) / deviation
        solution = minimize(_loss, _start(levels, scale), args=(standardised, levels), method="L-BFGS-B")
        slope, thresholds = _unpack(solution.x)
        return cls(mean, deviation, slope, tuple(float(value) for value in thresholds))

    def logits(self, scores: ArrayLike) -> Floats:
        """Return slope * z(score), shape [n]: the ordinal score before the thresholds."""
        return self.slope * (np.asarray(scores, dtype=np.float64) - self.mean) / self.deviation

    def probabilities(self, scores: ArrayLike) -> Floats:
        """Return P(grade | score), shape [n, grades], lowest grade first; every entry is above 0, rows sum to 1."""
        return distribution(self.logits(scores)[:, None] - np.asarray(self.thresholds))

    def to_json(self) -> dict[str, float | list[float]]:
        """Return the fitted numbers as JSON values."""
        return {
            "mean": self.mean,
            "deviation": self.deviation,
            "slope": self.slope,
            "thresholds": list(self.thresholds),
        }

    @classmethod
    def from_json(cls, value: object) -> CumulativeLink:
        """Return the model that to_json wrote; raise ModelError if the value is not one."""
        try:
            fields = _Fields.model_validate(value)
        except ValidationError as exc:
            raise ModelError(f"calibration: {model_fault(exc)}; tune again") from exc
        return cls(fields.mean, fields.deviation, fields.slope, fields.thresholds)


def distribution(logits: Floats) -> Floats:
    """Return P(grade), lowest first, from logit P(grade >= k) of the grades above the lowest, in the last axis.

    Every entry is above 0, and rows sum to 1.
    """
    from scipy.special import expit

    reached = expit(logits)
    ends = np.ones((*reached.shape[:-1], 1))
    rows = np.concatenate([ends, reached], axis=-1) - np.concatenate([reached, 0 * ends], axis=-1)
    rows = np.maximum(rows, _FLOOR)
    return np.asarray(rows / rows.sum(axis=-1, keepdims=True), dtype=np.float64)


def matching_thresholds(
    scores: ArrayLike, grades: Sequence[int] | NDArray[np.int64], scale: Scale
) -> tuple[float, ...]:
    """Return the thresholds that give these scores the frequencies of these grades, one per grade above the lowest."""
    values = np.sort(np.asarray(scores, dtype=np.float64))
    levels = np.asarray(grades, dtype=np.int64) - scale.lowest
    _check(values, levels, scale)
    below = [float((levels < level).mean()) for level in range(1, len(scale.names))]
    return tuple(float(np.quantile(values, share)) for share in below)


def grade_scores(scores: ArrayLike, thresholds: Sequence[float], scale: Scale) -> NDArray[np.int64]:
    """Return the grade of each score: the lowest grade plus the number of thresholds it reaches."""
    return np.searchsorted(np.asarray(thresholds), np.asarray(scores, dtype=np.float64), side="right") + scale.lowest


def _check(values: Floats, levels: NDArray[np.int64], scale: Scale) -> None:
    if values.ndim != 1 or values.shape != levels.shape or not len(values):
        raise DataError(f"ordinal fit: {values.shape} scores for {levels.shape} grades; give one score a grade")
    if not np.isfinite(values).all():
        raise DataError("ordinal fit: a score is not finite; remove the pair or fix its score")
    outside = levels[(levels < 0) | (levels >= len(scale.names))]
    if len(outside):
        grade = int(outside[0]) + scale.lowest
        raise DataError(f"ordinal fit: grade {grade} is outside scale {scale.lowest}-{scale.highest}; set its scale")


def _start(levels: NDArray[np.int64], scale: Scale) -> Floats:
    above = np.array([(levels >= level).mean() for level in range(1, len(scale.names))])
    odds = np.clip(above, 0.01, 0.99)
    thresholds = np.log((1 - odds) / odds)
    gaps = np.maximum(np.diff(thresholds), 0.01)
    return np.concatenate([[0.0, thresholds[0]], np.log(gaps)])


def _unpack(parameters: Floats) -> tuple[float, Floats]:
    steps = np.concatenate([parameters[1:2], np.exp(np.clip(parameters[2:], -20, 20))])
    return float(np.exp(np.clip(parameters[0], -20, 20))), np.cumsum(steps)


def _loss(parameters: Floats, standardised: Floats, levels: NDArray[np.int64]) -> float:
    slope, thresholds = _unpack(parameters)
    chosen = distribution(slope * standardised[:, None] - thresholds)[np.arange(len(levels)), levels]
    return float(-np.log(chosen).mean() + _RIDGE * np.square(parameters).mean())
