"""Every document of an index, once each, however often reading is interrupted; precompute as docs/serving.md has it."""

from __future__ import annotations

import json
import shutil
import signal
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from relsearch.core.errors import ConfigError, FieldsError
from relsearch.core.files.journal import ROWS, Journal
from relsearch.core.types import Document
from relsearch.data.collection import load_collection
from relsearch.index.engine.http import Server
from relsearch.index.engine.point_in_time import close_point
from relsearch.index.engine.scanning import PAGE, scan
from relsearch.pipeline.standalone.precompute import precompute
from tests import killing
from tests.command import relsearch

_EACH = 4 * PAGE  # documents of each index
_NAMES = {"text": "text"}


@pytest.fixture(scope="module")
def filled(server: Server) -> Server:
    """An index of one shard and one of three, with different documents."""
    for first, name, shards in ((0, "scanned-1", 1), (_EACH, "scanned-3", 3)):
        server.send("DELETE", f"/{name}", None)
        server.ask("PUT", f"/{name}", {"settings": {"number_of_shards": shards, "number_of_replicas": 0}})
        actions = (
            {"_op_type": "index", "_index": name, "_id": f"d{n}", "_source": {"text": f"salt {n}", "changed": n}}
            for n in range(first, first + _EACH)
        )
        assert all(accepted for accepted, _ in server.bulk(actions))
        server.ask("POST", f"/{name}/_refresh")
    if server.name != "opensearch" and not server.send("POST", "/scanned-1/_pit?keep_alive=1m", None).ok:
        pytest.skip("this server has no points in time")
    return server


def _read(server: Server, journal: Journal, *, pages: int | None = None, index: str = "scanned-*") -> list[Document]:
    found: list[Document] = []
    with closing(scan(server, index, journal, names=_NAMES)) as scanned:
        for number, documents in enumerate(scanned):
            if number == pages:
                break
            found += documents
    return found


def _ids(documents: list[Document]) -> list[str]:
    return sorted(document.doc_id for document in documents)


_EVERY = sorted(f"d{number}" for number in range(2 * _EACH))


def test_an_interrupted_scan_goes_on_behind_what_was_noted(filled: Server, tmp_path: Path) -> None:
    """Over shards and indices no document is lost or doubled, though others were written meanwhile."""
    with closing(Journal(tmp_path / ROWS)) as journal:
        read = _read(filled, journal, pages=3)
        filled.ask("PUT", "/scanned-1/_doc/later?refresh=true", {"text": "later"})
        try:
            read += _read(filled, journal)
        finally:
            filled.ask("DELETE", "/scanned-1/_doc/later?refresh=true")
    assert _ids(read) == _EVERY


def test_a_scan_whose_point_in_time_is_gone_begins_anew(filled: Server, tmp_path: Path) -> None:
    """So does one that asks for something else."""
    with closing(Journal(tmp_path / ROWS)) as journal:
        _read(filled, journal, pages=2, index="scanned-1")
        _read(filled, journal, pages=2)
        begun = [row["begun"]["point"] for row in journal.rows() if "begun" in row]
        assert len(begun) == 2
        close_point(filled, begun[1])
        assert _ids(_read(filled, journal)) == _EVERY


@pytest.mark.slow
def test_all_of_an_index_is_fetched_through_kills(filled: Server, tmp_path: Path) -> None:
    """The corpus has every document once."""
    command = ["fetch", str(tmp_path / "all"), "--url", filled.url, "--engine", filled.name, "--all"]
    command += ["--index", "scanned-*", "--field", "text"]
    pages = partial(_pages, tmp_path / "all" / "corpus.jsonl.unfinished" / ROWS)
    assert killing.stop(command, tmp_path / "log", pages, by=signal.SIGINT) == 130
    assert killing.stop(command, tmp_path / "log", pages, by=signal.SIGKILL) == -signal.SIGKILL
    assert killing.run(command, tmp_path / "log") == 0
    assert _ids(list(load_collection(tmp_path / "all").documents())) == _EVERY


def test_documents_of_an_index_are_precomputed_and_only_changed_ones_read(
    filled: Server, late_bundle: Path, tmp_path: Path
) -> None:
    """By a field, or by content where none is named; a field that is not there is an error."""
    options = ["--bundle", str(late_bundle), "--vectors", str(tmp_path / "vectors"), "--field", "text", "--json"]
    for since, added in ((["--changed-since", f"changed={_EACH - 10}"], 10), ([], _EACH - 10), ([], 0)):
        done = relsearch("precompute", f"{filled.url}/scanned-1", *options, *since)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["added"] == added
    assert not (tmp_path / "vectors.unfinished").exists()
    wrong: tuple[tuple[str, type[Exception]], ...] = (("absent=1", FieldsError), ("changed", ConfigError))
    for text, error in wrong:
        with pytest.raises(error):
            precompute(f"{filled.url}/scanned-1", late_bundle, tmp_path / "vectors", fields=_NAMES, changed_since=text)


def test_a_killed_precompute_goes_on_unless_its_vectors_were_deleted(
    filled: Server, late_bundle: Path, tmp_path: Path
) -> None:
    """What the journal says was read does not count then."""
    source, vectors = f"{filled.url}/scanned-1", tmp_path / "vectors"
    command = ["precompute", source, "--bundle", str(late_bundle), "--vectors", str(vectors), "--field", "text"]
    pages = partial(_pages, tmp_path / "vectors.unfinished" / ROWS)
    assert killing.stop(command, tmp_path / "log", pages, by=signal.SIGKILL) == -signal.SIGKILL
    assert killing.stop(command, tmp_path / "log", pages, by=signal.SIGKILL) == -signal.SIGKILL
    shutil.rmtree(vectors)
    assert precompute(source, late_bundle, vectors, fields=_NAMES)["added"] == _EACH


def _pages(journal: Path) -> list[int]:
    """The pages that were noted, after the row of the scan itself."""
    return list(range(journal.read_bytes().count(b"\n") - 1)) if journal.is_file() else []
