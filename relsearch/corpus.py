"""Collections: documents, queries and human labels from where people keep them.

demo              the packaged demo
FOLDER, beir:FOLDER   corpus.jsonl, queries.jsonl and qrels.tsv (TREC) or qrels/*.tsv (BEIR); .gz too
trec:FOLDER       corpus.jsonl, topics.tsv or topics.txt, qrels.txt or qrels.tsv; .gz too
ir_datasets:ID    anything the ir-datasets package knows (extra `datasets`)
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from relsearch.errors import DataError, MissingExtraError
from relsearch.trec import fail, json_lines, lines, read_qrels, read_topics
from relsearch.types import Document, Judgment, Query

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger(__name__)
_QRELS = ("qrels.tsv", "qrels.txt")


class Collection(Protocol):
    """Documents are streamed; queries without any label are the unlabelled ones."""

    def documents(self) -> Iterator[Document]:
        """Yield every document once."""
        ...

    def queries(self) -> list[Query]:
        """Return every query."""
        ...

    def has_qrels(self) -> bool:
        """Tell whether there are human labels at all."""
        ...

    def qrels(self) -> list[Judgment]:
        """Return every human label."""
        ...

    def sources(self) -> list[Path | str]:
        """Return what decides all of this: the files that are read, or a version that stands for them."""
        ...


def load_collection(source: str) -> Collection:
    """Return the collection that the source names; raise DataError if there is none."""
    kind, colon, rest = source.partition(":")
    if source == "demo":
        return DemoCollection()
    if kind == "ir_datasets" and colon:
        return IrDatasetsCollection(rest)
    if kind == "trec" and colon:
        return FolderCollection(Path(rest), trec=True)
    return FolderCollection(Path(rest if kind == "beir" and colon else source), trec=False)


def texts_of(
    run: pl.DataFrame, collection: Collection, render: Callable[[Mapping[str, str]], str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the texts of the collection's queries, and of those documents that the run names, by id.

    What the collection lacks is absent; documents are read as a stream, so only the run's are held in memory.
    """
    wanted = set(run["doc_id"])
    documents = {doc.doc_id: render(doc.fields) for doc in collection.documents() if doc.doc_id in wanted}
    return {query.query_id: query.text for query in collection.queries()}, documents


class FolderCollection:
    """A folder in BEIR's layout, or with TREC topics and qrels."""

    def __init__(self, folder: Path, *, trec: bool) -> None:
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder; name a collection folder, demo or ir_datasets:ID")
        self._folder = folder
        self._trec = trec

    def documents(self) -> Iterator[Document]:
        """Yield the lines of corpus.jsonl."""
        path = self._find("corpus.jsonl")
        seen: set[str] = set()
        for number, row in json_lines(path, "an object with _id"):
            doc_id = _id(path, number, row, seen)
            fields = {name: _text(path, number, name, value) for name, value in row.items() if name != "metadata"}
            yield Document(doc_id, {name: text for name, text in fields.items() if text})

    def queries(self) -> list[Query]:
        """Return the lines of queries.jsonl, or the TREC topics."""
        if self._trec:
            return read_topics(self._find("topics.tsv", "topics.txt"))
        path = self._find("queries.jsonl")
        seen: set[str] = set()
        return [
            Query(_id(path, number, row, seen), _text(path, number, "text", row.get("text", "")))
            for number, row in json_lines(path, "an object with _id")
        ]

    def has_qrels(self) -> bool:
        """Tell whether the folder has a qrels file."""
        return bool(self._beir_files() or self._present(*_QRELS))

    def qrels(self) -> list[Judgment]:
        """Return the labels of every qrels file in the folder."""
        if beir := self._beir_files():
            return [judgment for path in beir for judgment in _beir_qrels(path)]
        return _judgments(self._find(*_QRELS))

    def sources(self) -> list[Path | str]:
        """Return the files that are read."""
        queries = ("topics.tsv", "topics.txt") if self._trec else ("queries.jsonl",)
        return [self._find("corpus.jsonl"), self._find(*queries), *(self._beir_files() or self._present(*_QRELS)[:1])]

    def _beir_files(self) -> list[Path]:
        return [] if self._trec else sorted((self._folder / "qrels").glob("*.tsv*"))

    def _find(self, *names: str) -> Path:
        for path in self._present(*names):
            return path
        raise DataError(f"{self._folder}: has no {' or '.join(names)}")

    def _present(self, *names: str) -> list[Path]:
        paths = (self._folder / f"{name}{ending}" for name in names for ending in ("", ".gz"))
        return [path for path in paths if path.is_file()]


class DemoCollection:
    """The running interpreter's own documentation, with packaged queries and grades."""

    def documents(self) -> Iterator[Document]:
        """Yield the standard library's documentation."""
        from relsearch.demo.documents import stdlib_documents

        return stdlib_documents()

    def queries(self) -> list[Query]:
        """Return the labelled queries, then the unlabelled ones."""
        queries = []
        for name in ("queries.jsonl", "queries_unlabelled.jsonl"):
            with as_file(files("relsearch.demo") / name) as path:
                queries += [
                    Query(str(row["_id"]), str(row["text"])) for _, row in json_lines(path, "an object with _id")
                ]
        return queries

    def has_qrels(self) -> bool:
        """Tell that there are packaged grades."""
        return True

    def qrels(self) -> list[Judgment]:
        """Return the packaged grades of documents that exist on this interpreter."""
        present = {document.doc_id for document in self.documents()}
        with as_file(files("relsearch.demo") / "qrels.tsv") as path:
            judgments = _judgments(path)
        kept = [judgment for judgment in judgments if judgment.doc_id in present]
        if len(kept) < len(judgments):
            log.info("demo: %d grades of documents that this Python does not have", len(judgments) - len(kept))
        return kept

    def sources(self) -> list[Path | str]:
        """Return the version of the interpreter, whose documentation it is."""
        return [sys.version]


class IrDatasetsCollection:
    """A data set of the ir-datasets package."""

    def __init__(self, name: str) -> None:
        try:
            import ir_datasets
        except ImportError as exc:
            raise MissingExtraError(f"ir_datasets:{name}", "datasets") from exc
        try:
            self._name, self._dataset = name, ir_datasets.load(name)
        except KeyError as exc:
            raise DataError(f"ir_datasets:{name}: no such data set; see ir-datasets.com for the names") from exc

    def documents(self) -> Iterator[Document]:
        """Yield the data set's documents, every text field of their tuples by its name."""
        for row in self._dataset.docs_iter():
            values = {name: value for name, value in row._asdict().items() if name != "doc_id"}
            fields = {name: value for name, value in values.items() if isinstance(value, str) and value}
            yield Document(str(row.doc_id), fields)

    def queries(self) -> list[Query]:
        """Return the data set's queries by their default text."""
        return [Query(str(query.query_id), query.default_text()) for query in self._dataset.queries_iter()]

    def has_qrels(self) -> bool:
        """Tell whether the data set has labels."""
        return bool(self._dataset.has_qrels())

    def qrels(self) -> list[Judgment]:
        """Return the data set's labels; negative grades count as 0."""
        rows: Iterable[Any] = self._dataset.qrels_iter()
        return [Judgment(str(row.query_id), str(row.doc_id), max(int(row.relevance), 0), "human") for row in rows]

    def sources(self) -> list[Path | str]:
        """Return the data set's name, which stands for one content."""
        return [self._name]


def _judgments(path: Path) -> list[Judgment]:
    rows = read_qrels(path, None).select("query_id", "doc_id", "grade").iter_rows()
    return [Judgment(query_id, doc_id, grade, "human") for query_id, doc_id, grade in rows]


def _beir_qrels(path: Path) -> Iterator[Judgment]:
    for number, line in lines(path):
        parts = line.split("\t")
        if number == 1 and parts[-1] == "score":
            continue
        if len(parts) != 3 or not parts[2].strip().lstrip("-").isdigit():
            fail(path, number, "a BEIR qrels line is: query id, tab, document id, tab, whole number")
        yield Judgment(parts[0], parts[1], max(int(parts[2]), 0), "human")


def _id(path: Path, number: int, row: dict[str, object], seen: set[str]) -> str:
    """Take the id out of the row."""
    value = row.pop("_id", None)
    if not isinstance(value, str | int) or isinstance(value, bool) or not str(value):
        fail(path, number, f"_id is {value!r}; every line needs a non-empty string _id")
    if str(value) in seen:
        fail(path, number, f"_id {value!r} appears twice")
    seen.add(str(value))
    return str(value)


def _text(path: Path, number: int, name: str, value: object) -> str:
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return " ".join(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        fail(path, number, f"field {name!r} is a {type(value).__name__}; expected text, a number or a list of texts")
    return "" if value is None else str(value)
