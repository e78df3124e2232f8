"""The bundle: one folder that reranks with a runtime and tokenizers alone, checked by its checksums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from relsearch.core.errors import ArtifactError, GateError, model_fault
from relsearch.core.files.atomic import check_replaceable, checksum, replace_text
from relsearch.core.settings.config import Runtime
from relsearch.core.types import StrPath
from relsearch.encoders.model_source import PublicName, model_folder
from relsearch.rerank.cross.prior import Prior
from relsearch.rerank.interpolation import Interpolation
from relsearch.rerank.late.head import LateHead
from relsearch.rerank.late.reading import Reading
from relsearch.runtime.pair_text import PairText
from relsearch.runtime.sessions import Variant
from relsearch.stats.logistic import Logistic

MANIFEST = "bundle.json"
MODEL = "model.onnx"
ENCODER = "encoder.onnx"
TOKENIZER = "tokenizer.json"
ENCODER_TOKENIZER = "encoder_tokenizer.json"

MODEL_CARD = "README.md"
MODEL_CARD_MARK = "library_name: relsearch"  # near the top of those that relsearch wrote

SHIPPED = Path(__file__).parent / "ready"


class ManifestBase(BaseModel):
    """bundle.json: what was trained on what, how to run it, and the sha256 of each file.

    Format 2 knows cross-encoders without a prior, and so without an encoder, and late interaction; a bundle of
    format 1 is read as it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal[1, 2] = 2
    variant: Variant
    runtime: Runtime = "onnxruntime"
    base: PublicName
    training_data: str
    template: str
    calibration: Logistic
    mix: float = Field(0.0, ge=0, description="weight of the first stage's scores, unless one is given")
    feedback: float = Field(0.0, ge=0, description="weight of pseudo-relevance feedback; late interaction only")
    figures: Mapping[str, float | int | str | None]
    files: Mapping[str, str] = {}

    @property
    def interpolation(self) -> Interpolation:
        """The weights of score interpolation that the bundle asks for."""
        return Interpolation(self.mix, self.feedback)

    @property
    def needed(self) -> tuple[str, ...]:
        """The files that a bundle of this family cannot do without."""
        return MODEL, TOKENIZER


class Manifest(ManifestBase):
    """A cross-encoder, with the prior's encoder where it was trained on one."""

    family: Literal["cross"] = "cross"
    encoder: PublicName | None
    max_length: int = Field(ge=8)
    encoder_max_length: int = Field(ge=8)
    query_prefix: str
    document_prefix: str
    pooling: str
    prior: Prior | None
    pair_text: PairText | None = Field(None, description="the text that a decoder reads of a pair")

    @property
    def needed(self) -> tuple[str, ...]:
        """The cross-encoder's graph and tokenizer, and the encoder of its prior."""
        return MODEL, TOKENIZER, *(() if self.prior is None else (ENCODER,))


class LateManifest(ManifestBase):
    """Late interaction: one graph reads queries and documents; vectors have `pooled` and `dimension` numbers.

    `second` names the encoder whose pooled vectors stand beside the base's.
    """

    family: Literal["late"] = "late"
    second: PublicName | None = None
    queries: Reading
    documents: Reading
    head: LateHead
    pooled: int
    dimension: int


AnyManifest = TypeVar("AnyManifest", bound=ManifestBase)
_FAMILIES: Mapping[str, type[ManifestBase]] = {"cross": Manifest, "late": LateManifest}


@dataclass(frozen=True, slots=True)
class Bundle(Generic[AnyManifest]):
    """An opened bundle whose files are what they were when it was written."""

    folder: Path
    manifest: AnyManifest

    @property
    def encoder_tokenizer(self) -> Path:
        """The tokenizer of the cosine's encoder; the cross-encoder's where they are the same."""
        own = self.folder / ENCODER_TOKENIZER
        return own if own.name in self.manifest.files else self.folder / TOKENIZER


def seal(folder: Path, manifest: AnyManifest) -> Bundle[AnyManifest]:
    """Write bundle.json with the checksums of the files that lie in the folder; return the bundle.

    Raise GateError where a number of the manifest is NaN or infinite.
    """
    about = {MANIFEST, MODEL_CARD}  # neither is what scores
    present = sorted(path for path in folder.iterdir() if path.is_file() and path.name not in about)
    files = {path.name: checksum(path) for path in present}
    try:
        complete = type(manifest).model_validate(manifest.model_dump() | {"files": files})
    except ValidationError as exc:
        error = exc.errors()[0]
        where = ".".join(str(part) for part in error["loc"])
        raise GateError(f"{folder}: {where} is {error['input']!r} ({error['msg']}); train or export again") from exc
    replace_text(folder / MANIFEST, complete.model_dump_json(indent=1) + "\n")
    return Bundle(folder, complete)


def check_free(folder: Path) -> None:
    """Raise ArtifactError where a bundle could not be written to `folder` without losing what is none of its files."""
    try:
        made = [MANIFEST, *_Made.model_validate_json((folder / MANIFEST).read_bytes()).files]
    except (OSError, ValidationError):
        made = None
    check_replaceable(folder, made and [*made, *_own_card(folder)])


def bundle_folder(name: StrPath) -> Path:
    """Return a bundle's folder by its name, `ready` or a path, as relsearch.encoders.model_source.model_folder does."""
    return model_folder(name, ready=SHIPPED)


def missing_bundle(name: StrPath) -> ArtifactError:
    """Return the error for a name that leads to no folder."""
    return ArtifactError(
        f"bundle {str(name)!r}: no such folder; name ready, which ships with relsearch, a folder that "
        "`relsearch export` wrote, or a hub id that is downloaded"
    )


def open_bundle(name: StrPath) -> Bundle[ManifestBase]:
    """Open and verify a bundle; raise ArtifactError naming the file that is absent, malformed or altered."""
    folder = bundle_folder(name)
    if not folder.is_dir():
        raise missing_bundle(name)
    path = folder / MANIFEST
    try:
        text = path.read_bytes()
        manifest = _FAMILIES[_Family.model_validate_json(text).family].model_validate_json(text)
    except OSError as exc:
        raise ArtifactError(f"{path}: {exc.strerror}; name ready, or a folder that `relsearch export` wrote") from exc
    except ValidationError as exc:
        raise ArtifactError(f"{path}: {model_fault(exc)}; export again with this version") from exc
    for name in manifest.needed:
        if name not in manifest.files:
            raise ArtifactError(f"{path}: lists no {name}; export again")
    for name, digest in manifest.files.items():
        _verify(folder / name, digest)
    return Bundle(folder, manifest)


def open_bundle_of(folder: StrPath, kind: type[AnyManifest]) -> Bundle[AnyManifest]:
    """Open a bundle of one family; raise ArtifactError where it is of another."""
    bundle = open_bundle(folder)
    if not isinstance(bundle.manifest, kind):
        raise ArtifactError(f"{folder}: a bundle of another family; open it with relsearch.rerank.families")
    return Bundle(bundle.folder, bundle.manifest)


def _own_card(folder: Path) -> list[str]:
    """README.md, where relsearch wrote it."""
    try:
        with (folder / MODEL_CARD).open(encoding="utf-8", errors="replace") as lines:
            return [MODEL_CARD] if MODEL_CARD_MARK in lines.read(200) else []
    except OSError:
        return []


class _Family(BaseModel):
    """What tells how the rest of bundle.json is read."""

    family: Literal["cross", "late"] = "cross"


class _Made(BaseModel):
    """What bundle.json of any version says it lies beside."""

    files: Mapping[str, str]


def _verify(path: Path, digest: str) -> None:
    if not path.is_file():
        raise ArtifactError(f"{path}: is missing; copy the whole bundle again")
    if checksum(path) != digest:
        raise ArtifactError(f"{path}: differs from its checksum in {MANIFEST}; copy the bundle again")
