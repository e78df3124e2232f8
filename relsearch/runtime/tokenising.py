"""From texts to the inputs of a graph: token ids of documents are kept, pairs are joined in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from relsearch.core.content_cache import ContentCache
from relsearch.core.errors import ArtifactError
from relsearch.encoders.joining import Ids, Row, kept_lengths, plain_ids, read_template
from relsearch.runtime.pair_text import PairText

Pairs = Sequence[tuple[str, str]]


class TextTokenizer:
    """Single texts, each cut to `max_length` tokens."""

    def __init__(self, path: Path, *, max_length: int) -> None:
        self.max_length = max_length
        self._plain = load_tokenizer(path)
        self._tokenizer = load_tokenizer(path)
        self._tokenizer.enable_truncation(max_length)

    def truncated(self, texts: Sequence[str]) -> int:
        """Return how many of the texts are not read to their end."""
        return sum(len(encoding) > self.max_length for encoding in self._plain.encode_batch_fast(list(texts)))

    def rows(self, texts: Sequence[str]) -> list[Row]:
        """Return the input of each text."""
        return [_row(encoding) for encoding in self._tokenizer.encode_batch_fast(list(texts))]


class PairTokenizer:
    """Pairs of query and document, each cut to `max_length` tokens, the longer half first.

    A document longer than that is read in up to `windows` adjacent windows, the last one at its end.
    Where the tokenizer joins pairs by no fixed template, or a `text` is made of them, pairs are encoded whole and
    nothing is kept.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_length: int,
        windows: int = 1,
        cached_tokens: int = 8_000_000,
        text: PairText | None = None,
    ) -> None:
        self.max_length = max_length
        self.windows = windows
        self._plain = load_tokenizer(path)
        self._text = text
        self.template = None if text else read_template(self._plain)
        if self.template is None and windows > 1:
            raise ArtifactError(f"{path}: joins pairs in a way that cannot be read in windows; open it with windows=1")
        # Four bytes a token: the default takes 32 MB, about 60,000 passages.
        self._kept: ContentCache[Ids] = ContentCache(cached_tokens, size=len)
        if self.template is None:
            self._whole = load_tokenizer(path)
            self._whole.enable_truncation(max_length, strategy="longest_first")

    @property
    def kept(self) -> int:
        """How many documents' ids are kept."""
        return len(self._kept)

    def rows(self, pairs: Pairs) -> list[list[Row]]:
        """Return the inputs of each pair: one, or its windows."""
        if self._text:
            return [[row] for row in self._text.rows(self._plain, pairs, max_length=self.max_length)]
        if self.template is None:
            return [[_row(encoding)] for encoding in self._whole.encode_batch_fast(list(pairs))]
        return [self._windows(query, document) for query, document in self._ids(pairs)]

    def truncated(self, pairs: Pairs) -> int:
        """Return how many of the pairs are not read to their end."""
        if self._text:
            rows = self._text.rows(self._plain, pairs, max_length=None)
            return sum(len(row.ids) > self.max_length for row in rows)
        if self.template is None:
            return sum(len(encoding) > self.max_length for encoding in self._plain.encode_batch_fast(list(pairs)))
        return sum(self._is_cut(len(query), len(document)) for query, document in self._ids(pairs))

    def _ids(self, pairs: Pairs) -> list[tuple[Ids, Ids]]:
        queries = list(dict.fromkeys(query for query, _ in pairs))
        of_query = dict(zip(queries, self._encode(queries), strict=True))
        documents = self._kept.lookup([document for _, document in pairs], self._encode)
        return [(of_query[query], ids) for (query, _), ids in zip(pairs, documents, strict=True)]

    def _encode(self, texts: list[str]) -> list[Ids]:
        return [plain_ids(each) for each in self._plain.encode_batch_fast(texts, add_special_tokens=False)]

    def _windows(self, query: Ids, document: Ids) -> list[Row]:
        template = self.template
        if template is None:
            raise ValueError("a tokenizer without a template has no windows")
        first, second = kept_lengths(len(query), len(document), self.max_length - template.added)
        last = max(len(document) - second, 0)
        starts = [min(place * second, last) for place in range(self.windows)] if second else [0]
        return [template.join(query[:first], document[start : start + second]) for start in dict.fromkeys(starts)]

    def _is_cut(self, query: int, document: int) -> bool:
        added = self.template.added if self.template else 0
        first, second = kept_lengths(query, document, self.max_length - added)
        return first < query or second * self.windows < document


def load_tokenizer(path: Path) -> Any:
    """Return the tokenizer of a file, without padding or truncation; raise ArtifactError if it is none."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as exc:  # tokenizers raises bare Exception
        raise ArtifactError(f"{path}: not a tokenizer ({exc}); export again") from exc
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _row(encoding: Any) -> Row:
    return Row(np.array(encoding.ids, dtype=np.int32), np.array(encoding.type_ids, dtype=np.int32))
