"""Values kept by the content they were computed from: what comes again is not computed again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Generic, TypeVar

from relsearch.core.files.key_index import digest
from relsearch.core.forks import renew_after_fork

Value = TypeVar("Value")


class ContentCache(Generic[Value]):
    """A bounded, least-recently-used map from text to value; safe to share between threads, and to fork.

    `capacity` bounds the sum of `size(value)`; by default each value counts one.
    """

    def __init__(self, capacity: int, *, size: Callable[[Value], int] | None = None) -> None:
        self.capacity = capacity
        self._size = size or _one
        self._used = 0
        self._values: OrderedDict[bytes, Value] = OrderedDict()
        self._lock = Lock()
        renew_after_fork(self)

    def __len__(self) -> int:
        return len(self._values)

    def after_fork(self) -> None:
        """Open a lock that another thread held at the fork, and count anew what that thread had not counted yet."""
        if self._lock.locked():
            self._lock = Lock()
            self._used = sum(map(self._size, self._values.values()))

    def contains(self, texts: Sequence[str]) -> list[bool]:
        """Tell of each text whether its value is kept."""
        return [digest(text) in self._values for text in texts]

    def lookup(self, texts: Sequence[str], compute: Callable[[list[str]], Sequence[Value]]) -> list[Value]:
        """Return one value a text; `compute` is called at most once, with the distinct texts that are not known."""
        keys = [digest(text) for text in texts]
        with self._lock:
            found = {key: self._values[key] for key in keys if key in self._values}
        unknown = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        if unknown:
            found |= dict(zip(unknown, compute(list(unknown.values())), strict=True))
        self._keep(keys, found)
        return [found[key] for key in keys]

    def keep(self, values: Mapping[str, Value]) -> None:
        """Keep values that were computed elsewhere, by text; one that is kept already stays."""
        found = {digest(text): value for text, value in values.items()}
        self._keep(list(found), found)

    def _keep(self, keys: Sequence[bytes], found: dict[bytes, Value]) -> None:
        with self._lock:
            for key in keys:
                if key not in self._values:
                    self._values[key] = found[key]
                    self._used += self._size(found[key])
                self._values.move_to_end(key)
            while self._used > self.capacity:
                _, forgotten = self._values.popitem(last=False)
                self._used -= self._size(forgotten)


def _one(_: object) -> int:
    return 1
