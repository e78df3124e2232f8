"""What a closed LLM's labels are worth to a judge that learns from them, beside people's labels of the same queries.

`python -m benchmarks.judges.closed_labels [--output runs/judge-quality]` fits a judge of retrieval features alone on
TREC DL 2021, on the documents of BM25's top 100 that people and GPT-4 labelled: on people's labels of some queries or
of all; on GPT-4's published ones of all; on these, with the thresholds between grades set on people's labels of a few
queries. Each is measured against people on the same kind of pairs of 2019; where queries are drawn, figures are means
of DRAWS draws. Needs RELSEARCH_COLLECTIONS and RELSEARCH_MODELS; vectors are kept in the output folder. Its table is in
benchmarks/judges.md.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.deals import SEED
from benchmarks.folders import COLLECTIONS, use_models
from benchmarks.judges.agreement import measures
from benchmarks.judges.agreement.gain import gain
from benchmarks.judges.data import E5, SCALE, TEST, Labelled, human_of, labelled
from benchmarks.judges.variants import EVIDENCE
from benchmarks.record import record
from relsearch.core.display.text_table import table
from relsearch.core.query_pool import pools_of
from relsearch.encoders.encoder import Encoder, load_encoder
from relsearch.judge.calibration.blend import Blend, Floats
from relsearch.judge.retrieval_features import columns_of
from relsearch.measure.agreement import agreement

TRAINING = "trec-dl-2021"
FEW, DRAWS = (5, 10, 20, 40), 10
PEOPLE, CLOSED = "people", "GPT-4"
FIGURES = ("kappa", "kappa_binary", "auc", "auc_within_query")
_PAIR = ["query_id", "doc_id"]


def main() -> None:
    """Fit every judge, measure it, record and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=Path("runs/judge-quality"))
    kept = parser.parse_args().output / "vectors"
    use_models()
    trial = Trial(load_encoder(E5, keep=kept))
    every = len(trial.queries)
    arms = [(PEOPLE, few, PEOPLE, few) for few in (*FEW, every)]
    arms += [(CLOSED, every, PEOPLE, few) for few in FEW] + [(CLOSED, every, CLOSED, every)]
    rows = [trial.row(*arm) for arm in arms]
    closed, people = (trial.labels(each, trial.queries, each, trial.queries) for each in (CLOSED, PEOPLE))
    figures = {
        "training_pairs": len(trial.train.pairs),
        "test_pairs": len(trial.test.pairs),
        "draws": DRAWS,
        "rows": rows,
        "closed_over_people": gain(trial.human, closed, people, SCALE, seed=SEED),
        "published": trial.figures(_published(TEST)),
    }
    record("closed_labels", figures, seed=SEED)
    cells = [[f"{each:.3f}" if isinstance(each, float) else str(each) for each in row.values()] for row in rows]
    print(table(list(rows[0]), cells, width=None), figures["closed_over_people"], figures["published"], sep="\n")


class Trial:
    """The pairs of both years, their retrieval features, and both kinds of labels of those that judges learn from."""

    def __init__(self, encoder: Encoder) -> None:
        self.train, self.test = (_heads(name) for name in (TRAINING, TEST))
        self.known, self.asked = (
            columns_of(pools_of(part.pairs), [encoder], EVIDENCE) for part in (self.train, self.test)
        )
        self.human = human_of(self.test)
        closed = human_of(self.train).join(_published(TRAINING), on=_PAIR, how="left", maintain_order="left")
        self._grades = {PEOPLE: np.array(self.train.grades), CLOSED: closed["grade_right"].to_numpy()}
        self._query_ids = np.array([pair.query_id for pair in self.train.pairs])
        self.queries = sorted(set(self._query_ids.tolist()))

    def row(self, teacher: str, learnt: int, thresholds_by: str, thresholds: int) -> dict[str, Any]:
        """Return a judge's mean figures over draws of the queries; drawn once where all queries are meant."""
        found = []
        for seed in range(DRAWS if min(learnt, thresholds) < len(self.queries) else 1):
            order = random.Random(seed).sample(self.queries, len(self.queries))  # noqa: S311 - a seeded draw
            found.append(self.figures(self.labels(teacher, order[:learnt], thresholds_by, order[:thresholds])))
        means = {name: float(np.mean([each[name] for each in found])) for name in FIGURES}
        return {
            "labels": teacher,
            "queries": learnt,
            "thresholds_by": thresholds_by,
            "threshold_queries": thresholds,
        } | means

    def labels(
        self, teacher: str, learnt: Collection[str], thresholds_by: str, thresholds: Collection[str]
    ) -> pl.DataFrame:
        """Return the labels of 2019's pairs by a judge that learnt from a teacher's labels of some queries."""
        rows, cut = (np.isin(self._query_ids, list(queries)) for queries in (learnt, thresholds))
        blend = Blend.fit(EVIDENCE, self.known[rows], self._grades[teacher][rows], SCALE)
        scores: list[Floats] = [blend.scores(each) for each in (self.known[cut], self.asked)]
        given = self._grades[thresholds_by][cut].tolist()
        return measures.binned(scores[0], given, self.human, scores[1], SCALE, judge=teacher)

    def figures(self, labels: pl.DataFrame) -> dict[str, float]:
        """Return how far labels agree with people's of 2019."""
        found = agreement(self.human, labels, SCALE, resamples=2, seed=SEED).figures()
        return {name: figure.value for name in FIGURES if (figure := found[name])}


def _heads(name: str) -> Labelled:
    """The pairs of BM25's top 100 that people and GPT-4 labelled."""
    both = measures.runs_of(name)["bm25"].join(_published(name), on=_PAIR, how="semi")
    wanted = set(both.select(_PAIR).iter_rows())
    every = labelled(name)
    return every.of_rows([row for row, pair in enumerate(every.pairs) if (pair.query_id, pair.doc_id) in wanted])


def _published(name: str) -> pl.DataFrame:
    return measures.published(COLLECTIONS / name / "llm_gpt4_umbrela.tsv", SCALE)


if __name__ == "__main__":
    main()
