"""The page about plug-ins is true: its package, installed, searches, grades and reranks by the command line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow

PAGE = (REPOSITORY / "docs" / "plug-ins.md").read_text(encoding="utf-8")
COLLECTION = {
    "corpus.jsonl": '{"_id": "d1", "text": "salt water"}\n{"_id": "d2", "text": "green tea"}\n'
    '{"_id": "d3", "text": "tea"}\n',
    "queries.jsonl": '{"_id": "q1", "text": "green tea"}\n',
    "qrels.tsv": "q1 0 d2 3\n",
    "run.trec": "q1 Q0 d1 1 3.0 t\nq1 Q0 d3 2 2.0 t\nq1 Q0 d2 3 1.0 t\n",
    "relsearch.toml": 'output = "out"\n[collection]\nsource = "."\n[index]\nsearchers = ["words"]\n',
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the package of the page is installed."""
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    package = source / "relsearch_words"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (source / "pyproject.toml").write_text(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0], encoding="utf-8")
    modules = re.findall(r"`relsearch_words/(\w+\.py)`:\n\n(?:<!--[^\n]*-->\n)?```python\n(.*?)```", PAGE, re.DOTALL)
    assert [name for name, _ in modules] == ["searcher.py", "judge.py", "scorer.py"]
    for name, code in modules:
        assert len(code.splitlines()) <= 36
        (package / name).write_text(code, encoding="utf-8")
    options = ["-q", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(source)], check=True)
    return site


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A collection of three documents with a run."""
    for name, text in COLLECTION.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def _relsearch(site: Path, folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-c", "from relsearch.cli import main; main()", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(REPOSITORY)])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_searcher_of_another_package_fills_pools(site: Path, folder: Path) -> None:
    """It indexes, and is opened again to search."""
    for verb in ("collect", "index", "pool"):
        _relsearch(site, folder, verb)
    found = pl.read_parquet(folder / "out" / "pool" / "candidates.parquet").sort("rank")
    assert found.select("doc_id", "searcher").rows() == [("d2", "words"), ("d3", "words")]


def test_a_judge_of_another_package_grades(site: Path, folder: Path) -> None:
    """Its labels are its own."""
    _relsearch(site, folder, "grade", "run.trec", "--collection", ".", "--judge", "words", "-o", "out.parquet")
    labels = pl.read_parquet(folder / "out.parquet").sort("doc_id")
    assert labels.select("doc_id", "grade", "judge").rows() == [
        ("d1", 0, "words-1"),
        ("d2", 2, "words-1"),
        ("d3", 1, "words-1"),
    ]


def test_a_scorer_of_another_package_reranks(site: Path, folder: Path) -> None:
    """A run comes out in its order."""
    run = _relsearch(site, folder, "rerank", "run.trec", "--collection", ".", "--bundle", "words")
    assert [line.split()[2:4] for line in run.splitlines()] == [["d2", "1"], ["d3", "2"], ["d1", "3"]]
