"""A Ray cluster of two machines' raylets on this one, and real pairs of the demo."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from relsearch.core import tables
from relsearch.data.collection import load_collection, texts_of
from relsearch.exporters.trec import write_run

QUERIES = 12
DEPTH = 3
MEMORY = 300 * 2**20  # an object store; with less Ray Data crawls


@pytest.fixture(scope="package")
def cluster() -> Iterator[Any]:
    """A head of one core and, as it says, a GPU; tests add other machines to it, and kill them."""
    pytest.importorskip("ray", reason="pip install 'relsearch[ray]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        import ray
        from ray.cluster_utils import Cluster

        machines = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 1,
                "num_gpus": 1,
                "object_store_memory": MEMORY,
                "include_dashboard": False,
                "include_log_monitor": False,
                "_system_config": {"health_check_period_ms": 500, "health_check_failure_threshold": 4},
            },
        )
        ray.init(address=machines.address, log_to_driver=False)
        yield machines
        ray.shutdown()
        machines.shutdown()


@pytest.fixture
def outside_cluster(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process is not in the cluster, which RAY_ADDRESS names."""
    import ray

    ray.shutdown()
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    yield
    ray.init(address=cluster.address, log_to_driver=False, ignore_reinit_error=True)


@pytest.fixture
def second_machine(cluster: Any) -> Iterator[Any]:
    """Another machine of one core, which is taken away if the test did not kill it."""
    machine = cluster.add_node(num_cpus=1, object_store_memory=MEMORY)
    yield machine
    if machine in cluster.list_all_nodes():
        cluster.remove_node(machine)


@pytest.fixture(scope="package")
def small_collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The labelled pairs of some queries of the demo: a folder with their texts and, as run.trec, a run."""
    folder = tmp_path_factory.mktemp("collection")
    source = load_collection("demo")
    labels = tables.judgments_table(source.qrels())
    first = tables.first_per_query(labels.sort("query_id", "doc_id"), DEPTH)[: QUERIES * DEPTH]
    rank = pl.int_range(1, pl.len() + 1).over("query_id")
    run = first.select("query_id", "doc_id", rank=rank, score=1.0 / rank, searcher=pl.lit("demo"))
    write_run(tables.conform(run, tables.CANDIDATES, "run"), folder / "run.trec", tag="demo")
    for name, texts in zip(("queries.jsonl", "corpus.jsonl"), texts_of(run, source, "{text}"), strict=True):
        rows = [json.dumps({"_id": each, "text": texts[each]}) for each in sorted(texts)]
        (folder / name).write_text("\n".join(rows), encoding="utf-8")
    return folder
