"""From a trained model folder to a bundle: export, quantise, hold each variant to its gate, seal the one to ship."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from relsearch.config import ExportConfig
from relsearch.errors import GateError
from relsearch.exporters.graphs import export_cross_encoder, export_encoder, save_tokenizer
from relsearch.exporters.parity import ParityReport, RankList, gate, gate_exact, gate_faster, parity, rank_lists
from relsearch.exporters.quantize import quantize
from relsearch.rerank.bundle import ENCODER, ENCODER_TOKENIZER, MODEL, TOKENIZER, Manifest, open_bundle, seal
from relsearch.rerank.card import Card, read_card
from relsearch.rerank.onnx_scorer import OnnxScorer
from relsearch.rerank.torch_scorer import TorchScorer
from relsearch.types import Pair, Scale

_DEPTH = 50  # documents a query in the parity lists: enough to reorder a top ten, seconds to score
# A wrong graph shows on the first text; the gate on quality needs every list, this one does not.
_EXACT_LISTS = 6


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What shipped and why; `exact` is fp32 against torch, `int8` is int8 against fp32."""

    variant: Literal["fp32", "int8"]
    reason: str
    exact: ParityReport
    int8: ParityReport
    megabytes: float

    def figures(self) -> dict[str, float | str]:
        """One flat mapping for reports and bundle.json."""
        parts = {"fp32_torch": self.exact.figures(), "int8_fp32": self.int8.figures()}
        flat = {f"{part}_{name}": value for part, figures in parts.items() for name, value in figures.items()}
        return {"variant": self.variant, "reason": self.reason, "megabytes": self.megabytes, **flat}


def export_bundle(
    model: Path, output: Path, *, pairs: Iterable[Pair], qrels: pl.DataFrame, config: ExportConfig, scale: Scale
) -> ExportReport:
    """Export a folder that `train` wrote to the bundle folder `output`, replacing it whole.

    fp32 must equal torch, else GateError. int8 ships if it keeps quality on the labelled `pairs` and is
    faster here; otherwise fp32 ships and the report says why. `config.force` ships int8 regardless.
    """
    card = read_card(model, Card)
    lists = rank_lists(pairs, depth=_DEPTH)
    graded = qrels.with_columns(grade=pl.col("grade") - scale.lowest)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as folder:
        fp32, int8 = Path(folder) / "fp32", Path(folder) / "int8"
        manifest = write_fp32(model, fp32)
        exact = _against_torch(model, fp32, lists[:_EXACT_LISTS], graded)
        write_int8(fp32, int8)
        report = parity(OnnxScorer.open(fp32), OnnxScorer.open(int8), lists, graded)
        variant, reason = _choose(report, config)
        chosen = int8 if variant == "int8" else fp32
        result = ExportReport(variant, reason, exact, report, _megabytes(chosen))
        seal(chosen, manifest.model_copy(update={"variant": variant, "figures": _figures(card, result)}))
        shutil.rmtree(output, ignore_errors=True)
        chosen.rename(output)
    return result


def write_fp32(model: Path, folder: Path) -> Manifest:
    """Write the fp32 bundle of a model folder, not yet held against torch."""
    card = read_card(model, Card)
    export_cross_encoder(model, folder / MODEL)
    save_tokenizer((model / TOKENIZER).read_text(encoding="utf-8"), folder / TOKENIZER)
    encoder = export_encoder(card.encoder, folder / ENCODER, tokenizer=folder / ENCODER_TOKENIZER)
    if (folder / ENCODER_TOKENIZER).read_bytes() == (folder / TOKENIZER).read_bytes():
        (folder / ENCODER_TOKENIZER).unlink()
    manifest = Manifest(
        variant="fp32",
        base=card.base,
        encoder=card.encoder.model,
        training_data=card.training_data,
        template=card.template,
        max_length=card.max_length,
        encoder_max_length=encoder.max_length,
        query_prefix=card.encoder.query_prefix,
        document_prefix=card.encoder.document_prefix,
        pooling=encoder.pooling,
        prior=card.prior,
        calibration=card.calibration,
        figures={},
    )
    return seal(folder, manifest).manifest


def write_int8(fp32: Path, folder: Path) -> Manifest:
    """Write the int8 bundle of an fp32 bundle, not yet held to the gate."""
    folder.mkdir(parents=True)
    for name in (MODEL, ENCODER):
        quantize(fp32 / name, folder / name)
    for path in fp32.glob("*tokenizer.json"):
        shutil.copyfile(path, folder / path.name)
    return seal(folder, open_bundle(fp32).manifest.model_copy(update={"variant": "int8"})).manifest


def _against_torch(model: Path, fp32: Path, lists: list[RankList], qrels: pl.DataFrame) -> ParityReport:
    report = parity(TorchScorer.open(model), OnnxScorer.open(fp32), lists, qrels)
    gate_exact(report)
    return report


def _choose(report: ParityReport, config: ExportConfig) -> tuple[Literal["fp32", "int8"], str]:
    if config.force:
        return "int8", "forced by [export] force"
    try:
        gate(report, config)
        gate_faster(report)
    except GateError as exc:
        return "fp32", f"int8 was refused: {exc}"
    return "int8", "int8 kept quality within the gate and is faster here"


def _figures(card: Card, result: ExportReport) -> dict[str, float | int | str | None]:
    trained = {"dev_ndcg10": card.dev_ndcg10, "dev_ndcg10_cosine": card.dev_ndcg10_cosine, "best_step": card.best_step}
    return {**trained, **result.figures()}


def _megabytes(folder: Path) -> float:
    return round(sum(path.stat().st_size for path in folder.iterdir()) / 1e6, 1)
