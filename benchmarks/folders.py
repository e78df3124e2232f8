"""Where the collections and models that no package carries are found."""

from __future__ import annotations

import os
from pathlib import Path

_SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
COLLECTIONS = Path(os.environ.get("RELSEARCH_COLLECTIONS", _SHARED / "collections"))
SERVERS = Path(os.environ.get("RELSEARCH_SERVERS", _SHARED / "servers"))
MODELS = Path(os.environ.get("RELSEARCH_MODELS", _SHARED / "models"))


def use_models() -> None:
    """Let the ids of hub models be looked for in MODELS first, here and in the processes that this one starts."""
    os.environ.setdefault("RELSEARCH_MODELS", str(MODELS))
