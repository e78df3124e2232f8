"""Label formats that other tools read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from relsearch.cli import app
from relsearch.core import tables
from relsearch.core.errors import DataError
from relsearch.core.files.text_files import write_text
from relsearch.core.tables import judgments_table
from relsearch.core.types import Judgment
from relsearch.data.collection import load_collection
from relsearch.exporters import labels
from relsearch.exporters.trec import qrels_text

JUDGMENT_ROWS = [Judgment("q1", "d1", 2, "human"), Judgment("q1", "d,2", 0, "human")]
JUDGMENTS = judgments_table(JUDGMENT_ROWS)
QUERIES = {"q1": 'green "tea"'}


def test_quepid_csv_quotes_what_needs_it() -> None:
    """Commas and quotes in ids and queries survive."""
    expected = 'query,docid,rating\n"green ""tea""",d1,2\n"green ""tea""","d,2",0\n'
    assert labels.quepid(JUDGMENTS, QUERIES) == expected


def test_missing_labels_are_written_nowhere() -> None:
    """Whatever the format, a pair without a grade leaves no trace."""
    missing = judgments_table([*JUDGMENT_ROWS, Judgment("q1", "d3", None, "judge", "j")])
    writers: list[Callable[[pl.DataFrame], str]] = [
        qrels_text,
        labels.beir_qrels,
        lambda table: labels.quepid(table, QUERIES),
        lambda table: labels.opensearch(table, QUERIES, name="tea"),
        lambda table: labels.rank_eval(table, QUERIES, index="docs", field="body"),
    ]
    for write in writers:
        assert write(missing) == write(JUDGMENTS)


def test_opensearch_ratings_are_strings() -> None:
    """OpenSearch's import reads ratings as strings, one list a query."""
    body = json.loads(labels.opensearch(JUDGMENTS, QUERIES, name="tea"))
    ratings = [{"docId": "d1", "rating": "2.0"}, {"docId": "d,2", "rating": "0.0"}]
    assert body["judgmentRatings"] == [{"query": 'green "tea"', "ratings": ratings}]


def test_rank_eval_names_index_and_document() -> None:
    """Each rating names its index, and the request is the user's query."""
    (request,) = json.loads(labels.rank_eval(JUDGMENTS, QUERIES, index="docs", field="body"))["requests"]
    assert request["request"] == {"query": {"match": {"body": 'green "tea"'}}}
    assert request["ratings"][0] == {"_index": "docs", "_id": "d1", "rating": 2}


def test_beir_qrels_are_read_back_by_the_collection_loader(tmp_path: Path) -> None:
    """What is written for BEIR is what a BEIR folder holds."""
    write_text(tmp_path / "qrels" / "test.tsv", labels.beir_qrels(JUDGMENTS))
    assert judgments_table(load_collection(str(tmp_path)).qrels()).equals(JUDGMENTS)


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    """A table of a judge's labels beside a collection of their query."""
    rows = [
        Judgment("q1", "d1", 2, "judge", "j", (0.1, 0.1, 0.7, 0.1), 1.8, 0.7),
        Judgment("q1", "d2", None, "judge", "j"),
    ]
    tables.write(judgments_table(rows), tmp_path / "judged.parquet", tables.JUDGMENTS)
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "green tea"}\n', encoding="utf-8")
    return tmp_path


def _labels(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["labels", str(folder / "judged.parquet"), *arguments])


FORMATS = {
    "trec": ([], "q1 0 d1 2\n"),
    "beir": ([], "query-id\tcorpus-id\tscore\nq1\td1\t2\n"),
    "quepid": ([], "query,docid,rating\ngreen tea,d1,2\n"),
    "opensearch": (["--name", "tea"], '"name": "tea"'),
    "rank-eval": (["--index", "docs", "--field", "body"], '"match": {\n      "body": "green tea"'),
}


@pytest.mark.parametrize("form", FORMATS)
def test_the_verb_writes_each_format(judged: Path, form: str) -> None:
    """To a file or to stdout, the same text; again over its own file."""
    options, expected = FORMATS[form]
    command = ["--format", form, "--collection", str(judged), *options]
    printed = _labels(judged, *command)
    assert printed.exit_code == 0, printed.output
    assert expected in printed.stdout
    for _ in range(2):
        assert _labels(judged, *command, "-o", str(judged / "out")).exit_code == 0
        assert (judged / "out").read_text("utf-8") == printed.stdout


def test_the_verb_says_what_a_format_needs(judged: Path) -> None:
    """Texts of queries, an index and a field."""
    assert "give --collection" in _labels(judged, "--format", "quepid").output
    refused = _labels(judged, "--format", "rank-eval", "--collection", str(judged))
    assert refused.exit_code == 2
    assert "give --index and --field" in refused.output


def test_the_verb_leaves_other_files_alone(judged: Path) -> None:
    """Labels that somebody else wrote are not replaced."""
    (judged / "human.qrels").write_text("q1 0 d1 3\n", encoding="utf-8")
    refused = _labels(judged, "--format", "trec", "-o", str(judged / "human.qrels"))
    assert isinstance(refused.exception, DataError)
    assert (judged / "human.qrels").read_text("utf-8") == "q1 0 d1 3\n"
