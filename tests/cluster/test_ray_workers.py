"""Work on a real Ray cluster of two raylets: the results of one machine, also where a machine is lost."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from relsearch.cluster.ray_workers import RayWorkers, check_room, workers_of
from relsearch.core.errors import ConfigError, DataError, RelsearchError
from relsearch.core.protocols import Work
from relsearch.core.query_pool import QueryPool, pools_of_run
from relsearch.core.settings.config import CollectionConfig, Config, LabelConfig, RunConfig
from relsearch.data.collection import load_collection, texts_of
from relsearch.data.trec import read_run
from relsearch.judge.registry import open_judge
from relsearch.judge.store.judgment_parts import Parts
from relsearch.judge.store.judgment_store import judge_all
from relsearch.judge.store.missing import on_workers

# Ray warns of its own settings.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")]


def _pools(collection: Path) -> list[QueryPool]:
    first = read_run(collection / "run.trec").sort("query_id", "rank")
    return list(pools_of_run(first, *texts_of(first, load_collection(collection), "{text}")))


def _judged(pools: list[QueryPool], store: Path, on: RunConfig) -> pl.DataFrame:
    """The labels of the pools by the ready judge, in batches of 6 pairs."""
    config = Config(collection=CollectionConfig(source="demo"), label=LabelConfig(judge="ready"))
    judge = on_workers(partial(open_judge, config, keep=store / "vectors"), workers_of(on))
    return judge_all(judge, pools, store, part_pairs=6)


def _slow_square(come: Path) -> Work:
    """Begin once two workers have come, each with a file."""
    (come / str(os.getpid())).touch()

    def work(table: pl.DataFrame) -> pl.DataFrame:
        while len(list(come.iterdir())) < 2:
            time.sleep(0.02)
        time.sleep(0.1)
        return table.select(pl.col("n"), square=pl.col("n") ** 2, process=pl.lit(os.getpid()))

    return work


def _failing() -> Work:
    import ray

    def work(table: pl.DataFrame) -> pl.DataFrame:
        raise DataError(f"row {table['n'][0]}: is odd; mend it, with GPU {ray.get_gpu_ids()}")

    return work


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9", "head:of"])
def test_an_address_without_a_cluster_is_refused_at_once(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """In one line that names it, before any text is read; Ray itself would try for minutes."""
    pytest.importorskip("ray", reason="pip install 'relsearch[ray]'")
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(ConfigError, match=f"RAY_ADDRESS '{address}': no Ray cluster answers there"):
        workers_of(RunConfig(on="ray"))


def test_a_killed_machine_loses_and_doubles_nothing(
    cluster: Any, second_machine: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both machines work; the tables of the one that dies are worked on by the other, each answered once.

    Ray says that it is lost, and not on stdout, which is for results.
    """
    answers = RayWorkers(1, 0).map(partial(_slow_square, tmp_path), (pl.DataFrame({"n": [n]}) for n in range(16)))
    found = [next(answers) for _ in range(4)]
    while len({table["process"][0] for table in found}) < 2:
        found.append(next(answers))
    cluster.remove_node(second_machine, allow_graceful=False)
    table = pl.concat([*found, *answers]).sort("n")
    assert table["n"].to_list() == list(range(16))
    assert table["square"].to_list() == [n**2 for n in range(16)]
    said = capsys.readouterr()
    assert "dead" in said.err
    assert not said.out


def test_an_error_on_a_worker_is_one_line_here(cluster: Any) -> None:
    """Its message says what to mend, and where it arose; the worker has the share of a GPU that it asked for."""
    with pytest.raises(RelsearchError, match=r"row 3: is odd; mend it, with GPU \[0\] \(on a Ray worker\)"):
        list(RayWorkers(1, 0.5).map(_failing, [pl.DataFrame({"n": [3]})]))


def test_a_worker_that_no_machine_can_hold_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """On this machine alone; a cluster may get such a machine later, and a warning says what is awaited."""
    machines = [{"CPU": 2.0, "memory": 1e9}]
    check_room(machines, RayWorkers(2, 0), may_grow=False)
    with pytest.raises(
        ConfigError, match=r"--worker-gpus 1 fits on no machine here \(cores: 2, GPUs: 0\); ask for less"
    ):
        check_room(machines, RayWorkers(1, 1), may_grow=False)
    check_room(machines, RayWorkers(4, 0), may_grow=True)
    assert "--worker-cpus 4 and --worker-gpus 0 fits on no machine of the cluster; waiting for one" in caplog.text


def test_judging_on_ray_gives_the_labels_of_one_machine(
    cluster: Any, second_machine: Any, small_collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ready judge's, row for row, though a machine is killed after the first batch; a second run judges nothing."""
    pools = _pools(small_collection)
    plain = _judged(pools, tmp_path / "plain", RunConfig(on="here"))
    written = Parts.write

    def killing(parts: Parts, judged: Any) -> None:
        if second_machine in cluster.list_all_nodes():
            cluster.remove_node(second_machine, allow_graceful=False)
        written(parts, judged)

    monkeypatch.setattr(Parts, "write", killing)
    spread = _judged(pools, tmp_path / "ray", RunConfig(on="ray"))
    assert_frame_equal(spread, plain, rel_tol=0, abs_tol=1e-4)  # vectors are kept in half precision
    assert pl.read_parquet(tmp_path / "ray" / "part-*.parquet")["key"].is_unique().all()
    monkeypatch.setattr(Parts, "write", lambda *_: pytest.fail("judged again"))
    assert _judged(pools, tmp_path / "ray", RunConfig(on="ray")).equals(spread)
