"""The short hash by which labels, and what else a model made, are known again."""

from __future__ import annotations

import hashlib


def fingerprint_of(*about: object) -> str:
    """Return a hash of all that could change an answer, each part by its text, in this order."""
    return hashlib.sha256("|".join(map(str, about)).encode()).hexdigest()[:16]
