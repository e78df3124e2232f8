"""Any sentence encoder as a late-interaction bundle without labels: what it says counts as in the ready reranker."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from relsearch.core.display.progress import progress
from relsearch.core.errors import DataError, ModelError
from relsearch.core.fields.template import DEFAULT_TEMPLATE
from relsearch.core.files.text_files import encodable, parse_json, read_text
from relsearch.core.settings.config import EncoderConfig, ExportConfig
from relsearch.data.collection import Collection
from relsearch.encoders.loading import Source
from relsearch.encoders.model_source import base_facts
from relsearch.exporters.bundle.choose import ExportReport
from relsearch.exporters.bundle.cross_encoder import labelled_lists
from relsearch.exporters.bundle.late_interaction import write_model
from relsearch.exporters.bundle.onnx import Labelled, making, ship
from relsearch.exporters.bundle.parity import RankList
from relsearch.rerank.bundle import SHIPPED
from relsearch.rerank.card import CARD
from relsearch.rerank.cross.start import is_reranker
from relsearch.rerank.late.card import LateCard
from relsearch.rerank.late.head import LateHead, Standard
from relsearch.rerank.late.model import LateModel, load_late, principal_projection, word_states
from relsearch.rerank.late.onnx_scorer import LateOnnxScorer
from relsearch.rerank.late.scorer import LateScorer
from relsearch.rerank.late.torch_scorer import LateTorchScorer
from relsearch.rerank.vectors.interaction import TextVectors, compress, cosines, maxsims

# Queries whose documents, thirty of each, set the projection and the head. By 40 a multilingual encoder comes to the
# same on cnil-fr: NDCG@10 0.597 against 0.595.
_MATCHED = 12
_ADVICE = "name a sentence encoder"
_OTHERS = re.compile("For(CausalLM|SequenceClassification|TokenClassification|QuestionAnswering)$")
_TRAINING_DATA = "nothing: its head and calibration are the ready reranker's"


def export_untrained(
    encoder: EncoderConfig,
    output: Path,
    *,
    collection: Collection,
    config: ExportConfig,
    max_length: int | None = None,
) -> ExportReport:
    """Export an encoder that nobody trained to the bundle folder `output`, replacing it whole.

    Its projection keeps what varies most in the collection's labelled documents. There its cosine and its MaxSim are
    mapped to the mean and the deviation that the ready reranker's have, whose head and calibration they take over:
    P(relevant) holds as far as both encoders say the same. Where no `max_length` is given, it is the ready reranker's,
    or what the encoder reads if that is less.
    Raise as load_late does, ModelError where it is a reranker, a language model or a classifier, and DataError where
    nothing in the collection is labelled.
    """
    source = Source.find(encoder.model, _ADVICE, called="encoder {!r}")
    if (source.folder / CARD).is_file() or is_reranker(encoder.model):
        raise ModelError(f"{encoder.model}: is a reranker, not an encoder; give it as --model, or export its pipeline")
    if other := _other_model(source.folder):
        raise ModelError(f"{source.name}: is a {other}; {_ADVICE}")
    ready = LateOnnxScorer.open(SHIPPED)
    length = max_length or min(ready.manifest.documents.max_length, source.encoder_reads())
    with making(output, config) as fp32:
        lists, graded = labelled_lists(collection)
        model = load_late(encoder.model, encoder, max_length=length, dimension=ready.manifest.dimension, advice=_ADVICE)
        card = LateCard(
            base=encoder.model,
            template=DEFAULT_TEMPLATE,
            max_length=length,
            calibration=ready.manifest.calibration,
            training_data=_TRAINING_DATA,
            seed=0,
            best_step=0,
            history=(),
            dimension=model.projection.out_features,
            queries=model.queries,
            documents=model.documents,
            head=ready.manifest.head,
        )
        scorer = LateTorchScorer(model, card=card)
        some = lists[:_MATCHED]
        _project(model, scorer, [text for each in some for text in each.texts])
        scorer.head = _head_like(ready, scorer, some)
        manifest = write_model(model, card.model_copy(update={"head": scorer.head}), fp32)
        return ship(
            fp32,
            output,
            manifest.model_copy(update={"feedback": config.prf_weight}),
            scorer,
            labelled=Labelled(lists, graded),
            config=config,
            figures={**base_facts(encoder.model)},
        )


def _other_model(folder: Path) -> str | None:
    """The architecture of a model whose states nobody trained to be vectors of texts, None for any other.

    sentence-transformers writes the same of language models that it trains, with its modules; masked language models
    are no others: some sentence encoders are published as such.
    """
    if (folder / "modules.json").is_file() or (folder / "1_Pooling").is_dir():
        return None
    named = parse_json(read_text(folder / "config.json")).get("architectures") or ()
    return next((name for name in map(str, named) if _OTHERS.search(name)), None)


def _project(model: LateModel, scorer: LateScorer, texts: Sequence[str]) -> None:
    """Set the projection by what the encoder says of documents, whose vectors the scorer then has."""
    known = list(dict.fromkeys(scorer.readable(texts)))
    read = word_states(model, known)
    with torch.no_grad():
        model.projection.weight.copy_(principal_projection(model, (states for _, states in read)))
        vectors = [TextVectors(pooled.numpy(), model.projected(states).numpy()) for pooled, states in read]
    scorer.cache(dict(zip(known, map(compress, vectors), strict=True)))


def _head_like(ready: LateOnnxScorer, other: LateScorer, lists: Sequence[RankList]) -> LateHead:
    """The ready reranker's head for another's similarities, which differ from its own in mean and deviation."""
    head = ready.manifest.head
    (cosine, maxsim), (ready_cosine, ready_maxsim) = (_moments(each, lists) for each in (other, ready))
    standards = {
        "cosine": _like(cosine, ready_cosine, head.cosine),
        "maxsim": _like(maxsim, ready_maxsim, head.maxsim),
    }
    return head.model_copy(update=standards)


def _moments(scorer: LateScorer, lists: Sequence[RankList]) -> tuple[Standard, Standard]:
    """Mean, and deviation within a query, of cosine and MaxSim."""
    means, variances = [], []
    for each in progress(lists, desc="compare with ready", unit="query", total=len(lists)):
        (query,) = scorer.encode_queries([encodable(each.query)])
        documents = scorer.read(each.texts)
        found = np.array([cosines(query, documents), maxsims(query, documents)], dtype=np.float64)
        means.append(found.mean(axis=1))
        variances.append(found.var(axis=1))
    deviations = np.sqrt(np.mean(variances, axis=0))
    if not deviations.all():
        raise DataError("export: no two labelled documents of a query differ; name another collection, such as demo")
    cosine, maxsim = (
        Standard(mean=mean, deviation=deviation)
        for mean, deviation in zip(np.mean(means, axis=0).tolist(), deviations.tolist(), strict=True)
    )
    return cosine, maxsim


def _like(own: Standard, other: Standard, standard: Standard) -> Standard:
    """The map that gives values of the first moments what `standard` gives those of the second."""
    deviation = own.deviation * standard.deviation / other.deviation
    return Standard(mean=own.mean - deviation * (other.mean - standard.mean) / standard.deviation, deviation=deviation)
