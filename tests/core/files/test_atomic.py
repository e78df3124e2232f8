"""Files and folders are whole or absent, and nothing is replaced that relsearch did not make."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from relsearch.core.errors import ArtifactError
from relsearch.core.files.atomic import (
    asked_for,
    check_replaceable,
    copy_folder,
    drop_partial,
    files_in,
    recover,
    replace_text,
    replacing,
    scratch,
    swap,
)
from tests.command import relsearch


def _dead_process() -> int:
    return int(subprocess.check_output([sys.executable, "-c", "import os; print(os.getpid())"]))


def test_a_file_that_fails_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    """What stood there stays, and nothing lies beside it."""
    replace_text(tmp_path / "run", "old")
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "run") as partial:
        shutil.copyfile(tmp_path / "absent", partial)
    assert (tmp_path / "run").read_text() == "old"
    assert files_in(tmp_path) == ["run"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    """Who writes to a link means its target; the link stays one."""
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    replace_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new"


def test_a_pipe_or_a_device_is_not_replaced(tmp_path: Path) -> None:
    """As /dev/null would be, by whoever may rename in its folder."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArtifactError, match="pipe: is no file"):
        replace_text(tmp_path / "pipe", "new")
    assert (tmp_path / "pipe").is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_swapping_leaves_the_new_folder_alone(tmp_path: Path) -> None:
    """Nothing of the old folder is mixed into the new one."""
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
    swap(tmp_path / "new", tmp_path / "old")
    assert files_in(tmp_path) == ["old/new"]


def test_a_copy_is_whole(tmp_path: Path) -> None:
    """A copy takes the place of what stood there."""
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "a").write_text("a")
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "b").write_text("b")
    copy_folder(tmp_path / "from", tmp_path / "to")
    assert files_in(tmp_path) == ["from/a", "to/a"]


def test_what_a_killed_process_left_is_cleared_and_what_it_moved_comes_back(tmp_path: Path) -> None:
    """A process that is killed between the two renames of a swap loses nothing; a running one is left alone."""
    dead = _dead_process()
    (tmp_path / f".bundle.{dead}.0123abcd.old").mkdir()
    (tmp_path / f".bundle.{dead}.0123abcd.old" / "model").write_text("old")
    (tmp_path / f".bundle.{dead}.4567abcd.partial").mkdir()
    (tmp_path / f".bundle.{os.getppid()}.89ababcd.partial").mkdir()
    recover(tmp_path / "bundle")
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".bundle.{os.getppid()}.89ababcd.partial", "bundle"]
    assert (tmp_path / "bundle" / "model").read_text() == "old"


def test_what_a_process_of_the_same_number_left_is_cleared(tmp_path: Path) -> None:
    """A restarted container numbers its processes alike; what this process is writing is left alone."""
    (tmp_path / f".bundle.{os.getpid()}.deadbeef.old").mkdir()
    (tmp_path / f".bundle.{os.getpid()}.deadbeef.partial").mkdir()
    with scratch(tmp_path / "bundle") as folder:
        assert sorted(tmp_path.iterdir()) == [folder, tmp_path / "bundle"]
        recover(tmp_path / "bundle")
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == [tmp_path / "bundle"]


@pytest.mark.parametrize("other", ["bundle.v2", "bundle.1", "bundle.1.2"])
def test_what_belongs_to_a_longer_name_is_left_alone(other: str, tmp_path: Path) -> None:
    """The folder that a killed process had moved away comes back where its own name asks for it."""
    (tmp_path / f".{other}.{_dead_process()}.0123abcd.old").mkdir()
    (tmp_path / f".{other}.{_dead_process()}.4567abcd.partial").mkdir()
    recover(tmp_path / "absent" / "bundle")
    recover(tmp_path / "bundle")
    assert len(list(tmp_path.iterdir())) == 2
    recover(tmp_path / other)
    assert [path.name for path in tmp_path.iterdir()] == [other]


@pytest.mark.parametrize("letter", ["x", "\u6587"])
def test_long_names_that_begin_alike_are_told_apart(letter: str, tmp_path: Path) -> None:
    """As long as a file system takes them."""
    long = letter * (250 // len(letter.encode()))
    with scratch(tmp_path / f"{long}1") as one:
        (tmp_path / one.name.replace(f".{os.getpid()}.", f".{_dead_process()}.")).mkdir()
        recover(tmp_path / f"{long}2")
        assert len(list(tmp_path.iterdir())) == 2
        recover(tmp_path / f"{long}1")
        assert list(tmp_path.iterdir()) == [one]


_ALIKE = """
import os, sys
from pathlib import Path
os.getpid = lambda: int(sys.argv[2])
from relsearch.core.files.atomic import scratch, swap
bundle, rename = Path(sys.argv[1]), os.rename
def wait(*names):
    print(flush=True), input()
    return rename(*names)
with scratch(bundle) as folder:
    (folder / "copy").mkdir()
    print(flush=True), input()
    (folder / "copy" / "model").write_text("new")
    os.rename = lambda *names: rename(*names) if names[0] == bundle else wait(*names)
    swap(folder / "copy", bundle)
"""


@pytest.mark.parametrize("killed", [False, True])
def test_what_a_process_of_the_same_number_writes_in_another_container_is_left_alone(
    killed: bool, tmp_path: Path
) -> None:
    """While it is made and while it is swapped; if that process is killed, it is cleared and what was moved is back."""
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "model").write_text("old")
    with subprocess.Popen(
        [sys.executable, "-c", _ALIKE, bundle, str(os.getpid())], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdin
        assert other.stdout
        for moved_away in (False, True):
            assert other.stdout.readline()
            assert bundle.exists() != moved_away
            found = sorted(tmp_path.rglob("*"))
            recover(bundle)
            assert sorted(tmp_path.rglob("*")) == found
            if moved_away and killed:
                other.kill()
            else:
                other.stdin.write(b"\n")
                other.stdin.flush()
    recover(bundle)
    assert files_in(tmp_path) == ["bundle/model"]
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    assert (bundle / "model").read_text() == ("old" if killed else "new")


def test_scratch_folders_go(tmp_path: Path) -> None:
    """A scratch folder is gone after an error too."""
    with pytest.raises(FileNotFoundError), scratch(tmp_path / "bundle") as folder:
        shutil.copyfile(tmp_path / "absent", folder / "graph")
    assert list(tmp_path.iterdir()) == []


def test_unfinished_files_are_dropped_wherever_they_lie(tmp_path: Path) -> None:
    """Unfinished files and folders go, finished ones stay."""
    (tmp_path / "deep" / ".x.1.a.partial" / "inner").mkdir(parents=True)
    (tmp_path / "deep" / "y.partial").write_text("half")
    (tmp_path / "deep" / "z").write_text("whole")
    drop_partial(tmp_path)
    assert files_in(tmp_path) == ["deep/z"]


def test_a_folder_with_a_file_of_somebody_else_may_not_be_replaced(tmp_path: Path) -> None:
    """The error names the file; what the desktop left does not count."""
    folder = tmp_path / "bundle"
    check_replaceable(folder, None)
    folder.mkdir()
    check_replaceable(folder, None)
    (folder / "model").write_text("ours")
    (folder / ".DS_Store").write_text("")
    check_replaceable(folder, ["model"])
    with pytest.raises(ArtifactError, match="bundle/model: relsearch did not make it"):
        check_replaceable(folder, None)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError, match=r"notes\.txt: relsearch did not make it"):
        check_replaceable(folder, ["model"])
    with pytest.raises(ArtifactError, match="is a file"):
        check_replaceable(folder / "model", None)


@pytest.mark.parametrize(
    "used",
    [
        "a/.run.trec.71.0123abcd.partial",
        "a/.run.trec.71.0123abcd.partial/lock",
        "a/run.trec.unfinished/rows.jsonl",
        "a/run.trec.unfinished",
        "a/run.trec",
    ],
)
def test_what_is_not_finished_is_known_by_what_was_asked_for(used: str) -> None:
    """Errors of the system name the place that is written to."""
    assert asked_for(used) == "a/run.trec"


@pytest.mark.skipif(sys.platform == "win32", reason="has other limits")
def test_the_command_line_names_what_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that the system finds too long once more is added to it, such as .unfinished."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").write_text("q1 Q0 d1 1 2.0 t\n", encoding="utf-8")
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d1", "title": "", "text": "tea"}\n', encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "tea"}\n', encoding="utf-8")
    name = "n" * 250
    done = relsearch("rerank", "run", "--bundle", "ready", "--collection", ".", "-o", name)
    assert done.returncode == 1
    assert done.stderr.startswith(f"relsearch: {name}: File name too long")
