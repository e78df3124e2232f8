"""Where documents' vectors are kept from indexing time on: in a folder, or in an index of the search engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from relsearch.rerank.vectors.interaction import DocumentVectors

Read = Callable[[list[str]], list[DocumentVectors]]
BATCH = 256  # documents read and written together; an interruption loses at most these


class StoreFacts(BaseModel):
    """Whose vectors these are, and how long."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: str
    pooled: int
    tokens: int


class VectorStore(Protocol):
    """Vectors of one encoder, found by the document's text."""

    facts: StoreFacts

    def __len__(self) -> int:
        """How many documents are stored."""
        ...

    @property
    def nbytes(self) -> int:
        """The bytes that they take where they are stored."""
        ...

    def lookup(self, texts: Sequence[str]) -> dict[str, DocumentVectors]:
        """Return the vectors of those texts that are stored."""
        ...

    def absent(self, texts: Sequence[str]) -> list[str]:
        """Return those texts that are not stored, each once."""
        ...

    def add(self, texts: Iterable[str], read: Read) -> int:
        """Read and store the texts that are not there yet; return how many there were."""
        ...


# Opens the store of an encoder; raises ArtifactError where the vectors there are another encoder's.
OpenStore = Callable[[StoreFacts], VectorStore]
