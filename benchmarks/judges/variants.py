"""The judges that benchmarks.judges.quality sets side by side."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.judges.data import E5, MINILM
from relsearch.core.settings.config import JudgeConfig, RetrievalFeature, TuneConfig

# Judges whose labels are too dear for all pairs on two cores read fewer, and their row says how many: the zero-shot one
# so many a query, tuned LLMs, whose evidence must see a pool to know its best, the whole pools of every second query.
SAMPLE_PER_QUERY = 40
EVIDENCE: tuple[RetrievalFeature, ...] = ("cosine", "cosine_feedback", "cosine_contrast", "cosine_z")
_ENCODER = JudgeConfig(
    family="encoder",
    base=E5.model,
    query_prefix=E5.query_prefix,
    document_prefix=E5.document_prefix,
    max_document_tokens=160,
    retrieval_features=EVIDENCE,
    more_encoders=(MINILM,),
)
_LLM = JudgeConfig(max_document_tokens=160, retrieval_features=EVIDENCE, more_encoders=(MINILM,))
_LORA = TuneConfig(
    layers=6, learning_rate=2e-4, head_learning_rate=3e-4, max_pairs=3000, minutes=12, evaluations=6, dev_pairs=1200
)
_LLM_LORA = _LORA.model_copy(update={"layers": 8, "max_pairs": 2400, "evaluations": 4, "dev_pairs": 500, "minutes": 25})


@dataclass(frozen=True)
class Variant:
    """One tuned judge."""

    judge: JudgeConfig
    tune: TuneConfig


ZERO_SHOT = "SmolLM2 zero-shot"
SHIPPED = "ready judge"  # as it lies in the package; it was tuned as ENCODER is, from two signs of one encoder
ENCODER = "encoder + evidence"
LLM = "LLM + evidence"
ENCODER_ALONE = "encoder alone"
LLM_ALONE = "LLM alone"
_NO_EVIDENCE = {"retrieval_features": (), "more_encoders": ()}
TUNED = {
    ENCODER: Variant(_ENCODER, _LORA),
    "encoder + cosine": Variant(_ENCODER.model_copy(update=_NO_EVIDENCE | {"retrieval_features": ("cosine",)}), _LORA),
    ENCODER_ALONE: Variant(_ENCODER.model_copy(update=_NO_EVIDENCE), _LORA),
    LLM: Variant(_LLM, _LLM_LORA),
    LLM_ALONE: Variant(_LLM.model_copy(update=_NO_EVIDENCE), _LLM_LORA),
}
CONTRIBUTIONS = (
    ("evidence bins", "e5 cosine bins"),
    (SHIPPED, "e5 cosine bins"),
    (SHIPPED, "evidence bins"),
    (ENCODER, "evidence bins"),
    (ENCODER, SHIPPED),
    (ENCODER, "encoder + cosine"),
    (ENCODER, ENCODER_ALONE),
    (LLM, "evidence bins"),
    (LLM, LLM_ALONE),
)


def folder_of(output: Path, name: str) -> Path:
    """Return where a judge and its labels stand."""
    return output / re.sub(r"[^a-z0-9]+", "-", name.lower())
