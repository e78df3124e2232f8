"""Running a graph over many inputs: longest first, in parts, with progress, back in the order of the inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_PART = 512  # inputs between two reports of progress

Input = TypeVar("Input")


def run_in_parts(
    inputs: Sequence[Input],
    run: Callable[[list[Input]], NDArray[np.float32]],
    *,
    length: Callable[[Input], int],
    advance: Callable[[int], object],
) -> NDArray[np.float32]:
    """Return what `run` gives for each of at least one input; `advance` is called with the size of each part."""
    order = sorted(range(len(inputs)), key=lambda place: -length(inputs[place]))
    parts = []
    for start in range(0, len(order), _PART):
        part = order[start : start + _PART]
        parts.append(run([inputs[place] for place in part]))
        advance(len(part))
    rows = np.concatenate(parts)
    found = np.empty_like(rows)
    found[order] = rows
    return found
