"""The standard deviation of numbers that may be equal but for rounding."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from relsearch.stats.logistic import Floats

# Three times 0.1 deviate by 1e-17 from their mean; divided by that, rounding would count as much as a real difference.
_ROUNDING = 1e-9


def standard_deviation(values: ArrayLike) -> Floats:
    """Return the deviation of values [n], or of each column of [n, columns]; 0 where they are equal but for rounding.

    Rounding is what is below 1e-9 of the largest value. Of NaN or of no values it is 0.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if not numbers.size:
        return np.zeros(numbers.shape[1:])
    deviation = numbers.std(axis=0)
    return np.where(deviation > _ROUNDING * np.abs(numbers).max(axis=0), deviation, 0.0)
