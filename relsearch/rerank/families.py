"""Both families of rerankers behind one door: train, open what was trained, open what was exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relsearch.core.errors import ConfigError
from relsearch.core.types import StrPath
from relsearch.rerank.bundle import Bundle, LateManifest, Manifest, ManifestBase, open_bundle
from relsearch.rerank.card import Card, CardBase, read_card, read_family
from relsearch.rerank.vectors.store import OpenStore

if TYPE_CHECKING:
    from relsearch.rerank.cross.onnx_scorer import OnnxScorer
    from relsearch.rerank.cross.torch_scorer import TorchScorer
    from relsearch.rerank.late.onnx_scorer import LateOnnxScorer
    from relsearch.rerank.late.torch_scorer import LateTorchScorer
    from relsearch.rerank.train_job import TrainJob, TrainReport

_MOST_KEPT = 20_000  # documents of late interaction, whose vectors take 13 kB each


def train(job: TrainJob) -> TrainReport:
    """Train a reranker of the family that the job's config names, and write a model folder."""
    from relsearch.rerank.cross.train import train_cross
    from relsearch.rerank.late.train import train_late

    return train_late(job) if job.config.family == "late" else train_cross(job)


def open_card(model: StrPath) -> CardBase:
    """Read a model folder's card, whatever its family."""
    from relsearch.rerank.late.card import LateCard

    return read_card(model, LateCard if read_family(model) == "late" else Card)


def open_model(model: StrPath, *, exact: bool = True) -> TorchScorer | LateTorchScorer:
    """Open a model folder in torch; a late-interaction model that is not exact is rounded where that is faster."""
    from relsearch.rerank.cross.torch_scorer import TorchScorer
    from relsearch.rerank.late.torch_scorer import LateTorchScorer

    return LateTorchScorer.open(model, exact=exact) if read_family(model) == "late" else TorchScorer.open(model)


def open_scorer(
    bundle: StrPath, *, workers: int | None = None, vectors: OpenStore | None = None, cached_documents: int = 20_000
) -> OnnxScorer | LateOnnxScorer:
    """Open a bundle folder without torch; `vectors` opens what `relsearch precompute` read.

    Raise ArtifactError where the bundle is not whole, ConfigError where a cross-encoder is given precomputed vectors.
    """
    return make_scorer(open_bundle(bundle), workers=workers, vectors=vectors, cached_documents=cached_documents)


def make_scorer(
    opened: Bundle[ManifestBase],
    *,
    workers: int | None = None,
    vectors: OpenStore | None = None,
    cached_documents: int = 20_000,
) -> OnnxScorer | LateOnnxScorer:
    """Return the scorer of a bundle that is open; raise as open_scorer does."""
    from relsearch.rerank.cross.onnx_scorer import OnnxScorer

    if isinstance(opened.manifest, LateManifest):
        late = Bundle(opened.folder, opened.manifest)
        return make_late_scorer(late, workers=workers, vectors=vectors, cached_documents=cached_documents)
    if vectors is not None:
        raise ConfigError(f"{opened.folder}: a cross-encoder reads query and document together; leave out --vectors")
    if not isinstance(opened.manifest, Manifest):
        raise TypeError(f"{type(opened.manifest).__name__} has no scorer")
    return OnnxScorer(Bundle(opened.folder, opened.manifest), workers=workers, cached_documents=cached_documents)


def make_late_scorer(
    opened: Bundle[LateManifest],
    *,
    workers: int | None = None,
    vectors: OpenStore | None = None,
    cached_documents: int = 20_000,
) -> LateOnnxScorer:
    """Return the scorer of a late-interaction bundle; raise ArtifactError where the vectors are another bundle's."""
    from relsearch.rerank.late.onnx_scorer import LateOnnxScorer

    kept = min(cached_documents, _MOST_KEPT)
    return LateOnnxScorer(opened, workers=workers, vectors=vectors, cached_documents=kept)
