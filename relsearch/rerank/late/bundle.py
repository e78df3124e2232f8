"""bundle.json of a late-interaction reranker: one graph reads queries and documents."""

from __future__ import annotations

from typing import Literal

from relsearch.rerank.bundle import ManifestBase
from relsearch.rerank.late.head import LateHead
from relsearch.rerank.late.reading import Reading


class LateManifest(ManifestBase):
    """What was trained on what, how to run it, and the sha256 of each file."""

    family: Literal["late"] = "late"
    queries: Reading
    documents: Reading
    head: LateHead
    pooled: int
    dimension: int
