"""How labelled queries are dealt: into an order, and into those to learn from and those that training looks at."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from typing import TypeVar

SEED = 13
DEV_SHARE = 0.2
T = TypeVar("T")
Sortable = TypeVar("Sortable", str, list[str])


def shuffled(items: Collection[Sortable]) -> list[Sortable]:
    """Return the items in a seeded order that does not depend on the one given."""
    order = sorted(items)
    random.Random(SEED).shuffle(order)  # noqa: S311 - a seeded deal, not a secret
    return order


def split_dev(queries: Sequence[T]) -> tuple[list[T], list[T]]:
    """Return the queries for early stopping, a fifth and at least one, and those to learn from."""
    held_out = max(1, round(DEV_SHARE * len(queries)))
    return list(queries[:held_out]), list(queries[held_out:])
