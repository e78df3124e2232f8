"""How long texts are in tokens, which decides what a batch holds and tells which texts the model reads in part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tokenizers import Tokenizer

from relsearch.encoders.character_limit import MAX_CHARACTERS_PER_TOKEN, beginning, ending, is_cut
from relsearch.rerank.bundle import TOKENIZER, Bundle, LateManifest, Manifest, ManifestBase
from relsearch.runtime.tokenising import load_tokenizer

_CHARACTERS_PER_TOKEN = 4  # of English; only where no tokenizer is at hand


class TokenLengths(Protocol):
    """Counts the tokens of texts as the scorer's own tokenizer does."""

    @property
    def max_length(self) -> int:
        """How many tokens the model reads at once."""
        ...

    def lengths(self, query: str, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text as it is read for the query, before it is cut."""
        ...

    def ends(self, query: str, texts: Sequence[str]) -> list[str]:
        """Return of each text the last part that the model reads whole, to within a token."""
        ...


def bundle_tokens(bundle: Bundle[ManifestBase]) -> TokenLengths:
    """Return what counts as the bundle's family reads; raise ArtifactError where its tokenizer is none."""
    path, manifest = bundle.folder / TOKENIZER, bundle.manifest
    if isinstance(manifest, LateManifest):
        return DocumentTokens(path, max_length=manifest.documents.max_length, prefix=manifest.documents.prefix)
    if isinstance(manifest, Manifest):
        return PairTokens(path, max_length=manifest.max_length)
    raise TypeError(f"{type(manifest).__name__} has no token lengths")


class PairTokens:
    """Counts as a cross-encoder reads: query and document together."""

    def __init__(self, tokenizer: Path, *, max_length: int) -> None:
        self._tokenizer = load_tokenizer(tokenizer)
        self.max_length = max_length

    def lengths(self, query: str, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each pair; of a text far too long, one more than the model reads."""
        characters = MAX_CHARACTERS_PER_TOKEN * self.max_length
        asked = beginning(query, characters)
        pairs = [(asked, beginning(text, characters)) for text in texts]
        found = [len(encoding) for encoding in self._tokenizer.encode_batch_fast(pairs)]
        return _with_far_too_long(found, texts, max_length=self.max_length)

    def ends(self, query: str, texts: Sequence[str]) -> list[str]:
        """Return of each text the last part that the model reads whole, to within a token."""
        return _ends(self._tokenizer, texts, room=self.max_length - self.lengths(query, [""])[0])


class DocumentTokens:
    """Counts as late interaction reads: the document behind its prefix; the query is read once, by itself."""

    def __init__(self, tokenizer: Path, *, max_length: int, prefix: str) -> None:
        self._tokenizer = load_tokenizer(tokenizer)
        self._prefix = prefix
        self.max_length = max_length

    def lengths(self, query: str, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each document; of a text far too long, one more than the model reads."""
        characters = MAX_CHARACTERS_PER_TOKEN * self.max_length
        encodings = self._tokenizer.encode_batch_fast([self._prefix + beginning(text, characters) for text in texts])
        return _with_far_too_long([len(encoding) for encoding in encodings], texts, max_length=self.max_length)

    def ends(self, query: str, texts: Sequence[str]) -> list[str]:
        """Return of each text the last part that the model reads whole, to within a token."""
        return _ends(self._tokenizer, texts, room=self.max_length - self.lengths(query, [""])[0])


def estimated_lengths(query: str, texts: Sequence[str]) -> list[int]:
    """Return about how many tokens each pair has, for scorers whose tokenizer is unknown."""
    return [(len(query) + len(text)) // _CHARACTERS_PER_TOKEN + 1 for text in texts]


def _ends(tokenizer: Tokenizer, texts: Sequence[str], *, room: int) -> list[str]:
    characters = MAX_CHARACTERS_PER_TOKEN * max(room, 1)
    last = [ending(text, characters) for text in texts]
    encodings = tokenizer.encode_batch(last, add_special_tokens=False)
    return [
        text if len(encoding) <= room else text[encoding.offsets[-room][0] if room > 0 else len(text) :]
        for text, encoding in zip(last, encodings, strict=True)
    ]


def _with_far_too_long(lengths: Sequence[int], texts: Sequence[str], *, max_length: int) -> list[int]:
    """A text that was cut before it was tokenised is longer than what the model reads, whatever its tokens."""
    characters = MAX_CHARACTERS_PER_TOKEN * max_length
    return [
        max(length, max_length + 1) if is_cut(text, characters) else length
        for length, text in zip(lengths, texts, strict=True)
    ]
