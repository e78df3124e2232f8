"""Any reranker by its name: a bundle, a model that relsearch trained, a published cross-encoder, a plug-in."""

from __future__ import annotations

from dataclasses import dataclass

from relsearch.core.errors import ConfigError
from relsearch.core.fields.template import DEFAULT_TEMPLATE
from relsearch.core.plugins import Group, has_plugin, open_plugin
from relsearch.core.protocols import Scorer
from relsearch.core.types import StrPath
from relsearch.encoders.hub import from_hub, is_hub_id
from relsearch.rerank.bundle import MANIFEST, bundle_folder, missing_bundle, open_bundle
from relsearch.rerank.card import CARD
from relsearch.rerank.families import make_scorer, open_card, open_model
from relsearch.rerank.interpolation import NO_INTERPOLATION, Interpolation
from relsearch.rerank.vectors.store import OpenStore

PLUGINS: Group = "relsearch.scorers"


@dataclass(frozen=True, slots=True)
class Opened:
    """A scorer with the template and the weights that it was made for."""

    scorer: Scorer
    template: str = DEFAULT_TEMPLATE
    interpolation: Interpolation = NO_INTERPOLATION


def is_plugin(name: StrPath) -> bool:
    """Whether a name is no bundle's, and an installed package registers a scorer under it."""
    return not bundle_folder(name).is_dir() and has_plugin(PLUGINS, str(name))


def open_reranker(
    name: StrPath, *, vectors: OpenStore | None = None, workers: int | None = None, cached_documents: int = 20_000
) -> Opened:
    """Open what a name leads to; a hub id that is not on this machine is downloaded. Raise as Reranker does."""
    if is_plugin(name):
        _check_none(vectors, f"{name}: a plug-in takes no precomputed vectors")
        return Opened(open_plugin(PLUGINS, str(name), needs=("score",)))
    folder = bundle_folder(name)
    if not folder.is_dir() and is_hub_id(name):
        folder = from_hub(str(name), marker=MANIFEST)
    if not folder.is_dir():
        raise missing_bundle(name)
    if (folder / CARD).is_file():
        _check_none(vectors, f"{name}: a model in torch takes no precomputed vectors; export it")
        return Opened(open_model(folder), open_card(folder).template)
    if (folder / "config.json").is_file() and not (folder / MANIFEST).is_file():
        from relsearch.rerank.cross.torch_scorer import TorchScorer

        _check_none(vectors, f"{name}: a cross-encoder reads query and document together")
        return Opened(TorchScorer.published(folder))
    bundle = open_bundle(folder)
    scorer = make_scorer(bundle, workers=workers, vectors=vectors, cached_documents=cached_documents)
    manifest = bundle.manifest
    return Opened(scorer, manifest.template, manifest.interpolation)


def _check_none(vectors: OpenStore | None, reason: str) -> None:
    if vectors is not None:
        raise ConfigError(f"{reason}; leave out vectors")
