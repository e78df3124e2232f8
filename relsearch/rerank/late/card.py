"""reranker.json of a late-interaction model: what scoring, exporting and explaining it need."""

from __future__ import annotations

from typing import Literal

from relsearch.rerank.card import CardBase
from relsearch.rerank.late.head import LateHead
from relsearch.rerank.late.reading import Reading


class LateCard(CardBase):
    """What is stored with the weights; `history` starts with the untrained base at step 0."""

    family: Literal["late"] = "late"
    dimension: int
    queries: Reading
    documents: Reading
    head: LateHead
