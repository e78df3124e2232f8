"""Odd inputs: bytes, texts and ids that people's files hold by accident, as strategies for property tests."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import UnsatisfiedAssumption

from relsearch.core.errors import RelsearchError

# How many inputs a test tries: 12, or 60 under --hypothesis-profile=thorough; a benchmark reads what came of more.
INPUTS = int(os.environ.get("RELSEARCH_ODD_INPUTS", 0.6 * settings().max_examples))
TALLY = Counter({"tried": 0, "tracebacks": 0, "files_changed": 0})
_SIGNS = (
    *("", " ", "\t", "\n", "\r", "\r\n", "\x00", "\x0b", "\x1c", "\x1f", "\x7f", "\x85", "\xa0", "\u2028", "\ufeff"),
    *("'", '"', '""', "\\", ",", ";", "#", "=1+1", "{", "}", "[", "]", "{}", "null", "true", "<top>", "*", "../x"),
    *("nan", "inf", "-inf", "1e999", "1_0", "0x10", "-1", "1.5", "9" * 25, "²", "١", "٣.٥", "é", "😀"),
    *('"\\ud800"', "\\u0000", "= 1", "[[a]]", "query-id\tcorpus-id\tscore", "_id", "doc_id"),
)
# By a short name, since hypothesis shows what it draws from.
_LONG = {"deep": "[" * 2000, "digits": "9" * 5000, "cell": "x" * 140_000}
NASTY = st.sampled_from(_SIGNS) | st.sampled_from([*_LONG]).map(_LONG.__getitem__)


class FileChangedError(AssertionError):
    """A file that was there before is another now, or gone."""


def odd(
    *strategies: st.SearchStrategy[Any], share: float = 1, **named: st.SearchStrategy[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that runs a test on `share` of INPUTS drawn inputs, and counts them in TALLY."""
    limits = settings(
        max_examples=max(2, round(share * INPUTS)),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    return lambda test: limits(given(*strategies, **named)(_counted(test)))


def _counted(test: Callable[..., None]) -> Callable[..., None]:
    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            test(*args, **kwargs)
        except UnsatisfiedAssumption:  # hypothesis draws again
            raise
        except Exception as exc:
            TALLY["files_changed" if isinstance(exc, FileChangedError) else "tracebacks"] += 1
            TALLY["tried"] += 1
            raise
        TALLY["tried"] += 1

    return run


def contents(folder: Path) -> dict[Path, bytes]:
    """Every file below a folder, by its path."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def check_unchanged(before: dict[Path, bytes]) -> None:
    """Raise FileChangedError where a file does not hold what it held."""
    for path, data in before.items():
        if not path.is_file() or path.read_bytes() != data:
            raise FileChangedError(f"{path} {'changed' if path.exists() else 'is gone'}")


def answers(call: Callable[[], object], folder: Path | None = None) -> bool:
    """Whether a call gives a result; False where it raises one of our errors, whose message is one line.

    Either way the folder's files are what they were.
    """
    before = contents(folder) if folder else {}
    try:
        call()
    except RelsearchError as exc:
        if len(str(exc).splitlines()) != 1:
            raise AssertionError(f"not one line: {exc!r}") from exc
        return False
    finally:
        check_unchanged(before)
    return True


def odd_ids() -> st.SearchStrategy[str]:
    """Ids of any sign that Python can hold, and those that files most often trip over."""
    return st.text(max_size=6) | st.text(st.characters(), max_size=4) | NASTY | _lone_surrogates()


def odd_bytes(valid: bytes) -> st.SearchStrategy[bytes]:
    """Random bytes, and the valid ones with some changed, lost, doubled, in another encoding, or packed."""
    changed = st.lists(_edits(len(valid)), min_size=1, max_size=4).map(lambda edits: _edited(valid, edits))
    return (
        st.binary(max_size=200) | changed | st.tuples(st.just(valid) | changed, st.sampled_from(_CODINGS)).map(_coded)
    )


def odd_text(valid: str) -> st.SearchStrategy[bytes]:
    """The valid text with something nasty in place of one of its pieces, or in between, as UTF-8."""
    places = st.tuples(st.integers(0, len(valid)), st.integers(0, 8), NASTY)
    return st.lists(places, min_size=1, max_size=3).map(partial(_replaced, valid))


def odd_files(valid: str) -> st.SearchStrategy[bytes]:
    """Both kinds."""
    return odd_text(valid) | odd_bytes(valid.encode())


def _lone_surrogates() -> st.SearchStrategy[str]:
    return st.text(st.characters(categories=["Cs", "Ll", "Zs", "Cc", "Cf"]), min_size=1, max_size=3)


def _edits(size: int) -> st.SearchStrategy[tuple[int, int, bytes]]:
    pieces = st.binary(max_size=4) | NASTY.map(lambda text: text.encode("utf-8", "surrogatepass"))
    return st.tuples(st.integers(0, size), st.integers(0, 12), pieces)


def _edited(valid: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for start, length, piece in edits:
        valid = valid[:start] + piece + valid[start + length :]
    return valid


def _replaced(valid: str, places: list[tuple[int, int, str]]) -> bytes:
    for start, length, piece in places:
        valid = valid[:start] + piece + valid[start + length :]
    return valid.encode("utf-8", "surrogatepass")


def _coded(given: tuple[bytes, Callable[[bytes], bytes]]) -> bytes:
    data, code = given
    return code(data)


def _as(encoding: str) -> Callable[[bytes], bytes]:
    return lambda data: data.decode("utf-8", "replace").encode(encoding, "replace")


_CODINGS: tuple[Callable[[bytes], bytes], ...] = (
    *map(_as, ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "utf-7"]),
    lambda data: data.replace(b"\n", b"\r\n"),
    lambda data: data.replace(b"\n", b"\r"),
    lambda data: data * 2,
    lambda data: gzip.compress(data),
    lambda data: gzip.compress(data)[:-5],
    lambda data: gzip.compress(data)[:12],
    lambda data: gzip.compress(data)[:-8] + b"\x00" * 8,
    lambda data: gzip.compress(data) + b"garbage",
    lambda data: b"\x1f\x8b" + data,
    lambda data: b"PK\x03\x04" + data,
)
