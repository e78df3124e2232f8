"""reranker.json: all that a trained model folder needs to be scored, exported and explained."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from relsearch.config import EncoderConfig
from relsearch.errors import ArtifactError
from relsearch.rerank.logistic import Logistic
from relsearch.rerank.prior import Prior

CARD = "reranker.json"


class Evaluation(BaseModel):
    """One look at the dev queries during training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int
    seconds: float
    ndcg10: float


class Card(BaseModel):
    """What is stored beside the weights; `history` starts with the untrained cosine at step 0."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: str
    template: str
    max_length: int = Field(ge=8)
    encoder: EncoderConfig
    prior: Prior
    calibration: Logistic
    training_data: str
    seed: int
    best_step: int
    history: tuple[Evaluation, ...]

    @property
    def dev_ndcg10(self) -> float:
        """NDCG@10 on the dev queries of the weights that were kept."""
        return max(entry.ndcg10 for entry in self.history)

    @property
    def dev_ndcg10_cosine(self) -> float:
        """NDCG@10 of the untrained cosine on the same dev documents."""
        return self.history[0].ndcg10


def write_card(card: Card, folder: Path) -> None:
    """Write reranker.json into the model folder."""
    (folder / CARD).write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_card(folder: Path) -> Card:
    """Read a model folder's reranker.json; raise ArtifactError if it is absent or malformed."""
    path = folder / CARD
    try:
        return Card.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise ArtifactError(f"{path}: {exc.strerror}; give a folder that `relsearch train` wrote") from exc
    except ValidationError as exc:
        error = exc.errors()[0]
        where = ".".join(str(part) for part in error["loc"])
        raise ArtifactError(f"{path}: {where}: {error['msg']}; train again") from exc
