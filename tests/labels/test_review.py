"""Asking people: the pairs that matter most go out, their grades come back, nothing runs and nothing is lost."""

from __future__ import annotations

import gzip
import json
from math import log2
from pathlib import Path
from random import Random

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relsearch.core import tables
from relsearch.core.errors import DataError
from relsearch.core.tables import candidates_table, judgments_table
from relsearch.core.types import SCALES, Candidate, Judgment
from relsearch.data.trec import read_qrels
from relsearch.labels.csv_form import COLUMNS, read_csv, to_csv
from relsearch.labels.review import merge, pick
from relsearch.pipeline.standalone.review import import_review
from tests.command import relsearch

SCALE = SCALES["0-3"]
# Without a deadline: a machine under load is no defect.
FRESH = settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
# All that qrels can hold: no white space; the rest is up to the file's owner.
IDS = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=5)
SHY = IDS | st.sampled_from(["=1+1", "-3", "+49", "@a", "'", "''x", "007", "1e5", "2024-01-02", "1/2", "12", "0"])
DOUBTS = st.sampled_from([0.0, 0.1, 0.25, 0.5])
NOBODY = judgments_table([])


def judged(*rows: tuple[str, str, float]) -> pl.DataFrame:
    """A judgments table of (query, document, doubt): the doubt is the probability that the grade is another one."""
    return judgments_table(
        Judgment(query, doc, 0, "judge", "j", (1 - doubt, doubt, 0.0, 0.0), doubt, 1 - doubt)
        for query, doc, doubt in rows
    )


def pool(*rows: tuple[str, str, int]) -> pl.DataFrame:
    """A candidates table of (query, document, rank)."""
    return candidates_table(Candidate(query, doc, -float(rank), rank, "bm25") for query, doc, rank in rows)


def order(picked: pl.DataFrame) -> list[str]:
    """The picked documents, best first."""
    return picked["doc_id"].to_list()


def filled(path: Path, *rows: str, header: str = "query_id,doc_id,grade") -> Path:
    """A CSV as people hand it back."""
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_the_unsure_come_first() -> None:
    """Of two queries' best pairs the entropy of the distribution decides; it is 1 where all grades are alike."""
    even = judgments_table([Judgment("q0", "even", 0, "judge", "j", (0.25,) * 4, 1.5, 0.25)])
    table = pl.concat([judged(("q1", "sure", 0.01), ("q2", "unsure", 0.4)), even])
    picked = pick(table, human=NOBODY, pool=None, count=3)
    assert order(picked) == ["even", "unsure", "sure"]
    assert picked["uncertainty"][0] == 1.0


def test_of_two_equally_unsure_the_higher_ranked_is_asked() -> None:
    """The rank weighs as it does in DCG, and a pair outside the pool as the pool's deepest rank."""
    table = judged(("q1", "deep", 0.3), ("q2", "top", 0.3), ("q3", "none", 0.3))
    picked = pick(table, human=NOBODY, pool=pool(("q1", "deep", 9), ("q2", "top", 1), ("q9", "x", 8)), count=3)
    assert picked.select("doc_id", "rank").rows() == [("top", 1), ("deep", 9), ("none", None)]


def test_without_a_run_the_judges_ranks_weigh() -> None:
    """Of two equally unsure pairs the likelier is asked first, and a graded pair keeps its rank above them."""
    rows = [
        Judgment("q", "doubtful", 0, "judge", "j", (0.5, 0.4, 0.1, 0.0), 0.6, 0.5),
        Judgment("q", "likely", 2, "judge", "j", (0.1, 0.4, 0.5, 0.0), 1.4, 0.5),
        Judgment("q", "sure", 3, "judge", "j", (0.0, 0.0, 0.0, 1.0), 3.0, 1.0),
    ]
    table = pl.concat([judgments_table(rows), judged(("other", "first", 0.35))])
    human = judgments_table([Judgment("q", "sure", 3, "human")])
    assert order(pick(table, human=human, pool=None, count=3)) == ["first", "likely", "doubtful"]


def test_one_hard_query_does_not_take_every_place() -> None:
    """A query's k-th pair counts for 1/k of its worth."""
    hard = [("hard", f"h{n}", 0.5) for n in range(5)]
    picked = pick(judged(*hard, ("easy", "e", 0.12)), human=NOBODY, pool=None, count=3)
    assert picked["query_id"].to_list() == ["hard", "easy", "hard"]


def test_a_labelled_pair_is_never_asked() -> None:
    """Labels count wherever they stand: in qrels or in the judgments table itself."""
    own = judgments_table([Judgment("q1", "own", 2, "human")])
    table = pl.concat([judged(("q1", "a", 0.5), ("q1", "b", 0.4), ("q2", "a", 0.3)), own])
    human = judgments_table([Judgment("q1", "a", 1, "human")])
    assert pick(table, human=human, pool=None, count=9).select("query_id", "doc_id").rows() == [
        ("q2", "a"),
        ("q1", "b"),
    ]
    with pytest.raises(DataError, match="every judged pair has a human label"):
        pick(own, human=human, pool=None, count=9)


@FRESH
@given(
    st.dictionaries(st.tuples(st.sampled_from("abc"), IDS), DOUBTS, min_size=1, max_size=12),
    st.randoms(use_true_random=False),
)
def test_the_choice_depends_on_no_order_and_grows_by_appending(
    doubts: dict[tuple[str, str], float], random: Random
) -> None:
    """Shuffled rows give the same pairs; asking for fewer gives the first of them; greedy and 1/k agree."""
    rows = [(query, doc, doubt) for (query, doc), doubt in doubts.items()]
    whole = pick(judged(*rows), human=NOBODY, pool=None, count=len(rows))
    assert sorted(whole.select("query_id", "doc_id").rows()) == sorted(doubts)
    random.shuffle(rows)
    assert pick(judged(*rows), human=NOBODY, pool=None, count=3).equals(whole.head(3))
    ranks = {
        pair: 1 + sum(other > doubt for (query, _), other in doubts.items() if query == pair[0])
        for pair, doubt in doubts.items()
    }
    left, taken = whole.select("query_id", "doc_id", "uncertainty").rows(), dict.fromkeys("abc", 0)
    worths = [(query, doubt / log2(ranks[query, doc] + 1)) for query, doc, doubt in left]
    for place, (query, value) in enumerate(worths):
        worth = value / (taken[query] + 1)
        assert all(worth >= other / (taken[name] + 1) for name, other in worths[place:])
        taken[query] += 1


def test_a_pair_that_the_judge_could_not_grade_is_asked_first() -> None:
    """A missing label is full uncertainty; a table of nothing else is no error."""
    table = judged(("q1", "unsure", 0.5), ("q2", "missing", 0.1))
    lost = pl.col("doc_id") == "missing"
    table = table.with_columns(
        pl.when(~lost).then(pl.col(name)).alias(name) for name in ("grade", "probabilities", "expected", "confidence")
    )
    assert order(pick(table, human=NOBODY, pool=None, count=2)) == ["missing", "unsure"]
    assert order(pick(table.filter(lost), human=NOBODY, pool=None, count=2)) == ["missing"]


def test_what_cannot_be_weighed_is_refused() -> None:
    """A label without a distribution, and a run of another collection, are errors."""
    with pytest.raises(DataError, match="judge the pairs again"):
        pick(judgments_table([Judgment("q", "d", 1, "judge")]), human=NOBODY, pool=None, count=1)
    with pytest.raises(DataError, match="no judged pair is in the run"):
        pick(judged(("q", "d", 0.1)), human=NOBODY, pool=pool(("q", "other", 1)), count=1)


@FRESH
@given(
    st.dictionaries(st.tuples(SHY, SHY), st.integers(0, 3), min_size=1, max_size=6), st.sampled_from(",;\t"), st.text()
)
def test_grades_survive_the_round_trip(
    tmp_path: Path, grades: dict[tuple[str, str], int], separator: str, text: str
) -> None:
    """Whatever the ids and texts, a graded CSV gives back its pairs, from any spreadsheet's separator."""
    picked = pick(judged(*((*pair, 0.2) for pair in grades)), human=NOBODY, pool=None, count=9)
    written = to_csv(picked, {query: text for query, _ in grades}, {doc: text for _, doc in grades}, characters=30)
    assert written.count("\n") == len(grades) + 1
    table = pl.read_csv(written.encode(), infer_schema=False)
    table = table.with_columns(
        grade=pl.Series([str(grades[pair]) for pair in picked.select("query_id", "doc_id").rows()])
    )
    (tmp_path / "review.csv").write_bytes("\ufeff".encode() + table.write_csv(separator=separator).encode())
    found = read_csv(tmp_path / "review.csv", SCALE, judged=picked)
    assert {
        (query, doc): grade for query, doc, grade in found.labels.select("query_id", "doc_id", "grade").rows()
    } == grades
    tables.write(found.labels, tmp_path / "labels.parquet", tables.JUDGMENTS)


@pytest.mark.parametrize("text", ["=HYPERLINK(A1)", "+1", "-1", "@SUM(1)", " \t=1", "\uff1d1", "x;=1+1", "x; @a"])
def test_no_cell_is_a_formula(text: str) -> None:
    """A spreadsheet shows such a text; it does not run it, even where it splits cells at semicolons."""
    picked = pick(judged(("=q", "@d", 0.2)), human=NOBODY, pool=None, count=1)
    written = to_csv(picked, {"=q": text}, {"@d": text}, characters=100)
    (row,) = pl.read_csv(written.encode(), infer_schema=False).rows()
    for part in [part for cell in row if cell for part in cell.split(";")]:
        assert part.strip()[0] not in "=+-@\uff1d"


def test_a_text_is_one_line_and_bounded() -> None:
    """Lines are joined by a bar, control characters go, and a word of 60,000 characters is cut."""
    picked = pick(judged(("q", "d", 0.2)), human=NOBODY, pool=None, count=1)
    written = to_csv(picked, {"q": "tea"}, {"d": "Tea\n\n green\x00\ud800 " + "w" * 60_000}, characters=20)
    assert written.splitlines()[1].startswith("q,d,tea,Tea | green   wwwww…,,")
    with pytest.raises(DataError, match="document 'd' is judged but has no text"):
        to_csv(picked, {"q": "tea"}, {}, characters=20)


def test_the_judges_grade_is_shown_only_if_asked() -> None:
    """Assessors lean towards a grade that they see."""
    picked = pick(judged(("q", "d", 0.2)), human=NOBODY, pool=None, count=1)
    for show in (False, True):
        header = to_csv(picked, {"q": "x"}, {"d": "x"}, characters=20, show_judged=show).splitlines()[0].split(",")
        assert header == [name for name in COLUMNS if show or name != "judged_grade"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["q,d,4"], r"review\.csv:2: grade '4' is not one of 0, 1, 2, 3"),
        (["q,d,1", "q,e,good"], r"review\.csv:3: grade 'good' is not one of"),
        (["q,d,1.5"], r"review\.csv:2: grade '1\.5'"),
        (["q,d,1", "", "q,d,2"], r"review\.csv:4: query 'q', document 'd' has grade 2 here and 1 in line 2"),
        (["q,d,1,x"], r"review\.csv:2: 4 cells, the header has 3"),
        (["q,,1"], r"review\.csv:2: id '' is empty"),
        (["q,a b,1"], r"review\.csv:2: id 'a b' .* white space"),
        (["q,d,", "q,e, "], r"review\.csv: no row has a grade"),
        (["q,z,1"], r"review\.csv:2: query 'q', document 'z' is not among the judgments"),
    ],
)
def test_a_wrong_row_is_named_by_file_and_line(tmp_path: Path, rows: list[str], message: str) -> None:
    """Whoever graded finds the row at once."""
    among = judged(("q", "d", 0.1), ("q", "e", 0.1), ("q", "a b", 0.1))
    with pytest.raises(DataError, match=message):
        read_csv(filled(tmp_path / "review.csv", *rows), SCALE, judged=among)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("query_id,doc_id,grade,note", r"review\.csv:1: column 'note' is unknown"),
        ("query_id,doc_id,grade,grade", r"review\.csv:1: column 'grade' is unknown or there twice"),
        ("query_id,grade", r"review\.csv:1: no column 'doc_id'"),
    ],
)
def test_a_wrong_header_is_named(tmp_path: Path, header: str, message: str) -> None:
    """Columns are never guessed at."""
    with pytest.raises(DataError, match=message):
        read_csv(filled(tmp_path / "review.csv", header=header), SCALE)


def test_what_spreadsheets_make_of_a_csv_is_read(tmp_path: Path) -> None:
    """Blank rows, 2.0 for 2, an apostrophe lost or kept, CRLF and a byte-order mark are no errors."""
    path = tmp_path / "review.csv"
    path.write_bytes("\ufeffquery_id;doc_id;grade\r\n'007;-1;2.0\r\n;;\r\nq;'-1;\r\n007;-1;2\r\n".encode())
    found = read_csv(path, SCALE)
    assert found.labels.select("query_id", "doc_id", "grade", "source", "line").rows() == [("007", "-1", 2, "human", 2)]
    assert found.skipped == 1
    path.write_bytes("query_id,doc_id,grade\nqu\xe9,d,1\n".encode("cp1252"))
    with pytest.raises(DataError, match=r"review\.csv:2: not UTF-8; save it as UTF-8 \(spreadsheets: as CSV UTF-8\)"):
        read_csv(path, SCALE)


def test_labels_join_the_qrels_that_are_there(tmp_path: Path) -> None:
    """Old lines stay to the letter, a TREC -2 too; new ones follow; a label that is there is not written twice."""
    qrels = tmp_path / "human.qrels"
    qrels.write_text("q1\tQ0\tspam\t-2\nq1 0 a 1\n", encoding="utf-8")
    found = read_csv(filled(tmp_path / "review.csv", "q1,a,1", "q2,b,3", "q1,spam,0"), SCALE)
    merged = merge(found.labels, qrels, SCALE, source=tmp_path / "review.csv")
    assert merged.text == "q1\tQ0\tspam\t-2\nq1 0 a 1\nq2 0 b 3\n"
    assert (merged.added, merged.changed, merged.same) == (1, 0, 2)


def test_two_people_who_differ_are_an_error_unless_one_may_win(tmp_path: Path) -> None:
    """Both places are named; --overwrite replaces the line where it stands."""
    qrels = tmp_path / "human.qrels"
    qrels.write_text("q1 0 a 1\nq1 0 b 2\n", encoding="utf-8")
    source = filled(tmp_path / "review.csv", "q1,b,2", "q1,a,3")
    labels = read_csv(source, SCALE).labels
    with pytest.raises(DataError, match=r"review\.csv:3: query 'q1', document 'a': grade 3, but .*human\.qrels has 1"):
        merge(labels, qrels, SCALE, source=source)
    assert merge(labels, qrels, SCALE, source=source, overwrite=True).text == "q1 0 a 3\nq1 0 b 2\n"


def test_gzipped_qrels_are_added_to(tmp_path: Path) -> None:
    """What is read is written the same way."""
    qrels = tmp_path / "human.qrels.gz"
    qrels.write_bytes(gzip.compress(b"q1 0 a 1\n"))
    source = filled(tmp_path / "review.csv", "q1,b,2")
    assert import_review(source, qrels, judgments=None, scale=SCALE, overwrite=False)["added"] == 1
    assert gzip.decompress(qrels.read_bytes()) == b"q1 0 a 1\nq1 0 b 2\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A collection with one label, judgments of three pairs and a run."""
    documents = [{"_id": doc, "title": doc.upper(), "text": f"about {doc}"} for doc in ("a", "b", "c")]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, documents)), encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "=tea"}\n', encoding="utf-8")
    (tmp_path / "qrels.tsv").write_text("q 0 a 1\n", encoding="utf-8")
    (tmp_path / "run.trec").write_text("q Q0 c 1 2.0 t\nq Q0 b 2 1.0 t\n", encoding="utf-8")
    table = judged(("q", "a", 0.5), ("q", "b", 0.4), ("q", "c", 0.4))
    tables.write(table, tmp_path / "judgments.parquet", tables.JUDGMENTS)
    return tmp_path


def test_pairs_go_out_and_come_back_by_the_command_line(folder: Path) -> None:
    """Export writes what has no label, import adds the graded rows to the qrels, once."""
    export = ["judgments.parquet", "--collection", ".", "--run", "run.trec", "--export", "9"]
    written = relsearch("review", *export, "-o", "review.csv", cwd=folder)
    assert written.stdout == "review.csv: 2 pairs, not 9: no others were judged and have no human label\n", (
        written.stderr
    )
    text = (folder / "review.csv").read_text(encoding="utf-8")
    assert [line.split(",")[:4] for line in text.splitlines()[1:]] == [
        ["q", "c", "'=tea", "C | about c"],
        ["q", "b", "'=tea", "B | about b"],
    ]
    assert relsearch("review", *export, cwd=folder).stdout == text
    refused = relsearch("review", *export, "-o", "review.csv", cwd=folder)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    (folder / "review.csv").write_text(text.replace("about c,", "about c,3"), encoding="utf-8")
    back = ["judgments.parquet", "--import", "review.csv", "--qrels", "human.qrels"]
    added = relsearch("review", *back, cwd=folder)
    assert added.stdout == "human.qrels: 1 added, 0 changed, 0 there already, 1 without grade\n", added.stderr
    assert json.loads(relsearch("review", *back, "--json", cwd=folder).stdout)["there already"] == 1
    assert read_qrels(folder / "human.qrels", SCALE).select("query_id", "doc_id", "grade").rows() == [("q", "c", 3)]
    again = relsearch("review", *export, "--qrels", "human.qrels", cwd=folder).stdout
    assert [line.split(",")[1] for line in again.splitlines()[1:]] == ["b"]


def test_a_refused_import_leaves_the_qrels_alone(folder: Path) -> None:
    """One wrong row, and no label of the file is taken."""
    (folder / "human.qrels").write_text("q 0 c 0\n", encoding="utf-8")
    filled(folder / "review.csv", "q,b,1", "q,c,3")
    result = relsearch("review", "--import", "review.csv", "--qrels", "human.qrels", cwd=folder)
    assert result.returncode == 1
    assert result.stderr.startswith("relsearch: review.csv:3: query 'q', document 'c': grade 3")
    assert (folder / "human.qrels").read_text(encoding="utf-8") == "q 0 c 0\n"


@pytest.mark.parametrize(
    "arguments", [[], ["--export", "3"], ["--import", "x.csv"], ["--export", "3", "--import", "x"]]
)
def test_half_a_command_is_a_usage_error(folder: Path, arguments: list[str]) -> None:
    """What is missing is said with status 2."""
    result = relsearch("review", *arguments, cwd=folder)
    assert result.returncode == 2
    assert "give JUDGMENTS, --collection and --export, or --import and --qrels" in result.stderr
