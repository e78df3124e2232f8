"""BM25 inside the process: bm25s with Lucene's formula and an English analysis like Lucene's. No server, no JVM."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relsearch.core.display.progress import progress
from relsearch.core.errors import ArtifactError, ConfigError
from relsearch.core.fields.template import render
from relsearch.core.settings.config import IndexConfig
from relsearch.core.tokenise import unspaced_tokens, without_unspaced
from relsearch.core.types import Candidate, Document, Query, StrPath

_LOG = logging.getLogger(__name__)
NAME = "embedded"
MOST_DOCUMENTS = 500_000  # beyond which another searcher is advised; it works there too
_IDS = "doc_ids.json"
_SETTINGS = "settings.json"
# Lucene's EnglishAnalyzer: its stop words, possessives dropped, Porter's first stemmer.
_LUCENE_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be but by for if in into is it no not of on or such that the their then there these they "
        "this to was will with",
    )
)
_TOKEN = re.compile(r"\w+(?:['’.]\w+)*")
_POSSESSIVE = re.compile(r"['’]s$")


def build(documents: Iterable[Document], directory: StrPath, *, index: IndexConfig, template: str) -> EmbeddedSearcher:
    """Index the documents' rendered text into the directory and return its searcher."""
    import bm25s

    logging.getLogger("bm25s").setLevel(logging.NOTSET)  # which it sets to DEBUG: "Building index from tokens"
    doc_ids, tokens = [], []
    analyse = analyser(index.language)
    words: dict[str, str] = {}  # each once in memory
    for document in progress(documents, desc="index", unit="doc"):
        doc_ids.append(document.doc_id)
        tokens.append([words.setdefault(word, word) for word in analyse(render(document.fields, template))])
    if len(doc_ids) > MOST_DOCUMENTS:
        _LOG.warning(
            "embedded: %s documents; each search scores them all, in memory. Beyond %s rather use Lucene or an engine: "
            '[index] searchers = ["lucene"] or ["elasticsearch"]',
            f"{len(doc_ids):,}",
            f"{MOST_DOCUMENTS:,}",
        )
    if not any(tokens):
        raise ConfigError("embedded: no document has any word to index; check [collection] template")
    retriever = bm25s.BM25(k1=index.k1, b=index.b, method="lucene")
    retriever.index(tokens, show_progress=False)
    directory = Path(directory)
    retriever.save(str(directory))
    (directory / _IDS).write_text(json.dumps(doc_ids), encoding="utf-8")
    (directory / _SETTINGS).write_text(json.dumps({"language": index.language}), encoding="utf-8")
    return open_index(directory)


def open_index(directory: StrPath) -> EmbeddedSearcher:
    """Open a directory that build wrote; raise ArtifactError if it is not one."""
    import bm25s

    directory = Path(directory)
    try:
        doc_ids = json.loads((directory / _IDS).read_text(encoding="utf-8"))
        language = json.loads((directory / _SETTINGS).read_text(encoding="utf-8"))["language"]
        retriever = bm25s.BM25.load(str(directory), load_corpus=False, allow_pickle=False)
    except (OSError, ValueError, KeyError) as exc:
        raise ArtifactError(f"{directory}: not an embedded index ({exc}); run: relsearch index") from exc
    return EmbeddedSearcher(retriever, doc_ids, language)


def analyser(language: str) -> Callable[[str], list[str]]:
    """Return text → terms; for other languages than English: lower case and that language's Snowball stemmer.

    In any language, what is written without spaces and emoji are tokenised as `relsearch.core.tokenise` does.
    """
    import Stemmer

    if language == "standard":
        return lambda text: [*_words(text.casefold()), *unspaced_tokens(text.casefold())]
    try:
        stemmer = Stemmer.Stemmer("porter" if language == "english" else language)
    except KeyError as exc:
        known = ", ".join(["standard", *Stemmer.algorithms()])
        raise ConfigError(f"[index] language {language!r} is not known here; use one of: {known}") from exc
    stop_words = _LUCENE_STOP_WORDS if language == "english" else frozenset()

    def analyse(text: str) -> list[str]:
        folded = text.casefold()
        words = (_POSSESSIVE.sub("", word) for word in _words(folded))
        stems = stemmer.stemWords([word for word in words if word not in stop_words])
        return [*map(str, stems), *unspaced_tokens(folded)]

    return analyse


def _words(folded: str) -> list[str]:
    return _TOKEN.findall(without_unspaced(folded))


class EmbeddedSearcher:
    """A bm25s index and the ids of its rows."""

    name = NAME

    def __init__(self, retriever: Any, doc_ids: Sequence[str], language: str) -> None:
        self._retriever = retriever
        self._ids = np.asarray(doc_ids, dtype=object)
        # The place of each row in the order of ids decides ties.
        self._tie = np.argsort(np.argsort(self._ids))
        self._analyse = analyser(language)

    def search(self, queries: Sequence[Query], k: int) -> Iterator[Candidate]:
        """Yield the documents that share a word with the query, best first; warn of queries that hold no word."""
        wordless: list[str] = []
        for query in queries:
            words = self._analyse(query.text)
            if not words:
                wordless.append(query.query_id)
            known = [word for word in words if word in self._retriever.vocab_dict]
            if not known:
                continue
            scores = self._retriever.get_scores(known)
            for rank, row in enumerate(self._best(scores, k), 1):
                yield Candidate(query.query_id, str(self._ids[row]), float(scores[row]), rank, NAME)
        if wordless:
            _LOG.warning(
                "embedded: %d queries have nothing but stop words or signs, and find nothing; the first is %r",
                len(wordless),
                wordless[0],
            )

    def _best(self, scores: NDArray[np.float32], k: int) -> NDArray[np.intp]:
        """Return the rows of the k best positive scores, ties in the order of ids."""
        positive = np.flatnonzero(scores > 0)
        if len(positive) > k:
            limit = np.partition(scores[positive], -k)[-k]
            positive = positive[scores[positive] >= limit]
        return positive[np.lexsort((self._tie[positive], -scores[positive]))][:k]
