"""Artefact directories: whole or absent, resumed, checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from relsearch.core.errors import ArtifactError
from relsearch.pipeline.artifacts import building, content, fingerprint, is_current, read_manifest, verify


def _build(directory: Path, text: str, *, expected: str) -> None:
    with building(directory, "pool", expected=expected) as work:
        (work.directory / "table.txt").write_text(text)
        work.figures["rows"] = 1


def _interrupt(directory: Path, *, expected: str) -> None:
    with building(directory, "pool", expected=expected) as work:
        (work.directory / "half.txt").write_text("half")
        raise RuntimeError


def test_a_finished_artefact_is_current_for_its_own_fingerprint_only(tmp_path: Path) -> None:
    """A stage is skipped exactly when the fingerprint it would have stands in the manifest."""
    _build(tmp_path / "pool", "a", expected="f1")
    assert is_current(tmp_path / "pool", "f1")
    assert not is_current(tmp_path / "pool", "f2")
    assert read_manifest(tmp_path / "pool").figures == {"rows": 1}


def test_an_interrupted_stage_leaves_the_old_artefact_and_its_own_partial_work(tmp_path: Path) -> None:
    """After a crash the former artefact still stands and the next attempt finds the partial files."""
    _build(tmp_path / "pool", "old", expected="f1")
    with pytest.raises(RuntimeError):
        _interrupt(tmp_path / "pool", expected="f2")
    assert (tmp_path / "pool" / "table.txt").read_text() == "old"
    with building(tmp_path / "pool", "pool", expected="f2") as work:
        assert (work.directory / "half.txt").read_text() == "half"


def test_partial_work_of_other_inputs_is_thrown_away(tmp_path: Path) -> None:
    """What was begun from other inputs is not mixed into the new artefact."""
    with pytest.raises(RuntimeError):
        _interrupt(tmp_path / "pool", expected="f1")
    with building(tmp_path / "pool", "pool", expected="f2") as work:
        assert not (work.directory / "half.txt").exists()


def test_an_altered_file_is_found(tmp_path: Path) -> None:
    """Verification names the file that no longer matches its checksum."""
    _build(tmp_path / "pool", "a", expected="f1")
    verify(tmp_path / "pool")
    (tmp_path / "pool" / "table.txt").write_text("b")
    with pytest.raises(ArtifactError, match=r"table\.txt: missing or altered"):
        verify(tmp_path / "pool")


def test_an_absent_artefact_says_what_to_do(tmp_path: Path) -> None:
    """Reading what no stage has made yet is one clear error."""
    with pytest.raises(ArtifactError, match="run the stage"):
        read_manifest(tmp_path / "pool")


def test_a_fingerprint_depends_on_settings_and_inputs() -> None:
    """Equal inputs give equal fingerprints; any other setting or input gives another."""
    base = fingerprint("pool", {"depth": 50}, ["f1"])
    assert base == fingerprint("pool", {"depth": 50}, ["f1"])
    assert len({base, fingerprint("pool", {"depth": 51}, ["f1"]), fingerprint("pool", {"depth": 50}, ["f2"])}) == 3


def test_content_tells_what_was_made_not_when(tmp_path: Path) -> None:
    """Made anew with equal files an artefact has equal content; another byte gives other content."""
    assert content(tmp_path / "pool") is None
    found = []
    for text in ("a", "a", "b"):
        with building(tmp_path / "pool", "pool", expected="f1") as work:
            (work.directory / "table.txt").write_text(text)
        found.append(content(tmp_path / "pool"))
    assert found[0] == found[1] != found[2]


def test_a_users_file_in_an_artefact_is_never_erased(tmp_path: Path) -> None:
    """The stage is refused before it works, and names the file that is in the way."""
    _build(tmp_path / "pool", "a", expected="f1")
    (tmp_path / "pool" / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError, match=r"pool/notes\.txt: relsearch did not make it"):
        _build(tmp_path / "pool", "b", expected="f2")
    assert (tmp_path / "pool" / "notes.txt").read_text() == "mine"
    assert (tmp_path / "pool" / "table.txt").read_text() == "a"


def test_a_users_folder_is_never_taken_for_an_artefact(tmp_path: Path) -> None:
    """A folder of a stage's name, or of its partial work, that no stage made is left alone."""
    for name in ("pool", "pool.partial"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.tex").write_text("mine")
        with pytest.raises(ArtifactError, match=r"thesis\.tex: relsearch did not make it"):
            _build(tmp_path / "pool", "a", expected="f1")
        assert (tmp_path / name / "thesis.tex").read_text() == "mine"
        (tmp_path / name / "thesis.tex").unlink()


def test_what_a_killed_attempt_left_half_made_is_not_published(tmp_path: Path) -> None:
    """Temporary files and folders of an attempt that was killed stand in no manifest."""
    with pytest.raises(RuntimeError):
        _interrupt(tmp_path / "pool", expected="f1")
    left = tmp_path / "pool.partial" / ".bundle.1.0123abcd.partial"
    left.mkdir()
    (left / "model.onnx").write_text("half")
    _build(tmp_path / "pool", "a", expected="f1")
    assert sorted(read_manifest(tmp_path / "pool").files) == ["half.txt", "table.txt"]
    assert sorted(path.name for path in (tmp_path / "pool").iterdir()) == ["half.txt", "manifest.json", "table.txt"]
