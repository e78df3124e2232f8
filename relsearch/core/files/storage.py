"""Folders of files on this machine or in object storage, by a path or a URI such as s3://bucket/folder.

pyarrow reaches them: S3 by the AWS_* variables of the environment (AWS_ENDPOINT_URL names another server, MinIO for
example), Google's by its default credentials, Azure's by a credential that the environment holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import polars as pl

from relsearch.core.errors import ConfigError, DataError, reason
from relsearch.core.files.atomic import replace_bytes

JSON_LINES = (".jsonl", ".jsonl.gz")
PARQUET = ".parquet"
_LONGEST_LINE = 2**26  # bytes of a JSON line, and of what is parsed at a time
_ROWS = 4096  # that are read at a time
_NO_JSON = "Empty JSON stream"  # pyarrow of a file without a line
_BAD_JSON = "JSON parse error"


@dataclass(frozen=True, slots=True)
class Storage:
    """A folder, or one file, that `open_storage` found; names of files are relative to it."""

    uri: str
    system: Any
    root: str

    def names(self, *endings: str) -> list[str]:
        """Return the sorted names of files that end so, in all folders below; what begins with . or _ is left out.

        A file has one name, "". Where nothing stands, there is none.
        """
        from pyarrow import fs

        with self._naming():
            if self.system.get_file_info(self.root).type == fs.FileType.File:
                return [""]
            found = self.system.get_file_info(fs.FileSelector(self.root, allow_not_found=True, recursive=True))
        files = (each.path.removeprefix(self.root).lstrip("/") for each in found if each.type == fs.FileType.File)
        shown = (name for name in files if not any(part.startswith((".", "_")) for part in name.split("/")))
        return sorted(name for name in shown if name.endswith(endings))

    def at(self, name: str) -> str:
        """Return where a file stands, as users write it."""
        return f"{self.uri.rstrip('/')}/{name}" if name else self.uri

    def rows(self, name: str, schema: Mapping[str, Any]) -> Iterator[pl.DataFrame]:
        """Yield the columns of `schema` of a Parquet or JSON Lines file, some thousand rows at a time.

        JSON is parsed as strings; a file of no bytes has no rows. Raise DataError where the file cannot be read or
        Parquet lacks a column; what a line of JSON lacks is null.
        """
        import pyarrow as pa
        from pyarrow import dataset, json

        with self._naming(name):
            if self.at(name).endswith(JSON_LINES):
                form = dataset.JsonFileFormat(read_options=json.ReadOptions(block_size=_LONGEST_LINE))
                columns = pa.schema([(column, pa.string()) for column in schema])
                table = dataset.dataset(self._path(name), filesystem=self.system, format=form, schema=columns)
            else:
                table = dataset.dataset(self._path(name), filesystem=self.system, format="parquet")
            if missing := [column for column in schema if column not in table.schema.names]:
                raise DataError(f"{self.at(name)}: no column {missing[0]!r}; it has {', '.join(table.schema.names)}")
            # One after the other: what is read ahead of the judge stands in memory.
            batches = table.to_batches(columns=[*schema], batch_size=_ROWS, batch_readahead=1, fragment_readahead=1)
            try:
                for batch in batches:
                    self._check_utf8(name, batch)
                    yield _polars(batch)
            except pa.ArrowInvalid as exc:
                if _NO_JSON not in str(exc):
                    raise

    def table(self, name: str) -> pl.DataFrame | None:
        """Return a Parquet file that fits into memory, None where there is none; raise DataError if it is broken."""
        with self._naming(name):
            try:
                with self.system.open_input_stream(self._path(name)) as stream:
                    data = stream.read()
            except FileNotFoundError:
                return None
            try:
                return pl.read_parquet(BytesIO(data))
            except pl.exceptions.PolarsError as exc:
                raise DataError(f"{self.at(name)}: damaged; delete it, and it is made again") from exc

    def write(self, name: str, table: pl.DataFrame) -> None:
        """Write a Parquet file that fits into memory; it is there as a whole or not at all."""
        from pyarrow import fs

        stream = BytesIO()
        table.write_parquet(stream, compression="zstd")
        with self._naming(name):
            if isinstance(self.system, fs.LocalFileSystem):
                replace_bytes(Path(self._path(name)), stream.getvalue())
            else:  # an object is there once all of it has come
                with self.system.open_output_stream(self._path(name)) as out:
                    out.write(stream.getvalue())

    def check_writable(self) -> None:
        """Raise DataError where no file can be written, so that it shows before any work."""
        name = f"_{uuid4().hex}.partial"
        try:
            self.write(name, pl.DataFrame())
        except DataError as exc:
            said = reason(exc.__cause__ or exc)
            raise DataError(f"{self.uri}: cannot be written to ({said}); name another folder") from exc
        with suppress(DataError):  # who may write need not be let remove
            self.remove(name)

    def remove(self, name: str) -> None:
        """Remove a file."""
        with self._naming(name):
            self.system.delete_file(self._path(name))

    def _check_utf8(self, name: str, batch: Any) -> None:
        """Raise DataError where a text is not UTF-8, which polars relies on."""
        from pyarrow import ArrowInvalid

        try:
            batch.validate(full=True)
        except ArrowInvalid as exc:
            raise DataError(f"{self.at(name)}: holds text that is not UTF-8; write the file anew as UTF-8") from exc

    def _path(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}" if name else self.root

    @contextmanager
    def _naming(self, name: str = "") -> Iterator[None]:
        """Raise DataError, which names the file, for what the system or pyarrow refuse."""
        from pyarrow import ArrowException

        try:
            yield
        except (OSError, ArrowException) as exc:
            said = reason(exc).rpartition(f"'{self._path(name)}': ")[2].removeprefix("Invalid: ")
            advice = "; write a JSON object on each line, with strings as values" if _BAD_JSON in said else ""
            raise DataError(f"{self.at(name)}: {said}{advice}") from exc


def is_storage(name: str) -> bool:
    """Whether a name is a URI, a folder here, or that of a Parquet or JSON Lines file."""
    return "://" in name or Path(name).is_dir() or name.endswith((PARQUET, *JSON_LINES))


def open_storage(name: str) -> Storage:
    """Return the folder or file of a path or URI, whether it is there or not.

    Raise ConfigError for a URI of another kind than pyarrow knows, and for one that holds a password.
    """
    from pyarrow import ArrowException, fs

    if "://" not in name:
        return Storage(name, fs.LocalFileSystem(), Path(name).absolute().as_posix())
    try:
        if urlsplit(name).password is not None:  # which is not shown
            raise ConfigError(
                "a URI with a password: leave it out, and set it in the environment, AWS_SECRET_ACCESS_KEY for example"
            )
        system, root = fs.FileSystem.from_uri(name)
    except (OSError, ValueError, ArrowException) as exc:  # ValueError: no URI
        raise ConfigError(f"{name}: {reason(exc)}; write s3://BUCKET/FOLDER, gs://, abfs:// or file:///FOLDER") from exc
    return Storage(name, system, root)


def _polars(table: Any) -> pl.DataFrame:
    found = pl.from_arrow(table)
    return found if isinstance(found, pl.DataFrame) else found.to_frame()
