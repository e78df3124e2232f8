"""The demo collection: built from the interpreter, the same each time, graded deep enough."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from relsearch.core.types import Document
from relsearch.data.collection import Collection, load_collection
from relsearch.data.demo.documents import stdlib_documents
from relsearch.data.pool import normalised

_DIGEST = """
import hashlib
from relsearch.data.demo.documents import stdlib_documents
lines = [repr((passage.doc_id, dict(passage.fields))) for passage in stdlib_documents()]
print(hashlib.sha256(repr(lines).encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def passages() -> list[Document]:
    """All passages of this interpreter."""
    return list(stdlib_documents())


@pytest.fixture(scope="module")
def demo() -> Collection:
    """The demo as a collection."""
    return load_collection("demo")


def test_nothing_of_the_script_s_folder_is_imported(tmp_path: Path) -> None:
    """A script's neighbours come before the standard library's test packages, which are not imported at all."""
    (tmp_path / "test.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    (tmp_path / "script.py").write_text(_DIGEST, encoding="utf-8")
    subprocess.run([sys.executable, tmp_path / "script.py"], check=True, capture_output=True)


def test_there_are_thousands_of_passages_with_ids_of_their_own(passages: list[Document]) -> None:
    """Ids are unique and in order, and every passage says something."""
    ids = [passage.doc_id for passage in passages]
    assert ids == sorted(set(ids))
    assert len(ids) > 4000
    assert min(len(passage.fields["text"]) for passage in passages) >= 20


def test_the_same_passages_come_at_each_call(passages: list[Document]) -> None:
    """Nothing in a passage depends on the run: no memory addresses, no paths of this machine."""
    assert list(stdlib_documents()) == passages
    shown = "\n".join(text for passage in passages for text in passage.fields.values())
    assert not re.search(r" at 0x[0-9a-f]{6}|/lib/python3", shown)
    assert sys.executable not in shown


def test_the_same_passages_come_in_each_process() -> None:
    """The hash seed, which orders sets and differs from process to process, changes nothing."""
    assert _digest("1") == _digest("2")


@pytest.mark.parametrize(
    "doc_id", ["os.path.join", "random.shuffle", "asyncio.gather", "topic:with", "typing.Optional", "json.loads"]
)
def test_objects_stand_under_the_name_they_are_imported_by(passages: list[Document], doc_id: str) -> None:
    """Not posixpath.join, not asyncio.tasks.gather."""
    assert doc_id in {passage.doc_id for passage in passages}


@pytest.mark.parametrize("name", ["sys.excepthook", "sys.displayhook"])
def test_hooks_of_the_program_are_not_documentation(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the interpreter had before them is: a command line replaces them, and had a document less."""
    monkeypatch.setattr(name, lambda *_: None)
    assert name in {passage.doc_id for passage in stdlib_documents()}


def test_queries_are_many_and_distinct(demo: Collection) -> None:
    """At least 100 graded queries, and no query twice, graded or not."""
    queries = demo.queries()
    graded = {judgment.query_id for judgment in demo.qrels()}
    assert len(graded) >= 100
    assert len({normalised(query.text) for query in queries}) == len(queries)
    assert len(queries) - len(graded) >= 100


def test_every_graded_query_is_judged_deep_and_has_an_answer(demo: Collection) -> None:
    """Pools of at least 15 passages, at least one of them relevant."""
    grades = demo.qrels()
    assert min(Counter(judgment.query_id for judgment in grades).values()) >= 15
    answered = {judgment.query_id for judgment in grades if (judgment.grade or 0) >= 2}
    assert answered == {judgment.query_id for judgment in grades}
    assert {judgment.grade for judgment in grades} == {0, 1, 2, 3}


def _digest(seed: str) -> str:
    command = [sys.executable, "-c", _DIGEST]
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
