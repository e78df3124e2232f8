"""Lucene inside the process: the classes of Pyserini's Anserini jar, called through pyjnius.

pyserini.search is not imported: it would load torch and ask for an OpenAI key. Needs Java 21 or newer with the
module jdk.incubator.vector; see relsearch.index.java for where it is looked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from relsearch.core.errors import ArtifactError, ConfigError
from relsearch.core.fields.template import render
from relsearch.core.settings.config import IndexConfig
from relsearch.core.types import Candidate, Document, Query, StrPath
from relsearch.index.java import cast_to, java_class, lucene_class

NAME = "lucene"
ANALYZERS = {
    "english": "en.EnglishAnalyzer",
    "dutch": "nl.DutchAnalyzer",
    "french": "fr.FrenchAnalyzer",
    "german": "de.GermanAnalyzer",
    "italian": "it.ItalianAnalyzer",
    "portuguese": "pt.PortugueseAnalyzer",
    "spanish": "es.SpanishAnalyzer",
    "standard": "standard.StandardAnalyzer",
}
_ID, _CONTENTS = "id", "contents"
# Lucene refuses more clauses than this in one query; a longer text is cut here.
_MOST_TERMS = 1024


def build(documents: Iterable[Document], directory: StrPath, *, index: IndexConfig, template: str) -> LuceneSearcher:
    """Index the documents' rendered text into the directory and return its searcher."""
    config = lucene_class("index.IndexWriterConfig")(_analyzer(index.language))
    config.setSimilarity(_similarity(index))
    config.setOpenMode(lucene_class("index.IndexWriterConfig$OpenMode").CREATE)
    writer = lucene_class("index.IndexWriter")(_folder(directory), config)
    document_class, store = lucene_class("document.Document"), lucene_class("document.Field$Store")
    string_field, text_field = lucene_class("document.StringField"), lucene_class("document.TextField")
    sorted_field, bytes_ref = lucene_class("document.SortedDocValuesField"), lucene_class("util.BytesRef")
    for document in documents:
        row = document_class()
        row.add(string_field(_ID, document.doc_id, store.YES))
        row.add(sorted_field(_ID, bytes_ref(document.doc_id.encode())))
        row.add(text_field(_CONTENTS, render(document.fields, template), store.NO))
        writer.addDocument(row)
    writer.close()
    return open_index(directory, index=index)


def open_index(directory: StrPath, *, index: IndexConfig) -> LuceneSearcher:
    """Open a directory that build wrote; raise ArtifactError if it is not one."""
    if not any(Path(directory).glob("segments_*")):
        raise ArtifactError(f"{directory}: not a Lucene index; run: relsearch index")
    # pyjnius takes the first constructor that fits by count; the cast names the one that is meant.
    reader = cast_to("index.IndexReader", lucene_class("index.DirectoryReader").open(_folder(directory)))
    searcher = lucene_class("search.IndexSearcher")(reader)
    searcher.setSimilarity(_similarity(index))
    return LuceneSearcher(searcher, _analyzer(index.language))


class LuceneSearcher:
    """An open Lucene index; a query is the bag of its analysed words."""

    name = NAME

    def __init__(self, searcher: Any, analyzer: Any) -> None:
        self._searcher = searcher
        self._analyzer = analyzer
        field, kind = lucene_class("search.SortField"), lucene_class("search.SortField$Type")
        # Score first, then the id: Lucene alone would break ties by insertion order.
        self._sort = lucene_class("search.Sort")(field.FIELD_SCORE, field(_ID, kind.STRING))
        self._fields = searcher.storedFields()

    def search(self, queries: Sequence[Query], k: int) -> Iterator[Candidate]:
        """Yield the documents that share a word with the query, best first."""
        for query in queries:
            terms = self._terms(query.text)
            if not terms:
                continue
            hits = self._searcher.search(self._bag(terms), k, self._sort, True).scoreDocs
            for rank, hit in enumerate(hits, 1):
                doc_id = str(self._fields.document(hit.doc).get(_ID))
                yield Candidate(query.query_id, doc_id, float(hit.score), rank, NAME)

    def _bag(self, terms: list[str]) -> Any:
        should = lucene_class("search.BooleanClause$Occur").SHOULD
        term, term_query = lucene_class("index.Term"), lucene_class("search.TermQuery")
        builder = lucene_class("search.BooleanQuery$Builder")()
        for word in terms:
            builder.add(term_query(term(_CONTENTS, word)), should)
        return builder.build()

    def _terms(self, text: str) -> list[str]:
        stream = self._analyzer.tokenStream(_CONTENTS, text)
        attribute = stream.addAttribute(lucene_class("analysis.tokenattributes.CharTermAttribute"))
        stream.reset()
        terms: list[str] = []
        while stream.incrementToken() and len(terms) < _MOST_TERMS:
            terms.append(str(attribute.toString()))
        stream.close()
        return terms


def check_language(language: str) -> None:
    """Raise ConfigError for a language that Lucene has no analyzer of."""
    if language not in ANALYZERS:
        raise ConfigError(f"[index] language {language!r} is not known to lucene; use one of: {', '.join(ANALYZERS)}")


def _analyzer(language: str) -> Any:
    check_language(language)
    return lucene_class(f"analysis.{ANALYZERS[language]}")()


def _similarity(index: IndexConfig) -> Any:
    return lucene_class("search.similarities.BM25Similarity")(index.k1, index.b)


def _folder(directory: StrPath) -> Any:
    return lucene_class("store.FSDirectory").open(java_class("java.nio.file.Paths").get(str(directory)))
