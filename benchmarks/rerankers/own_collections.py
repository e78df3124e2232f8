"""Collections with labels of their own, and the settings that their rerankers are trained with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.data.bm25 import DEPTH
from benchmarks.deals import SEED
from benchmarks.folders import COLLECTIONS
from benchmarks.judges.data import MINILM
from benchmarks.rerankers.trec_dl import E5
from relsearch.core.settings.config import Config, EncoderConfig

STEPS = 80
ENGLISH_E5 = EncoderConfig.model_validate(E5)
MULTILINGUAL_E5 = ENGLISH_E5.model_copy(update={"model": "runs/multilingual-e5-small"})


@dataclass(frozen=True, slots=True)
class Own:
    """A collection: its grades, which start above irrelevant, as the qrels leave that out; its language and encoders.

    `qrels` names the queries that are dealt out, or tested where another file names those to learn from. Where several
    queries ask for one document in other words, they are dealt together by `document`: else a reranker would have
    learnt from the question that it is tested on. `suffix` tells where the figures are recorded.
    """

    scale: str
    language: str = "english"
    encoder: EncoderConfig = ENGLISH_E5
    second: str | None = MINILM.model
    qrels: str = "qrels.tsv"
    training: str | None = None
    dealt_by: Literal["query", "document"] = "query"
    suffix: str = ""


OWN = {
    "cranfield": Own("0-4:1"),
    "vaswani": Own("binary"),
    "scifact": Own("binary", qrels="qrels_validation.tsv", training="qrels_train.tsv", suffix="_scifact"),
    "cnil-fr": Own("binary", "french", MULTILINGUAL_E5, None, "qrels_users.tsv", dealt_by="document", suffix="_french"),
}
ENGLISH = [name for name, own in OWN.items() if not own.suffix]


def own_domain_config(name: str, output: Path, *, steps: int) -> Config:
    """Return the settings of a collection; all its queries are dealt out here, not by the pipeline."""
    own = OWN[name]
    return Config.model_validate(
        {
            "seed": SEED,
            "output": output,
            "collection": {"source": str(COLLECTIONS / name), "scale": own.scale},
            "index": {"language": own.language},
            "pool": {"depth": DEPTH, "unjudged": "irrelevant"},
            "label": {"depth": DEPTH},
            "train": {
                "family": "late",
                "encoder": own.encoder.model_dump(),
                "second_encoder": own.second,
                "max_length": 256,
                "head_multiple": 10,
                "max_steps": steps,
                "evaluations": 2,
                "dev_depth": 20,
            },
        }
    )
