"""Settings that a stage cannot use are refused before the first stage works."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from relsearch.config import Config
from relsearch.errors import RelsearchError
from relsearch.pipeline import run_all

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
    "judge's base": ({"judge": {"base": "./nowhere"}}, "no such folder"),
    "judge's prompt": ({"label": {"judge": "zero-shot"}, "judge": {"prompt": "polite"}}, "prompt 'polite'"),
    "endpoint": ({"label": {"judge": "remote"}}, r"\[remote\] model is not set"),
    "endpoint's prompt": ({"label": {"judge": "remote"}, "remote": {"model": "m", "prompt": "x"}}, "prompt 'x'"),
    "start of tuning": ({"tune": {"start": "./nowhere"}}, "no such judge"),
    "base of a cross-encoder": ({"train": {"family": "cross", "base": "./nowhere"}}, "no such folder"),
    "writer": ({"augment": {"policies": ["synthetic"]}, "synthesize": {"base": "./no"}}, "no such folder"),
    "writer's prompt": ({"augment": {"policies": ["synthetic"]}, "synthesize": {"prompt": "x"}}, "prompt 'x'"),
    "bundle": ({"export": {"shipped": "nowhere"}}, r"nowhere/bundle\.json"),
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
