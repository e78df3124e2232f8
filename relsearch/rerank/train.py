"""Training of the cross-encoder as a residual on its own untrained cosine."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from relsearch.config import EncoderConfig, TrainConfig
from relsearch.errors import DataError
from relsearch.rerank.callbacks import BEST, HISTORY, KeepBest
from relsearch.rerank.card import CARD, Card, write_card
from relsearch.rerank.dev import DevSet, dev_set
from relsearch.rerank.fit import CHECKPOINTS, fit
from relsearch.rerank.lists import TrainingList, build_lists
from relsearch.rerank.logistic import Floats, Logistic
from relsearch.rerank.prior import Prior
from relsearch.rerank.start import load_start
from relsearch.rerank.torch_scorer import load_model, residuals
from relsearch.types import Pair, Scale

if TYPE_CHECKING:
    from relsearch.encoder import Encoder


@dataclass(frozen=True, slots=True)
class Texts:
    """The text of each query and of each rendered document, and the template that rendered them."""

    queries: Mapping[str, str]
    documents: Mapping[str, str]
    template: str

    def pairs(self, ids: Iterable[tuple[str, str]]) -> list[Pair]:
        """Return the pairs with their texts; raise DataError naming the first id that has none."""
        return [Pair(q, d, _text(self.queries, q, "query"), _text(self.documents, d, "document")) for q, d in ids]


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What a training run did; `card` holds the dev figures, the untrained cosine's first."""

    card: Card
    steps: int
    pairs: int
    seconds: float

    @property
    def pairs_per_s(self) -> float:
        """Training pairs a second, evaluations included."""
        return self.pairs / self.seconds if self.seconds else 0.0

    @property
    def gained(self) -> bool:
        """Whether any trained weights beat the untrained cosine on the dev queries."""
        return self.card.best_step > 0


def train(
    examples: pl.DataFrame,
    dev_examples: pl.DataFrame,
    *,
    texts: Texts,
    config: TrainConfig,
    encoder: EncoderConfig,
    scale: Scale,
    seed: int,
    output: Path,
    training_data: str = "",
) -> TrainReport:
    """Train, keep the weights that rank the dev queries best, calibrate, and write a model folder to `output`.

    Step 0 ranks as the encoder's cosine and is a candidate like any other: where no step beats it,
    it is what is kept, and the report says so. A run that was cut resumes from its last checkpoint.
    """
    from relsearch.encoder import load_encoder

    output.mkdir(parents=True, exist_ok=True)
    if (output / CARD).exists():  # a finished run: train anew
        (output / CARD).unlink()
        _clear(output)
    evidence = load_encoder(encoder)
    size = config.documents_per_query
    lists = build_lists(examples, size=size, epochs=config.epochs, seed=seed)[: config.max_steps]
    prior, rows = _rows(lists, texts, evidence)
    dev = _dev(dev_examples, texts, evidence, prior=prior, scale=scale, depth=config.dev_depth)
    model = load_start(config.base, max_length=config.max_length, seed=seed)
    keep = KeepBest(output, patience=config.patience, minutes=config.minutes)
    steps = fit(model, rows, dev, keep=keep, config=config, seed=seed, output=output)
    model = load_model(output / BEST, max_length=config.max_length)
    card = Card(
        base=config.base,
        template=texts.template,
        max_length=config.max_length,
        encoder=encoder,
        prior=prior,
        calibration=_calibrate(dev.priors + residuals(model, dev.inputs), dev.relevant(scale)),
        training_data=training_data,
        seed=seed,
        best_step=keep.best.step,
        history=tuple(keep.history),
    )
    _finish(output, card)
    pairs = sum(len(row["documents"]) for row in rows[:steps])
    return TrainReport(card, steps, pairs, keep.history[-1].seconds)


def _rows(lists: list[TrainingList], texts: Texts, encoder: Encoder) -> tuple[Prior, list[dict[str, Any]]]:
    ids = [(part.query_id, example.doc_id) for part in lists for example in part.examples]
    pairs = texts.pairs(ids)
    cosines = encoder.cosines(pairs)
    examples = [example for part in lists for example in part.examples]
    weights = [example.weight for example in examples]
    prior = Prior.fit(cosines, [example.gain for example in examples], weights=weights)
    logits = iter(prior.logits(cosines).tolist())
    return prior, [_row(part, texts, [next(logits) for _ in part.examples]) for part in lists]


def _row(part: TrainingList, texts: Texts, priors: list[float]) -> dict[str, Any]:
    """One step's input; the column order is the order of the loss's inputs."""
    return {
        "query": texts.queries[part.query_id],
        "documents": [texts.documents[example.doc_id] for example in part.examples],
        "priors": priors,
        "weights": [example.weight for example in part.examples],
        "label": [example.gain for example in part.examples],
    }


def _dev(examples: pl.DataFrame, texts: Texts, encoder: Encoder, *, prior: Prior, scale: Scale, depth: int) -> DevSet:
    human = examples.filter(pl.col("source") == "human", pl.col("grade").is_not_null())
    if not human["grade"].is_between(scale.relevant, scale.highest).any():
        raise DataError(f"{human.height} human dev labels: none is relevant; raise [pool] dev_share or label more")
    pairs = texts.pairs(human.select("query_id", "doc_id").iter_rows())
    return dev_set(pairs, prior.logits(encoder.cosines(pairs)), examples=human, scale=scale, depth=depth)


def _calibrate(logits: Floats, relevant: Floats) -> Logistic:
    """Platt scaling with his smoothed targets, which keep small dev sets from certainty."""
    positives, negatives = float(relevant.sum()), float((1 - relevant).sum())
    targets = np.where(relevant > 0, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    return Logistic.fit(logits, targets)


def _finish(output: Path, card: Card) -> None:
    """Copy the best weights up, then write the card, which marks the model whole, then drop what resuming needed."""
    shutil.copytree(output / BEST, output, dirs_exist_ok=True)
    write_card(card, output)
    _clear(output)


def _clear(output: Path) -> None:
    for name in (BEST, CHECKPOINTS):
        shutil.rmtree(output / name, ignore_errors=True)
    (output / HISTORY).unlink(missing_ok=True)


def _text(texts: Mapping[str, str], key: str, kind: str) -> str:
    if key not in texts:
        raise DataError(f"training examples: {kind} {key!r} has no text; pass the collection they were pooled from")
    return texts[key]
