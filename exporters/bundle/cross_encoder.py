"""Any cross-encoder, from a hub id or a folder, as a bundle: no prior, so no encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from relsearch.core.errors import DataError, ModelError
from relsearch.core.fields.template import DEFAULT_TEMPLATE
from relsearch.core.settings.config import ExportConfig
from relsearch.core.types import Pair
from relsearch.data.collection import Collection, texts_of
from relsearch.encoders.model_source import base_facts, resolve
from relsearch.exporters.bundle.choose import ExportReport
from relsearch.exporters.bundle.onnx import Labelled, making, ship
from relsearch.exporters.bundle.parity import RankList, rank_lists
from relsearch.exporters.graphs.checked import export_cross_encoder
from relsearch.rerank.bundle import MODEL, TOKENIZER, Manifest, seal
from relsearch.rerank.card import CARD
from relsearch.rerank.cross.torch_scorer import load_model, residuals
from relsearch.stats.logistic import Floats, Logistic

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder


# Parity needs documents in an order worth keeping, not all: these take a minute or two to score.
_QUERIES, _DEPTH = 40, 30


def export_foreign(
    model: str, output: Path, *, collection: Collection, config: ExportConfig, max_length: int = 512
) -> ExportReport:
    """Export a cross-encoder to the bundle folder `output`, replacing it whole.

    fp32 must equal torch; int8 is held to the gate on the collection's labelled pairs. Its scores are the sigmoid of
    its logits, and it asks for no first-stage scores unless the config does. Raise ModelError where it is
    no cross-encoder with one score, or one of relsearch's own, which is nothing without its prior; DataError where
    nothing is labelled.
    """
    if (resolve(model) / CARD).is_file():
        raise ModelError(f"{model}: relsearch trained it, on a prior; `relsearch export -c` its pipeline's settings")
    torch = load_model(model)
    labelled = Labelled(*labelled_lists(collection))
    if "first_stage_weight" not in config.model_fields_set:  # measured for models that start at a cosine, not for any
        config = config.model_copy(update={"first_stage_weight": 0.0})
    with making(output, config) as fp32:
        manifest = write_foreign(model, fp32, max_length=max_length)
        torch.tokenizer.model_max_length = manifest.max_length
        figures: dict[str, float | int | str | None] = {**base_facts(model)}
        return ship(fp32, output, manifest, _Plain(torch), labelled=labelled, config=config, figures=figures)


def write_foreign(model: str, folder: Path, *, max_length: int) -> Manifest:
    """Write the fp32 bundle of any cross-encoder, not yet compared with torch on texts."""
    facts = export_cross_encoder(model, folder / MODEL, tokenizer=folder / TOKENIZER)
    length = min(max_length, facts.max_length)
    manifest = Manifest(
        variant="fp32",
        base=model,
        encoder=None,
        training_data="not known to relsearch",
        template=DEFAULT_TEMPLATE,
        max_length=length,
        encoder_max_length=length,
        query_prefix="",
        document_prefix="",
        pooling="none",
        prior=None,
        pair_text=facts.pair_text,
        calibration=Logistic(),
        figures={"last_layer": facts.last_layer},
    )
    return seal(folder, manifest).manifest


def labelled_lists(collection: Collection) -> tuple[list[RankList], pl.DataFrame]:
    """Return the labelled documents of the first queries with a relevant one, and their grades from 0."""
    pairs, graded = labelled_pairs(collection)
    return rank_lists(pairs, depth=_DEPTH), graded


def labelled_pairs(collection: Collection) -> tuple[list[Pair], pl.DataFrame]:
    """Return the labelled pairs of the first queries with a relevant document, and their grades from 0.

    Raise DataError where there are none.
    """
    labels = [label for label in collection.qrels() if label.grade is not None]
    lowest = min((label.grade for label in labels if label.grade is not None), default=0)
    rows = [(label.query_id, label.doc_id, (label.grade or 0) - lowest) for label in labels]
    graded = pl.DataFrame(rows, schema={"query_id": pl.String, "doc_id": pl.String, "grade": pl.Int64}, orient="row")
    relevant = graded.filter(pl.col("grade") > 0)["query_id"].unique().sort().to_list()[:_QUERIES]
    graded = graded.filter(pl.col("query_id").is_in(relevant))
    queries, texts = texts_of(graded, collection, DEFAULT_TEMPLATE)
    pairs = [Pair(q, d, queries[q], texts[d]) for q, d, _ in graded.iter_rows() if q in queries and d in texts]
    if not pairs:
        raise DataError("export: the collection has no labelled document with its text; name one with qrels")
    return pairs, graded


class _Plain:
    """The cross-encoder in torch, its logits alone."""

    def __init__(self, model: CrossEncoder) -> None:
        self._model = model

    def logits(self, query: str, texts: Sequence[str]) -> Floats:
        """One raw logit a text."""
        return residuals(self._model, [(query, text) for text in texts])
