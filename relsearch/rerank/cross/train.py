"""Training of the cross-encoder as a residual on its own untrained cosine."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from relsearch.rerank.card import Card
from relsearch.rerank.cross.fit import fit
from relsearch.rerank.cross.loss import graded
from relsearch.rerank.cross.prior import Prior
from relsearch.rerank.cross.start import load_start
from relsearch.rerank.cross.torch_scorer import load_model, residuals
from relsearch.rerank.training.callbacks import BEST, KeepBest
from relsearch.rerank.training.job import Texts, TrainJob, TrainReport, begin, build_dev_set, calibrate, finish
from relsearch.rerank.training.lists import TrainingList, build_lists

if TYPE_CHECKING:
    from relsearch.encoders.encoder import Encoder


def train_cross(job: TrainJob) -> TrainReport:
    """Train, keep the weights that rank the dev queries best, calibrate, and write the model's folder.

    Step 0 ranks as the encoder's cosine and is a candidate like any other: where no step beats it,
    it is what is kept, and the report says so. A run that was cut resumes from its last checkpoint.
    """
    from relsearch.encoders.encoder import load_encoder

    config = job.config
    begin(job.output)
    keep = KeepBest(job.output, patience=config.patience, minutes=config.minutes, kept=job.kept)
    evidence = load_encoder(job.encoder, keep=job.vectors)
    size = config.documents_per_query
    lists = build_lists(job.examples, size=size, epochs=config.epochs, seed=job.seed)[: config.max_steps]
    prior, rows = rows_of(lists, job.texts, evidence)
    dev = build_dev_set(job, evidence, prior=prior)
    model = load_start(config.base, max_length=config.max_length, seed=job.seed)
    objective = partial(graded, listwise=config.listwise_weight, pointwise=config.pointwise_weight)
    steps = fit(model, rows, dev, objective=objective, keep=keep, config=config, seed=job.seed, output=job.output)
    model = load_model(job.output / BEST, max_length=config.max_length, own=True)
    logits, relevant = dev.priors + residuals(model, dev.inputs), dev.relevant(job.scale)
    card = Card(
        base=config.base,
        template=job.texts.template,
        max_length=config.max_length,
        encoder=job.encoder,
        prior=prior,
        calibration=calibrate(logits, relevant),
        training_data=job.training_data,
        seed=job.seed,
        best_step=keep.best.step,
        history=tuple(keep.history),
    )
    finish(job.output, card)
    pairs = sum(len(row["documents"]) for row in rows[:steps])
    return TrainReport(card, steps, pairs, keep.history[-1].seconds, logits, relevant)


def rows_of(lists: list[TrainingList], texts: Texts, encoder: Encoder) -> tuple[Prior, list[dict[str, Any]]]:
    """Return the prior fitted on the lists, and one row a list: the inputs of the loss, with the prior's logits."""
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
