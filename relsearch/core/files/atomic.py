"""Files and folders that are whole or absent: written aside, synced, and put in their place by a rename.

What is not finished has a name that ends in `.partial` and holds the number of its process, so that what a killed
process left is known for what it is. Folders are also locked: containers that share a volume number processes alike.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from relsearch.core.errors import ArtifactError

if sys.platform != "win32":
    import fcntl

PARTIAL = ".partial"
_OLD = ".old"
_LONGEST = 200  # bytes of a name that stands in another one
_IN_USE: set[str] = set()  # names that this process writes under; in a container the process before had its number
_SEEN_BY_DESKTOPS = {".DS_Store", "Thumbs.db"}  # made by looking at a folder


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path to write a file to, which takes the place of `path` when the block ends well, and goes otherwise.

    Raise ArtifactError where `path` is a folder, a pipe or a device, which a rename would put out of the way.
    """
    path = path.resolve()  # through a link, whose target is what is meant
    if path.exists() and not path.is_file():
        raise ArtifactError(f"{path}: is no file; name a file to write")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _aside(path, PARTIAL) as partial:
        try:
            yield partial
            _sync(partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    _sync(path.parent)


def asked_for(path: str) -> str:
    """Return the path of the file that was asked for, given that of a file or folder that it is made in."""
    found = re.sub(rf"(^|/)\.([^/]+)\.\d+\.[0-9a-f]{{8}}({re.escape(PARTIAL)}|{re.escape(_OLD)})($|/.*)", r"\1\2", path)
    return re.sub(r"\.unfinished($|/.*)", "", found)


def replace_bytes(path: Path, data: bytes) -> None:
    """Write a file whole, in place of what stands there."""
    with replacing(path) as partial:
        partial.write_bytes(data)


def replace_text(path: Path, text: str) -> None:
    """Write a UTF-8 file whole, in place of what stands there."""
    replace_bytes(path, text.encode("utf-8"))


@contextmanager
def scratch(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside `target` to make it in, which goes at the end, as do those of killed processes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    recover(target)
    with _aside(target, PARTIAL) as folder:
        folder.mkdir()
        try:
            with _locked(folder):
                yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def swap(folder: Path, target: Path) -> None:
    """Put a folder in the place of `target`, which goes once the new one stands there."""
    for path in folder.rglob("*"):
        if path.is_file():
            _sync(path)
    with _aside(target, _OLD) as old:
        if target.exists():
            target.rename(old)
        with _locked(old):
            folder.rename(target)
            _sync(target.parent)
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep a folder to this process; raise ArtifactError where another one has it. The lock goes with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        # Without waiting: a run that hangs teaches less than one that says why it cannot start.
        lock.acquire(timeout=0)
    except Timeout as exc:
        raise ArtifactError(f"{folder}: another process works in it; run again when that has ended") from exc
    try:
        yield
    finally:
        lock.release()


def copy_folder(source: Path, target: Path) -> None:
    """Put a copy of a folder in the place of `target`, whole."""
    with scratch(target) as folder:
        shutil.copytree(source, folder / "copy")
        swap(folder / "copy", target)


def recover(target: Path) -> None:
    """Clear away what killed processes left beside `target`; one that a swap had moved away comes back."""
    for old in _left(target, _OLD):
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(target)
    for partial in _left(target, PARTIAL):
        _remove(partial)


def drop_partial(folder: Path) -> None:
    """Remove what is not finished anywhere in a folder that one process writes."""
    for path in sorted(folder.rglob(f"*{PARTIAL}")):
        _remove(path)


def check_replaceable(folder: Path, made: Iterable[str] | None) -> None:
    """Raise ArtifactError where `folder` holds anything but the files that relsearch says it made, None for nothing."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ArtifactError(f"{folder}: is a file, where a folder is to be written; name another place")
    if foreign := sorted(set(files_in(folder)) - set(made or ())):
        raise ArtifactError(
            f"{folder / foreign[0]}: relsearch did not make it and would replace its folder; move it, or name another"
        )


def files_in(folder: Path) -> list[str]:
    """Return the paths of all files below a folder, relative to it, sorted."""
    paths = (path for path in folder.rglob("*") if not path.is_dir() and path.name not in _SEEN_BY_DESKTOPS)
    return sorted(str(path.relative_to(folder)) for path in paths)


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, or of the names and digests of all files below a folder, in hexadecimal."""
    if path.is_dir():
        return hashlib.sha256(
            "\n".join(f"{checksum(path / name)} {name}" for name in files_in(path)).encode()
        ).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _aside(path: Path, ending: str) -> Iterator[Path]:
    name = f".{_short(path.name)}.{os.getpid()}.{uuid.uuid4().hex[:8]}{ending}"
    _IN_USE.add(name)
    try:
        yield path.with_name(name)
    finally:
        _IN_USE.discard(name)


def _left(target: Path, ending: str) -> list[Path]:
    ours = re.compile(rf"\.{re.escape(_short(target.name))}\.(\d+)\.[0-9a-f]{{8}}{re.escape(ending)}")
    found = [(path, match[1]) for path in target.parent.glob(f".*{ending}") if (match := ours.fullmatch(path.name))]
    return sorted(path for path, process in found if not _is_in_use(path, process))


def _short(name: str) -> str:
    """A name to which something can be added; the digest of one that is near a file system's 255 bytes."""
    return name if len(os.fsencode(name)) <= _LONGEST else hashlib.sha256(os.fsencode(name)).hexdigest()


def _is_in_use(path: Path, process: str) -> bool:
    if path.name in _IN_USE if process == str(os.getpid()) else process_runs(process):
        return True
    with _locked(path, wait=False) as free:
        return not free


@contextmanager
def _locked(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a folder's lock, which goes with the process; yield False where another has it and is not waited for."""
    held = True
    with ExitStack() as stack:
        if sys.platform != "win32":
            try:
                descriptor = os.open(folder, os.O_RDONLY)
                stack.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held = False
            except OSError:  # it is not there, or its file system has no locks: the process's number has to do
                pass
        yield held


def process_runs(process: str) -> bool:
    """Whether a process of this machine has the number; so has what is no number, which is then left alone."""
    if not process.isdecimal() or os.name != "posix":  # elsewhere os.kill would end it
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Make a file, or a rename in a folder, outlive a power cut; only POSIX lets a folder be opened for it."""
    if os.name != "posix" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
