"""Workers on a Ray cluster: actors of Ray Data that each hold what they opened, a model for example.

One table is one row and one task. Ray runs the tasks of a lost worker or machine again on the others, so that each
table is answered once. Actors go where `cpus` and `gpus` are free, as many as there is room for.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from relsearch.core.errors import ConfigError, RelsearchError
from relsearch.core.extras import check_packages
from relsearch.core.protocols import Opening
from relsearch.core.settings.config import RunConfig

if TYPE_CHECKING:
    import pyarrow as pa

CORES_VARIABLE = "RELSEARCH_CORES"  # how many threads relsearch.runtime.engine takes
_HERE = "local"  # Ray's name for this machine alone
_TABLE, _FAILED = "relsearch_table", "relsearch_error"
_ANSWER_S = 10.0  # that a cluster's machine may take to accept a connection; Ray itself tries for many minutes


@dataclass(frozen=True, slots=True)
class RayWorkers:
    """Actors with so many cores and GPUs each."""

    cpus: float
    gpus: float

    def map(self, opening: Opening, tables: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Yield what the opened work returns for each table, in any order.

        All tables are put into Ray's object store first, which spills to disk where they do not fit. Raise
        RelsearchError with the message of one that was raised on a worker, and ConfigError where this machine, with no
        cluster, has no room for a worker.
        """
        with redirect_stdout(sys.stderr), _connected() as ours:  # stdout is for results, and Ray reports losses on it
            import ray

            check_room([node["Resources"] for node in ray.nodes() if node["Alive"]], self, may_grow=not ours)
            yield from self._answers(opening, tables)

    def _answers(self, opening: Opening, tables: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        import ray.data

        blocks: list[Any] = [ray.put(_row(table)) for table in tables]
        if not blocks:
            return
        # With a fixed number of actors, those of a lost machine would be waited for; of 1 or more, the others go on.
        pool = ray.data.ActorPoolStrategy(min_size=1, max_size=len(blocks))
        results = ray.data.from_arrow_refs(blocks).map_batches(
            _Worker,
            fn_constructor_args=(opening, str(Path.cwd()), max(1, int(self.cpus))),
            batch_size=1,  # a table; without a number Ray Data gives workers no GPU
            batch_format="pyarrow",
            compute=pool,
            num_cpus=self.cpus,
            num_gpus=self.gpus,
        )
        batch: Any
        for batch in results.iter_batches(batch_size=None, batch_format="pyarrow"):
            if _FAILED in batch.column_names:
                raise RelsearchError(f"{batch[_FAILED][0].as_py()} (on a Ray worker)")
            yield _polars(batch)


def workers_of(run: RunConfig) -> RayWorkers | None:
    """Return the workers that `[run]` asks for, None for this process.

    Raise MissingExtraError without Ray, and ConfigError where nothing answers at RAY_ADDRESS.
    """
    if run.on == "here":
        return None
    check_packages("--on ray", "ray", ("ray", "pyarrow"))
    _address()
    return RayWorkers(run.worker_cpus, run.worker_gpus)


def check_room(machines: Sequence[Mapping[str, float]], workers: RayWorkers, *, may_grow: bool) -> None:
    """Raise ConfigError where no machine can hold a worker, given Ray's resources of each.

    Of a cluster that may grow, say it in a warning: its machines may come when they are asked for.
    """
    if any(each.get("CPU", 0) >= workers.cpus and each.get("GPU", 0) >= workers.gpus for each in machines):
        return
    unfit = (
        f"--on ray: a worker with --worker-cpus {workers.cpus:g} and --worker-gpus {workers.gpus:g} fits on no machine"
    )
    if not may_grow:
        has = f"cores: {machines[0].get('CPU', 0):g}, GPUs: {machines[0].get('GPU', 0):g}"
        raise ConfigError(f"{unfit} here ({has}); ask for less, or set RAY_ADDRESS to a cluster")
    logging.getLogger(__name__).warning("%s of the cluster; waiting for one that has room", unfit)


@contextmanager
def _connected() -> Iterator[bool]:
    """Be in the cluster of RAY_ADDRESS or, without it, in a new one on this machine; yield whether it is that one.

    A process that is in a cluster already stays in it. Raise ConfigError where no cluster is at that address.
    """
    import ray

    if ray.is_initialized():
        yield False
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = _address()
    try:
        # What workers print would come on stdout, late; it stands in Ray's logs.
        ray.init(address=address, logging_level=logging.WARNING, log_to_driver=False)
    except (OSError, ValueError) as exc:
        if address == _HERE:
            raise
        raise _no_cluster(address, exc) from exc
    try:
        yield address == _HERE
    finally:
        ray.shutdown()  # which prints what Ray has kept back


def _address() -> str:
    """Where the cluster is; raise ConfigError where nothing accepts connections at a HOST:PORT."""
    address = os.environ.get("RAY_ADDRESS", _HERE)
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_S).close()
        except (OSError, ValueError) as exc:
            raise _no_cluster(address, exc) from exc
    return address


def _no_cluster(address: str, exc: Exception) -> ConfigError:
    return ConfigError(
        f"RAY_ADDRESS {address!r}: no Ray cluster answers there ({str(exc).partition(chr(10))[0]}); give the "
        "HOST:PORT of its head, or unset RAY_ADDRESS to work on this machine alone"
    )


class _Worker:
    """An actor: opens the work once, in the folder of the process that asks if it is there."""

    def __init__(self, opening: Opening, folder: str, cores: int) -> None:
        os.environ[CORES_VARIABLE] = str(cores)
        with suppress(OSError):
            os.chdir(folder)
        self._failed = ""
        try:
            self._work = opening()
        except RelsearchError as exc:
            self._failed = str(exc)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Return the answer to the table in a row; the message of a RelsearchError in place of it."""
        if self._failed:
            return _arrow(pl.DataFrame({_FAILED: [self._failed]}))
        try:
            return _arrow(self._work(pl.read_ipc(batch[_TABLE][0].as_py())))
        except RelsearchError as exc:
            return _arrow(pl.DataFrame({_FAILED: [str(exc)]}))


def _row(table: pl.DataFrame) -> pa.Table:
    """A table as one row, which Ray Data neither splits nor joins to others."""
    stream = BytesIO()
    table.write_ipc(stream)
    return _arrow(pl.DataFrame({_TABLE: [stream.getvalue()]}))


def _arrow(table: pl.DataFrame) -> pa.Table:
    return table.to_arrow(compat_level=pl.CompatLevel.oldest())


def _polars(table: Any) -> pl.DataFrame:
    found = pl.from_arrow(table)
    return found if isinstance(found, pl.DataFrame) else found.to_frame()
