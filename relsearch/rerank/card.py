"""reranker.json: all that a trained model folder needs to be scored, exported and explained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from relsearch.core.errors import ArtifactError, model_fault
from relsearch.core.files.atomic import replace_text
from relsearch.core.settings.config import EncoderConfig
from relsearch.core.types import StrPath
from relsearch.encoders.model_source import PublicName
from relsearch.rerank.cross.prior import Prior
from relsearch.stats.logistic import Logistic

CARD = "reranker.json"
# Which weights of a training are kept: those that rank the dev queries best, or where these do not choose, the
# untrained ones or the last ones.
Kept = Literal["best", "start", "end"]


class Evaluation(BaseModel):
    """One look at the dev queries during training."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    step: int
    seconds: float
    ndcg10: float


class CardBase(BaseModel):
    """What every family stores with its weights; `history` starts with the untrained start at step 0.

    `losses` has the training loss by step, each the mean since the one before it; models of earlier versions have none.
    `base_revision` is the commit of a base from the hub, `base_licence` what its README.md says; None where unknown.
    `second` is the encoder that stands beside the base, where there is one, with a revision and a licence of its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    base: PublicName
    second: PublicName | None = None
    template: str
    max_length: int = Field(ge=8)
    calibration: Logistic
    training_data: str
    seed: int
    best_step: int
    history: tuple[Evaluation, ...]
    losses: tuple[tuple[int, float], ...] = ()
    base_revision: str | None = None
    base_licence: str | None = None
    second_revision: str | None = None
    second_licence: str | None = None

    @property
    def dev_ndcg10(self) -> float:
        """NDCG@10 on the dev queries of the weights that were kept."""
        kept = (entry.ndcg10 for entry in self.history if entry.step == self.best_step)
        return next(kept, self.history[-1].ndcg10)

    @property
    def dev_ndcg10_cosine(self) -> float:
        """NDCG@10 of the untrained start, a cosine or the base's own score, on the same dev documents."""
        return self.history[0].ndcg10

    def figures(self) -> dict[str, float | int | str | None]:
        """What a bundle tells of the training."""
        names = ("dev_ndcg10", "dev_ndcg10_cosine", "best_step")
        bases = [f"{which}_{what}" for which in ("base", "second") for what in ("revision", "licence")]
        known = {name: getattr(self, name) for name in bases if getattr(self, name)}
        return {name: getattr(self, name) for name in names} | known


class Card(CardBase):
    """A cross-encoder's card; without prior and encoder it was a reranker before, and started at its own score."""

    family: Literal["cross"] = "cross"
    encoder: EncoderConfig | None = None
    prior: Prior | None = None


AnyCard = TypeVar("AnyCard", bound=CardBase)


def write_card(card: CardBase, folder: StrPath) -> None:
    """Write reranker.json into the model folder."""
    replace_text(Path(folder) / CARD, card.model_dump_json(indent=1) + "\n")


def read_card(folder: StrPath, kind: type[AnyCard]) -> AnyCard:
    """Read a model folder's reranker.json; raise ArtifactError if it is absent, malformed or of another family."""
    path = Path(folder) / CARD
    try:
        return kind.model_validate_json(_bytes(path))
    except ValidationError as exc:
        raise ArtifactError(f"{path}: {model_fault(exc)}; train again") from exc


def read_family(folder: StrPath) -> str:
    """Return the family of a model folder; those of earlier versions are cross-encoders."""
    path = Path(folder) / CARD
    try:
        found = json.loads(_bytes(path))
    except ValueError as exc:
        raise ArtifactError(f"{path}: not JSON ({exc}); train again") from exc
    return str(found.get("family", "cross")) if isinstance(found, dict) else "cross"


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise ArtifactError(f"{path}: {exc.strerror}; give a folder that `relsearch train` wrote") from exc
