"""Files of pairs graded on a real Ray cluster: workers read and write them, also where one is killed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from threading import Thread

import polars as pl
import psutil  # type: ignore[import-untyped]
import pytest
from polars.testing import assert_frame_equal

from relsearch.data.collection import load_collection, texts_of
from relsearch.data.trec import read_run
from tests.cluster.conftest import DEPTH
from tests.command import relsearch

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")]


def _write_pairs(collection: Path, folder: Path) -> None:
    """The run's pairs with their texts, a query a file."""
    run = read_run(collection / "run.trec")
    queries, texts = texts_of(run, load_collection(collection), "{text}")
    pairs = run.select(
        "query_id",
        pl.col("query_id").replace_strict(queries).alias("query"),
        "doc_id",
        pl.col("doc_id").replace_strict(texts).alias("text"),
    )
    folder.mkdir()
    for (query_id,), rows in pairs.group_by("query_id"):
        rows.write_parquet(folder / f"{query_id}.parquet")


@pytest.mark.usefixtures("outside_cluster")
def test_grading_pairs_on_ray_gives_the_labels_of_their_run(small_collection: Path, tmp_path: Path) -> None:
    """The ready judge's, row for row, though the worker is killed after the first part.

    Stdout has JSON alone: the cluster, which reports the loss there, is left before.
    """
    import ray

    pairs, output = tmp_path / "pairs", tmp_path / "out"
    _write_pairs(small_collection, pairs)
    run = ("grade", str(small_collection / "run.trec"), "--collection", str(small_collection))
    assert relsearch(*run, "-o", str(tmp_path / "plain.parquet")).returncode == 0

    killed: list[psutil.Process] = []

    def kill() -> None:
        while not list(output.glob("*.parquet")):
            time.sleep(0.02)
        killed.extend(each for each in psutil.Process().children(recursive=True) if "MapWorker" in each.name())
        for worker in killed:
            worker.kill()

    killing = Thread(target=kill, daemon=True)
    killing.start()
    done = relsearch("grade", pairs.as_uri(), "-o", output.as_uri(), "--on", "ray", "--json")
    killing.join()
    assert killed
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["output"] == output.as_uri()
    assert not ray.is_initialized()
    plain, spread = (pl.read_parquet(path).sort("query_id", "doc_id") for path in (tmp_path / "plain.parquet", output))
    assert_frame_equal(spread, plain, rel_tol=0, abs_tol=1e-4)  # vectors are rounded to half precision
    assert spread.height == len(list(pairs.iterdir())) * DEPTH
