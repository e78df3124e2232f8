"""judge.json: all that a tuned judge needs besides its adapter."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from relsearch.core.errors import ArtifactError, model_fault
from relsearch.core.files.atomic import replace_text
from relsearch.core.settings.config import EncoderConfig, JudgeConfig
from relsearch.core.types import Scale, StrPath
from relsearch.encoders.model_source import model_folder
from relsearch.judge.calibration.blend import Blend
from relsearch.judge.models.prompt import Prompt

CARD = "judge.json"
SHIPPED = Path(__file__).parent / "ready"
ADAPTER = "adapter"
HEAD = "head.safetensors"
ANY_DTYPE = "any dtype"  # for judges that may be read on another machine than they were fitted on
HELD_OUT = "held_out.parquet"  # the dev pairs with grade and score: what calibrations are fitted on


class JudgeCard(BaseModel):
    """A tuned judge: `prior` and `calibration` are cumulative-link models, `thresholds` turn scores into grades.

    `features` weighs the retrieval features, in the file `evidence`; `thresholds` is `cuts` there. `probe` is what the
    model adds to the scores of a few fixed pairs: by it a base is recognised that holds the same weights in other
    bytes, such as a hub's copy in another precision. `special_tokens` says whether pairs of the encoder family were
    read with them; None, in cards that do not say, is decided by the probe. `frozen`: the model is an LLM's states as
    they are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True)

    judge: JudgeConfig
    encoders: tuple[EncoderConfig, ...]
    prompt: Prompt
    lowest: int
    names: tuple[str, ...]
    relevant: int
    features: Blend = Field(alias="evidence")
    prior: dict[str, float | list[float]]
    calibration: dict[str, float | list[float]]
    thresholds: tuple[float, ...] = Field(alias="cuts")
    base_checksum: str
    probe: tuple[float, ...]
    adapter_checksum: str
    special_tokens: bool | None = None
    frozen: bool = False
    figures: dict[str, JsonValue] = {}

    @property
    def scale(self) -> Scale:
        """The scale of its grades."""
        return Scale(self.lowest, self.names, self.relevant)

    def fingerprint(self, dtype: str) -> str:
        """Return a short hash of all that decides a label, the arithmetic's dtype included."""
        unsaid = {"special_tokens"} if self.special_tokens is None else set()
        unsaid |= set() if self.frozen else {"frozen"}  # cards of before have no such field
        content = self.model_dump_json(exclude={"figures"} | unsaid, by_alias=True)
        return hashlib.sha256(f"{content}|{dtype}".encode()).hexdigest()[:16]


def write_card(folder: Path, card: JudgeCard) -> None:
    """Write judge.json; last of the folder's files, so that a folder with a card is whole."""
    replace_text(folder / CARD, card.model_dump_json(indent=2, by_alias=True) + "\n")


def read_card(name: StrPath) -> JudgeCard:
    """Read the card of a judge's folder, or of `ready`; raise ArtifactError if it is absent or not the adapter's."""
    folder = model_folder(name, ready=SHIPPED)
    path = folder / CARD
    try:
        card = JudgeCard.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise ArtifactError(f"{path}: no tuned judge here; run `relsearch tune`") from exc
    except ValidationError as exc:
        raise ArtifactError(f"{path}: {model_fault(exc)}; run `relsearch tune` again") from exc
    if adapter_checksum(folder) != card.adapter_checksum:
        raise ArtifactError(f"{folder / ADAPTER}: not the adapter that {CARD} describes; run `relsearch tune` again")
    return card


def content(folder: Path) -> str:
    """Return a short hash of the judge in a folder, on any machine; raise ArtifactError if it is not whole."""
    return read_card(folder).fingerprint(ANY_DTYPE)


def adapter_checksum(folder: Path) -> str:
    """Return a short hash of the adapter's and the head's weights; raise ArtifactError if there are none."""
    digest = hashlib.sha256()
    for path in (folder / ADAPTER / "adapter_model.safetensors", folder / ADAPTER / HEAD):
        try:
            with path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        except OSError as exc:
            raise ArtifactError(f"{path}: cannot be read ({exc.strerror}); run `relsearch tune` again") from exc
    return digest.hexdigest()[:16]
