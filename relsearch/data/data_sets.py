"""Data sets of the ir-datasets package as collections."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from relsearch.core.errors import DataError, MissingExtraError, RelsearchError, reason
from relsearch.core.fields.field_texts import field_texts
from relsearch.core.files.text_files import encodable
from relsearch.core.ids import id_fault, shown
from relsearch.core.types import Document, Judgment, Query
from relsearch.data.trec import Label, once


class IrDatasetsCollection:
    """A data set of the ir-datasets package, which downloads it when it is first read."""

    def __init__(self, name: str) -> None:
        self._source = f"ir_datasets:{name}"
        try:
            import ir_datasets
        except ImportError as exc:
            raise MissingExtraError(self._source, "datasets") from exc
        try:
            self._dataset = ir_datasets.load(name)
        except KeyError as exc:
            raise DataError(f"{self._source}: no such data set; see ir-datasets.com for the names") from exc

    def documents(self, read: Container[str] = ()) -> Iterator[Document]:
        """Yield the data set's documents, every text field of their tuples by its name."""
        with self._one_line_errors():
            for row in self._dataset.docs_iter():
                where = f"{self._source}: document {shown(row.doc_id)}"
                values = {name: value for name, value in row._asdict().items() if name != "doc_id"}
                yield Document(self._id("document", row.doc_id), field_texts(where, values, read))

    def queries(self) -> list[Query]:
        """Return the data set's queries by their default text."""
        with self._one_line_errors():
            rows = list(self._dataset.queries_iter())
            return [Query(self._id("query", row.query_id), encodable(row.default_text())) for row in rows]

    def has_qrels(self) -> bool:
        """Tell whether the data set has labels."""
        return bool(self._dataset.has_qrels())

    def qrels(self) -> list[Judgment]:
        """Return the data set's labels; negative grades count as 0."""
        with self._one_line_errors():
            rows: Iterable[Any] = self._dataset.qrels_iter()
            return once(
                Label(Path(self._source), number, str(row.query_id), str(row.doc_id), max(int(row.relevance), 0))
                for number, row in enumerate(rows, 1)
            )

    def sources(self) -> list[Path | str]:
        """Return the data set's name, which stands for one content."""
        return [self._source]

    def _id(self, kind: str, value: object) -> str:
        if fault := id_fault(str(value)):
            raise DataError(f"{self._source}: {kind} id {shown(value)} {fault}")
        return str(value)

    @contextmanager
    def _one_line_errors(self) -> Iterator[None]:
        try:
            yield
        except RelsearchError:
            raise
        except Exception as exc:  # a download, an archive and each data set's parser raise what they like
            raise DataError(f"{self._source}: cannot be read: {_cause(exc)}") from exc


def _cause(exc: Exception) -> str:
    """What went wrong; where there are several places to download from, in the last one."""
    if len(exc.args) > 1 and isinstance(exc.args[1], list) and exc.args[1]:
        exc = exc.args[1][-1][-1]
    said = f"{type(exc).__name__}: {reason(exc)}"
    return f"{said}; is there a network connection?" if isinstance(exc, OSError) else said
