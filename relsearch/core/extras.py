"""Whether the packages of an extra are installed, asked before any work begins."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from relsearch.core.errors import MissingExtraError

TORCH = ("torch", "transformers", "sentence_transformers")  # what every model in torch needs of the extra train


def check_packages(what: str, extra: str, packages: Iterable[str]) -> None:
    """Raise MissingExtraError, which names the extra, where one of the packages is not installed."""
    if any(find_spec(package) is None for package in packages):
        raise MissingExtraError(what, extra)
