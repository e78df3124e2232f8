"""What Ray costs beside the plain path, what a second worker brings, and what a killed machine loses.

`python -m benchmarks.data.on_ray [--pairs 6144]` reranks human-graded pairs of TREC Deep Learning 2019 and 2021, the
shortest of each query, with the ready bundle, which reads their documents now: in this process on one core, on one Ray
worker of one core, on two of one core, and on one of two, in rounds that take turns. Starting and ending workers
stands apart. A scorer that costs nothing shows how many pairs the process that asks can hand out, and a machine is
killed in mid-run. Needs RELSEARCH_COLLECTIONS. Its table is in benchmarks/growth.md, and docs/cluster.md reckons with
it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from benchmarks.deals import shuffled
from benchmarks.judges.data import labelled
from benchmarks.process_clock import Clock, Spent
from benchmarks.record import record
from benchmarks.rounds import faster
from benchmarks.watched_workers import WatchedWorkers
from relsearch.cluster.ray_workers import CORES_VARIABLE, RayWorkers
from relsearch.core import tables
from relsearch.core.files.journal import Journal
from relsearch.core.protocols import Opening
from relsearch.rerank.reorder import rerank_on, rerank_run
from relsearch.rerank.reranker import Reranker

ROUNDS = 2
DEPTH = 64  # so that four queries are one batch
KILLED_PAIRS = 1280
FREE_TIMES = (2, 17)  # how often all pairs pass for nothing
STORE_BYTES = 300 * 2**20
PLAIN, ONE, TWO, WIDE = "plain", "ray_1x1", "ray_2x1", "ray_1x2"
# Of the two cores of the head a worker of 1.5 leaves too few for another one, and computes with one thread.
CORES = {ONE: 1.5, TWO: 1.0, WIDE: 2.0}


class Texts(NamedTuple):
    """A run, and the texts of its queries and documents."""

    run: pl.DataFrame
    queries: Mapping[str, str]
    documents: Mapping[str, str]

    def of_queries(self, query_ids: Iterable[str]) -> Texts:
        """Return the part of these queries."""
        return self._replace(run=self.run.filter(pl.col("query_id").is_in(list(query_ids))))


class Arm(NamedTuple):
    """What an arm spent on the pairs that it ranked when all its workers were at work, and its other seconds."""

    apart_s: float
    steady: Spent
    pairs: int

    @property
    def wall(self) -> float:
        """Seconds a pair."""
        return self.steady.seconds / self.pairs

    @property
    def cpu(self) -> float:
        """CPU seconds a pair, of all processes."""
        return (self.steady.workers + self.steady.rest) / self.pairs


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=6144, help="pairs of each arm, all rounds together")
    pairs = parser.parse_args().pairs
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ[CORES_VARIABLE] = "1"
    import ray.data
    from ray.cluster_utils import Cluster

    started = time.perf_counter()
    head = {"num_cpus": 2, "object_store_memory": STORE_BYTES, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    ray.init(address=cluster.address, log_to_driver=False)
    begun = time.perf_counter() - started
    texts, clock = graded(), Clock()
    queries = shuffled(set(texts.run["query_id"]))[: pairs // DEPTH]
    figures = measured(texts, [queries[turn::ROUNDS] for turn in range(ROUNDS)], clock)
    machinery = free(texts, clock)  # when all that it imports is there
    loss = killed(texts.of_queries(queries[: KILLED_PAIRS // DEPTH]), cluster)
    record("ray", {**figures, **machinery, "cluster_start_s": round(begun, 1), **loss})
    ray.shutdown()
    cluster.shutdown()


def graded() -> Texts:
    """Return the graded pairs of both years as a run of DEPTH documents a query."""
    pairs = [pair for name in ("trec-dl-2019", "trec-dl-2021") for pair in labelled(name).pairs]
    pairs.sort(key=lambda pair: (pair.query_id, len(pair.text), pair.doc_id))
    ids = pl.DataFrame({"query_id": [each.query_id for each in pairs], "doc_id": [each.doc_id for each in pairs]})
    first = tables.first_per_query(ids, DEPTH).filter(pl.len().over("query_id") == DEPTH)
    rank = pl.int_range(1, pl.len() + 1).over("query_id")
    run = first.select("query_id", "doc_id", rank=rank, score=1.0 / rank, searcher=pl.lit("graded"))
    queries = {each.query_id: each.query for each in pairs}
    return Texts(tables.conform(run, tables.CANDIDATES, "run"), queries, {each.doc_id: each.text for each in pairs})


def free(texts: Texts, clock: Clock) -> dict[str, Any]:
    """Return what the machinery alone costs a pair on two workers, by the difference between two numbers of pairs."""
    workers = WatchedWorkers(CORES[TWO])
    few, many = (_free_of(texts, times, workers, clock) for times in FREE_TIMES)
    pairs = (FREE_TIMES[1] - FREE_TIMES[0]) * texts.run.height
    each = many.since(few)
    us = {name: round(value / pairs * 1e6, 1) for name, value in each._asdict().items()}
    count = sum(FREE_TIMES) * texts.run.height
    return {
        "free_us_a_pair": us,
        "bytes_sent_a_pair": round(workers.sent / count),
        "bytes_returned_a_pair": round(workers.returned / count),
    }


def _free_of(texts: Texts, times: int, workers: WatchedWorkers, clock: Clock) -> Spent:
    """Rerank the pairs so many times, each under other names, with a free scorer; return what was spent."""
    names = [pl.format("{}-" + str(turn), "query_id").alias("query_id") for turn in range(times)]
    run = pl.concat([texts.run.with_columns(name) for name in names])
    queries = {
        f"{query_id}-{turn}": f"{text} {turn}" for query_id, text in texts.queries.items() for turn in range(times)
    }
    before = clock.spent()
    reranked(Texts(run, queries, texts.documents), workers, clock, opening=free_reranker)
    return clock.spent().since(before)


def measured(texts: Texts, rounds: list[list[str]], clock: Clock) -> dict[str, Any]:
    """Return what each arm spent, and Ray's overhead."""
    found: dict[str, list[Arm]] = {arm: [] for arm in (PLAIN, *CORES)}
    workers = {arm: WatchedWorkers(cores) for arm, cores in CORES.items()}
    arms = list(found)
    same = True
    for turn, queries in enumerate(rounds):
        part = texts.of_queries(queries)
        orders = {}
        for arm in arms[:: (-1) ** turn]:  # there and back: what is compared stays side by side
            orders[arm], timed = reranked(part, workers.get(arm), clock)
            found[arm].append(timed)
            print(f"round {turn + 1}, {arm}: {timed}", flush=True)
        same = same and all(each["doc_id"].equals(orders[PLAIN]["doc_id"]) for each in orders.values())
    cpu = {arm: [each.cpu for each in rounds] for arm, rounds in found.items()}
    wall = {arm: [each.wall for each in rounds] for arm, rounds in found.items()}
    return {
        "pairs": sum(len(each) for each in rounds) * DEPTH,
        "same_orders": same,
        "arms": {arm: _summary(rounds) for arm, rounds in found.items()},
        "overhead": round(faster(wall[ONE], wall[PLAIN])["value"] - 1, 3),
        "overhead_cpu": round(faster(cpu[ONE], cpu[PLAIN])["value"] - 1, 3),
        "one_of_two_threads_against_two": faster(wall[WIDE], wall[TWO]),
    }


def killed(texts: Texts, cluster: Any) -> dict[str, int]:
    """Rerank on two machines and kill one when the first orders are there; return what was lost and doubled."""
    machine = cluster.add_node(num_cpus=2, object_store_memory=STORE_BYTES)
    workers = KillingWorkers(partial(cluster.remove_node, machine, allow_graceful=False))
    with tempfile.TemporaryDirectory() as folder, closing(Journal(Path(folder) / "rows")) as journal:
        rerank_on(workers, ready, *texts, depth=DEPTH, journal=journal, about="ready")
        rows = list(journal.rows())
    places = {row["key"]: len(row["places"]) for row in rows}
    return {
        "nodes_killed": 1,
        "rows_lost": texts.run.height - sum(places.values()),
        "rows_doubled": sum(len(row["places"]) for row in rows) - sum(places.values()),
    }


@dataclass(frozen=True)
class KillingWorkers:
    """Ray's workers, which kill something when the first table comes back."""

    kill: Callable[[], object]

    def map(self, opening: Opening, tables: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Do as RayWorkers.map does."""
        for number, table in enumerate(RayWorkers(1.0, 0).map(opening, tables)):
            if number == 0:
                self.kill()
            yield table


def ready() -> tuple[Reranker, str]:
    """Return the ready bundle, opened anew, and its name."""
    return Reranker("ready"), "ready"


def reranked(
    texts: Texts,
    workers: WatchedWorkers | None,
    clock: Clock,
    *,
    opening: Callable[[], tuple[Reranker, str]] = ready,
) -> tuple[pl.DataFrame, Arm]:
    """Rerank as the verb does, here where there are no workers; return the run and what was spent."""
    started = time.time()
    with tempfile.TemporaryDirectory() as folder, closing(Journal(Path(folder) / "rows")) as journal:
        reranker, about = opening()
        begun, pairs = clock.spent(), texts.run.height
        if workers:
            rerank_on(workers, opening, *texts, depth=DEPTH, journal=journal, about=about)
            since, pairs = workers.all_at_work()
            begun = clock.spent_at(since)
        run = rerank_run(*texts, reranker, depth=DEPTH, journal=journal, about=about)
    last = clock.spent()
    steady = (clock.spent_at(workers.ended) if workers else last).since(begun)
    return run, Arm(last.seconds - started - steady.seconds, steady, pairs)


class FreeScorer:
    """Costs nothing."""

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return one half for each text."""
        return [0.5] * len(texts)


def free_reranker() -> tuple[Reranker, str]:
    """Return a reranker that costs nothing, and its name."""
    return Reranker(FreeScorer()), "free"


def _summary(rounds: list[Arm]) -> dict[str, float]:
    return {
        "apart_s": round(sum(each.apart_s for each in rounds) / len(rounds), 2),
        "pairs": sum(each.pairs for each in rounds),
        "seconds": round(sum(each.steady.seconds for each in rounds), 2),
        "cpu_seconds": round(sum(each.cpu * each.pairs for each in rounds), 2),
    }


if __name__ == "__main__":
    main()
