"""How long texts are in tokens, which decides what a batch holds and tells which texts the model reads in part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from relsearch.encoder import MAX_CHARACTERS_PER_TOKEN
from relsearch.errors import ArtifactError
from relsearch.rerank.bundle import TOKENIZER, Bundle

_CHARACTERS_PER_TOKEN = 4  # of English; only where no tokenizer is at hand


class TokenLengths(Protocol):
    """Counts the tokens of pairs as the scorer's own tokenizer does."""

    @property
    def max_length(self) -> int:
        """How many tokens of a pair the model reads."""
        ...

    def lengths(self, query: str, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each pair before it is cut."""
        ...


class BundleTokens:
    """Counts with the tokenizer of a bundle's cross-encoder."""

    def __init__(self, bundle: Bundle) -> None:
        from tokenizers import Tokenizer

        path = bundle.folder / TOKENIZER
        try:
            self._tokenizer: Any = Tokenizer.from_file(str(path))
        except Exception as exc:  # tokenizers raises bare Exception
            raise ArtifactError(f"{path}: not a tokenizer ({exc}); export again") from exc
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.max_length = bundle.manifest.max_length

    def lengths(self, query: str, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each pair; of a text far too long, one more than the model reads."""
        characters = MAX_CHARACTERS_PER_TOKEN * self.max_length
        pairs = [(query[:characters], text[:characters]) for text in texts]
        encodings = self._tokenizer.encode_batch_fast(pairs)
        return [
            len(encoding) if len(text) <= characters else max(len(encoding), self.max_length + 1)
            for encoding, text in zip(encodings, texts, strict=True)
        ]


def estimated_lengths(query: str, texts: Sequence[str]) -> list[int]:
    """Return about how many tokens each pair has, for scorers whose tokenizer is unknown."""
    return [(len(query) + len(text)) // _CHARACTERS_PER_TOKEN + 1 for text in texts]
