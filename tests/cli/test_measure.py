"""`evaluate` and `agree` on odd files: the true figure, a dash with its reason, or one line; never a false number."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import relsearch

QRELS = "1 0 a 1\n1 0 b 0\n2 0 c 1\n"
RUN = "1 Q0 a 1 2.0 t\n1 Q0 b 2 1.0 t\n2 Q0 x 1 2.0 t\n2 Q0 c 2 1.0 t\n"
OTHER = "1 Q0 b 1 2.0 t\n1 Q0 a 2 1.0 t\n2 Q0 c 1 2.0 t\n"
# Of this process alone: getrusage also counts what its parent held when it was forked.
_PEAK = """
import atexit, pathlib, re, sys
from relsearch.cli import main
status = pathlib.Path("/proc/self/status")
atexit.register(lambda: print(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1], file=sys.stderr))
main()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with labels and two runs."""
    for name, text in {"qrels": QRELS, "run": RUN, "other": OTHER}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def _means(folder: Path, *arguments: str) -> dict[str, float | None]:
    done = relsearch("evaluate", "qrels", "run", "--json", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return {name: each["mean"] for name, each in json.loads(done.stdout)["runs"]["run"].items()}


def test_aliases_show_the_same_figure(folder: Path) -> None:
    """Asked for by both names, or twice by one."""
    names = ["AP", "MAP", "RR@10", "MRR@10", "P@1", "Precision@1", "P@1"]
    means = _means(folder, *(part for name in names for part in ("-m", name)))
    assert means == {"AP": 0.75, "MAP": 0.75, "RR@10": 0.75, "MRR@10": 0.75, "P@1": 0.5, "Precision@1": 0.5}


def test_spaces_between_measures_count_for_nothing(folder: Path) -> None:
    """As people write lists."""
    assert _means(folder, "-m", " AP, RR(rel=1, judged_only=False) ,P@1") == {
        "AP": 0.75,
        "RR(rel=1, judged_only=False)": 0.75,
        "P@1": 0.5,
    }


def test_default_measures_follow_the_labels_or_the_scale(folder: Path) -> None:
    """Binary labels are measured at level 1; on a scale whose level they do not reach a line says why not."""
    assert _means(folder) == {"nDCG@10": pytest.approx(0.815, abs=1e-3), "RR@10": 0.75, "R@50": 1}
    done = relsearch("evaluate", "qrels", "run", "--scale", "0-3", cwd=folder)
    assert done.returncode == 0
    assert "0.000" not in done.stdout
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == [
        "RR(rel=2)@10 is not defined",
        "R(rel=2)@50 is not defined",
    ]


def test_a_measure_asked_for_by_name_is_there_or_an_error(folder: Path) -> None:
    """Not a dash, and never 0.000; nothing is printed of the others."""
    done = relsearch("evaluate", "qrels", "run", "-m", "RR@10,RR(rel=2)@10", cwd=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("relsearch: RR(rel=2)@10 is not defined: no label reaches a grade that it credits")
    assert len(done.stderr.splitlines()) == 1


def test_grades_from_1_need_a_scale_and_follow_it(folder: Path) -> None:
    """Whether grade 1 is a gain is not guessed."""
    (folder / "qrels").write_text("1 0 a 1\n1 0 b 4\n2 0 c 3\n2 0 x 2\n", encoding="utf-8")
    refused = relsearch("evaluate", "qrels", "run", cwd=folder)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "give the scale 1-4:3 if 1 means irrelevant" in refused.stderr
    means = _means(folder, "--scale", "1-4")
    (folder / "qrels").write_text("1 0 a 0\n1 0 b 3\n2 0 c 2\n2 0 x 1\n", encoding="utf-8")
    assert means == _means(folder)
    assert list(means) == ["nDCG@10", "RR(rel=2)@10", "R(rel=2)@50"]


@pytest.mark.parametrize(
    ("qrels", "run", "message"),
    [
        (QRELS, "", "run: has no rows; a run has lines such as"),
        (QRELS, "9 Q0 a 1 1.0 t\n", "run run: none of the 2 labelled queries is in it"),
        ("1 0 a 0\n2 0 c 0\n", RUN, "no document is relevant"),
        ("", RUN, "qrels: has no rows; qrels have lines such as"),
        ("query-id\tcorpus-id\tscore\n", RUN, "qrels: has no rows"),
    ],
)
def test_where_nothing_can_be_measured_one_line_says_so(folder: Path, qrels: str, run: str, message: str) -> None:
    """No table of zeros."""
    (folder / "qrels").write_text(qrels, encoding="utf-8")
    (folder / "run").write_text(run, encoding="utf-8")
    done = relsearch("evaluate", "qrels", "run", cwd=folder)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert message in done.stderr


def test_one_query_with_two_runs_shows_means(folder: Path) -> None:
    """Intervals and tests are dashes."""
    (folder / "qrels").write_text("1 0 a 1\n", encoding="utf-8")
    done = relsearch("evaluate", "qrels", "run", "other", "-m", "RR@10", cwd=folder)
    assert [line.split() for line in done.stdout.splitlines()[2:]] == [
        ["run", "1.000", "-"],
        ["other", "0.500", "-", "-0.500", "-", "-"],
    ]


@pytest.mark.parametrize(
    "options",
    [
        ["--seed", "-1"],
        ["--seed", "4294967296"],
        ["--resamples", "1000000000"],
        ["--resamples", "1"],
        ["run"],
    ],
)
def test_options_that_cannot_be_meant_are_usage_errors(folder: Path, options: list[str]) -> None:
    """A seed below 0, more resamples than memory, a run that is given twice."""
    done = relsearch("evaluate", "qrels", "run", *options, cwd=folder)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("measure", ["P@0", "P(rel=0)@5", "nDCG@10.5", "P", "RBP", "alpha_nDCG@10", "nDCG@-1", "ERR"])
def test_a_measure_that_cannot_be_computed_is_one_line(folder: Path, measure: str) -> None:
    """Found before the files are read; the process does not abort."""
    done = relsearch("evaluate", "absent", "run", "-m", measure, cwd=folder)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert done.stderr.startswith(f"relsearch: measure {measure!r}")


def test_agree_counts_what_only_one_side_has(folder: Path) -> None:
    """Pairs and whole queries, since no figure counts them."""
    (folder / "judged").write_text("1 0 a 1\n9 0 a 1\n9 0 b 0\n", encoding="utf-8")
    done = relsearch("agree", "qrels", "judged", "--scale", "binary", cwd=folder)
    pairs = sum(bool(line) for line in (folder / "qrels").read_text(encoding="utf-8").splitlines())
    said = done.stderr.splitlines()
    assert (
        f"{pairs - 1} of {pairs} human labels have no judged one and are left out, those of 1 whole queries "
        "among them" in said
    )
    assert "2 of 3 judged labels have no human one and are left out, those of 1 whole queries among them" in said


def test_agree_leaves_out_what_labels_do_not_tell(folder: Path) -> None:
    """Binary labels on grades 0 to 3: no binary kappa, and the hint at the scale; on their own scale it is there."""
    done = relsearch("agree", "qrels", "qrels", cwd=folder)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["kappa_binary", "-", "-"] in rows
    assert done.stderr.startswith("no human label reaches grade 2")
    assert "give another scale" in done.stderr
    binary = json.loads(relsearch("agree", "qrels", "qrels", "--scale", "binary", "--json", cwd=folder).stdout)
    assert binary["kappa_binary"]["value"] == 1
    (folder / "qrels").write_text("1 0 a 2\n", encoding="utf-8")
    one = json.loads(relsearch("agree", "qrels", "qrels", "--json", cwd=folder).stdout)
    assert [one[name] for name in ("kappa", "kappa_binary", "kappa_quadratic", "alpha_ordinal")] == [None] * 4


@pytest.mark.slow
def test_eight_thousand_queries_take_little_memory(tmp_path: Path) -> None:
    """Two runs of 800,000 lines each are compared within 450 MB."""
    for name in ("one", "two"):
        with (tmp_path / name).open("w", encoding="utf-8") as file:
            for query in range(8000):
                documents = ((query * 7919 + place * (31 if name == "one" else 37)) % 200_000 for place in range(100))
                file.writelines(
                    f"query-{query} Q0 document-{document:07} {rank} {100 - rank}.5 {name}\n"
                    for rank, document in enumerate(documents, 1)
                )
    with (tmp_path / "qrels").open("w", encoding="utf-8") as file:
        for query in range(8000):
            file.writelines(
                f"query-{query} 0 document-{(query * 7919 + place * 31) % 200_000:07} {place % 4}\n"
                for place in range(query % 3, 60, 7)
            )
    command = [sys.executable, "-c", _PEAK, "evaluate", "qrels", "one", "two"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert int(done.stderr.splitlines()[-1]) <= 450 * 1024


def test_any_run_can_be_the_baseline(folder: Path) -> None:
    """By its name; one that is not there is named with those that are."""
    found = json.loads(
        relsearch("evaluate", "qrels", "run", "other", "--baseline", "other", "--json", cwd=folder).stdout
    )
    assert (found["baseline"], [*found["against_first"]]) == ("other", ["run"])
    refused = relsearch("evaluate", "qrels", "run", "other", "--baseline", "bm25", cwd=folder)
    assert refused.stderr == "relsearch: baseline 'bm25' is none of the runs: run, other\n"


def test_each_querys_values_are_written(folder: Path) -> None:
    """As CSV and as JSON lines, and in --json; measures may stand in one option."""
    options = ["evaluate", "qrels", "run", "--measures", "RR@10,P(rel=1)@1"]
    found = json.loads(relsearch(*options, "--per-query", "v.csv", "--json", cwd=folder).stdout)
    assert found["per_query"] == {
        "1": {"run": {"RR@10": 1.0, "P(rel=1)@1": 1.0}},
        "2": {"run": {"RR@10": 0.5, "P(rel=1)@1": 0.0}},
    }
    assert (folder / "v.csv").read_text(encoding="utf-8").splitlines() == [
        "query_id,run,measure,value",
        "1,run,RR@10,1.0",
        "1,run,P(rel=1)@1,1.0",
        "2,run,RR@10,0.5",
        "2,run,P(rel=1)@1,0.0",
    ]
    for _ in range(2):  # its own file may be replaced
        assert relsearch(*options, "--per-query", "v.jsonl", cwd=folder).returncode == 0
    rows = [json.loads(line) for line in (folder / "v.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows[2] == {"query_id": "2", "run": "run", "measure": "RR@10", "value": 0.5}
    for path in ("run", "v.txt"):
        assert relsearch(*options, "--per-query", path, cwd=folder).returncode == 1


def test_queries_without_labels_are_counted(folder: Path) -> None:
    """They are left out, and a line says how many."""
    (folder / "run").write_text(RUN + "8 Q0 a 1 1.0 t\n9 Q0 a 1 1.0 t\n", encoding="utf-8")
    done = relsearch("evaluate", "qrels", "run", cwd=folder)
    assert done.stderr == "run: 2 of its queries have no label and are left out\n"


def test_names_are_short_and_no_column_is_cut(folder: Path) -> None:
    """As many folders as tell two runs apart, no ending; p stays to be seen beside long names."""
    names = ["a/run.trec", "b/run.trec.gz", f"{'long-' * 9}one.trec", f"{'long-' * 9}two.trec"]
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(RUN if "run" in name else OTHER, encoding="utf-8")
    done = relsearch("evaluate", "qrels", *names, "-m", "RR@10", cwd=folder)
    lines = done.stdout.splitlines()
    assert lines[0].endswith("p (Holm)")
    assert [line.split()[0] for line in lines[2:4]] == ["a/run", "b/run"]
    assert all(line.split()[-1] == "1.000" for line in lines[3:])
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("form", ["q\td\tgrade", "query-id\tcorpus-id\tscore"])
def test_beir_labels_are_labels_to_evaluate_and_agree(folder: Path, form: str) -> None:
    """With their header and without."""
    rows = [line.split() for line in QRELS.splitlines()]
    lines = ["\t".join((query, doc, grade)) for query, _, doc, grade in rows]
    (folder / "beir.tsv").write_text("\n".join([form, *lines] if "-" in form else lines) + "\n", encoding="utf-8")
    plain = relsearch("evaluate", "qrels", "run", cwd=folder).stdout
    assert relsearch("evaluate", "beir.tsv", "run", cwd=folder).stdout == plain != ""
    agreed = json.loads(relsearch("agree", "qrels", "beir.tsv", "--scale", "binary", "--json", cwd=folder).stdout)
    assert agreed["kappa"]["value"] == 1
