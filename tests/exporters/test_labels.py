"""Label formats that other tools read."""

from __future__ import annotations

import json
from pathlib import Path

from relsearch.core.tables import judgments_table
from relsearch.core.types import Judgment
from relsearch.data.collection import load_collection
from relsearch.exporters import labels
from relsearch.exporters.trec import write_qrels

JUDGMENT_ROWS = [Judgment("q1", "d1", 2, "human"), Judgment("q1", "d,2", 0, "human")]
JUDGMENTS = judgments_table(JUDGMENT_ROWS)
QUERIES = {"q1": 'green "tea"'}


def test_quepid_csv_quotes_what_needs_it(tmp_path: Path) -> None:
    """Commas and quotes in ids and queries survive."""
    labels.write_quepid(JUDGMENTS, QUERIES, tmp_path / "q.csv")
    expected = 'query,docid,rating\n"green ""tea""",d1,2\n"green ""tea""","d,2",0\n'
    assert (tmp_path / "q.csv").read_text() == expected


def test_missing_labels_are_written_nowhere(tmp_path: Path) -> None:
    """Whatever the format, a pair without a grade leaves no trace in the file."""
    missing = judgments_table([*JUDGMENT_ROWS, Judgment("q1", "d3", None, "judge", "j")])
    for table, path in ((JUDGMENTS, tmp_path / "without"), (missing, tmp_path / "with")):
        write_qrels(table, path / "qrels")
        labels.write_beir_qrels(table, path / "beir")
        labels.write_quepid(table, QUERIES, path / "quepid")
        labels.write_opensearch(table, QUERIES, path / "opensearch", name="tea")
        labels.write_rank_eval(table, QUERIES, path / "rank_eval", index="docs", field="body")
    for written in (tmp_path / "without").iterdir():
        assert (tmp_path / "with" / written.name).read_bytes() == written.read_bytes()


def test_opensearch_ratings_are_strings(tmp_path: Path) -> None:
    """OpenSearch's import reads ratings as strings, one list a query."""
    labels.write_opensearch(JUDGMENTS, QUERIES, tmp_path / "o.json", name="tea")
    body = json.loads((tmp_path / "o.json").read_text())
    ratings = [{"docId": "d1", "rating": "2.0"}, {"docId": "d,2", "rating": "0.0"}]
    assert body["judgmentRatings"] == [{"query": 'green "tea"', "ratings": ratings}]


def test_rank_eval_names_index_and_document(tmp_path: Path) -> None:
    """Each rating names its index, and the request is the user's query."""
    labels.write_rank_eval(JUDGMENTS, QUERIES, tmp_path / "r.json", index="docs", field="body")
    (request,) = json.loads((tmp_path / "r.json").read_text())["requests"]
    assert request["request"] == {"query": {"match": {"body": 'green "tea"'}}}
    assert request["ratings"][0] == {"_index": "docs", "_id": "d1", "rating": 2}


def test_beir_qrels_are_read_back_by_the_collection_loader(tmp_path: Path) -> None:
    """What is written for BEIR is what a BEIR folder holds."""
    labels.write_beir_qrels(JUDGMENTS, tmp_path / "qrels" / "test.tsv")
    assert judgments_table(load_collection(str(tmp_path)).qrels()).equals(JUDGMENTS)
