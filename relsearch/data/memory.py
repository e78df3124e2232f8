"""A collection whose texts and labels a program already holds."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from pathlib import Path

from relsearch.core.display.results import TextOrFields
from relsearch.core.errors import DataError
from relsearch.core.fields.field_texts import field_texts
from relsearch.core.types import Document, Judgment, Query
from relsearch.data.frames import LabelsLike, labels_table


class MemoryCollection:
    """Documents and queries by id, and labels in any form that relsearch.evaluate takes.

    A document is a dict of its fields, or a string, which counts as the field `text`.
    """

    def __init__(
        self,
        documents: Mapping[str, TextOrFields],
        queries: Mapping[str, str],
        *,
        qrels: LabelsLike | None = None,
    ) -> None:
        self._documents = documents
        self._queries = queries
        self._qrels = qrels

    def documents(self, read: Container[str] = ()) -> Iterator[Document]:
        """Yield the documents."""
        for doc_id, document in self._documents.items():
            fields = {"text": document} if isinstance(document, str) else document
            yield Document(doc_id, field_texts(f"document {doc_id!r}", fields, read))

    def queries(self) -> list[Query]:
        """Return the queries."""
        return [Query(query_id, text) for query_id, text in self._queries.items()]

    def has_qrels(self) -> bool:
        """Tell whether labels were given."""
        return self._qrels is not None

    def qrels(self) -> list[Judgment]:
        """Return the labels; raise DataError where none were given."""
        if self._qrels is None:
            raise DataError("the collection has no labels; give qrels")
        labels = labels_table(self._qrels).select("query_id", "doc_id", "grade", "source").iter_rows(named=True)
        return [Judgment(**label) for label in labels]

    def sources(self) -> list[Path | str]:
        """Raise DataError: a pipeline reads its collection from files, so that a later run knows what changed."""
        raise DataError("a pipeline reads its collection from files; write it as a folder and name that")
