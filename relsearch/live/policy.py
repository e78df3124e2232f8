"""How a search's bundle reranks, as its keywords say: vectors, weights, a cascade; former names with a warning."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from typing import Any, TypedDict

from relsearch.core.errors import ConfigError
from relsearch.core.types import StrPath
from relsearch.rerank.bundle import bundle_folder
from relsearch.rerank.reranker import Reranker

_CASCADE_WINDOW = 20
_CURRENT = ("vectors", "mix", "prf", "cascade", "cascade_window")
_FORMER = {"feedback": "prf", "then": "cascade", "then_window": "cascade_window"}


class Policy(TypedDict, total=False):
    """How a bundle that is given by its name reranks; a Reranker that is open may take all but `vectors`.

    `vectors` is where `relsearch precompute` wrote a late-interaction bundle's document vectors: a folder, or an
    index's URL. `mix` is the weight of the engine's scores, `prf` that of pseudo-relevance feedback; by default those
    that the bundle asks for. `cascade` is a second bundle, for the `cascade_window` (20) best hits of the first.
    `feedback`, `then` and `then_window` are the former names of the last three.
    """

    vectors: StrPath | None
    mix: float | None
    prf: float | None
    cascade: StrPath | Reranker | None
    cascade_window: int
    feedback: float | None
    then: StrPath | Reranker | None
    then_window: int


def open_reranker(bundle: StrPath | Reranker, policy: Policy) -> Reranker:
    """Return the reranker of a name, opened once, or of one that is open, with the policy.

    Raise TypeError for an unknown keyword, ConfigError for vectors of a reranker that is open already, the errors of
    opening else.
    """
    given = _current_names(policy)
    reranker = _reranker(bundle, given.pop("vectors", None))
    cascade, size = given.pop("cascade", None), given.pop("cascade_window", _CASCADE_WINDOW)
    reranker = reranker.with_weights(mix=given.pop("mix", None), prf=given.pop("prf", None))
    if given:
        raise TypeError(f"unexpected keyword {min(given)!r}; known: {', '.join(_CURRENT)}")
    return reranker if cascade is None else reranker.with_cascade(_reranker(cascade, None), size)


def _current_names(policy: Policy) -> dict[str, Any]:
    """The policy by its current names; a former one warns, and is an error together with the current one."""
    given: dict[str, Any] = dict(policy)
    for former, name in _FORMER.items():
        if former not in given:
            continue
        if name in given:
            raise TypeError(f"{former} is the former name of {name}; give {name} alone")
        warnings.warn(f"{former} is now called {name}", DeprecationWarning, stacklevel=4)
        given[name] = given.pop(former)
    return given


def _reranker(bundle: StrPath | Reranker, vectors: StrPath | None) -> Reranker:
    if isinstance(bundle, Path | str):
        folder = bundle_folder(bundle)
        name = folder.resolve() if folder.is_dir() else bundle
        return _open(name, None if vectors is None else str(vectors))
    if vectors is not None:
        raise ConfigError(f"{vectors}: the bundle is open already; open it with these vectors, or give its folder")
    return bundle


@cache
def _open(bundle: Path | str, vectors: str | None) -> Reranker:
    from relsearch.index.engine.vector_index import open_vectors

    return Reranker(bundle, vectors=open_vectors(vectors))
