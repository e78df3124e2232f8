"""Whether the states of a small LLM, which nobody tuned, tell a judge what retrieval features do not know.

`python -m benchmarks.judges.llm_states [--size 0.5B] [--output runs/judge-quality]` reads the pairs of
benchmarks.judges.closed_labels with the first three quarters of the LLM's layers. A ridge regression learns the grade
from states of TREC DL 2021, those of the last token and the mean of the query's; its strength is the one whose z-scores
in the pool agree best with the grades of queries left out. Its score, and its z-score in the pool, join the retrieval
features; 2019 says what they add. `--size 1.5B` reads with a larger LLM, in bfloat16. Needs RELSEARCH_COLLECTIONS and
RELSEARCH_MODELS; states are kept in the output folder. The tables are in benchmarks/judges.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.deals import SEED, shuffled
from benchmarks.folders import use_models
from benchmarks.judges.agreement import measures
from benchmarks.judges.agreement.gain import gain
from benchmarks.judges.closed_labels import PEOPLE, Trial
from benchmarks.judges.data import E5, SCALE
from benchmarks.judges.variants import EVIDENCE
from benchmarks.record import record
from relsearch.core.display.progress import progress
from relsearch.core.types import Pair
from relsearch.encoders.encoder import load_encoder
from relsearch.encoders.model_source import resolve
from relsearch.encoders.prf import standardise
from relsearch.judge.calibration.blend import Blend, Floats


class _Base(NamedTuple):
    """A hub model, the layers whose states are taken (half of all, three quarters), its arithmetic and its result."""

    model: str
    layers: tuple[int, int]
    dtype: str
    result: str


BASES = {
    "0.5B": _Base("Qwen/Qwen2.5-Coder-0.5B-Instruct", (12, 18), "float32", "llm_states"),
    "1.5B": _Base("Qwen/Qwen2.5-Coder-1.5B-Instruct", (14, 21), "bfloat16", "llm_states_larger"),
}
_STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # of the ridge, times the pairs
_FOLDS = 5
_PART, _BATCH = 256, 16
_PASSAGE_TOKENS, _QUERY_TOKENS = 112, 40
_States = dict[str, Floats]


def main() -> None:
    """Read what has not been read, fit, measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", choices=BASES, default="0.5B")
    parser.add_argument("--output", type=Path, default=Path("runs/judge-quality"))
    options = parser.parse_args()
    base = BASES[options.size]
    use_models()
    trial = Trial(load_encoder(E5, keep=options.output / "vectors"))
    parts = {"train": trial.train.pairs, "test": trial.test.pairs}
    known, asked = (
        _states(base, pairs, options.output / "states" / options.size / part) for part, pairs in parts.items()
    )
    without = trial.labels(PEOPLE, trial.queries, PEOPLE, trial.queries)
    rows = [{"states": "none", **trial.figures(without)}]
    for name, keys in _sets(*base.layers).items():
        probe = _Probe(trial, *(np.concatenate([of[key] for key in keys], axis=1) for of in (known, asked)))
        judged = probe.labels()
        row = {"states": name, "strength": probe.strength, "alone": trial.figures(probe.alone())}
        row["gain"] = gain(trial.human, judged, without, SCALE, seed=SEED)
        rows.append(row | trial.figures(judged))
        print(rows[-1], flush=True)
    figures = {"base": base.model, "training_pairs": len(trial.train.pairs), "test_pairs": len(trial.test.pairs)}
    record(base.result, {**figures, "rows": rows}, seed=SEED)


def _sets(half: int, most: int) -> dict[str, tuple[str, ...]]:
    """The sets of states that are tried, by what the table calls them."""
    return {
        f"last token, layer {half}": (f"last{half}",),
        f"last token, layer {most}": (f"last{most}",),
        f"query's tokens, layer {most}": (f"query{most}",),
        "all four": (f"last{half}", f"last{most}", f"query{half}", f"query{most}"),
    }


class _Probe:
    """A ridge regression of grades on states, [n, h], of the pairs that judges learn from and of those asked for."""

    def __init__(self, trial: Trial, known: Floats, asked: Floats) -> None:
        self._trial = trial
        self._grades = np.array(trial.train.grades)
        queries = np.array([pair.query_id for pair in trial.train.pairs])
        fold_of = {query: turn % _FOLDS for turn, query in enumerate(shuffled(set(trial.queries)))}
        folds = np.array([fold_of[query] for query in queries.tolist()])
        tried = [(strength, self._left_out(known, folds, strength)) for strength in _STRENGTHS]
        agreed = [np.corrcoef(_columns(left_out, queries)[:, 1], self._grades)[0, 1] for _, left_out in tried]
        self.strength, left_out = tried[int(np.argmax(agreed))]
        self._known = _columns(left_out, queries)
        found = _ridge(known, self._grades, asked, self.strength)
        self._asked = _columns(found, np.array([pair.query_id for pair in trial.test.pairs]))

    def labels(self) -> pl.DataFrame:
        """The labels of 2019's pairs by retrieval features and the probe."""
        both = (np.hstack([self._trial.known, self._known]), np.hstack([self._trial.asked, self._asked]))
        return self._labelled(*both, (*EVIDENCE, "probe", "probe_z"))

    def alone(self) -> pl.DataFrame:
        """Those by the probe alone."""
        return self._labelled(self._known, self._asked, ("probe", "probe_z"))

    def _labelled(self, known: Floats, asked: Floats, columns: Sequence[str]) -> pl.DataFrame:
        blend = Blend.fit(columns, known, self._grades, SCALE)
        scores, found = blend.scores(known), blend.scores(asked)
        return measures.binned(scores, self._grades.tolist(), self._trial.human, found, SCALE, judge="probe")

    def _left_out(self, known: Floats, folds: NDArray[np.int64], strength: float) -> Floats:
        found = np.zeros(len(known))
        for fold in range(_FOLDS):
            rest, out = folds != fold, folds == fold
            found[out] = _ridge(known[rest], self._grades[rest], known[out], strength)
        return found


def _ridge(known: Floats, grades: NDArray[np.int64], asked: Floats, strength: float) -> Floats:
    mean, deviation = known.mean(axis=0), known.std(axis=0) + 1e-6
    rows, wanted = (known - mean) / deviation, (asked - mean) / deviation
    kernel = rows @ rows.T + strength * len(rows) * np.eye(len(rows))
    weights = rows.T @ np.linalg.solve(kernel, grades - grades.mean())
    return np.asarray(wanted @ weights + grades.mean())


def _columns(scores: Floats, queries: NDArray[np.str_]) -> Floats:
    """The scores, and their z-scores in the pool."""
    z_scores = np.zeros(len(scores))
    for query in set(queries.tolist()):
        z_scores[queries == query] = standardise(scores[queries == query])
    return np.column_stack([scores, z_scores])


def _states(base: _Base, pairs: Sequence[Pair], kept: Path) -> _States:
    """The states of each pair, [n, h]; read a part at a time, which is kept."""
    reader: _Reader | None = None
    kept.mkdir(parents=True, exist_ok=True)
    parts: list[_States] = []
    for start in progress(range(0, len(pairs), _PART), desc=f"read {kept.name}", unit="part"):
        path = kept / f"{start}.npz"
        if not path.is_file():
            reader = reader or _Reader(base)
            np.savez(path, **reader.read(pairs[start : start + _PART]))  # type: ignore[arg-type]  # arrays by name
        with np.load(path) as arrays:
            parts.append({name: arrays[name].astype(np.float64) for name in arrays})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


class _Reader:
    def __init__(self, base: _Base) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        folder = str(resolve(base.model))
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = AutoModel.from_pretrained(folder, dtype=getattr(torch, base.dtype)).eval()
        self._model.layers = self._model.layers[: max(base.layers)]
        self._layers = base.layers
        self._states: dict[int, Any] = {}
        for layer in base.layers:
            self._model.layers[layer - 1].register_forward_hook(self._keeping(layer))

    def read(self, pairs: Sequence[Pair]) -> dict[str, NDArray[np.float32]]:
        """Return the states of each pair by their name, [n, h]."""
        import torch

        size = self._model.config.hidden_size
        names = [f"{kind}{layer}" for kind in ("last", "query") for layer in self._layers]
        found = {name: np.zeros((len(pairs), size), np.float32) for name in names}
        prompts = [self._prompt(pair) for pair in pairs]
        order = sorted(range(len(pairs)), key=lambda place: len(prompts[place][0]))
        for start in range(0, len(order), _BATCH):
            places = order[start : start + _BATCH]
            rows = [torch.tensor(prompts[place][0]) for place in places]
            ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
            mask = torch.arange(ids.shape[1])[None] < torch.tensor([len(row) for row in rows])[:, None]
            with torch.inference_mode():
                self._model(input_ids=ids, attention_mask=mask.long(), use_cache=False)
            for turn, place in enumerate(places):
                for layer in self._layers:
                    states = self._states[layer][turn, : len(rows[turn])].float()
                    found[f"last{layer}"][place] = states[-1]
                    found[f"query{layer}"][place] = states[prompts[place][1]].mean(dim=0)
        return found

    def _prompt(self, pair: Pair) -> tuple[list[int], slice]:
        """The tokens of a pair's prompt, and where those of the query stand."""
        passage = [*self._ids("Passage: "), *self._ids(pair.text)[:_PASSAGE_TOKENS], *self._ids("\nQuery:")]
        query = self._ids(f" {pair.query}")[:_QUERY_TOKENS]
        asked = self._ids("\nRelevance grade (0-3):")
        return [*passage, *query, *asked], slice(len(passage), len(passage) + len(query))

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _keeping(self, layer: int) -> Any:
        def keep(_module: Any, _inputs: Any, output: Any) -> None:
            self._states[layer] = output[0] if isinstance(output, tuple) else output

        return keep


if __name__ == "__main__":
    main()
