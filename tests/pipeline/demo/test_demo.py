"""The demo deals queries so that nothing measured was learnt from, and shows what it measured."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest

from relsearch.core.settings.config import Config
from relsearch.data.collection import load_collection
from relsearch.measure.estimate import Estimate
from relsearch.pipeline.demo.deal import ALL, FEW, LABELLED, deal
from relsearch.pipeline.demo.show import to_json, to_text, verdict
from relsearch.pipeline.demo.study import AUGMENTED, EVERY, HUMAN, TESTS, Clock, Demo, PairedTest, demo_config, run_demo
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
    ("low", "high", "said"),
    [(0.01, 0.03, "Judged pools add"), (-0.03, -0.01, "Judged pools cost"), (-0.01, 0.02, "do not show")],
)
def test_the_verdict_follows_the_interval(low: float, high: float, said: str) -> None:
    """A difference that may be none is not called a gain."""
    test = PairedTest(AUGMENTED, HUMAN, Estimate(0.01, low, high), 0.04)
    arms = {HUMAN: Estimate(0.5, 0.4, 0.6), EVERY: Estimate(0.505, 0.4, 0.6)}
    demo = Demo(arms, (test,), (), {"labelled_queries": 10, "test_queries": 60}, Clock())
    assert said in verdict(demo)
    assert said in verdict(replace(demo, tests=(test, test)))
    unsure = replace(demo, tests=(replace(test, p=0.13),))
    assert "do not show" in verdict(unsure)
    assert "with all of them 0.505: more labels have little to add here" in verdict(unsure)
    wide = replace(unsure, arms={**arms, EVERY: Estimate(0.6, 0.5, 0.7)})
    assert "with all of them 0.600. The demo shows" in verdict(wide)


def test_the_packaged_settings_name_the_demo() -> None:
    """What `relsearch demo` follows ships in the wheel."""
    assert demo_config().collection.source == "demo"
