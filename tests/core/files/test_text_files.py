"""One decoder for every text file that people give: the same text whatever its coding, or one clear line."""

from __future__ import annotations

import gzip
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from relsearch.core.errors import ConfigError, DataError, RelsearchError
from relsearch.core.files.text_files import csv_rows, lines, write_text
from relsearch.core.settings.load import load_config
from relsearch.core.types import SCALES
from relsearch.data.collection import load_collection
from relsearch.data.query_log import read_query_log
from relsearch.data.trec import read_qrels, read_run, read_topics
from relsearch.index.engine.fetching import body_from
from relsearch.judge.models.prompt import load_prompt
from relsearch.labels.csv_form import read_csv
from relsearch.live.gateway.config import load_gateway_config
from relsearch.synthesis.writer.prompt import load_writer_prompt

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Read = Callable[[Path], object]
# What each reader reads, and what of it must stay the same.
READERS: dict[str, tuple[str, str, Read]] = {
    "run": ("run.trec", "q1 Q0 dé 1 2.0 t\nq1 Q0 e 2 1.0 t\n", lambda path: read_run(path).rows()),
    "qrels": ("qrels.tsv", "q1 0 dé 1\nq1 0 e 2\n", lambda path: read_qrels(path, None).rows()),
    "topics": ("topics.tsv", "q1\tthé\nq2\tsea\n", read_topics),
    "corpus": (
        "corpus.jsonl",
        '{"_id": "dé", "text": "a"}\n',
        lambda path: [*load_collection(f"{path.parent}").documents()],
    ),
    "queries": (
        "queries.jsonl",
        '{"_id": "dé", "text": "a"}\n',
        lambda path: load_collection(f"{path.parent}").queries(),
    ),
    "log": ("log.csv", "query,count\nthé,2\n", read_query_log),
    "sheet": (
        "review.csv",
        "query_id,doc_id,grade\nq,dé,1\n",
        lambda path: read_csv(path, SCALES["0-3"]).labels.rows(),
    ),
    "config": ("relsearch.toml", '[collection]\nsource = "thé"\n', load_config),
    "gateway": ("gateway.toml", '[index."thé"]\nwindow = 3\n', load_gateway_config),
    "prompt": ("own.toml", 'text = "é {query} {document}"\n', lambda path: load_prompt(str(path))),
    "writer": (
        "own.toml",
        'instruction = "é"\nshot = "{document} {query}"\nshots = [{ document = "d", query = "q" }]\n',
        lambda path: load_writer_prompt(str(path)),
    ),
    "body": ("body.json", '{"query": {"match": {"thé": "{{query}}"}}}', lambda path: body_from(path)("tea")),
}
CODINGS: dict[str, Callable[[str], bytes]] = {
    "a byte-order mark": lambda text: text.encode("utf-8-sig"),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "gzip": lambda text: gzip.compress(text.encode()),
    "zstd": lambda text: zstd.compress(text.encode()),
    "gzip with a byte-order mark and CRLF": lambda text: gzip.compress(text.replace("\n", "\r\n").encode("utf-8-sig")),
}
NO_TEXT: dict[str, tuple[Callable[[str], bytes], str]] = {
    "UTF-16": (lambda text: text.encode("utf-16"), "UTF-16, not UTF-8; convert it: iconv -f UTF-16"),
    "UTF-16 without a mark": (lambda text: text.encode("utf-16-le"), ":1: a NUL character"),
    "Latin-1": (lambda text: text.encode("latin-1"), ": not UTF-8; save it as UTF-8"),
    "cut gzip": (lambda text: gzip.compress(text.encode())[:-9], "broken or cut gzip"),
    "cut zstd": (lambda text: zstd.compress(text.encode())[:-4], "broken or cut gzip or zstd"),
    "broken gzip": (lambda text: gzip.compress(text.encode())[:-8] + b"12345678", "broken or cut gzip"),
    "gzip's first bytes": (lambda text: b"\x1f\x8b", "broken or cut gzip"),
}


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("reader", READERS)
def test_the_coding_changes_nothing(tmp_path: Path, reader: str, coding: str) -> None:
    """Marks, line ends and gzip, whatever the file's name says."""
    name, text, read = READERS[reader]
    (tmp_path / name).write_text(text, encoding="utf-8")
    plain = read(tmp_path / name)
    (tmp_path / name).write_bytes(CODINGS[coding](text))
    assert read(tmp_path / name) == plain


@pytest.mark.parametrize("kind", NO_TEXT)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_utf8_text_is_one_line(tmp_path: Path, reader: str, kind: str) -> None:
    """With the file, and the line where it is known."""
    name, text, read = READERS[reader]
    code, message = NO_TEXT[kind]
    (tmp_path / name).write_bytes(code(text))
    with pytest.raises(RelsearchError) as caught:
        read(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}:")
    assert message in str(caught.value)


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_is_one_line(tmp_path: Path, reader: str) -> None:
    """A folder, nothing, a name that is too long."""
    name, _, read = READERS[reader]
    with pytest.raises(RelsearchError, match=r"cannot be read|has no"):
        read(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(RelsearchError, match=r"cannot be read \(Is a directory\)"):
        read(tmp_path / name)
    with pytest.raises(RelsearchError, match=r"File name too long"):
        read(tmp_path / ("x" * 300) / name)


def test_the_line_of_a_wrong_byte_is_named(tmp_path: Path) -> None:
    """However far down it stands."""
    (tmp_path / "file").write_bytes(b"good\n" * 9_999 + b"caf\xe9\n" + b"good\n" * 9)
    with pytest.raises(DataError, match="file:10000: not UTF-8"):
        list(lines(tmp_path / "file"))


def test_only_line_ends_end_lines(tmp_path: Path) -> None:
    """Neither what Unicode calls a line separator nor a form feed does."""
    (tmp_path / "file").write_text("a\u2028b\x0c\x1c\x85c\rd\r\ne\n", encoding="utf-8", newline="")
    assert [line for _, line in lines(tmp_path / "file")] == ["a\u2028b\x0c\x1c\x85c", "d", "e"]


def test_a_pipe_is_read(tmp_path: Path) -> None:
    """As a shell's <(...) gives one, which cannot be read twice."""
    os.mkfifo(tmp_path / "pipe")
    writing = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(gzip.compress(b"q 0 d 1\n")))
    writing.start()
    assert read_qrels(tmp_path / "pipe", None).height == 1
    writing.join()


def test_cells_are_as_long_as_they_are(tmp_path: Path) -> None:
    """A pasted document is a cell; one whose quote is never closed is named by the line that it begins in."""
    (tmp_path / "log.csv").write_text(f"query\ntea\n{'x' * 140_000}\n", encoding="utf-8")
    assert read_query_log(tmp_path / "log.csv").dropped == {"too long": 1}
    (tmp_path / "log.csv").write_text('query\ntea\n"green\nblack\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"log\.csv:3: not CSV: .*; are its quotes closed\?"):
        read_query_log(tmp_path / "log.csv")


def test_rows_are_numbered_by_their_first_line(tmp_path: Path) -> None:
    """Blank ones are left out and counted."""
    (tmp_path / "file").write_text('a;b\n\n"1\n2";3\n;\n4;5\n', encoding="utf-8")
    assert list(csv_rows(tmp_path / "file", ",;")) == [(1, ["a", "b"]), (3, ["1\n2", "3"]), (6, ["4", "5"])]


def test_a_name_in_gz_is_written_so(tmp_path: Path) -> None:
    """The same text gives the same bytes, whenever it is written."""
    write_text(tmp_path / "a.gz", "thé\n")
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()).decode() == "thé\n"
    first = (tmp_path / "a.gz").read_bytes()
    write_text(tmp_path / "a.gz", "thé\n")
    assert (tmp_path / "a.gz").read_bytes() == first
    with pytest.raises(DataError, match=r"x: cannot be written"):
        write_text(tmp_path / "a.gz" / "x", "")


def test_settings_are_refused_as_settings(tmp_path: Path) -> None:
    """A TOML file that cannot be read is a ConfigError, with what to do."""
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read .*; write one or leave --config out"):
        load_gateway_config(tmp_path / "absent.toml")
    (tmp_path / "deep.toml").write_text(f"a = {'[' * 5000}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"deep\.toml: not valid TOML: nested too deeply"):
        load_config(tmp_path / "deep.toml")
