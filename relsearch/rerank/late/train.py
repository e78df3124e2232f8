"""Training of the late-interaction model: the encoder itself learns, from a start that ranks as it did before."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import torch

from relsearch.cluster.processes import first_then_others, is_first
from relsearch.core.types import Pair
from relsearch.encoders.loading import UNUSED, Source
from relsearch.encoders.shared_steps import whole_steps
from relsearch.rerank.cross.prior import Prior
from relsearch.rerank.late.card import LateCard
from relsearch.rerank.late.fit import Step, fit_late
from relsearch.rerank.late.model import LateModel, load_late
from relsearch.rerank.late.start import start_late
from relsearch.rerank.train_job import TrainJob, TrainReport, begin, build_dev_set, calibrate, finish
from relsearch.rerank.training.callbacks import BEST, KeepBest
from relsearch.rerank.training.dev import DevSet
from relsearch.rerank.training.lists import build_lists
from relsearch.stats.logistic import Floats, Logistic

_START_STEPS = 32  # whose documents set the projection and the head that training starts from


def train_late(job: TrainJob) -> TrainReport:
    """Train the encoder, keep the weights that rank the dev queries best, calibrate, write the model's folder.

    Step 0, the untrained encoder, is a candidate like any other. A run that was cut resumes from its last checkpoint.
    """
    from relsearch.encoders.encoder import load_encoder

    config = job.config
    with first_then_others():
        begin(job.output)
    keep = KeepBest(job.output, patience=config.patience, minutes=config.minutes, kept=job.kept)
    torch.manual_seed(job.seed)
    lists = build_lists(job.examples, size=config.documents_per_query, epochs=config.epochs, seed=job.seed)
    lists = whole_steps(lists, lists_per_step=config.lists_per_step, most=config.max_steps)
    steps = [
        Step(
            job.texts.queries[part.query_id],
            tuple(job.texts.documents[example.doc_id] for example in part.examples),
            tuple(example.gain for example in part.examples),
            tuple(example.weight for example in part.examples),
        )
        for part in lists
    ]
    model = load_late(
        job.encoder.model,
        job.encoder,
        max_length=config.max_length,
        dimension=config.dimension,
        second=config.second_encoder,
        learning=True,
    )
    start_late(model, steps[:_START_STEPS], config)
    model.remember_start(config.keep_start)
    by_cosine = Prior(mean=0.0, deviation=1.0, link=Logistic())
    with first_then_others():
        untrained = load_encoder(job.encoder, keep=job.vectors)

        def start(pairs: Sequence[Pair]) -> Floats:
            return by_cosine.logits(untrained.cosines(pairs))

        dev = build_dev_set(job, start)
    fitted = fit_late(
        model,
        steps,
        look=lambda: dev.ndcg10(_logits(model, dev) - dev.priors),
        keep=keep,
        config=config,
        seed=job.seed,
        output=job.output,
    )
    best = load_trained(job.output / BEST, model)
    logits, relevant = _logits(best, dev), dev.relevant(job.scale)
    card = LateCard(
        base=job.encoder.model,
        second=config.second_encoder,
        template=job.texts.template,
        max_length=config.max_length,
        calibration=calibrate(logits, relevant),
        training_data=job.training_data,
        seed=job.seed,
        best_step=keep.best.step,
        history=tuple(keep.history),
        losses=fitted.losses,
        dimension=best.projection.out_features,
        queries=best.queries,
        documents=best.documents,
        head=best.trained_head(),
    )
    if is_first():
        best.save_second(job.output)
    card = finish(job.output, card)
    pairs = sum(len(step.documents) for step in steps[: fitted.steps * config.lists_per_step])
    return TrainReport(card, fitted.steps, pairs, keep.history[-1].seconds, logits, relevant)


def load_trained(folder: Path, like: LateModel) -> LateModel:
    """Return the model of a folder, read and headed as another one is."""
    encoder = Source.find(str(folder), "train again").model("AutoModel", may_lack=UNUSED).float()
    size = like.projection.out_features
    model = LateModel(
        encoder,
        like.tokenizer,
        queries=like.queries,
        documents=like.documents,
        dimension=size,
        pooling=like.pooling,
        second=like.second,
    )
    model.head = like.head
    model.load_trained(folder)
    return model.to(like.bias.device)  # where training left the second encoder


def _logits(model: LateModel, dev: DevSet) -> Floats:
    """The model's logit of each dev pair, in the pairs' order."""
    parts = []
    with torch.no_grad(), model.averaged():
        for _, pairs in groupby(dev.pairs, key=lambda pair: pair.query_id):
            rows = list(pairs)
            parts.append(model(rows[0].query, [pair.text for pair in rows]).cpu().numpy())
    return np.concatenate(parts).astype(np.float64)
