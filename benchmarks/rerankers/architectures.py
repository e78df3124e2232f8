"""Every architecture and layout of cross-encoders, small and random: what is trained on, and how a bundle differs.

Its table is in benchmarks/rerankers.md.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import record
from relsearch.core.errors import RelsearchError
from relsearch.exporters.bundle.choose import write_int8
from relsearch.exporters.bundle.cross_encoder import write_foreign
from relsearch.rerank.cross.onnx_scorer import OnnxScorer
from relsearch.rerank.cross.start import load_reranker
from relsearch.rerank.cross.torch_scorer import load_model, residuals
from tests.architectures import LAYOUTS, TEXTS, saved

MAX_LENGTH = 48
# One that is longer than any of the models reads.
DOCUMENTS = [*TEXTS, "", "salt and tea " * 40]
PAIRS = [(query, text) for query in TEXTS for text in DOCUMENTS]


def main() -> None:
    """Build, start a training, export and compare each, and record the rows."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    rows = []
    for name in LAYOUTS:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(row(name, Path(folder)))
        print(rows[-1])
    record("architectures", {"pairs": len(PAIRS), "max_length": MAX_LENGTH, "rows": rows}, seed=1)


def row(name: str, folder: Path) -> dict[str, Any]:
    """The figures of one layout; differences are from CrossEncoder.predict, in standard deviations of its logits."""
    layout = LAYOUTS[name]
    model = saved(name, folder / "model")
    found: dict[str, Any] = {"architecture": layout.architecture, "layout": layout.layout, "trains": trains(model)}
    try:
        manifest = write_foreign(str(model), folder / "fp32", max_length=MAX_LENGTH)
        write_int8(folder / "fp32", folder / "int8")
    except RelsearchError as exc:
        return {**found, "exports": False, "refused": str(exc).replace(str(folder), "")}
    wanted = residuals(load_model(model, max_length=manifest.max_length), PAIRS)
    off = {variant: difference(folder / variant, wanted) for variant in ("fp32", "int8")}
    last_layer = str(manifest.figures["last_layer"])
    return {**found, "exports": True, "last_layer": last_layer, "max_difference": off["fp32"], "int8": off["int8"]}


def trains(model: Path) -> bool:
    """Whether `relsearch train` goes on from its score: read and differentiated."""
    try:
        start = load_reranker(str(model), max_length=MAX_LENGTH)
    except RelsearchError:
        return False
    features = start.preprocess(PAIRS[:2])
    start(features)["scores"].sum().backward()
    return any(bool(part.grad.abs().sum() > 0) for part in start.parameters() if part.grad is not None)


def difference(bundle: Path, wanted: np.ndarray[Any, Any]) -> float:
    """The largest difference of a bundle's logits."""
    scorer = OnnxScorer.open(bundle)
    found = np.concatenate([scorer.logits(query, DOCUMENTS) for query in TEXTS])
    return float(np.abs(found - wanted).max() / wanted.std())


if __name__ == "__main__":
    main()
