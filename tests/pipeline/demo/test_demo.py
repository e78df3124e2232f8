"""The demo deals queries so that nothing measured was learnt from, and shows what it measured."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest

from relsearch.core.fields.template import DEFAULT_TEMPLATE
from relsearch.core.settings.config import Config
from relsearch.data.collection import load_collection, texts_of
from relsearch.data.trec import read_run
from relsearch.measure.estimate import Estimate
from relsearch.pipeline.demo import sample
from relsearch.pipeline.demo.deal import ALL, FEW, LABELLED, deal
from relsearch.pipeline.demo.show import to_json, to_text, verdict
from relsearch.pipeline.demo.study import (
    AUGMENTED,
    EVERY,
    HUMAN,
    READY,
    TESTS,
    Clock,
    Demo,
    PairedTest,
    demo_config,
    run_demo,
)
from relsearch.pipeline.stages.runs import FIRST_STAGE
from tests.command import relsearch
from tests.tiny_models import save_tiny_bert

QUERIES = [f"q{number}" for number in range(100)]


def test_the_few_labels_are_among_all_of_them() -> None:
    """Both pipelines share the test queries; where few are labelled the others are unlabelled, and none is dev."""
    dealt = deal(QUERIES, seed=1)
    few, every = dealt.splits(LABELLED), dealt.splits()
    assert Counter(few.values()) == {"test": 50, "train": LABELLED, "unlabelled": 40}
    assert Counter(every.values()) == {"test": 50, "train": 40, "dev": 10}
    assert {query for query in few if few[query] == "test"} == {query for query in every if every[query] == "test"}
    assert deal(QUERIES, seed=2) != dealt


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The packaged settings with a tiny encoder that knows the queries' words, short pools and few steps."""
    folder = tmp_path_factory.mktemp("demo")
    bert = save_tiny_bert(folder / "bert", [query.text for query in load_collection("demo").queries()])
    changes = {
        "output": folder / "runs",
        "pool": {"depth": 4},
        "encoder": {"model": str(bert), "max_tokens": 32},
        "label": {"depth": 4},
        "augment": {"force": True},
        "train": {"dimension": 8, "max_length": 32, "max_steps": 2, "evaluations": 1},
        "export": {"quality_gate": "off", "force": True},
    }
    return Config.model_validate(changes)


@pytest.mark.slow
def test_the_whole_demo_runs(small: Config) -> None:
    """Every arm is measured on the test queries, by models that learnt from ten labelled queries or from all."""
    said: list[str] = []
    found = run_demo(small, say=said.append)
    assert found.clock.whole
    assert [line.split()[0] for line in said] == [*[f"{FEW}:"] * 8, *[f"{ALL}:"] * 4, f"{FEW}:"]
    assert found.counts["labelled_queries"] == LABELLED
    assert (found.tests[0].arm, found.tests[0].baseline) == (AUGMENTED, HUMAN)
    assert len(found.examples) == 5
    written = json.loads(json.dumps(to_json(found)))
    assert written["augmented_minus_human"].keys() == {"difference", "low", "high", "p"}
    assert set(written["arms"]) == {arm for pair in TESTS for arm in pair}
    assert '"train": 10' in (small.output / FEW / "collect" / "manifest.json").read_text("utf-8")
    text = to_text(found)
    assert "grades of this collection, Python's documentation, are a language model's" in text.splitlines()[0]


@pytest.mark.parametrize(
    ("low", "high", "p", "said"),
    [
        (0.01, 0.03, 0.04, "add to that: +0.010 [+0.010, +0.030] (p 0.040)"),
        (-0.03, -0.01, 0.04, "cost some of that"),
        (-0.01, 0.02, 0.04, "do not change that beyond chance"),
        (0.01, 0.03, 0.13, "do not change that beyond chance"),
    ],
)
def test_the_verdict_follows_the_interval_and_the_test(low: float, high: float, p: float, said: str) -> None:
    """A difference that may be none is not called a gain; what labels bring, and could bring, stands around it."""
    tests = [PairedTest(AUGMENTED, HUMAN, Estimate(0.01, low, high), p)]
    tests += [PairedTest(HUMAN, baseline, Estimate(0.13, 0.09, 0.17), 0.0001) for baseline in (FIRST_STAGE, READY)]
    arms = {HUMAN: Estimate(0.5, 0.4, 0.6), EVERY: Estimate(0.505, 0.4, 0.6)}
    demo = Demo(arms, tuple(tests), (), {"labelled_queries": 10, "test_queries": 60}, Clock())
    assert verdict(demo).startswith("10 labelled queries bring +0.130 [+0.090, +0.170] (p < 0.001) over BM25 and ")
    assert f"Judged pools {said}" in verdict(demo)
    assert "with all of them 0.505: more labels have little to add here" in verdict(demo)
    assert "with all of them 0.600: there is room" in verdict(
        replace(demo, arms={**arms, EVERY: Estimate(0.6, 0.5, 0.7)})
    )


def test_the_packaged_settings_name_the_demo() -> None:
    """What `relsearch demo` follows ships in the wheel."""
    assert demo_config().collection.source == "demo"


def test_a_part_of_the_demo_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it can be asked for again."""
    with monkeypatch.context() as patched:
        patched.setattr(sample, "qrels_text", Mock(side_effect=OSError("the disk is full")))
        with pytest.raises(OSError, match="full"):
            sample.write_sample(tmp_path / "sample")
    assert not any((tmp_path / "sample").iterdir())
    (tmp_path / "sample" / ".files.partial").mkdir()  # as a killed process leaves it
    monkeypatch.chdir(tmp_path / "sample")
    assert sample.write_sample(Path())["queries"] == 30
    assert {path.name for path in Path().iterdir()} >= {"corpus.jsonl", "queries.jsonl", "qrels.tsv", "bm25.trec"}


def test_a_part_of_the_demo_is_written_for_other_verbs(tmp_path: Path) -> None:
    """The run's documents and queries are in the collection, with grades; what is there already stays."""
    done = relsearch("demo", "--files", "sample", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "sample"
    run, collection = read_run(folder / "bm25.trec"), load_collection(str(folder))
    queries, texts = texts_of(run, collection, DEFAULT_TEMPLATE)
    assert len(queries) == run["query_id"].n_unique() == 30
    assert done.stdout == (
        f"sample: {len(list(collection.documents()))} documents, {len(collection.qrels())} labels; "
        f"{Path('sample', 'bm25.trec')}: 30 queries, {run.height} candidates\n"
    )
    assert all(texts.values())
    before = (folder / "corpus.jsonl").read_bytes()
    again = relsearch("demo", "--files", "sample", cwd=tmp_path)
    assert again.returncode == 1
    assert again.stderr.startswith("relsearch: sample: there already")
    assert (folder / "corpus.jsonl").read_bytes() == before
