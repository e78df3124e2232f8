"""Modules to graphs by PyTorch's exporter, which traces one architecture once."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from relsearch.exporters.graphs import torch_export

pytestmark = pytest.mark.slow
_INPUTS = ("input_ids", "attention_mask")


class _Encoder(nn.Module):
    def __init__(self, seed: int, heads: int, factor: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        config = BertConfig(
            vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=heads, intermediate_size=32
        )
        self.bert, self.factor = BertModel(config), factor
        self.bert.name_or_path = f"folder-of-{seed}"  # as from_pretrained sets it

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        states: Tensor = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return self.factor * states


def _graph(module: nn.Module, folder: Path) -> bytes:
    ids = torch.arange(24).reshape(2, 12)
    target = folder / "model.onnx"
    with torch_export.exporting("test"), torch.no_grad():
        torch_export.write_graph(module, (ids, torch.ones_like(ids)), target, inputs=_INPUTS, outputs=("states",))
    return target.read_bytes()


def test_other_weights_take_no_trace_more(tmp_path: Path) -> None:
    """The second module's graph is, to the byte, what it is where nothing was traced before."""
    with patch.dict(torch_export._traces, clear=True), patch("torch.onnx.export", wraps=torch.onnx.export) as export:
        first, second = (_graph(_Encoder(seed, 2), tmp_path) for seed in (1, 2))
        assert export.call_count == 1
        torch_export._traces.clear()
        assert _graph(_Encoder(2, 2), tmp_path) == second != first


@pytest.mark.parametrize("other", [_Encoder(1, heads=4), _Encoder(1, heads=2, factor=2.0)], ids=["config", "attribute"])
def test_a_setting_that_no_weight_shows_is_another_structure(other: _Encoder) -> None:
    """Heads of another number have weights of the same shapes."""
    first, again, different = (
        torch_export._structure(module, (), ()) for module in (_Encoder(1, heads=2), _Encoder(2, heads=2), other)
    )
    assert first == again != different
