"""Judges side by side on TREC Deep Learning 2019: tuned on 2021 and the dev half of 2023, no query of 2019 seen.

`python -m benchmarks.judge_quality [--output runs/judge-quality] [--only NAME...] [--measure-only]` tunes each
judge of TUNED, fits STACKS on held-out training queries, judges the human-graded pairs of 2019 and sets the judges
beside baselines and published labels. Every finished part is kept in the output folder, so a cut run goes on. It
needs RELSEARCH_COLLECTIONS (default ../shared/collections) and RELSEARCH_MODELS (default ../shared/models).
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks import judge_measures as measures
from benchmarks.folders import COLLECTIONS, MODELS
from benchmarks.judge_gain import gain
from benchmarks.record import RESULTS, record
from relsearch.config import Aim, EncoderConfig, JudgeConfig, TuneConfig
from relsearch.corpus import FolderCollection
from relsearch.encoder import load_encoder
from relsearch.exporters.files import replace_text
from relsearch.judge.card import HELD_OUT, read_card
from relsearch.judge.evidence import Evidence
from relsearch.judge.sample import natural_sample
from relsearch.judge.stack import fit_stack
from relsearch.judge.store import judge_all
from relsearch.judge.tune import tune
from relsearch.judge.tuned import load_judge
from relsearch.judge.zero_shot import ZeroShotJudge
from relsearch.ordinal import CumulativeLink, cut
from relsearch.protocols import Judge
from relsearch.reliability import reliability
from relsearch.template import render
from relsearch.trec import read_qrels
from relsearch.types import SCALES, Pair

TRAINING, TEST = ("trec-dl-2021", "llmjudge-dev"), "trec-dl-2019"
SCALE, SEED = SCALES["0-3"], 13
DEV_QUERIES = 16
AIM: Aim = "frequency"
# Judges whose labels are too dear for all pairs on two cores read this many a query; their row says so.
SAMPLE_PER_QUERY = 40
E5 = EncoderConfig(model="intfloat/e5-small-v2", query_prefix="query: ", document_prefix="passage: ", max_tokens=256)
MINILM = EncoderConfig(max_tokens=256)
_ENCODER = JudgeConfig(
    family="encoder",
    base=E5.model,
    query_prefix=E5.query_prefix,
    document_prefix=E5.document_prefix,
    max_document_tokens=160,
    evidence=("cosine",),
)
_LLM = JudgeConfig(max_document_tokens=160, evidence=("cosine",))
_LORA = TuneConfig(
    layers=6, learning_rate=2e-4, head_learning_rate=3e-4, max_pairs=3000, minutes=12, evaluations=6, dev_pairs=1200
)
_LLM_TUNE = {"layers": 8, "max_pairs": 2400, "evaluations": 4, "dev_pairs": 500}


@dataclass(frozen=True)
class Variant:
    """One tuned judge; `sampled` ones label a sample of the test pairs."""

    judge: JudgeConfig
    tune: TuneConfig
    sampled: bool = False


TUNED = {
    "encoder + evidence": Variant(_ENCODER, _LORA),
    "encoder + evidence of two": Variant(_ENCODER.model_copy(update={"more_encoders": (MINILM,)}), _LORA),
    "LLM + evidence": Variant(_LLM, _LORA.model_copy(update=_LLM_TUNE), sampled=True),
    "encoder alone": Variant(
        _ENCODER.model_copy(update={"evidence": ()}), _LORA.model_copy(update={"minutes": 6}), sampled=True
    ),
}
ZERO_SHOT = "SmolLM2 zero-shot"
SHIPPED = "encoder + evidence of two"
STACKS = {"stack of encoder and LLM": (SHIPPED, "LLM + evidence")}
CONTRIBUTIONS = (
    ("encoder + evidence", "e5 cosine bins"),
    ("cosine of both", "e5 cosine bins"),
    (SHIPPED, "cosine of both"),
    (SHIPPED, "e5 cosine bins"),
    ("LLM + evidence", "e5 cosine bins"),
    ("stack of encoder and LLM", SHIPPED),
)


@dataclass(frozen=True)
class Labelled:
    """Pairs with their human grades."""

    pairs: list[Pair]
    grades: list[int]

    def of(self, query_ids: set[str]) -> Labelled:
        """Return the part of these queries."""
        rows = [row for row, pair in enumerate(self.pairs) if pair.query_id in query_ids]
        return self.at(rows)

    def at(self, rows: Sequence[int]) -> Labelled:
        """Return these rows."""
        return Labelled([self.pairs[row] for row in rows], [self.grades[row] for row in rows])


def main() -> None:
    """Tune, judge, measure, record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=Path("runs/judge-quality"))
    parser.add_argument("--only", nargs="*", help="tune and judge only these, and measure nothing")
    parser.add_argument("--measure-only", action="store_true", help="measure what is finished, tune nothing")
    arguments = parser.parse_args()
    os.environ.setdefault("RELSEARCH_MODELS", str(MODELS))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    bench = Bench(arguments.output)
    if not arguments.measure_only:
        for name in arguments.only if arguments.only is not None else [*TUNED, *STACKS, ZERO_SHOT]:
            bench.judged(name)
    if arguments.only is not None:
        return
    judges = bench.judges()
    rows = bench.rows(judges)
    found = {"shipped": shipped(rows), "contributions": contributions(bench.test, judges), "tuning": bench.reports()}
    record("judge_quality", {"test": TEST, "training": TRAINING, "table": rows, **found}, seed=SEED)
    bins = reliability(human_of(bench.test), judges[SHIPPED], SCALE, resamples=1000, seed=SEED)
    replace_text(RESULTS / "judge_reliability.svg", bins.to_svg())


class Bench:
    """The collections, and the folder of what is finished."""

    def __init__(self, output: Path) -> None:
        self.output = output
        output.mkdir(parents=True, exist_ok=True)
        training = [labelled(name) for name in TRAINING]
        every = Labelled([p for part in training for p in part.pairs], [g for part in training for g in part.grades])
        queries = sorted({pair.query_id for pair in every.pairs})
        random.Random(SEED).shuffle(queries)  # noqa: S311 - a seeded split, not a secret
        self.dev, self.train = every.of(set(queries[:DEV_QUERIES])), every.of(set(queries[DEV_QUERIES:]))
        self.test = labelled(TEST)
        self.sample = self.test.at(
            natural_sample(
                self.test.pairs, count=SAMPLE_PER_QUERY * len({p.query_id for p in self.test.pairs}), seed=SEED
            )
        )

    @property
    def kept(self) -> Path:
        """Where vectors outlive the process."""
        return self.output / "vectors"

    def judged(self, name: str) -> pl.DataFrame:
        """Return a judge's labels of the test pairs; made where they are not finished."""
        path = self._folder(name) / "judgments.parquet"
        if not path.is_file():
            part = self.sample if name not in TUNED or TUNED[name].sampled else self.test
            stacked = name in STACKS
            table = self._stacked(name) if stacked else judge_all(self._judge(name), part.pairs, path.parent / "store")
            table.write_parquet(path)
        return pl.read_parquet(path)

    def judges(self) -> dict[str, pl.DataFrame]:
        """Return the labels of baselines, of published judges, and of every judge that is finished."""
        human = human_of(self.test)
        train = Labelled(self.train.pairs + self.dev.pairs, self.train.grades + self.dev.grades)
        judges = {"majority": measures.majority(human, train.grades, SCALE)}
        bm25 = [measures.bm25(name, human_of(labelled(name))) for name in TRAINING]
        order = [grade for name in TRAINING for grade in labelled(name).grades]
        judges["BM25 bins"] = measures.binned(
            np.concatenate(bm25), order, human, measures.bm25(TEST, human), SCALE, judge="bm25"
        )
        for name, config in (("MiniLM cosine bins", MINILM), ("e5 cosine bins", E5)):
            encoder = load_encoder(config, keep=self.kept)
            known = (encoder.cosines(self.dev.pairs), self.dev.grades)  # what the judges are calibrated on
            judges[name] = measures.binned(*known, human, encoder.cosines(self.test.pairs), SCALE, judge="cosine")
        judges["cosine of both"] = self._both_cosines(human)
        for name, file in measures.PUBLISHED.items():
            judges[f"{name}, published"] = measures.published(COLLECTIONS / TEST / f"llm_{file}_umbrela.tsv", SCALE)
        for name in (ZERO_SHOT, *TUNED, *STACKS):
            if (self._folder(name) / "judgments.parquet").is_file():
                judges[name] = self.judged(name)
        return judges

    def _both_cosines(self, human: pl.DataFrame) -> pl.DataFrame:
        encoders = [load_encoder(config, keep=self.kept) for config in (E5, MINILM)]
        evidence, known = Evidence.fit(
            self.dev.pairs, self.dev.grades, encoders=encoders, names=("cosine",), scale=SCALE
        )
        scores = evidence.scores(self.test.pairs)
        return measures.binned(known, self.dev.grades, human, scores, SCALE, judge="cosines")

    def rows(self, judges: Mapping[str, pl.DataFrame]) -> list[dict[str, Any]]:
        """Return every figure of each judge, a row a judge."""
        human = human_of(self.test)
        texts, queries, runs = measures.inputs(TEST)
        return [measures.row(name, human, found, texts, queries, runs, SCALE, SEED) for name, found in judges.items()]

    def reports(self) -> dict[str, Any]:
        """Return what tuning reported of each judge."""
        cards = {name: self._folder(name) / "judge" / "judge.json" for name in TUNED}
        return {name: json.loads(card.read_text("utf-8"))["figures"] for name, card in cards.items() if card.is_file()}

    def _folder(self, name: str) -> Path:
        return folder_of(self.output, name)

    def _judge(self, name: str) -> Judge:
        if name == ZERO_SHOT:
            return ZeroShotJudge(JudgeConfig(max_document_tokens=160), SCALE)
        folder = self._folder(name) / "judge"
        if not (folder / "judge.json").is_file():
            variant = TUNED[name]
            tune(
                *(self.train.pairs, self.train.grades, self.dev.pairs, self.dev.grades),
                judge=variant.judge,
                tune=variant.tune,
                encoders=[load_encoder(one, keep=self.kept) for one in (E5, *variant.judge.more_encoders)],
                scale=SCALE,
                seed=SEED,
                output=folder,
            )
        return load_judge(folder, keep=self.kept)

    def _stacked(self, name: str) -> pl.DataFrame:
        """A stack's labels of the pairs that all its members labelled, from their scores: nothing is read again."""
        members = {member: self._folder(member) / "judge" for member in STACKS[name]}
        held = {member: pl.read_parquet(folder / HELD_OUT) for member, folder in members.items()}
        common = _common(held)
        columns = {member: common[member].to_numpy() for member in members}
        folder = self._folder(name) / "judge"
        card = fit_stack(
            members, columns, common["grade"].to_list(), common["query_id"].to_list(), aim=AIM, seed=SEED, output=folder
        )
        tables = {member: _scored(self.judged(member), folder / member) for member in members}
        both = _common(tables)
        scores = card.blend.scores(both.select(card.blend.columns).to_numpy())
        rows = CumulativeLink.from_json(card.calibration).probabilities(scores)
        return measures.labels(both, cut(scores, card.cuts, SCALE), rows, SCALE, judge=name)


def folder_of(output: Path, name: str) -> Path:
    """Return where a judge and its labels stand."""
    return output / re.sub(r"[^a-z0-9]+", "-", name.lower())


def labelled(name: str) -> Labelled:
    """Return a collection's human-graded pairs in the order of query and document."""
    source = FolderCollection(COLLECTIONS / name, trec=False)
    texts = {document.doc_id: render(document.fields) for document in source.documents()}
    queries = {query.query_id: query.text for query in source.queries()}
    human = read_qrels(COLLECTIONS / name / "qrels.tsv", SCALE).sort("query_id", "doc_id")
    rows = list(human.select("query_id", "doc_id").iter_rows())
    return Labelled([Pair(query, doc, queries[query], texts[doc]) for query, doc in rows], human["grade"].to_list())


def shipped(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of the judge that ships, each as value with its interval."""
    row = next(row for row in rows if row["name"] == SHIPPED)
    names = {
        "kappa4": "kappa",
        "kappa2": "kappa_binary",
        "auc": "auc",
        "within_query_auc": "auc_within_query",
        "mae": "mae",
        "tau_systems": "tau_systems",
    }
    return {"name": SHIPPED, **{short: row[name] for short, name in names.items()}}


def contributions(test: Labelled, judges: Mapping[str, pl.DataFrame]) -> list[dict[str, Any]]:
    """Return what each judge gains over another on the same pairs, with paired query-bootstrap intervals."""
    human = human_of(test)
    return [
        {"judge": judge, "over": base, **gain(human, judges[judge], judges[base], SCALE, seed=SEED)}
        for judge, base in CONTRIBUTIONS
        if judge in judges and base in judges
    ]


def _common(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The pairs of all tables, with each one's score in a column of its name, and the grade where they have one."""
    named = [
        table.rename({"score": name}).select("query_id", "doc_id", *({"grade"} & set(table.columns)), name)
        for name, table in tables.items()
    ]
    both = named[0]
    for other in named[1:]:
        both = both.join(other.drop("grade", strict=False), on=["query_id", "doc_id"])
    return both.sort("query_id", "doc_id")


def _scored(judged: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """The ordinal score of each labelled pair, back from its distribution: the inverse of the judge's calibration."""
    link = CumulativeLink.from_json(read_card(folder).calibration)
    lowest = judged["probabilities"].list.first().to_numpy()
    logits = np.log1p(-lowest) - np.log(lowest) + link.thresholds[0]
    return judged.select("query_id", "doc_id").with_columns(score=logits / link.slope * link.deviation + link.mean)


def human_of(part: Labelled) -> pl.DataFrame:
    """The human judgments of these pairs as a table."""
    return pl.DataFrame(
        {
            "query_id": [pair.query_id for pair in part.pairs],
            "doc_id": [pair.doc_id for pair in part.pairs],
            "grade": pl.Series(part.grades, dtype=pl.Int32),
        }
    )


if __name__ == "__main__":
    main()
