"""Words that a query has from the prompt's examples: small models repeat those rather than read the document."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

import bm25s.stopwords
import Stemmer

from relsearch.synthesis.writer.prompt import Shot


def echoes(query: str, document: str, shots: Iterable[Shot]) -> set[str]:
    """Return the stems of the query's content words that an example has and the document lacks."""
    shown = {stem for shot in shots for stem in content_stems(f"{shot.document} {shot.query}")}
    return content_stems(query) & shown - content_stems(document)


def content_stems(text: str) -> set[str]:
    """Return the English stems of a text's words that are stop words in no language."""
    words = {word for word in re.findall(r"\w+", text.casefold()) if len(word) > 1 and word not in _stop_words()}
    return set(Stemmer.Stemmer("english").stemWords(sorted(words)))


@cache
def _stop_words() -> frozenset[str]:
    lists = (words for name, words in vars(bm25s.stopwords).items() if name.startswith("STOPWORDS_"))
    return frozenset(word for words in lists for word in words)
