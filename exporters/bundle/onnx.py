"""From a trained model folder to a bundle: export, quantise, hold each variant to its gate, seal the one to ship."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from relsearch.core.files.atomic import scratch, swap
from relsearch.core.settings.config import ExportConfig
from relsearch.core.types import Pair, Scale, StrPath
from relsearch.exporters.bundle.choose import ExportReport, choose, write_half
from relsearch.exporters.bundle.parity import LogitScorer, RankList, gate_exact, parity, rank_lists
from relsearch.exporters.graphs.checked import export_cross_encoder, export_encoder
from relsearch.exporters.model_card import write_model_card
from relsearch.rerank.bundle import (
    ENCODER,
    ENCODER_TOKENIZER,
    MODEL,
    TOKENIZER,
    Manifest,
    ManifestBase,
    check_free,
    seal,
)
from relsearch.rerank.card import Card, read_card
from relsearch.rerank.cross.torch_scorer import TorchScorer
from relsearch.rerank.families import open_scorer

_DEPTH = 50  # documents a query in the parity lists: enough to reorder a top ten, seconds to score
# A wrong graph shows on the first text; the gate on quality needs every list, this one does not.
_EXACT_LISTS = 6


@dataclass(frozen=True, slots=True)
class Labelled:
    """What variants are measured on: documents of labelled queries, and their grades from 0."""

    lists: list[RankList]
    grades: pl.DataFrame

    @classmethod
    def from_pairs(cls, pairs: Iterable[Pair], qrels: pl.DataFrame, scale: Scale) -> Labelled:
        """Return the first documents of each query; `qrels` has query_id, doc_id and grade on the scale."""
        return cls(rank_lists(pairs, depth=_DEPTH), qrels.with_columns(grade=pl.col("grade") - scale.lowest))


def export_bundle(model: StrPath, output: StrPath, *, labelled: Labelled, config: ExportConfig) -> ExportReport:
    """Export a folder that `train` wrote to the bundle folder `output`, replacing it whole.

    fp32 must equal torch, else GateError. A variant in fewer bits ships if it keeps quality on the labelled pairs and
    is faster here; otherwise fp32 ships and the report says why. `config.force` ships the first one regardless;
    `config.half` writes OUTPUT-fp16 too, for GPUs.
    """
    model, output = Path(model), Path(output)
    card = read_card(model, Card)
    with making(output, config) as fp32:
        manifest = write_fp32(model, fp32)
        torch = TorchScorer.open(model)
        return ship(fp32, output, manifest, torch, labelled=labelled, config=config, figures=card.figures())


@contextmanager
def making(output: Path, config: ExportConfig) -> Iterator[Path]:
    """Yield where to write the fp32 bundle; raise ArtifactError where `output` holds what is no bundle's."""
    for target in (output, _half_of(output)) if config.half else (output,):
        check_free(target)
    with scratch(output) as folder:
        yield folder / "fp32"


def ship(
    fp32: Path,
    output: Path,
    manifest: ManifestBase,
    torch: LogitScorer,
    *,
    labelled: Labelled,
    config: ExportConfig,
    figures: dict[str, float | int | str | None],
) -> ExportReport:
    """Compare the fp32 bundle with torch, choose what to ship, and put it in place of `output`."""
    some = labelled.lists[:_EXACT_LISTS]
    exact = parity(torch, open_scorer(fp32), some, labelled.grades)
    gate_exact(exact)
    manifest = manifest.model_copy(update={"mix": config.first_stage_weight})
    if config.half:
        half = write_half(fp32, fp32.parent / "fp16", some)
        _publish(half, _half_of(output), manifest, variant="fp16", figures={**figures, **manifest.figures})
    last_layer = str(manifest.figures["last_layer"])
    chosen, report = choose(fp32, labelled.lists, labelled.grades, config, exact=exact, last_layer=last_layer)
    kind = {"variant": report.variant, "runtime": report.runtime}
    _publish(chosen, output, manifest, **kind, figures={**figures, **report.figures()})
    return report


def write_fp32(model: Path, folder: Path) -> Manifest:
    """Write the fp32 bundle of a model folder, not yet compared with torch."""
    card = read_card(model, Card)
    facts = export_cross_encoder(model, folder / MODEL, tokenizer=folder / TOKENIZER, own=card.prior is not None)
    manifest = Manifest(
        variant="fp32",
        base=card.base,
        encoder=None,
        training_data=card.training_data,
        template=card.template,
        max_length=card.max_length,
        encoder_max_length=card.max_length,
        query_prefix="",
        document_prefix="",
        pooling="none",
        prior=card.prior,
        pair_text=facts.pair_text,
        calibration=card.calibration,
        figures={"last_layer": facts.last_layer},
    )
    if card.encoder is not None:
        encoder = export_encoder(card.encoder, folder / ENCODER, tokenizer=folder / ENCODER_TOKENIZER)
        if (folder / ENCODER_TOKENIZER).read_bytes() == (folder / TOKENIZER).read_bytes():
            (folder / ENCODER_TOKENIZER).unlink()
        query_prefix, document_prefix = card.encoder.prefixes
        read = {
            "encoder": card.encoder.model,
            "encoder_max_length": encoder.max_length,
            "query_prefix": query_prefix,
            "document_prefix": document_prefix,
            "pooling": encoder.pooling,
        }
        manifest = manifest.model_copy(update=read)
    return seal(folder, manifest).manifest


def _publish(folder: Path, output: Path, manifest: ManifestBase, **found: object) -> None:
    """Seal a bundle by the manifest with what was found, give it its card, and put it in place of `output`."""
    seal(folder, manifest.model_copy(update=found))
    write_model_card(folder)
    swap(folder, output)


def _half_of(output: Path) -> Path:
    return output.with_name(f"{output.name}-fp16")
