"""What judges are compared with: labels that take no tuning, and those that others published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.folders import COLLECTIONS
from benchmarks.judges.agreement import measures
from benchmarks.judges.data import E5, MINILM, SCALE, TEST, TRAINING, Labelled, human_of, labelled
from benchmarks.judges.variants import EVIDENCE
from relsearch.core.query_pool import pools_of
from relsearch.encoders.encoder import load_encoder
from relsearch.judge.retrieval_features import RetrievalFeatures


def baselines(train: Labelled, dev: Labelled, test: Labelled, *, kept: Path) -> dict[str, pl.DataFrame]:
    """Return each baseline's labels of the test pairs; bins are cut on what judges are calibrated on."""
    human = human_of(test)
    judges = {"majority": measures.majority(human, train.grades + dev.grades, SCALE)}
    bm25 = [measures.bm25(name, human_of(labelled(name))) for name in TRAINING]
    order = [grade for name in TRAINING for grade in labelled(name).grades]
    judges["BM25 bins"] = measures.binned(
        np.concatenate(bm25), order, human, measures.bm25(TEST, human), SCALE, judge="bm25"
    )
    for name, config in (("MiniLM cosine bins", MINILM), ("e5 cosine bins", E5)):
        encoder = load_encoder(config, keep=kept)
        known = (encoder.cosines(dev.pairs), dev.grades)
        judges[name] = measures.binned(*known, human, encoder.cosines(test.pairs), SCALE, judge="cosine")
    judges["evidence bins"] = evidence_alone(train, dev, test, kept=kept)
    return judges | published()


def published() -> dict[str, pl.DataFrame]:
    """Return the labels that others published of the test pairs, by name."""
    return {
        f"{name}, published": measures.published(COLLECTIONS / TEST / f"llm_{file}_umbrela.tsv", SCALE)
        for name, file in measures.PUBLISHED.items()
    }


def evidence_alone(train: Labelled, dev: Labelled, test: Labelled, *, kept: Path) -> pl.DataFrame:
    """Return labels by what the tuned judges start from, fitted and cut on what theirs is."""
    encoders = [load_encoder(config, keep=kept) for config in (E5, MINILM)]
    evidence, _ = RetrievalFeatures.fit(
        pools_of(train.pairs), train.grades, encoders=encoders, names=EVIDENCE, scale=SCALE
    )
    known = evidence.scores(pools_of(dev.pairs))
    return measures.binned(
        known, dev.grades, human_of(test), evidence.scores(pools_of(test.pairs)), SCALE, judge="evidence"
    )
