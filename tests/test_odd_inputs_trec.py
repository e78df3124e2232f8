"""Odd TREC files: a result, or one of our errors in one line."""

from __future__ import annotations

from pathlib import Path

from relsearch.core.types import SCALES
from relsearch.data.trec import labels_of, once, read_qrels, read_run, read_topics
from tests.odd_inputs import answers, odd, odd_files

RUN = "q1 Q0 d1 1 2.5 bm25\nq1 Q0 d2 2 1.5 bm25\nq2\tQ0\td1\t1\t-3e-2\tbm25\n"
QRELS = "q1 0 d1 2\nq1 0 d2 0\n\nq2\t0\td1\t-1\n"
BEIR = 'query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\t"d""2"\t0\n'
TOPICS = "q1\tgreen tea\nq2\ttides\n"
BLOCKS = "<top>\n<num> Number: 7\n<title> green\n tea\n<desc> x\n</top>\n<top><num>8<title>sea</top>\n"


def _file(folder: Path, data: bytes) -> Path:
    path = folder / "file"
    path.write_bytes(data)
    return path


@odd(odd_files(RUN))
def test_runs(tmp_path: Path, data: bytes) -> None:
    """Scores are finite and ranks count from 1, whatever the file held."""
    path = _file(tmp_path, data)
    if answers(lambda: read_run(path), tmp_path):
        run = read_run(path)
        assert run["score"].is_finite().all()
        assert run.select("query_id", "doc_id").is_duplicated().sum() == 0


@odd(odd_files(QRELS))
def test_qrels(tmp_path: Path, data: bytes) -> None:
    """With a scale and without one."""
    path = _file(tmp_path, data)
    if answers(lambda: read_qrels(path, None), tmp_path):
        assert (read_qrels(path, None)["grade"] >= 0).all()
    answers(lambda: read_qrels(path, SCALES["1-4"]), tmp_path)


@odd(odd_files(BEIR))
def test_beir_qrels(tmp_path: Path, data: bytes) -> None:
    """No pair twice."""
    path = _file(tmp_path, data)
    answers(lambda: once(labels_of(path, None)), tmp_path)


@odd(odd_files(TOPICS) | odd_files(BLOCKS))
def test_topics(tmp_path: Path, data: bytes) -> None:
    """Of both kinds."""
    path = _file(tmp_path, data)
    answers(lambda: read_topics(path), tmp_path)
