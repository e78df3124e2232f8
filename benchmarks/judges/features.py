"""Which evidence helps a judge: columns compared by cross-validation over the training queries, no model tuned.

`python -m benchmarks.judges.features [--output runs/judge-quality]` needs RELSEARCH_COLLECTIONS and RELSEARCH_MODELS;
vectors are kept in the output folder and shared with benchmarks.judges.quality. No query of 2019 is used. Its table is
in benchmarks/judges.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from benchmarks.deals import SEED, shuffled
from benchmarks.folders import use_models
from benchmarks.judges.agreement import measures
from benchmarks.judges.data import E5, MINILM, SCALE, TRAINING, human_of, labelled
from benchmarks.judges.variants import EVIDENCE
from benchmarks.record import record
from relsearch.core.display.text_table import table
from relsearch.core.query_pool import pools_of
from relsearch.core.settings.config import RetrievalFeature
from relsearch.encoders.encoder import load_encoder
from relsearch.judge.calibration.blend import Blend, Floats
from relsearch.judge.retrieval_features import columns_of
from relsearch.judge.tuning.quality import quality

FOLDS = 6
POOL: tuple[RetrievalFeature, ...] = get_args(RetrievalFeature)
BOTH = (*EVIDENCE, *(f"MiniLM {name}" for name in EVIDENCE))
SETS = {
    "e5 cosine": ("cosine",),
    "MiniLM cosine": ("MiniLM cosine",),
    "BM25": ("BM25",),
    "e5 cosine, z": ("cosine", "cosine_z"),
    "e5 cosine, BM25": ("cosine", "BM25"),
    "e5 cosine, feedback": ("cosine", "cosine_feedback"),
    "e5 cosine, feedback, contrast": ("cosine", "cosine_feedback", "cosine_contrast"),
    "e5 cosine, feedback, contrast, z": EVIDENCE,
    "e5 and MiniLM cosine": ("cosine", "MiniLM cosine"),
    "e5 and MiniLM cosine, feedback": ("cosine", "cosine_feedback", "MiniLM cosine", "MiniLM cosine_feedback"),
    "e5 all four, MiniLM cosine": (*EVIDENCE, "MiniLM cosine"),
    "e5 and MiniLM, all four": BOTH,
    "e5 and MiniLM, all four, BM25": (*BOTH, "BM25"),
}


def main() -> None:
    """Compute every column once, cross-validate each set, record and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=Path("runs/judge-quality"))
    kept = parser.parse_args().output / "vectors"
    use_models()
    parts = [labelled(name) for name in TRAINING]
    pairs, grades = [p for part in parts for p in part.pairs], np.array([g for part in parts for g in part.grades])
    encoders = [load_encoder(config, keep=kept) for config in (E5, MINILM)]
    names = [*POOL, *(f"MiniLM {name}" for name in POOL)]
    columns = dict(zip(names, columns_of(pools_of(pairs), encoders, POOL).T, strict=True))
    bm25 = [measures.bm25(name, human_of(part)) for name, part in zip(TRAINING, parts, strict=True)]
    columns["BM25"] = np.log1p(np.concatenate(bm25))
    query_ids = [pair.query_id for pair in pairs]
    rows = []
    for name, chosen in SETS.items():
        scores = _cross_validated(np.column_stack([columns[one] for one in chosen]), grades, query_ids)
        rows.append({"evidence": name, **quality(scores, grades.tolist(), query_ids, SCALE).to_json()})
    record("judge_evidence", {"training": TRAINING, "pairs": len(pairs), "folds": FOLDS, "table": rows}, seed=SEED)
    figures = [key for key in rows[0] if key != "evidence"]
    cells = [[str(row["evidence"]), *(f"{row[key]:.3f}" for key in figures)] for row in rows]
    print(table(["evidence", *figures], cells))


def _cross_validated(values: Floats, grades: NDArray[np.int64], query_ids: list[str]) -> Floats:
    """The score of each pair by weights that were fitted on the other folds' queries."""
    fold_of = {query: place % FOLDS for place, query in enumerate(shuffled(set(query_ids)))}
    folds = np.array([fold_of[query] for query in query_ids])
    scores = np.zeros(len(values))
    names = [str(column) for column in range(values.shape[1])]
    for fold in range(FOLDS):
        inside = folds == fold
        scores[inside] = Blend.fit(names, values[~inside], grades[~inside], SCALE).scores(values[inside])
    return scores


if __name__ == "__main__":
    main()
