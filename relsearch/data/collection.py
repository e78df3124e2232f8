"""Collections: documents, queries and human labels from where people keep them.

demo              the packaged demo
FOLDER, beir:FOLDER   corpus.jsonl, queries.jsonl, all of qrels.tsv, qrels.txt and qrels/*.tsv; .gz and .zst too
trec:FOLDER       corpus.jsonl, topics.tsv or topics.txt, qrels.txt and qrels.tsv; .gz and .zst too
ir_datasets:ID    anything the ir-datasets package knows (extra `datasets`)
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Container, Iterator, Mapping
from importlib.resources import as_file, files
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from relsearch.core.display.progress import progress
from relsearch.core.errors import ConfigError, DataError
from relsearch.core.fields.field_names import field_fault
from relsearch.core.fields.field_texts import field_texts
from relsearch.core.fields.template import render, template_fields
from relsearch.core.files.disk_texts import DiskTexts
from relsearch.core.files.text_files import fail, json_lines
from relsearch.core.ids import id_fault, shown
from relsearch.core.types import Document, Judgment, Pair, Query, StrPath
from relsearch.data.data_sets import IrDatasetsCollection
from relsearch.data.trec import labels_of, once, read_topics

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger(__name__)
_QRELS = ("qrels.tsv", "qrels.txt")
# What a reader is shown who has no such file.
_LINES = {
    "corpus.jsonl": '{"_id": "d1", "title": "Tea", "text": "Green tea is steeped at 80 degrees."}',
    "queries.jsonl": '{"_id": "q1", "text": "green tea"}',
}
_BEIR_QRELS = "qrels"
_ENDINGS = ("", ".gz", ".zst")


class Collection(Protocol):
    """Documents are streamed; queries without any label are the unlabelled ones."""

    def documents(self, read: Container[str] = ()) -> Iterator[Document]:
        """Yield every document once, with the fields that are text, numbers or lists of texts.

        Others are left out, but for those that `read` names, which raise DataError.
        """
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


def load_collection(source: StrPath | Collection) -> Collection:
    """Return the collection that the source names, one that is loaded as it is; raise DataError if there is none."""
    if not isinstance(source, str | Path):
        return source
    if isinstance(source, Path):
        return FolderCollection(source, trec=False)
    kind, colon, rest = source.partition(":")
    if source == "demo":
        return DemoCollection()
    if kind == "ir_datasets" and colon:
        return IrDatasetsCollection(rest)
    if kind == "trec" and colon:
        return FolderCollection(Path(rest), trec=True)
    return FolderCollection(Path(rest if kind == "beir" and colon else source), trec=False)


def texts_of(run: pl.DataFrame, collection: Collection, template: str) -> tuple[dict[str, str], Mapping[str, str]]:
    """Return the texts of the collection's queries, and of those documents that the run names, by id.

    What the collection lacks is absent. Documents are read as a stream, and the run's are kept in a temporary file.
    Raise ConfigError where no document has a field that the template reads.
    """
    wanted = set(run["doc_id"].unique())
    present: set[str] = set()

    def rendered() -> Iterator[tuple[str, str]]:
        for doc in progress(collection.documents(template_fields(template)), desc="read documents", unit="doc"):
            present.update(doc.fields)
            if doc.doc_id in wanted:
                yield doc.doc_id, render(doc.fields, template)

    documents = DiskTexts(rendered())
    _check_present(present, template, every=False)
    return {query.query_id: query.text for query in collection.queries()}, documents


def check_template(collection: Collection, template: str, *, every: bool) -> int:
    """Read all documents of a collection and return how many there are.

    Raise DataError where there is none or one is broken, ConfigError where no document has one of the fields that the
    template reads, or without `every` any of them.
    """
    count = 0
    present: set[str] = set()
    for count, doc in enumerate(collection.documents(template_fields(template)), 1):  # noqa: B007 - its last value
        present |= doc.fields.keys()
    if not count:
        raise DataError("the collection has no documents")
    _check_present(present, template, every=every)
    return count


def _check_present(present: set[str], template: str, *, every: bool) -> None:
    names = set(template_fields(template))
    absent = names - present
    if present and absent and (every or absent == names):
        fault = field_fault("the collection's documents have", absent, present)
        raise ConfigError(f"{fault}; the template {template!r} reads them")


def pairs_of_table(table: pl.DataFrame, collection: Collection, template: str) -> list[Pair]:
    """Return the table's pairs with their texts; raise DataError naming an id that has none in the collection."""
    queries, texts = texts_of(table, collection, template)
    for kind, known, ids in (("query", queries, table["query_id"]), ("document", texts, table["doc_id"])):
        if absent := set(ids) - known.keys():
            raise DataError(f"{kind} {min(absent)!r} has no text in the collection; give the one that it comes from")
    rows = table.select("query_id", "doc_id").iter_rows()
    return [Pair(query, doc, queries[query], texts[doc]) for query, doc in rows]


class FolderCollection:
    """A folder in BEIR's layout, or with TREC topics and qrels."""

    def __init__(self, folder: Path, *, trec: bool) -> None:
        _names_in(folder)
        self._folder = folder
        self._trec = trec

    def documents(self, read: Container[str] = ()) -> Iterator[Document]:
        """Yield the lines of corpus.jsonl."""
        path = self._find("corpus.jsonl")
        seen: set[str] = set()
        for number, row in json_lines(path, "an object with _id"):
            yield Document(_id(path, number, row, seen), field_texts(f"{path}:{number}", row, read))

    def queries(self) -> list[Query]:
        """Return the lines of queries.jsonl, or the TREC topics."""
        if self._trec:
            return read_topics(self._find("topics.tsv", "topics.txt"))
        path = self._find("queries.jsonl")
        seen: set[str] = set()
        return [
            Query(_id(path, number, row, seen), _query_text(path, number, row))
            for number, row in json_lines(path, "an object with _id")
        ]

    def has_qrels(self) -> bool:
        """Tell whether the folder has a qrels file."""
        return bool(self._beir_files() or self._present(*_QRELS))

    def qrels(self) -> list[Judgment]:
        """Return the labels of every qrels file in the folder; raise DataError where two of them disagree."""
        trec, beir = self._present(*_QRELS), self._beir_files()
        if not trec and not beir:
            raise DataError(f"{self._folder}: has no {', '.join(_QRELS)} or {_BEIR_QRELS}/*.tsv")
        return once(chain(*(labels_of(path, None) for path in (*trec, *beir))))

    def sources(self) -> list[Path | str]:
        """Return the files that are read."""
        queries = ("topics.tsv", "topics.txt") if self._trec else ("queries.jsonl",)
        return [self._find("corpus.jsonl"), self._find(*queries), *self._present(*_QRELS), *self._beir_files()]

    def _beir_files(self) -> list[Path]:
        folder = self._folder / _BEIR_QRELS
        if self._trec or not folder.is_dir():
            return []
        return sorted(folder / name for name in _names_in(folder) if name.endswith((".tsv", ".tsv.gz", ".tsv.zst")))

    def _find(self, *names: str) -> Path:
        present = self._present(*names)
        if not present:
            line = _LINES.get(names[0], "query id, tab, text")
            raise DataError(f"{self._folder}: has no {' or '.join(names)}; write one with lines such as {line}")
        if len(present) > 1:
            raise DataError(f"{self._folder}: has both {present[0].name} and {present[1].name}; keep one of them")
        return present[0]

    def _present(self, *names: str) -> list[Path]:
        there = _names_in(self._folder)
        return [self._folder / f"{name}{ending}" for name in names for ending in _ENDINGS if f"{name}{ending}" in there]


class DemoCollection:
    """The running interpreter's own documentation, with packaged queries and grades."""

    def documents(self, read: Container[str] = ()) -> Iterator[Document]:
        """Yield the standard library's documentation, all of it text."""
        from relsearch.data.demo.documents import stdlib_documents

        return stdlib_documents()

    def queries(self) -> list[Query]:
        """Return the labelled queries, then the unlabelled ones."""
        queries = []
        for name in ("queries.jsonl", "queries_unlabelled.jsonl"):
            with as_file(files("relsearch.data.demo") / name) as path:
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
        with as_file(files("relsearch.data.demo") / "qrels.tsv") as path:
            judgments = once(labels_of(path, None))
        kept = [judgment for judgment in judgments if judgment.doc_id in present]
        if len(kept) < len(judgments):
            log.info("demo: %d grades of documents that this Python does not have", len(judgments) - len(kept))
        return kept

    def sources(self) -> list[Path | str]:
        """Return the version of the interpreter, whose documentation it is."""
        return [sys.version]


def _names_in(folder: Path) -> set[str]:
    try:
        return {path.name for path in folder.iterdir()}
    except FileNotFoundError:
        raise DataError(f"{folder}: no such folder; name a collection folder, demo or ir_datasets:ID") from None
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise DataError(
            f"{folder}: cannot be read ({reason}); name a collection folder, demo or ir_datasets:ID"
        ) from exc


def _query_text(path: Path, number: int, row: dict[str, object]) -> str:
    """The text of a row without its id; like a topic, no query is empty."""
    if "text" not in row:
        there = shown(list(row)) if row else "nothing"
        fail(path, number, f"no 'text'; beside _id there is {there}; give the query's text under this name")
    text = field_texts(f"{path}:{number}", row, ["text"]).get("text", "")
    if not text.strip():
        fail(path, number, "'text' is empty; write the query, or take the line out")
    return text


def _id(path: Path, number: int, row: dict[str, object], seen: set[str]) -> str:
    """Take the id out of the row."""
    value = row.pop("_id", None)
    if not isinstance(value, str | int) or isinstance(value, bool):
        fail(path, number, f"_id is {shown(value)}; every line needs a non-empty string _id")
    if fault := id_fault(str(value)):
        fail(path, number, f"_id {shown(value)} {fault}")
    if str(value) in seen:
        fail(path, number, f"_id {shown(value)} appears twice")
    seen.add(str(value))
    return str(value)
