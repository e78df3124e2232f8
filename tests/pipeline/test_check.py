"""Settings that a stage cannot use are refused before the first stage works."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from relsearch.core.errors import DataError, RelsearchError
from relsearch.core.settings.config import Config
from relsearch.pipeline.order import run_all, run_verb, stages_of
from relsearch.pipeline.stages.check import check_labels
from relsearch.pipeline.stages.inputs import open_collected

UNUSABLE: dict[str, tuple[dict[str, Any], str]] = {
    "collection": ({"collection": {"source": "nowhere"}}, "nowhere: no such folder"),
    "template": ({"collection": {"template": "{title"}}, "template"),
    "splits": ({"collection": {"splits": "nowhere.tsv"}}, r"nowhere\.tsv: no such file"),
    "runs": ({"pool": {"runs": ["nowhere.trec"]}}, r"nowhere\.trec: no such file"),
    "no searcher": ({"index": {"searchers": []}}, "searchers is empty"),
    "language": ({"index": {"language": "klingon"}}, "klingon"),
    "language of a server": ({"index": {"searchers": ["elasticsearch"], "language": "turkish"}}, "turkish"),
    "language of Lucene": ({"index": {"searchers": ["lucene"], "language": "klingon"}}, "klingon"),
    "encoder": ({"encoder": {"model": "./nowhere"}}, "no such folder"),
    "encoder's package": ({"encoder": {"model": "package:no-such-package"}}, "not installed"),
    "judge": ({"label": {"judge": "raedy"}}, "judge 'raedy': no such judge"),
    "judge's scale": ({"collection": {"scale": "0-4:3"}, "label": {"judge": "ready"}}, "grades 0-3"),
    "judge's base": ({"label": {"judge": "tuned"}, "judge": {"base": "./nowhere"}}, "no such folder"),
    "judge's prompt": ({"label": {"judge": "zero-shot"}, "judge": {"prompt": "polite"}}, "'polite': no such prompt"),
    "prompt of tuning": ({"label": {"judge": "tuned"}, "judge": {"prompt": "polite"}}, "'polite': no such prompt"),
    "encoder as it is": (
        {"label": {"judge": "tuned"}, "judge": {"family": "encoder"}, "tune": {"layers": 0}},
        r"\[tune\] layers = 0",
    ),
    "endpoint": ({"label": {"judge": "remote"}}, r"\[remote\] model is not set"),
    "endpoint's prompt": (
        {"label": {"judge": "remote"}, "remote": {"model": "m", "prompt": "x"}},
        "'x': no such prompt",
    ),
    "start of tuning": ({"label": {"judge": "tuned"}, "tune": {"start": "./nowhere"}}, "no such judge"),
    "base of a cross-encoder": ({"train": {"family": "cross", "base": "./nowhere"}}, "no such folder"),
    "writer": ({"augment": {"policies": ["synthetic"]}, "synthesize": {"base": "./no"}}, "no such folder"),
    "writer's prompt": ({"augment": {"policies": ["synthetic"]}, "synthesize": {"prompt": "x"}}, "'x': no such prompt"),
    "bundle": ({"export": {"shipped": "nowhere"}}, "'nowhere': no such folder"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_a_later_stage_cannot_use_stops_the_first(tmp_path: Path, name: str) -> None:
    """One line, and nothing is written."""
    settings, message = UNUSABLE[name]
    config = Config.model_validate({"output": tmp_path / "out", **settings})
    with pytest.raises(RelsearchError, match=message) as refused:
        next(run_all(config))
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_what_no_stage_reads_is_not_looked_at(tmp_path: Path) -> None:
    """A base that nobody tunes may be absent: the first stage runs."""
    config = Config.model_validate(
        {"output": tmp_path / "out", "judge": {"base": "./nowhere"}, "label": {"judge": "ready"}}
    )
    assert next(run_all(config)).name == "collect"


def test_a_users_file_in_a_later_stages_folder_stops_the_first(tmp_path: Path) -> None:
    """It would be erased hours later."""
    notes = tmp_path / "out" / "export" / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    with pytest.raises(RelsearchError, match=r"export/notes\.txt: relsearch did not make it"):
        next(run_all(Config(output=tmp_path / "out")))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["export"]


def _limits(folder: Path, texts: list[str], *, stages: list[str], force: bool = False, **pool: Any) -> list[str]:
    """What is said of a collection of one document and so many labelled queries."""
    (folder / "corpus.jsonl").write_text('{"_id": "d1", "text": "tea"}\n')
    queries = [json.dumps({"_id": f"q{number}", "text": text}) for number, text in enumerate(texts)]
    (folder / "queries.jsonl").write_text("\n".join(queries))
    (folder / "qrels.tsv").write_text("".join(f"q{number} 0 d1 3\n" for number in range(len(texts))))
    settings = {"collection": {"source": str(folder)}, "pool": pool, "augment": {"force": force}}
    config = Config.model_validate({"output": folder / "out", **settings})
    list(run_verb("collect", config))
    return check_labels(config, stages, collected=open_collected(config))


ALL = ["train-human", "export", "evaluate"]


def test_what_the_labels_are_too_few_for_is_said(tmp_path: Path) -> None:
    """Two dev queries show nothing, so folds do; five test queries have wide intervals."""
    texts = [f"tea {number}" for number in range(25)]
    gate, test = _limits(tmp_path, texts, stages=ALL, near_duplicate=1, dev_share=0.08, test_share=0.2)
    assert "it takes 4 dev queries to show a gain at p 0.1, so the gate trains again on folds of the 20" in gate
    assert "18 training, 2 dev and 5 test queries have a relevant document; with so few test queries" in test


def test_below_twenty_labelled_queries_cross_validation_does_a_dev_splits_work(tmp_path: Path) -> None:
    """It is said before anything is trained, and how many labels a dev split takes."""
    folds, gate, _ = _limits(tmp_path, [f"tea {number}" for number in range(12)], stages=ALL, near_duplicate=1)
    assert "7 labelled queries besides the test; from 20 on some are set apart as dev queries" in folds
    assert "cross-validation in 3 folds" in folds
    assert "so the gate takes the cross-validation of the 7 training queries" in gate


def test_where_no_gate_can_tell_it_is_said_before_any_training(tmp_path: Path) -> None:
    """With four labelled queries there are two to learn from."""
    _, gate, _ = _limits(tmp_path, ["tea", "coffee", "water", "milk"], stages=ALL, near_duplicate=1)
    assert "and there are 2 training and dev queries together: the gate cannot tell, and nothing ships" in gate


def test_labels_that_nothing_can_be_trained_on_are_refused(tmp_path: Path) -> None:
    """Two queries leave one to learn from, and none to test on; the ready reranker needs none."""
    with pytest.raises(DataError, match="takes 2 queries besides the test, one to learn from") as refused:
        _limits(tmp_path, ["tea", "coffee"], stages=ALL)
    assert "--bundle ready" in str(refused.value)


def test_a_judge_that_no_label_can_be_held_to_is_refused_before_it_judges(tmp_path: Path) -> None:
    """One dev query has no interval of kappa; by name its labels are taken all the same."""
    texts = [f"tea {number}" for number in range(25)]
    shares: dict[str, Any] = {"near_duplicate": 1, "dev_share": 0.04, "test_share": 0.2}
    with pytest.raises(DataError, match=r"a single query cannot tell .* \[augment\] force = true"):
        _limits(tmp_path, texts, stages=[*ALL, "augment"], **shares)
    assert len(_limits(tmp_path, texts, stages=[*ALL, "augment"], force=True, **shares)) == 2


def test_enough_labels_have_no_limits(tmp_path: Path) -> None:
    """Nothing is said where every gate can tell."""
    assert _limits(tmp_path, [f"tea {number}" for number in range(40)], stages=ALL, near_duplicate=1) == []


def test_without_a_test_share_nothing_is_measured(tmp_path: Path) -> None:
    """It is no error: the stages that measure are left out."""
    config = Config.model_validate({"output": tmp_path, "pool": {"test_share": 0}})
    assert not {"rerank", "evaluate"} & {stage.name for stage in stages_of(config)}
