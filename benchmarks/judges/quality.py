"""Judges side by side on TREC Deep Learning 2019: tuned on 2021 and the dev half of 2023.

`python -m benchmarks.judges.quality [--output runs/judge-quality] [--only NAME...] [--measure-only]` tunes each judge
of TUNED, judges the human-graded pairs of 2019 with them and with the judge that ships, and compares all with baselines
and published labels. Every finished part is kept in the output folder, so a cut run goes on. It needs
RELSEARCH_COLLECTIONS (default ../shared/collections) and RELSEARCH_MODELS (default ../shared/models). Its tables are in
benchmarks/README.md and benchmarks/judges.md.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.deals import SEED
from benchmarks.folders import use_models
from benchmarks.judges.agreement import measures
from benchmarks.judges.agreement.baselines import baselines
from benchmarks.judges.agreement.gain import gain
from benchmarks.judges.data import E5, SCALE, TEST, TRAINING, Labelled, human_of, labelled, training_halves
from benchmarks.judges.variants import (
    CONTRIBUTIONS,
    LLM,
    LLM_ALONE,
    SAMPLE_PER_QUERY,
    SHIPPED,
    TUNED,
    ZERO_SHOT,
    Variant,
    folder_of,
)
from benchmarks.record import RESULTS, record
from relsearch.core.files.atomic import replace_text
from relsearch.core.protocols import Judge
from relsearch.core.query_pool import pools_of
from relsearch.core.settings.config import JudgeConfig
from relsearch.encoders.encoder import load_encoder
from relsearch.judge.judge_card import CARD
from relsearch.judge.registry import READY, judge_folder
from relsearch.judge.store.judgment_store import judge_all
from relsearch.judge.tune import tune
from relsearch.judge.tuned import load_judge
from relsearch.judge.tuning.sample import natural_sample
from relsearch.judge.zero_shot import ZeroShotJudge
from relsearch.measure.reliability import reliability


def main() -> None:
    """Tune, judge, measure, record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=Path("runs/judge-quality"))
    parser.add_argument("--only", nargs="*", help="tune and judge only these, and measure nothing")
    parser.add_argument("--measure-only", action="store_true", help="measure what is finished, tune nothing")
    arguments = parser.parse_args()
    use_models()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    bench = Bench(arguments.output)
    if not arguments.measure_only:
        for name in arguments.only if arguments.only is not None else [SHIPPED, *TUNED, ZERO_SHOT]:
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
    """The collections, the folder of what is finished, and the judges that are tuned by their names."""

    def __init__(self, output: Path, variants: Mapping[str, Variant] = TUNED) -> None:
        self.output = output
        self.variants = variants
        output.mkdir(parents=True, exist_ok=True)
        self.train, self.dev = training_halves()
        self.test = labelled(TEST)
        queries = sorted({pair.query_id for pair in self.test.pairs})
        few = natural_sample(self.test.pairs, count=SAMPLE_PER_QUERY * len(queries), seed=SEED)
        every_second = self.test.of_queries(set(queries[::2]))
        self.parts = {ZERO_SHOT: self.test.of_rows(few), LLM: every_second, LLM_ALONE: every_second}

    @property
    def kept(self) -> Path:
        """Where vectors outlive the process."""
        return self.output / "vectors"

    def judged(self, name: str) -> pl.DataFrame:
        """Return a judge's labels of the test pairs; made where they are not finished."""
        path = self._folder(name) / "judgments.parquet"
        if not path.is_file():
            part = self.parts.get(name, self.test)
            judge_all(self._judge(name), pools_of(part.pairs), path.parent / "store").write_parquet(path)
        return pl.read_parquet(path)

    def judges(self) -> dict[str, pl.DataFrame]:
        """Return the labels of baselines, of published judges, and of every judge that is finished."""
        judges = baselines(self.train, self.dev, self.test, kept=self.kept)
        for name in (ZERO_SHOT, SHIPPED, *self.variants):
            if (self._folder(name) / "judgments.parquet").is_file():
                judges[name] = self.judged(name)
        return judges

    def rows(self, judges: Mapping[str, pl.DataFrame]) -> list[dict[str, Any]]:
        """Return every figure of each judge, a row a judge."""
        human = human_of(self.test)
        runs = measures.runs_of(TEST)
        return [measures.row(name, human, labels, runs, SCALE, SEED) for name, labels in judges.items()]

    def reports(self) -> dict[str, Any]:
        """Return what tuning reported of each judge."""
        cards = {name: self._folder(name) / "judge" / CARD for name in self.variants} | {
            SHIPPED: judge_folder(READY) / CARD
        }
        return {name: json.loads(card.read_text("utf-8"))["figures"] for name, card in cards.items() if card.is_file()}

    def _folder(self, name: str) -> Path:
        return folder_of(self.output, name)

    def _judge(self, name: str) -> Judge:
        if name == ZERO_SHOT:
            return ZeroShotJudge(JudgeConfig(max_document_tokens=160), SCALE)
        folder = judge_folder(READY) if name == SHIPPED else self._folder(name) / "judge"
        if not (folder / CARD).is_file():
            variant = self.variants[name]
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


if __name__ == "__main__":
    main()
