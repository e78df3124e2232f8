"""Files of pairs are graded as a run is; what is there is not judged again, and nothing is doubled."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from relsearch.core.errors import DataError
from relsearch.core.files.storage import open_storage
from relsearch.core.protocols import Opening
from relsearch.core.query_pool import QueryPool
from relsearch.core.settings.config import CollectionConfig, Config, LabelConfig
from relsearch.core.types import Judgment, Pair
from relsearch.data.trec import read_labels
from relsearch.judge.registry import open_judge
from relsearch.pipeline.standalone.grade import grade_run
from relsearch.pipeline.standalone.grade_pairs import grade_pairs, write_part
from tests.command import relsearch
from tests.judge.conftest import WordOverlapJudge

pytest.importorskip("pyarrow", reason="pip install 'relsearch[ray]'")
TEXTS = {"d1": "Green tea.", "d2": "Sea.", "d3": "Cats."}
QUERIES = {"q1": "tea", "q2": "tides", "q3": "cats"}
LABELS = "q1 0 d1 3\nq1 0 d2 0\nq2 0 d2 2\nq3 0 d3 1\n"
RUN = "".join(f"{query} Q0 {doc} {rank} {-rank} t\n" for query in QUERIES for rank, doc in enumerate(TEXTS, 1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run with its collection, its pairs in two files, and a file of labels that lacks some."""
    rows = [(query, QUERIES[query], doc, TEXTS[doc]) for query in QUERIES for doc in TEXTS]
    pairs = pl.DataFrame(rows, schema=["query_id", "query", "doc_id", "text"], orient="row")
    (tmp_path / "pairs" / "more").mkdir(parents=True)
    pairs[:6].write_parquet(tmp_path / "pairs" / "a.parquet")
    pairs[6:].write_ndjson(tmp_path / "pairs" / "more" / "b.jsonl")
    for name, texts in (("queries.jsonl", QUERIES), ("corpus.jsonl", TEXTS)):
        pl.DataFrame({"_id": list(texts), "text": list(texts.values())}).write_ndjson(tmp_path / name)
    (tmp_path / "run.trec").write_text(RUN, encoding="utf-8")
    (tmp_path / "labels.qrels").write_text(LABELS, encoding="utf-8")
    return tmp_path


def _graded(folder: Path, *, output: str = "out", force: bool = False) -> dict[int | None, int]:
    opening = partial(open_judge, _config(folder))
    return grade_pairs(str(folder / "pairs"), str(folder / output), opening, force=force)


def _config(folder: Path) -> Config:
    judge = str(folder / "labels.qrels")
    return Config(collection=CollectionConfig(source=str(folder)), label=LabelConfig(judge=judge))


def _parts(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in (folder / "out").iterdir()}


def test_files_without_pairs_are_an_error(folder: Path) -> None:
    """An empty table of grades would pass for a result."""
    shutil.rmtree(folder / "pairs")
    (folder / "pairs").mkdir()
    (folder / "pairs" / "a.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="pairs: its files hold no pair"):
        _graded(folder)


def test_pairs_get_the_labels_that_their_run_gets(folder: Path) -> None:
    """Row for row, missing ones included."""
    assert _graded(folder) == {None: 5, 0: 1, 1: 1, 2: 1, 3: 1}
    run = grade_run(folder / "run.trec", folder / "run.parquet", _config(folder)).labels
    assert_frame_equal(pl.read_parquet(folder / "out").sort("query_id", "doc_id"), run.sort("query_id", "doc_id"))


def test_a_second_run_writes_only_what_is_not_there(folder: Path) -> None:
    """A part that was lost comes back by its name; one that is whole is left as it is."""
    (folder / "labels.qrels").write_text("".join(f"{q} 0 {d} 1\n" for q in QUERIES for d in TEXTS), encoding="utf-8")
    counts = _graded(folder)
    before = _parts(folder)
    lost = min(before)
    (folder / "out" / lost).unlink()
    assert _graded(folder) == counts
    after = _parts(folder)
    assert after.keys() == before.keys()
    assert {name for name in after if name != lost and after[name] != before[name]} == set()


def test_missing_labels_are_asked_for_again(tmp_path: Path) -> None:
    """Of the queries that lack one; the others are not judged again."""

    class Fails(WordOverlapJudge):
        asked: list[str]
        fails = True

        def judge(self, pools: Iterable[QueryPool]) -> Iterator[list[Judgment]]:
            self.asked = []
            return super().judge(pools)

        def label(self, pair: Pair) -> Judgment:
            self.asked.append(pair.query_id)
            return self.judgment(pair, None, None) if self.fails and pair.doc_id == "d2" else super().label(pair)

    judge, target = Fails(), open_storage(str(tmp_path))
    pools = [QueryPool("q1", "tea", ("d1",), ("Tea.",)), QueryPool("q2", "sea", ("d1", "d2"), ("The sea", "sea"))]
    first = write_part(judge, target, "a.parquet", pools)
    assert first.explode("grade", "pairs")["grade"].sort().to_list() == [None, 0, 1]
    judge.fails = False
    second = write_part(judge, target, "a.parquet", pools)
    assert judge.asked == ["q2", "q2"]
    assert set(second["part"]) == set(first["part"])
    assert pl.read_parquet(tmp_path)["grade"].sort().to_list() == [0, 1, 1]


def test_labels_of_other_pairs_do_not_stay_unsaid(folder: Path) -> None:
    """The run ends with an error that says how many parts; with force these go."""
    _graded(folder)
    (folder / "pairs" / "a.parquet").unlink()
    with pytest.raises(DataError, match=r"out: has 1 part of other pairs .* such as part-\w+\.parquet; .* --force"):
        _graded(folder)
    assert len(_parts(folder)) == 2
    assert sum(_graded(folder, force=True).values()) == 3
    assert pl.read_parquet(folder / "out").height == 3


def test_pairs_that_stand_in_two_files_are_labelled_once(folder: Path) -> None:
    """Their parts have one name."""
    counts = _graded(folder)
    shutil.copy(folder / "pairs" / "a.parquet", folder / "pairs" / "copy.parquet")
    assert _graded(folder) == counts


def test_a_query_in_two_files_ends_with_an_error(folder: Path) -> None:
    """No process saw its whole pool, which a judge may compare; the error names two of the files."""
    pairs = pl.read_ndjson(folder / "pairs" / "more" / "b.jsonl")
    pairs[:2].write_parquet(folder / "pairs" / "c.parquet")
    pairs[2:].write_ndjson(folder / "pairs" / "more" / "b.jsonl")
    with pytest.raises(
        DataError, match=r"pairs: rows of 1 query are in .* c\.parquet and more/b\.jsonl, so their pools"
    ):
        _graded(folder)


def test_another_judge_shows_before_anything_is_judged(folder: Path) -> None:
    """Not after hours of work; with force its labels go."""
    _graded(folder)
    before = _parts(folder)
    (folder / "labels.qrels").write_text("q1 0 d1 1\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"out/part-\w+\.parquet: has labels of another judge; .* give --force"):
        _graded(folder)
    assert _parts(folder) == before
    assert _graded(folder, force=True) == {None: 8, 1: 1}
    assert pl.read_parquet(folder / "out").height == 9


def test_an_output_that_cannot_be_written_shows_before_the_judge_is_opened(folder: Path) -> None:
    """Its name is that of the folder, since parts have names of their own."""
    with pytest.raises(
        DataError, match=r"run\.trec/out: cannot be written to \(Not a directory\); name another folder"
    ):
        grade_pairs(str(folder / "pairs"), str(folder / "run.trec" / "out"), lambda: pytest.fail("opened"))


def test_parts_that_workers_wrote_elsewhere_are_an_error(folder: Path) -> None:
    """On a disk of their own for example; the folder here has not all labels."""

    class Elsewhere:
        def map(self, opening: Opening, tables: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
            yield from map(opening(), tables)
            (folder / "out" / min(_parts(folder))).unlink()

    opening = partial(open_judge, _config(folder))
    with pytest.raises(DataError, match=r"out: 1 part of 2, such as part-\w+\.parquet, cannot be seen from here"):
        grade_pairs(str(folder / "pairs"), str(folder / "out"), opening, workers=Elsewhere())


def test_other_verbs_read_the_parts(folder: Path) -> None:
    """As a judgments table."""
    _graded(folder)
    run, qrels, out = (folder / name for name in ("run.trec", "labels.qrels", "out"))
    assert read_labels(out, None).height == 9
    done = relsearch(
        "report", str(qrels), str(run), "--judgments", str(out), "--resamples", "100", "-o", str(folder / "r.html")
    )
    assert done.returncode == 0, done.stderr
    assert relsearch("review", str(out), "--collection", str(folder), "--export", "3").returncode == 0


def test_a_folder_with_other_tables_is_no_output(folder: Path) -> None:
    """Nor is the folder of the pairs; nothing is written."""
    (folder / "out").mkdir()
    shutil.copy(folder / "pairs" / "a.parquet", folder / "out")
    with pytest.raises(DataError, match=r"out/a\.parquet: there already, and not written by grade"):
        _graded(folder)
    with pytest.raises(DataError, match="pairs/new: is among the files of pairs"):
        grade_pairs(str(folder / "pairs"), str(folder / "pairs" / "new"), WordOverlapJudge)
    assert list(_parts(folder)) == ["a.parquet"]
