"""Cross-validation: a reranker is tested on folds of the labelled queries, each ranked by a model that left it out.

It takes the place of a dev split where fewer than 20 labelled queries are left to learn from, and tells the quality
gate more where the dev queries are too few.

A fold's model never learns from examples of the fold's queries. Judged examples of other queries may still carry their
labels: a tuned judge and the pipeline's own reranker learnt from them, the latter for each query from all folds but the
query's own. Figures of the augmented arm are then better than those of new queries would be.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from relsearch.cluster.processes import is_first, wait
from relsearch.core import tables
from relsearch.core.files.atomic import replace_text
from relsearch.core.settings.config import Config
from relsearch.core.types import Scale
from relsearch.data.duplicates import repeats
from relsearch.exporters.model_card import write_model_card
from relsearch.judge.registry import RERANKER, TUNED
from relsearch.measure.quality_gate import queries_needed
from relsearch.pipeline.stages.inputs import Artefacts, Collected, Pools, of_queries
from relsearch.pipeline.stages.runs import exported_mix, reranked
from relsearch.pipeline.stages.training import arm_examples, human_examples, train_on
from relsearch.rerank.card import CARD, Evaluation, Kept
from relsearch.rerank.families import open_model
from relsearch.rerank.reranker import Reranker
from relsearch.stats.dealing import dealt

if TYPE_CHECKING:
    from relsearch.rerank.train_job import TrainReport

FOLDED = ("human", "augmented")  # the arms whose training is known before it begins
FOLDS = "folds"
_GATE_FOLDS = 5
_FOLDS = 3  # in place of a dev split: each one is a training more, of every reranker


def folds_need(max_p: float) -> int:
    """Return how many queries folds take: enough to reach the p, and one to learn from, to stop by and to rank."""
    return max(queries_needed(max_p), 3)


def answerable(collected: Collected, *splits: str, scale: Scale) -> set[str]:
    """Return the ids of the splits' queries that have a document which people call relevant."""
    return set(collected.human_in(*splits).filter(pl.col("grade") >= scale.relevant)["query_id"])


def is_cross_validated(collected: Collected) -> bool:
    """Tell whether there is no dev split, so that training queries do its work, fold by fold."""
    return not collected.split("dev")


def folds(config: Config, collected: Collected) -> list[set[str]]:
    """Return the folds of the training queries that take the place of a dev split."""
    return dealt(answerable(collected, "train", scale=config.scale), _FOLDS, seed=config.seed)


def watched(config: Config, collected: Collected) -> set[str]:
    """Return the queries by which a single training is steered: the dev queries, or the first fold."""
    return folds(config, collected)[0] if is_cross_validated(collected) else collected.split("dev")


def with_repeats(config: Config, collected: Collected, queries: Set[str]) -> set[str]:
    """Return the queries and all that repeat them in other words, whose labels would tell theirs."""
    texts = collected.query_texts
    others = {query_id: text for query_id, text in texts.items() if query_id not in queries}
    known = [texts[query_id] for query_id in sorted(queries)]
    return {*queries, *repeats(others, known, threshold=config.pool.near_duplicate)}


def testing_the_judge(config: Config, collected: Collected) -> set[str]:
    """Return the queries whose human labels a judge is tested on before its labels are used.

    These are the dev queries. Where there are none they are those training queries that the judge did not learn from:
    of a tuned judge the first fold, of the pipeline's own reranker all folds, since it judges each by a model that left
    it out, and of others all.
    """
    if not is_cross_validated(collected) or TUNED in config.label.judges:
        return watched(config, collected)
    return set().union(*folds(config, collected)) if RERANKER in config.label.judges else collected.split("train")


def cross_validate(
    config: Config, examples: pl.DataFrame, written: Mapping[str, str], *, pools: Pools, vectors: Path, output: Path
) -> TrainReport:
    """Train on all examples, for which cross-validation decides what a dev split would, and return the report.

    A model for each fold learns from the other folds to its end, and stays in `output` for those who need a ranking by
    a model that left a query out. Their mean NDCG@10 on the queries that they left out chooses between the last weights
    and the untrained ones, which then are the folds' too; the calibration is fitted on these queries' documents, and
    the card has these figures. What an interrupted call finished is not trained again.
    """
    from relsearch.rerank.card import write_card
    from relsearch.rerank.train_job import calibrate

    labelled = human_examples(config, "train", pools=pools)
    parts = folds(config, pools.collected)
    share = config.train.minutes / (len(parts) + 1)
    settings = config.train.model_copy(update={"evaluations": 1, "minutes": share})
    trained = partial(train_on, config, collected=pools.collected, vectors=vectors, written=written, train=settings)

    def tested(number: int, kept: Kept) -> _Tested:
        fold, folder = parts[number], output / FOLDS
        path = folder / f"{number}-{kept}.json"
        if not path.is_file():
            others = examples.filter(~pl.col("query_id").is_in(with_repeats(config, pools.collected, fold)))
            report = trained(others, dev=of_queries(labelled, fold), output=folder / str(number), kept=kept)
            _write_tested(path, report)
        return _Tested.model_validate_json(path.read_text("utf-8"))

    held_out = [tested(number, "end") for number in range(len(parts))]
    sizes = [len(fold) for fold in parts]
    start, end = (
        float(np.average([getattr(each, place) for each in held_out], weights=sizes)) for place in ("start", "end")
    )
    kept: Kept = "end" if end > start else "start"
    if kept == "start":
        held_out = [tested(number, kept) for number in range(len(parts))]
    # Any fold may be looked at: what the weights do there decides nothing.
    report = trained(examples, dev=of_queries(labelled, parts[0]), output=output, kept=kept)
    last = report.card.history[-1]
    history = (
        Evaluation(step=0, seconds=0.0, ndcg10=start),
        Evaluation(step=max(last.step, 1), seconds=last.seconds, ndcg10=end),
    )
    logits, relevant = (np.concatenate([getattr(each, name) for each in held_out]) for name in ("logits", "relevant"))
    card = report.card.model_copy(update={"history": history, "calibration": calibrate(logits, relevant)})
    if is_first():
        write_card(card, output)
        write_model_card(output)
    return report.with_card(card)


class _Tested(BaseModel):
    """What a fold's model did on the queries that it left out."""

    model_config = ConfigDict(frozen=True)

    start: float
    end: float
    logits: tuple[float, ...]
    relevant: tuple[float, ...]


def _write_tested(path: Path, report: TrainReport) -> None:
    if is_first():
        history = report.card.history
        kept = _Tested(
            start=history[0].ndcg10,
            end=history[-1].ndcg10,
            logits=tuple(report.logits.tolist()),
            relevant=tuple(report.relevant.tolist()),
        )
        replace_text(path, kept.model_dump_json())
    wait()


def held_out_run(config: Config, arm: str, folder: Path, *, pools: Pools, artefacts: Artefacts) -> pl.DataFrame:
    """Return the arm's run of all answerable training and dev queries, each by a model without examples of its own.

    Judged examples of others may carry the labels of these queries, as the module says.

    Where cross-validation stood in for a dev split its models rank. Else queries are dealt to at most five folds by a
    hash; a model learns from the other folds and stops by the next one. Each fold's model stands in `folder`, so that
    an interrupted call goes on.
    """
    if is_cross_validated(pools.collected):
        return pl.concat(
            _ranked(config, pools, fold, artefacts.path(f"train-{arm}", FOLDS, str(number)))
            for number, fold in enumerate(folds(config, pools.collected))
        )
    parts = dealt(answerable(pools.collected, "train", "dev", scale=config.scale), _GATE_FOLDS, seed=config.seed)
    known, written = arm_examples(config, arm, pools=pools, artefacts=artefacts)
    every = pl.concat([known, human_examples(config, "dev", pools=pools)])
    labelled = human_examples(config, "train", "dev", pools=pools)
    runs = []
    for number, fold in enumerate(parts):
        model = folder / str(number)
        if not (model / CARD).is_file():
            stopping = parts[(number + 1) % len(parts)]
            train_on(
                config,
                every.filter(~pl.col("query_id").is_in(with_repeats(config, pools.collected, fold | stopping))),
                dev=of_queries(labelled, stopping),
                collected=pools.collected,
                vectors=artefacts.vectors,
                written=written,
                output=model,
            )
        runs.append(_ranked(config, pools, fold, model))
    return pl.concat(runs)


def _ranked(config: Config, pools: Pools, query_ids: Set[str], model: Path) -> pl.DataFrame:
    first = of_queries(pools.first_stage, query_ids)
    if first.is_empty():
        return pl.DataFrame(schema=dict(tables.CANDIDATES))
    reranker = Reranker(open_model(model), config.collection.template, exported_mix(config))
    return reranked(config, first, reranker, collected=pools.collected)
