"""Ids dealt to folds, the same whatever their order."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256


def dealt(ids: Iterable[str], most: int, *, seed: int) -> list[set[str]]:
    """Return at most `most` folds of the distinct ids, dealt by a hash of seed and id; none is empty."""
    order = sorted(set(ids), key=lambda each: sha256(f"{seed}:{each}".encode()).hexdigest())
    count = min(most, len(order))
    return [set(order[start::count]) for start in range(count)]
