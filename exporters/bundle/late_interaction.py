"""A late-interaction model as a bundle: one graph, token ids to pooled and token vectors."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from relsearch.core.settings.config import ExportConfig
from relsearch.exporters.bundle.choose import ExportReport
from relsearch.exporters.bundle.onnx import Labelled, making, ship
from relsearch.exporters.graphs.checked import save_tokenizer
from relsearch.exporters.graphs.torch_export import exporting, write_graph
from relsearch.rerank.bundle import MODEL, TOKENIZER, LateManifest, seal
from relsearch.rerank.card import read_card
from relsearch.rerank.late.card import LateCard
from relsearch.rerank.late.model import LateModel
from relsearch.rerank.late.onnx_scorer import POOLED, TOKENS
from relsearch.rerank.late.torch_scorer import LateTorchScorer, open_model

_INPUTS = ("input_ids", "attention_mask")


def export_late(model: Path, output: Path, *, labelled: Labelled, config: ExportConfig) -> ExportReport:
    """Export a folder that `train` wrote to the bundle folder `output`, replacing it whole; the gates are the same."""
    card = read_card(model, LateCard)
    with making(output, config) as fp32:
        manifest = write_late(model, fp32).model_copy(update={"feedback": config.prf_weight})
        return ship(
            fp32,
            output,
            manifest,
            LateTorchScorer.open(model),
            labelled=labelled,
            config=config,
            figures=card.figures(),
        )


def write_late(model: Path, folder: Path) -> LateManifest:
    """Write the fp32 bundle of a late-interaction model folder, not yet compared with torch."""
    card = read_card(model, LateCard)
    return write_model(open_model(model, card), card, folder)


def write_model(loaded: LateModel, card: LateCard, folder: Path) -> LateManifest:
    """Write the fp32 bundle of a model in memory; all else that a bundle says of it stands in the card."""
    folder.mkdir(parents=True)
    _write_graph(loaded, folder / MODEL)
    save_tokenizer(loaded.tokenizer.backend_tokenizer.to_str(), folder / TOKENIZER)
    manifest = LateManifest(
        variant="fp32",
        base=card.base,
        training_data=card.training_data,
        template=card.template,
        calibration=card.calibration,
        queries=card.queries,
        documents=card.documents,
        head=card.head,
        second=card.second,
        pooled=loaded.pooled,
        dimension=card.dimension,
        figures={"last_layer": "all tokens"},
    )
    return seal(folder, manifest).manifest


class _Graph(nn.Module):
    """What the graph computes: LateModel.read as a forward pass."""

    def __init__(self, model: LateModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return pooled and token vectors."""
        return self.model.read(input_ids, attention_mask)


def _write_graph(model: LateModel, target: Path) -> None:
    ids = torch.randint(0, model.encoder.config.vocab_size, (2, 12))
    mask = torch.ones_like(ids)
    mask[1, 8:] = 0
    with exporting(str(model.encoder.name_or_path)), torch.no_grad():
        write_graph(_Graph(model), (ids, mask), target, inputs=_INPUTS, outputs=(POOLED, TOKENS))
