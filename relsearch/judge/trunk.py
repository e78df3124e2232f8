"""The frozen lower part of a causal model: its states of all tuning pairs, computed once and kept on disk.

Adapters stand in the upper blocks only, so that whatever the lower ones compute is the same at every epoch and look.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from tqdm import tqdm

from relsearch.judge.causal import CausalReader, embedded, lower_blocks, run_blocks, upper_blocks
from relsearch.judge.prompt import Tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_BATCH = 8
_DONE = "prefixes-done"
_BAR_DELAY_S = 2.0


class UpperReader(CausalReader):
    """Reads pairs with the blocks above `depth`, from states that a folder keeps; only pairs it was made for."""

    def __init__(self, model: PreTrainedModel, tokens: Sequence[Tokens], *, depth: int, folder: Path) -> None:
        super().__init__(model)
        self._depth = depth
        self._upper = upper_blocks(model.get_decoder(), depth)
        self._places = _places(tokens)
        rows = sum(stop - start for start, stop in self._places.values())
        folder.mkdir(parents=True, exist_ok=True)
        size = int(model.config.hidden_size)
        self._states = torch.from_file(str(folder / "states"), shared=True, size=rows * size, dtype=model.dtype).view(
            rows, size
        )
        self._fill(sorted(set(tokens), key=_order), folder / _DONE)

    def _read(self, tokens: Sequence[Tokens]) -> tuple[Tensor, Tensor]:
        device = self._model.device
        prefix = self._at(tokens[0].prefix).to(device)
        return run_blocks(self._upper, prefix, [self._at(row).to(device) for row in tokens], first=self._depth)[1:]

    def _at(self, key: Tokens | tuple[int, ...]) -> Tensor:
        start, stop = self._places[key]
        return self._states[start:stop]

    def _fill(self, tokens: Sequence[Tokens], mark: Path) -> None:
        """Compute what an earlier, interrupted call did not."""
        lower = lower_blocks(self._model.get_decoder(), self._depth)
        done = int(mark.read_text("ascii")) if mark.is_file() else 0
        with tqdm(total=len(tokens), desc="trunk", unit="pair", delay=_BAR_DELAY_S, disable=None) as bar:
            for number, (_, group) in enumerate(groupby(tokens, key=lambda row: row.prefix), 1):
                rows = list(group)
                if number > done:
                    self._fill_query(lower, rows)
                    partial = mark.with_suffix(".partial")
                    partial.write_text(str(number), "ascii")
                    partial.replace(mark)
                bar.update(len(rows))

    @torch.inference_mode()
    def _fill_query(self, lower: torch.nn.Module, rows: Sequence[Tokens]) -> None:
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            prefix, states, mask = run_blocks(lower, *embedded(self._model, batch), first=0)
            self._at(batch[0].prefix).copy_(prefix)
            for row, found, kept in zip(batch, states, mask.bool(), strict=True):
                self._at(row).copy_(found[kept])


def _places(tokens: Sequence[Tokens]) -> dict[Tokens | tuple[int, ...], tuple[int, int]]:
    """Where each prefix and each rest stands among the states, from a row to a row."""
    places: dict[Tokens | tuple[int, ...], tuple[int, int]] = {}
    end = 0
    for row in sorted(set(tokens), key=_order):
        for key, count in ((row.prefix, len(row.prefix)), (row, len(row.rest))):
            if key not in places:
                places[key] = (end, end + count)
                end += count
    return places


def _order(row: Tokens) -> tuple[tuple[int, ...], int, tuple[int, ...]]:
    return row.prefix, len(row.rest), row.rest
