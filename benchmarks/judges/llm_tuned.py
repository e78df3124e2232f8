"""What a small LLM adds to retrieval features where people's labels tune its upper layers.

`python -m benchmarks.judges.llm_tuned [--base Qwen/Qwen2.5-Coder-0.5B-Instruct] [--output runs/judge-quality]` tunes
LoRA adapters by TREC DL 2021 and the dev half of 2023, as `relsearch tune` does, and judges the human-graded pairs of
2019 with them, with the same retrieval features alone and with the judge that ships. Every finished part is kept in the
output folder, so a cut run goes on. Needs RELSEARCH_COLLECTIONS and RELSEARCH_MODELS; an hour and a half on two cores
that compute in bfloat16. Its table is in benchmarks/judges.md.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from benchmarks.deals import SEED
from benchmarks.folders import use_models
from benchmarks.judges.agreement import measures
from benchmarks.judges.agreement.baselines import evidence_alone
from benchmarks.judges.agreement.gain import gain
from benchmarks.judges.data import MINILM, SCALE, TEST, TRAINING, human_of
from benchmarks.judges.llm_states import SIZES
from benchmarks.judges.quality import Bench
from benchmarks.judges.variants import EVIDENCE, SHIPPED, Variant
from benchmarks.record import record
from relsearch.core.settings.config import JudgeConfig, TuneConfig

ALONE = "retrieval features alone"
# The default rates of adapters and head, and a quarter of them.
TUNES = {
    rate: TuneConfig(
        learning_rate=rate,
        head_learning_rate=1.5 * rate,
        layers=6,
        max_pairs=5000,
        minutes=60,
        evaluations=6,
        dev_pairs=600,
    )
    for rate in (2e-4, 5e-5)
}


def main() -> None:
    """Tune and judge what is not finished, measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--base", default=SIZES["0.5B"].base)
    parser.add_argument("--output", type=Path, default=Path("runs/judge-quality"))
    options = parser.parse_args()
    use_models()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    judge = JudgeConfig(
        base=options.base, max_document_tokens=160, retrieval_features=EVIDENCE, more_encoders=(MINILM,)
    )
    variants = {f"{options.base}, rate {rate:g}": Variant(judge, tune) for rate, tune in TUNES.items()}
    bench = Bench(options.output, variants)
    tuned = {name: bench.judged(name) for name in variants}
    judges = {
        ALONE: evidence_alone(bench.train, bench.dev, bench.test, kept=bench.kept),
        SHIPPED: bench.judged(SHIPPED),
        **tuned,
    }
    human, runs = human_of(bench.test), measures.runs_of(TEST)
    figures = {
        "base": options.base,
        "test": TEST,
        "training": TRAINING,
        "layers": TUNES[2e-4].layers,
        "table": [measures.row(name, human, labels, runs, SCALE, SEED) for name, labels in judges.items()],
        "contributions": [
            {"judge": name, "over": over, **gain(human, labels, judges[over], SCALE, seed=SEED)}
            for name, labels in tuned.items()
            for over in (ALONE, SHIPPED)
        ],
        "tuning": {name: report for name, report in bench.reports().items() if name in variants},
    }
    print(figures)
    record("llm_tuned", figures, seed=SEED)


if __name__ == "__main__":
    main()
