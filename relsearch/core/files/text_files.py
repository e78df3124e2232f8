"""Text files that people give: UTF-8, with a byte-order mark or without, plain, .gz or .zst, whatever ends their lines.

All are read here, so that a file that is none of this is one clear line wherever it is given.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import sys
import tomllib
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.resources import as_file
from importlib.resources.abc import Traversable
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast

from relsearch.core.errors import ConfigError, DataError, reason
from relsearch.core.files.atomic import replace_bytes
from relsearch.core.types import StrPath

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
# What `surrogateescape` makes of bytes that are not UTF-8; a text that is has none of these.
_NOT_UTF8 = re.compile(r"[\udc80-\udcff]")
_CHECK_PATH = "check the path"
_LONGEST_CELL = 2**31 - 1  # characters
_BLOCK_BYTES = 2**24


def fail(path: StrPath, number: int, fault: str) -> NoReturn:
    """Raise DataError for a line of a file."""
    raise DataError(f"{path}:{number}: {fault}")


def lines(path: StrPath) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines that are not blank, without their ends; raise DataError where the file is no text."""
    for number, line in _numbered(path, newline=None):
        if line.strip():
            yield number, line.rstrip("\n")


def read_text(path: StrPath, advice: str = _CHECK_PATH) -> str:
    """Return a whole text with newlines for line ends; raise DataError, which ends in `advice` where nothing is there.

    For files that fit into memory.
    """
    return "".join(line for _, line in _numbered(path, newline=None, advice=advice))


def read_toml(path: StrPath, advice: str = _CHECK_PATH) -> dict[str, Any]:
    """Return a TOML file's keys; raise ConfigError where it cannot be read, which then ends in `advice`."""
    try:
        return tomllib.loads(read_text(path, advice))
    except DataError as exc:
        raise ConfigError(str(exc)) from exc
    except (ValueError, RecursionError) as exc:  # no TOML, a number of too many digits, nested too deeply
        raise ConfigError(f"{path}: not valid TOML: {reason(exc)}") from exc


def prompt_toml(name: str, folder: Traversable) -> dict[str, Any]:
    """Return the keys of a prompt: of one of the folder's by its name, or of any by its path, which ends in .toml."""
    names = sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))
    advice = f"name a .toml file, or one of: {', '.join(names)}"
    if name in names:
        with as_file(folder / f"{name}.toml") as path:
            return read_toml(path, advice)
    if name.endswith(".toml"):
        return read_toml(Path(name), advice)
    raise ConfigError(f"{name!r}: no such prompt; {advice}")


def parse_json(text: str) -> Any:
    """Return a JSON value; raise ValueError, whose message is one line, where the text is none."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as exc:
        line = f"line {exc.lineno}, " if exc.lineno > 1 else ""
        raise ValueError(f"not JSON: {exc.msg} at {line}column {exc.colno}") from exc
    except (ValueError, RecursionError) as exc:
        raise ValueError(f"not JSON that can be read: {reason(exc)}") from exc


def json_lines(path: StrPath, expected: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the numbered JSON objects of a file of one a line; `expected` ends the error about another value."""
    for number, line in lines(path):
        try:
            row = parse_json(line)
        except ValueError as exc:
            fail(path, number, str(exc))
        if not isinstance(row, dict):
            fail(path, number, f"a {type(row).__name__}, expected {expected}")
        yield number, row


def csv_rows(path: StrPath, delimiters: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, each with the number of its first line.

    Cells are split at the first of the delimiters that stands in the first line. Raise DataError for a row whose
    quotes do not match, and so for one that is never closed, which would take the rest of the file for its cell.
    """
    csv.field_size_limit(_LONGEST_CELL)  # of the whole process; Python's own, 131,072, is less than a pasted document
    texts = (line for _, line in _numbered(path, newline=""))
    first = next(texts, "")
    delimiter = next((sign for sign in delimiters if sign in first), delimiters[0])
    reader = csv.reader(chain([first], texts), delimiter=delimiter, strict=True)
    number = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield number, cells
            number = reader.line_num + 1
    except csv.Error as exc:
        fail(path, number, f"not CSV: {exc}; are its quotes closed?")


def write_text(path: StrPath, text: str) -> None:
    """Write a text so that it is whole or absent, gzipped where the name ends in .gz; equal texts give equal files."""
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise DataError(f"{path}: cannot be written: half a surrogate pair is no UTF-8") from exc
    target = Path(path)
    try:
        replace_bytes(target, gzip.compress(data, mtime=0) if target.suffix == ".gz" else data)
    except OSError as exc:
        raise cannot_be_written(path, exc) from exc


def cannot_be_written(path: StrPath, exc: OSError) -> DataError:
    """Return the error for a file that the system does not let be written."""
    return DataError(f"{path}: cannot be written ({reason(exc)}); name a place that is there, yours, and has room")


def encodable(text: str) -> str:
    """Return the text with lone surrogates, which JSON can carry and UTF-8 cannot, as question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def line_blocks(path: StrPath) -> Iterator[tuple[int, bytes]]:
    """Yield blocks of whole lines, some MB each, with the number of their first line; `block_lines` reads one.

    Line ends are newlines. Raise DataError where the file cannot be read; what is no text is left to `block_lines`.
    """
    number = 1
    with _readable(path, _CHECK_PATH) as stream:
        while block := stream.read(_BLOCK_BYTES) + stream.readline():
            if number == 1:
                block = block.removeprefix(codecs.BOM_UTF8)
            if b"\r" in block:
                block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            yield number, block
            number += block.count(b"\n")


def block_lines(path: StrPath, first: int, block: bytes) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines of a block that `line_blocks` yields; raise DataError for one that no text has."""
    return checked_lines(path, first, io.StringIO(block.decode("utf-8", "surrogateescape")))


def checked_lines(path: StrPath, first: int, text: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers, from `first` on; raise DataError for one that no UTF-8 text has."""
    for number, line in enumerate(text, first):
        if "\0" in line:
            fail(path, number, "a NUL character, as UTF-16 and binary files have; give a UTF-8 text file")
        if not line.isascii() and _NOT_UTF8.search(line):
            fail(path, number, "not UTF-8; save it as UTF-8 (spreadsheets: as CSV UTF-8), or convert it with iconv")
        yield number, line


def _numbered(path: StrPath, *, newline: str | None, advice: str = _CHECK_PATH) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines with their ends, as they stand there if `newline` is empty."""
    with _text(path, newline=newline, advice=advice) as text:
        yield from checked_lines(path, 1, text)


@contextmanager
def _text(path: StrPath, *, newline: str | None, advice: str) -> Iterator[io.TextIOWrapper]:
    with _readable(path, advice) as stream:
        yield io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline=newline)


@contextmanager
def _readable(path: StrPath, advice: str) -> Iterator[BinaryIO]:
    """Yield a file's bytes, unpacked from gzip or zstd whatever its name; raise DataError where that fails."""
    try:
        with Path(path).open("rb") as raw:
            start = raw.peek(4)
            if start.startswith(_GZIP):
                with gzip.open(raw) as packed:
                    yield _checked(path, cast(BinaryIO, packed))
            elif start.startswith(_ZSTD):
                with zstd.open(raw) as packed:
                    yield _checked(path, cast(BinaryIO, packed))
            else:
                yield _checked(path, raw)
    except (EOFError, gzip.BadGzipFile, zlib.error, zstd.ZstdError) as exc:
        raise DataError(f"{path}: broken or cut gzip or zstd ({reason(exc)}); copy or make it again") from exc
    except (OSError, ValueError) as exc:  # ValueError: a path that holds a NUL
        raise DataError(f"{path}: cannot be read ({reason(exc)}); {advice}") from exc


def _checked(path: StrPath, stream: Any) -> BinaryIO:
    """The stream, unless it begins as UTF-16 does."""
    if stream.peek(2)[:2] in _UTF16:
        raise DataError(f"{path}: UTF-16, not UTF-8; convert it: iconv -f UTF-16 -t UTF-8")
    return cast(BinaryIO, stream)
