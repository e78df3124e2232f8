"""Whether a worker opened the model that the process that asks has."""

from __future__ import annotations

from platform import node

from relsearch.core.errors import ConfigError


def check_same(what: str, here: object, asked: object) -> None:
    """Raise ConfigError where what tells models apart, of the worker's here and of the one asked for, differs."""
    if here != asked:
        raise ConfigError(
            f"the {what} of {node()} is another one than that of the process that asks; give all machines the same "
            "packages, model files and kind of processor"
        )
