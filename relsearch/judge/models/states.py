"""Hidden states kept on disk: what a frozen part of a model gives for texts that come again at every epoch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from relsearch.core.display.progress import progress
from relsearch.core.files.atomic import replace_text

_DONE = "groups-done"
Row = TypeVar("Row")


class KeptStates:
    """Rows of states in one memory-mapped file; each key has as many rows as it has tokens.

    The file stands in a subfolder named by all that decides what is in it: keys, shape, dtype, and `source`, which
    says whose states they are. So nothing is ever read that was computed for other texts or by another model.
    """

    def __init__(
        self, folder: Path, counts: Mapping[Hashable, int], *, size: int, dtype: torch.dtype, source: str
    ) -> None:
        about = repr((list(counts.items()), size, dtype, source))
        folder = folder / hashlib.sha256(about.encode()).hexdigest()[:16]
        folder.mkdir(parents=True, exist_ok=True)
        self._mark = folder / _DONE
        ends = list(accumulate(counts.values()))
        self._places = {key: (end - counts[key], end) for key, end in zip(counts, ends, strict=True)}
        flat = torch.from_file(str(folder / "states"), shared=True, size=ends[-1] * size, dtype=dtype)
        self._states = flat.view(ends[-1], size)

    def __getitem__(self, key: Hashable) -> Tensor:
        """Return a key's states, shape [tokens, size]: a view of the file, to read or to write."""
        start, stop = self._places[key]
        return self._states[start:stop]

    @torch.inference_mode()
    def fill(self, groups: Sequence[Sequence[Row]], compute: Callable[[Sequence[Row]], None]) -> None:
        """Call `compute`, which writes states, for each group that an earlier, interrupted call did not finish."""
        done = int(self._mark.read_text("ascii")) if self._mark.is_file() else 0
        if done == len(groups):
            return
        total, known = sum(map(len, groups)), sum(map(len, groups[:done]))
        with progress(total=total, desc="frozen layers", unit="pair", initial=known) as bar:
            for number, group in enumerate(groups[done:], done + 1):
                compute(group)
                replace_text(self._mark, str(number))
                bar.update(len(group))
