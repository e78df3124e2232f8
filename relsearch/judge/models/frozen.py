"""An LLM that nobody tunes as a source of features: its states halfway up and at three quarters of its depth.

The topmost layers say which token comes next; what a pair is like stands below them. Probes of such states go back to
Alain and Bengio (2016).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from relsearch.judge.models.causal import embedded, inner_blocks, run_blocks
from relsearch.judge.models.feature_reader import batches
from relsearch.judge.models.prompt import Tokens
from relsearch.judge.models.states import KeptStates

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_OTHER = 0.2  # of a state's length: half precision moves it by a few hundredths, another reading by more


class FrozenReader:
    """Reads pairs with the lower three quarters of a decoder.

    Features of either depth: the last state, and the mean over the query's tokens where it stands behind the document,
    over document and ending where it does not. `depths` says after how many layers either stands.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        decoder, depth = model.get_decoder(), int(model.config.num_hidden_layers)
        half = max(1, depth // 2)
        most = max(half + 1, 3 * depth // 4)
        self._model = model
        self.depths = half, most
        self._parts = (inner_blocks(decoder, 0, half), inner_blocks(decoder, half, most))

    @property
    def width(self) -> int:
        """The length of a feature vector."""
        return 4 * int(self._model.config.hidden_size)

    def features(self, tokens: Sequence[Tokens]) -> Tensor:
        """Return the features of pairs that share one prefix, shape [n, width], float32."""
        prefix, rests = embedded(self._model, tokens)
        found = []
        for first, blocks in zip((0, self.depths[0]), self._parts, strict=True):
            prefix, states, mask = run_blocks(blocks, prefix, rests, first=first)
            rests = [row[there] for row, there in zip(states, mask, strict=True)]
            found += [states[:, -1], torch.stack([_asked(each, row) for each, row in zip(rests, tokens, strict=True)])]
        return torch.cat(found, dim=1).float()


class KeptFeatures:
    """The features of pairs that it was made for, read once and kept in a folder; a cut reading goes on."""

    def __init__(
        self, model: PreTrainedModel, tokens: Sequence[Tokens], *, batch_size: int, folder: Path, weights: str
    ) -> None:
        reader = FrozenReader(model)
        self.width = reader.width
        rows = sorted(set(tokens), key=lambda row: (row.prefix, len(row.rest), row.rest))
        counts: dict[Hashable, int] = dict.fromkeys(rows, 1)
        # Batches are what is counted as done, so that another size of them goes on with nothing.
        source = f"{weights} as it is in {model.dtype}, {batch_size} at once"
        self._kept = KeptStates(folder, counts, size=self.width, dtype=torch.float32, source=source)

        def compute(part: Sequence[Tokens]) -> None:
            for row, found in zip(part, reader.features(part), strict=True):
                self._kept[row].copy_(found[None])

        self._kept.fill([[rows[place] for place in batch] for batch in batches(rows, batch_size)], compute)

    def features(self, tokens: Sequence[Tokens]) -> Tensor:
        """Return one row a pair, shape [n, width], float32."""
        return torch.cat([self._kept[row] for row in tokens])


def check_layers(model: PreTrainedModel, row: Tokens) -> None:
    """Raise ValueError where the layers, read in two parts, give other states of a pair than the whole model.

    Granite scales what comes into either part, OPT adds positions to it; GPT-NeoX norms what comes out.
    """
    reader = FrozenReader(model)
    ids = torch.tensor([[*row.prefix, *row.rest]], device=model.device)
    whole = model.get_decoder()(input_ids=ids, output_hidden_states=True).hidden_states
    found = reader.features([row])[0].view(4, -1)[::2]  # the last token's
    for depth, state in zip(reader.depths, found, strict=True):
        if depth < len(whole) - 1:  # the last one stands there normed
            wanted = whole[depth][0, -1].float()
            if not (state - wanted).norm() < _OTHER * wanted.norm():
                raise ValueError(f"read in parts, layer {depth} gives other states than in the whole model")


def _asked(states: Tensor, row: Tokens) -> Tensor:
    """The mean over the query's states behind the document; over all where there is none. States are [tokens, size]."""
    start, stop = row.query
    return states[start:stop].float().mean(dim=0).to(states.dtype) if stop > start else states.mean(dim=0)
