"""Folders here and in object storage, by paths and URIs."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from relsearch.core.errors import ConfigError, DataError
from relsearch.core.files.storage import Storage, is_storage, open_storage

pytest.importorskip("pyarrow", reason="pip install 'relsearch[ray]'")
TABLE = pl.DataFrame({"n": [1, 2]})


def _objects() -> Storage:
    """Objects in memory, which are there once they are written to the end."""
    from fsspec.implementations.memory import MemoryFileSystem
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    return Storage("memory://bucket", PyFileSystem(FSSpecHandler(MemoryFileSystem())), "/bucket")


def _folder(folder: Path) -> Storage:
    return open_storage(str(folder / "folder"))


@pytest.mark.parametrize("objects", [True, False])
def test_what_is_written_is_listed_read_and_removed(tmp_path: Path, objects: bool) -> None:
    """In a folder here and among objects alike; hidden files and those of another ending are left out."""
    storage = _objects() if objects else _folder(tmp_path)
    assert storage.names(".parquet") == []
    for name in ("b.parquet", "a/c.parquet", "_d.parquet", "a/.e/f.parquet", "g.parquet.crc"):
        storage.write(name, TABLE)
    assert storage.names(".parquet") == ["a/c.parquet", "b.parquet"]
    found = storage.table("b.parquet")
    assert found is not None
    assert found.equals(TABLE)
    storage.remove("b.parquet")
    assert storage.table("b.parquet") is None


def test_a_uri_and_a_path_lead_to_the_same_place(tmp_path: Path) -> None:
    """A file's own name is empty."""
    _folder(tmp_path).write("a.parquet", TABLE)
    for name in (str(tmp_path), tmp_path.as_uri()):
        assert is_storage(name)
        assert open_storage(name).names(".parquet") == ["folder/a.parquet"]
    file = open_storage((tmp_path / "folder" / "a.parquet").as_uri())
    assert pl.concat(file.rows(file.names(".parquet")[0], {"n": pl.Int64})).equals(TABLE)
    assert is_storage(str(tmp_path / "folder" / "a.parquet"))
    assert not is_storage(str(tmp_path / "run.trec"))


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("s3://key:secret@bucket/a", "^a URI with a password: "),
        ("xx://a/b", "^xx://a/b: Unrecognized"),
        ("s3://[a", "Invalid"),
    ],
)
def test_a_uri_that_cannot_be_used_is_refused(uri: str, said: str) -> None:
    """A password in it is not repeated."""
    with pytest.raises(ConfigError, match=said) as error:
        open_storage(uri)
    assert "secret" not in str(error.value)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    """Whether it is read at once or bit by bit."""
    storage = _folder(tmp_path)
    storage.write("a.parquet", TABLE)
    (tmp_path / "folder" / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"folder/a\.parquet: damaged"):
        storage.table("a.parquet")
    with pytest.raises(DataError, match=r"folder/a\.parquet: "):
        list(storage.rows("a.parquet", {"n": pl.Int64}))
