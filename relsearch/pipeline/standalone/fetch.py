"""Collections made of a live index: the candidates of given queries, all of its documents, or a sample of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from relsearch.core.errors import ConfigError, DataError
from relsearch.core.fields.template import DEFAULT_TEMPLATE, template_fields
from relsearch.core.files.atomic import replacing
from relsearch.core.files.journal import Journal, unfinished
from relsearch.core.files.key_index import KeyIndex, digest
from relsearch.core.files.outputs import check_output
from relsearch.core.tables import candidates_table
from relsearch.core.types import StrPath
from relsearch.data.collection import FolderCollection
from relsearch.exporters.corpus import CORPUS, is_made, write_corpus
from relsearch.exporters.trec import is_run_of, run_text
from relsearch.index.engine.fetching import Fetched, body_from, fetch
from relsearch.index.engine.field_check import check_fields, check_searchable, index_fields
from relsearch.index.engine.http import Json, Reply, Server, match_body
from relsearch.index.engine.sampling import sample
from relsearch.index.engine.scanning import kept_documents, scan

FIRST_STAGE = "first_stage.trec"


def fetch_collection(
    server: Server,
    index: str,
    folder: StrPath,
    *,
    depth: int,
    fields: Mapping[str, str] | None,
    body: StrPath | None,
    force: bool = False,
) -> Fetched:
    """Write what an index finds for the folder's queries, and its labelled documents, beside them; return all of it.

    `fields` gives the paths of the fields, by default title and text; `body` is a file with a search to use instead.
    Both files are written, or neither; what an interrupted call was answered is not asked again. Raise DataError where
    a file is in the way that `fetch` did not write, unless `force` is set, or nothing is found; ConfigError where a
    field is not there or has no text.
    """
    folder = Path(folder)
    check_output(folder / CORPUS, inputs=(), ours=is_made, force=force)
    check_output(folder / FIRST_STAGE, inputs=(), ours=partial(is_run_of, tag=server.name), force=force)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; make it, with your queries in queries.jsonl")
    given = FolderCollection(folder, trec=False)
    labelled = {label.doc_id for label in given.qrels()} if given.has_qrels() else set()
    names = fields or {name: name for name in template_fields(DEFAULT_TEMPLATE)}
    search = body_from(body) if body else lambda text: match_body(text, names.values())
    check_fields(server, index, names.values(), every=fields is not None)
    with unfinished(folder / FIRST_STAGE, drops=(ConfigError, DataError)) as journal:
        asked = _remembering(server, journal)
        found = fetch(asked, index, given.queries(), labelled, depth=depth, names=names, body=search)
        _check_found(found, index, names, given=fields)
        if not found.candidates:
            if not body:
                check_searchable(index_fields(server, index), index, names.values())
            where = _searched(body)
            raise DataError(f"index {index!r}: no query finds a document, so nothing was written; check {where}")
        run = run_text(candidates_table(found.candidates), tag=server.name)
        with replacing(folder / FIRST_STAGE) as partly:
            partly.write_text(run, encoding="utf-8")
            write_corpus(found.documents.values(), folder)
    return found


def fetch_index(
    server: Server, index: str, folder: StrPath, *, fields: Mapping[str, str] | None, force: bool = False
) -> int:
    """Write every document of an index that has text as the folder's corpus.jsonl; return how many there are.

    Documents wait beside it until all are there; an interrupted call goes on. Raise DataError where a corpus is in the
    way that relsearch did not write, unless `force` is set; ConfigError where a field is not there.
    """
    folder = Path(folder)
    check_output(folder / CORPUS, inputs=(), ours=is_made, force=force)
    names = fields or {name: name for name in template_fields(DEFAULT_TEMPLATE)}
    check_fields(server, index, names.values(), every=fields is not None)
    known = KeyIndex(len(digest("")))
    with unfinished(folder / CORPUS) as journal:
        with closing(scan(server, index, journal, names=names, keep=True)) as pages:
            for _ in pages:
                pass  # the journal has them
        write_corpus((each for each in kept_documents(journal) if known.add(digest(each.doc_id))), folder)
    return len(known)


def _check_found(found: Fetched, index: str, names: Mapping[str, str], *, given: Mapping[str, str] | None) -> None:
    """Raise ConfigError where nothing that was found has text in a field that was named, or in any."""
    present = {name for document in found.documents.values() for name in document.fields}
    absent = sorted((given or names).keys() - present) if given or not present else []
    if found.candidates and absent:
        raise ConfigError(
            f"index {index!r}: nothing found has text in {', '.join(names[name] for name in absent)}, so nothing was "
            "written; name the fields of its documents, e.g. --field text=body"
        )


def _searched(body: StrPath | None) -> str:
    return f"the search in {body}" if body else "the queries, or name other fields with --field"


def _remembering(server: Server, journal: Journal) -> Server:
    """The server, whose answers are kept in the journal: those of an interrupted run, asked alike, are not asked again.

    They stand there in the order in which they were asked for; from the first that differs on the server is asked.
    """
    rows = journal.rows()

    def send(method: str, path: str, body: Json | None) -> Reply:
        nonlocal rows
        key = digest(json.dumps([server.url, method, path, body], sort_keys=True)).hex()
        row = next(rows, None)
        if row is not None and row["key"] == key:
            return Reply(row["status"], row["body"])
        rows = iter(())
        reply = server.send(method, path, body)
        if reply.ok:
            journal.append({"key": key, "status": reply.status, "body": reply.body})
        return reply

    return replace(server, send=send)


def sample_collection(
    server: Server,
    index: str,
    folder: StrPath,
    *,
    size: int,
    seed: int,
    fields: Mapping[str, str] | None,
    force: bool = False,
) -> int:
    """Write documents drawn from an index as the folder's corpus.jsonl; return how many there are.

    Raise DataError where a corpus is in the way that relsearch did not write, unless `force` is set; ConfigError where
    a field is not there or no document has text.
    """
    folder = Path(folder)
    check_output(folder / CORPUS, inputs=(), ours=is_made, force=force)
    if fields:
        check_fields(server, index, fields.values())
    drawn = list(sample(server, index, size=size, seed=seed, names=fields))
    if not drawn:
        raise ConfigError(f"index {index!r}: no document has text in these fields; name them with --field, text=body")
    write_corpus(drawn, folder)
    return len(drawn)
