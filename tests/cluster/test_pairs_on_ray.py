"""Files of pairs graded on a real Ray cluster: workers read and write them, also where one is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread
from typing import Any

import polars as pl
import psutil  # type: ignore[import-untyped]
import pytest
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

from relsearch.cli import app
from relsearch.data.collection import load_collection, texts_of
from relsearch.data.trec import read_run
from tests.cluster.conftest import DEPTH

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")]

# The command line, which says at its end whether it is in a cluster still.
_VERB = """import atexit, ray
atexit.register(lambda: print(ray.is_initialized()))
from relsearch.cli import main
main()"""


def _grade(*words: object) -> None:
    result = CliRunner().invoke(app, ["grade", *map(str, words)])
    assert result.exit_code == 0, result.exception or result.output


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


def test_grading_pairs_on_ray_gives_the_labels_of_their_run(
    cluster: Any, small_collection: Path, tmp_path: Path
) -> None:
    """The ready judge's, row for row, though the worker is killed after the first part.

    Stdout has JSON alone: the cluster, which reports the loss there, is left before.
    """
    pairs, output = tmp_path / "pairs", tmp_path / "out"
    _write_pairs(small_collection, pairs)
    _grade(small_collection / "run.trec", "--collection", small_collection, "-o", tmp_path / "plain.parquet")

    killed: list[psutil.Process] = []

    def kill() -> None:
        while not list(output.glob("*.parquet")):
            time.sleep(0.02)
        killed.extend(each for each in psutil.Process().children(recursive=True) if "MapWorker" in each.name())
        for worker in killed:
            worker.kill()

    killing = Thread(target=kill, daemon=True)
    killing.start()
    command = ("grade", pairs.as_uri(), "-o", output.as_uri(), "--on", "ray", "--json")
    done = subprocess.run(
        [sys.executable, "-c", _VERB, *command],
        env={**os.environ, "RAY_ADDRESS": cluster.address},
        capture_output=True,
        text=True,
        check=False,
    )
    killing.join()
    assert killed
    assert done.returncode == 0, done.stderr
    result, connected = done.stdout.splitlines()
    assert json.loads(result)["output"] == output.as_uri()
    assert connected == "False"
    plain, spread = (pl.read_parquet(path).sort("query_id", "doc_id") for path in (tmp_path / "plain.parquet", output))
    assert_frame_equal(spread, plain, rel_tol=0, abs_tol=1e-4)  # vectors are rounded to half precision
    assert spread.height == len(list(pairs.iterdir())) * DEPTH
