"""Training of the cross-encoder: a reranker goes on from its own score, any other base as a residual on a cosine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from relsearch.cluster.processes import first_then_others
from relsearch.core.types import Pair
from relsearch.rerank.card import Card
from relsearch.rerank.cross.fit import fit
from relsearch.rerank.cross.loss import graded
from relsearch.rerank.cross.prior import Prior
from relsearch.rerank.cross.start import is_reranker, load_reranker, load_start
from relsearch.rerank.cross.torch_scorer import load_model, residuals
from relsearch.rerank.train_job import Texts, TrainJob, TrainReport, begin, build_dev_set, calibrate, finish
from relsearch.rerank.training.callbacks import BEST, KeepBest
from relsearch.rerank.training.lists import TrainingList, build_lists
from relsearch.stats.logistic import Floats

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

    from relsearch.encoders.encoder import Encoder


def train_cross(job: TrainJob) -> TrainReport:
    """Train, keep the weights that rank the dev queries best, calibrate, and write the model's folder.

    Step 0 ranks as the base's own score where the base is a reranker, else as the encoder's cosine. It is a candidate
    like any other: where no step beats it, it is what is kept, and the report says so. A run that was cut resumes from
    its last checkpoint.
    """
    from relsearch.encoders.encoder import load_encoder
    from relsearch.encoders.shared_steps import whole_steps

    config, texts = job.config, job.texts
    with first_then_others():
        begin(job.output)
    keep = KeepBest(job.output, patience=config.patience, minutes=config.minutes, kept=job.kept)
    size = config.documents_per_query
    lists = build_lists(job.examples, size=size, epochs=config.epochs, seed=job.seed)
    lists = whole_steps(lists, lists_per_step=config.lists_per_step, most=config.max_steps)
    prior, untrained = None, None
    if goes_on := is_reranker(config.base):
        model = load_reranker(config.base, max_length=config.max_length)
        rows = rows_of(lists, texts, np.zeros(sum(len(part.examples) for part in lists)))
        dev = build_dev_set(job, partial(_own_scores, model))
        dev = replace(dev, priors=np.zeros(len(dev.pairs)))
        config = config.model_copy(update={"head_multiple": 1.0})  # its head is trained
    else:
        with first_then_others():
            untrained = load_encoder(job.encoder, keep=job.vectors)
            prior, priors = fit_prior(lists, texts, untrained)
            dev = build_dev_set(job, partial(_prior_scores, prior, untrained))
        rows = rows_of(lists, texts, priors)
        model = load_start(config.base, max_length=config.max_length, seed=job.seed)
    objective = partial(graded, listwise=config.listwise_weight, pointwise=config.pointwise_weight)
    fitted = fit(model, rows, dev, objective=objective, keep=keep, config=config, seed=job.seed, output=job.output)
    model = load_model(job.output / BEST, max_length=config.max_length, own=not goes_on)
    logits, relevant = dev.priors + residuals(model, dev.inputs), dev.relevant(job.scale)
    card = Card(
        base=config.base,
        template=job.texts.template,
        max_length=config.max_length,
        encoder=None if untrained is None else untrained.config,
        prior=prior,
        calibration=calibrate(logits, relevant),
        training_data=job.training_data,
        seed=job.seed,
        best_step=keep.best.step,
        history=tuple(keep.history),
        losses=fitted.losses,
    )
    card = finish(job.output, card)
    pairs = sum(len(row["documents"]) for row in rows[: fitted.steps * config.lists_per_step])
    return TrainReport(card, fitted.steps, pairs, keep.history[-1].seconds, logits, relevant)


def fit_prior(lists: list[TrainingList], texts: Texts, encoder: Encoder) -> tuple[Prior, Floats]:
    """Return the prior fitted on the lists, and its logit of each of their examples."""
    examples = [example for part in lists for example in part.examples]
    cosines = encoder.cosines(texts.pairs([(part.query_id, each.doc_id) for part in lists for each in part.examples]))
    weights = [example.weight for example in examples]
    prior = Prior.fit(cosines, [example.gain for example in examples], weights=weights)
    return prior, prior.logits(cosines)


def rows_of(lists: list[TrainingList], texts: Texts, priors: Floats) -> list[dict[str, Any]]:
    """Return one row a list, the inputs of the loss; `priors` has the prior's logit of each example."""
    logits = iter(priors.tolist())
    return [_row(part, texts, [next(logits) for _ in part.examples]) for part in lists]


def _own_scores(model: CrossEncoder, pairs: Sequence[Pair]) -> Floats:
    return residuals(model, [(pair.query, pair.text) for pair in pairs])


def _prior_scores(prior: Prior, encoder: Encoder, pairs: Sequence[Pair]) -> Floats:
    return prior.logits(encoder.cosines(pairs))


def _row(part: TrainingList, texts: Texts, priors: list[float]) -> dict[str, Any]:
    """One step's input; the column order is the order of the loss's inputs."""
    return {
        "query": texts.queries[part.query_id],
        "documents": [texts.documents[example.doc_id] for example in part.examples],
        "priors": priors,
        "weights": [example.weight for example in part.examples],
        "label": [example.gain for example in part.examples],
    }
