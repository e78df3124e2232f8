"""Which keys are known, and in which place each came: sorted arrays, not a dictionary of Python objects."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]
_LEAST_FOLDED, _FOLDED_SHARE = 2**14, 16  # recent keys that are sorted in: so many, or a sixteenth of those before


class _State(NamedTuple):
    """What a reader sees at once, so that threads may look up while one adds."""

    keys: NDArray[Any]  # sorted
    places: Places
    recent: dict[bytes, int]


class KeyIndex:
    """Distinct keys of `width` bytes with their places, counted from 0; takes width + 8 bytes a key."""

    def __init__(self, width: int) -> None:
        self._kind = f"S{width}"  # NumPy compares it as padded with NUL: keys of one width stay distinct
        self._width = width
        self._state = _State(np.zeros(0, self._kind), np.zeros(0, np.int64), {})

    def __len__(self) -> int:
        return len(self._state.keys) + len(self._state.recent)

    def __contains__(self, key: bytes) -> bool:
        return self.place(key) is not None

    def place(self, key: bytes) -> int | None:
        """Return the place of a key, None where it is not known."""
        state = self._state
        if key in state.recent:
            return state.recent[key]
        row = int(np.searchsorted(state.keys, np.frombuffer(key, self._kind)[0]))
        return int(state.places[row]) if row < len(state.keys) and self._at(state, row) == key else None

    def places(self, keys: Sequence[bytes]) -> list[int | None]:
        """Return the place of each key, None where one is not known; quicker than one after the other."""
        state = self._state
        asked = np.frombuffer(b"".join(keys), self._kind)
        rows = np.searchsorted(state.keys, asked)
        rows[rows == len(state.keys)] = 0
        held = state.keys[rows] == asked if len(state.keys) else np.zeros(len(keys), bool)
        return [
            int(state.places[row]) if here else state.recent.get(key)
            for key, row, here in zip(keys, rows.tolist(), held.tolist(), strict=True)
        ]

    def add_all(self, keys: Sequence[bytes]) -> list[bool]:
        """Give the keys that have no place the next ones, and return of each whether it was new."""
        new = {key for key, place in zip(keys, self.places(keys), strict=True) if place is None}
        found = []
        for key in keys:
            found.append(key in new)
            if key in new:
                new.remove(key)
                self._append(key)
        return found

    def add(self, key: bytes) -> bool:
        """Give a key the next place unless it has one; return whether it was new."""
        if key in self:
            return False
        self._append(key)
        return True

    def _append(self, key: bytes) -> None:
        state = self._state
        state.recent[key] = len(self)
        if len(state.recent) >= max(_LEAST_FOLDED, len(state.keys) // _FOLDED_SHARE):
            self._fold(np.frombuffer(b"".join(state.recent), self._kind), len(state.keys))

    def extend(self, keys: bytes) -> None:
        """Give the next places to keys that are not known yet, whose bytes stand one after the other."""
        first, new = len(self), np.frombuffer(keys, self._kind)
        if len(new) < _LEAST_FOLDED:
            for key in range(0, len(keys), self._width):
                self.add(keys[key : key + self._width])
            return
        if self._state.recent:
            self._fold(np.frombuffer(b"".join(self._state.recent), self._kind), len(self._state.keys))
        self._fold(new, first)

    def _fold(self, new: NDArray[Any], first: int) -> None:
        """Sort keys in whose places count from `first`; they take the place of the recent ones."""
        state = self._state
        order = np.argsort(new, kind="stable")
        at = np.searchsorted(state.keys, new[order])
        keys, places = np.insert(state.keys, at, new[order]), np.insert(state.places, at, order + first)
        self._state = _State(keys, places, {})

    def _at(self, state: _State, row: int) -> bytes:
        return bytes(state.keys[row]).ljust(self._width, b"\0")


def digest(text: str) -> bytes:
    """Return 16 bytes that stand for a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
