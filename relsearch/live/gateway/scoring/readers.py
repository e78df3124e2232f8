"""What is read once and kept: documents by late interaction, pairs of query and document by everything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from relsearch.core.content_cache import ContentCache
from relsearch.core.files.key_index import digest
from relsearch.core.protocols import Scorer
from relsearch.encoders.character_limit import MAX_CHARACTERS_PER_TOKEN
from relsearch.rerank.abilities import ReadsDocuments, checked_scores, fetch_held

_KEPT_PAIRS = 200_000  # 16 bytes of key and a score each
_LONGEST_TOKENS = 512  # of a scorer that does not say how much it reads
_TEST = ("test query", "how big")


class Reader(Protocol):
    """Reads texts for a query, one or a few at a time, and scores those that were read."""

    @property
    def most_characters(self) -> int:
        """How many characters of a text are looked at."""
        ...

    @property
    def stored(self) -> int | None:
        """How many documents a store has, None where there is no store."""
        ...

    def key(self, query: str, text: str) -> tuple[str, str]:
        """Return what identifies a text that is read for a query."""
        ...

    def look(self, query: str, texts: Sequence[str]) -> list[bool]:
        """Fetch what a store has, and tell of each text whether it needs no reading any more."""
        ...

    def holds(self, query: str, texts: Sequence[str]) -> list[bool]:
        """Tell of each text whether it is in memory."""
        ...

    def read(self, query: str, texts: Sequence[str]) -> None:
        """Read and keep texts; raise as the scorer does."""
        ...

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return the scorer's own scores of texts that were read."""
        ...

    def save(self, texts: Sequence[str]) -> None:
        """Write what was read to the store, if there is one."""
        ...

    def test(self) -> None:
        """Score a text of the gateway's own; raise where the scorer cannot."""
        ...


def reader_of(scorer: Scorer) -> Reader:
    """Return what reads for a scorer."""
    return DocumentReader(scorer) if isinstance(scorer, ReadsDocuments) else PairReader(scorer)


class DocumentReader:
    """Late interaction: a document that was read serves every query."""

    def __init__(self, scorer: ReadsDocuments) -> None:
        self._scorer = scorer

    @property
    def most_characters(self) -> int:
        """How many characters of a text are looked at."""
        return self._scorer.most_characters

    @property
    def stored(self) -> int | None:
        """How many documents the store has, None where there is no store."""
        return self._scorer.stored

    def key(self, query: str, text: str) -> tuple[str, str]:
        """Return the text."""
        return "", text

    def look(self, query: str, texts: Sequence[str]) -> list[bool]:
        """Read the query and fetch what the store has, and tell which documents are in memory then."""
        # Before the documents: what is left to do when their time is up must be short, however many searches end then.
        self._scorer.read_query(query)
        return fetch_held(self._scorer, texts)

    def holds(self, query: str, texts: Sequence[str]) -> list[bool]:
        """Tell which documents are in memory."""
        return self._scorer.holds(texts)

    def read(self, query: str, texts: Sequence[str]) -> None:
        """Read documents."""
        self._scorer.read(texts)

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return the scores of documents."""
        return self._scorer.score(query, texts)

    def save(self, texts: Sequence[str]) -> None:
        """Write documents to the store."""
        self._scorer.save(texts)

    def test(self) -> None:
        """Score a pair."""
        query, text = _TEST
        checked_scores(self._scorer.score(query, [text]), 1)


class PairReader:
    """A scorer that reads query and document together: the scores of pairs are kept."""

    stored: int | None = None

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._kept: ContentCache[float] = ContentCache(_KEPT_PAIRS)
        longest = getattr(getattr(scorer, "manifest", None), "max_length", _LONGEST_TOKENS)
        self.most_characters = MAX_CHARACTERS_PER_TOKEN * longest

    def key(self, query: str, text: str) -> tuple[str, str]:
        """Return query and text."""
        return query, text

    def look(self, query: str, texts: Sequence[str]) -> list[bool]:
        """Tell which pairs are in memory."""
        return self.holds(query, texts)

    def holds(self, query: str, texts: Sequence[str]) -> list[bool]:
        """Tell which pairs are in memory."""
        return self._kept.contains(_keys(query, texts))

    def read(self, query: str, texts: Sequence[str]) -> None:
        """Score pairs and keep their scores; raise ModelError where some are missing or not finite."""
        scores = checked_scores(self._scorer.score(query, texts), len(texts))
        self._kept.keep(dict(zip(_keys(query, texts), scores, strict=True)))

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return the kept scores; one that was forgotten meanwhile is computed again."""
        pairs = _keys(query, texts)
        text_of = dict(zip(pairs, texts, strict=True))
        return self._kept.lookup(pairs, lambda keys: self._scorer.score(query, [text_of[key] for key in keys]))

    def save(self, texts: Sequence[str]) -> None:
        """Do nothing: pairs have no store."""

    def test(self) -> None:
        """Score a pair."""
        query, text = _TEST
        checked_scores(self._scorer.score(query, [text]), 1)


def _keys(query: str, texts: Sequence[str]) -> list[str]:
    # A digest, since a query may be long; its length keeps two pairs apart whose texts are the same put together.
    known = digest(query).hex()
    return [f"{known}{text}" for text in texts]
