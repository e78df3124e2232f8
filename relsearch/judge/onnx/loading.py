"""Opening an exported judge."""

from __future__ import annotations

from pathlib import Path

from relsearch.core.types import StrPath
from relsearch.judge.judge_card import ANY_DTYPE, JudgeCard
from relsearch.judge.onnx.encoder import OnnxEncoder
from relsearch.judge.onnx.manifest import FOLDER, WEIGHTS, open_manifest
from relsearch.judge.onnx.pair_model import OnnxPairModel
from relsearch.judge.tuned import TunedJudge


def load_onnx_judge(folder: Path, card: JudgeCard, *, keep: StrPath | None = None) -> TunedJudge:
    """Load the graphs of the judge that `card` describes; raise ArtifactError if they are not whole or another's.

    `keep` is a folder where the encoders' vectors outlive the process.
    """
    graphs = folder / FOLDER
    manifest = open_manifest(graphs, judge=card.fingerprint(ANY_DTYPE))
    weights = manifest.files[WEIGHTS][:16]
    model = None
    if manifest.pair is not None:
        graph, tokenizer = (graphs / name for name in manifest.pair)
        model = OnnxPairModel(graph, tokenizer, card.judge, special_tokens=manifest.special_tokens)
    encoders = []
    for files, config in zip(manifest.encoders, card.encoders, strict=True):
        kept = Path(keep) / f"onnx-{weights}-{files.graph}" if keep else None
        encoders.append(OnnxEncoder(graphs, files, config, keep=kept))
    return TunedJudge(model, encoders, card, fingerprint=card.fingerprint(f"onnx {weights}"))
