"""What stands outside counts by its content, and what did not change is not read again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from relsearch.core.settings.config import Config
from relsearch.pipeline.contents import Contents, named_outside

_LONG_AGO = 1_000_000_000


def _old(path: Path, text: str) -> None:
    """Write a file as it would be after a while: its time of change lies back."""
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(_LONG_AGO, _LONG_AGO))


def test_a_changed_file_has_another_digest(tmp_path: Path) -> None:
    """Also where size and time of change are those of before, as after a second change within one tick."""
    _old(tmp_path / "run", "a")
    contents = Contents(tmp_path / "kept.json")
    first = contents.digest(tmp_path / "run")
    assert contents.digest(tmp_path / "run") == first
    _old(tmp_path / "run", "b")
    assert contents.digest(tmp_path / "run") != first


def test_a_folder_is_the_names_and_digests_of_its_files(tmp_path: Path) -> None:
    """A renamed file counts; a hidden one, such as a version control's, does not."""
    folder = tmp_path / "model"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "1_Pooling" / "config.json").write_text("{}")
    contents = Contents(tmp_path / "kept.json")
    first = contents.digest(folder)
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("main")
    assert contents.digest(folder) == first
    (folder / "1_Pooling" / "config.json").rename(folder / "1_Pooling" / "settings.json")
    assert contents.digest(folder) != first


def test_an_unchanged_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was kept is trusted where size, times and inode are those of before and lie well back."""
    _old(tmp_path / "corpus", "a")
    monkeypatch.setattr("time.time_ns", lambda: 2**62)  # long after the file's change
    contents = Contents(tmp_path / "kept.json")
    first = contents.digest(tmp_path / "corpus")
    contents.save()
    about = (tmp_path / "corpus").stat()
    kept = (tmp_path / "kept.json").read_text()
    assert str(about.st_ino) in kept
    (tmp_path / "kept.json").write_text(kept.replace(first, "0" * 64))
    assert Contents(tmp_path / "kept.json").digest(tmp_path / "corpus") == "0" * 64


def test_damaged_notes_are_made_anew(tmp_path: Path) -> None:
    """They save time only."""
    (tmp_path / "kept.json").write_text("{")
    (tmp_path / "run").write_text("a")
    assert len(Contents(tmp_path / "kept.json").digest(tmp_path / "run")) == 64


def test_every_setting_that_names_something_outside_is_known() -> None:
    """Nested sections' too; a setting of type Path is always one, but for the output."""
    config = Config.model_validate(
        {
            "pool": {"runs": ["a.trec", "b.trec"]},
            "judge": {"more_encoders": [{"model": "x"}, {"model": "y"}]},
            "train": {"encoder": {"model": "z"}},
        }
    )
    assert list(named_outside(config.pool)) == [("runs", "a.trec"), ("runs", "b.trec")]
    named = dict.fromkeys(key for key, _ in named_outside(config.judge))
    assert list(named) == ["base", "prompt", "more_encoders.model"]
    assert ("encoder.model", "z") in list(named_outside(config.train))
    unmarked = [
        f"{section}.{key}"
        for section in Config.model_fields
        for key, field in getattr(type(getattr(config, section)), "model_fields", {}).items()
        if "Path" in str(field.annotation) and not field.metadata
    ]
    assert unmarked == []
