"""What Ray costs beside the plain path, what a second worker brings, and what a killed machine loses.

`python -m benchmarks.data.on_ray [--pairs 6144]` reranks human-graded pairs of TREC Deep Learning 2019 and 2021, the
shortest of each query, with the ready bundle, which reads their documents now: in this process on one core, on one Ray
worker of one core, on two of one core, and on one of two, in rounds that take turns. Each arm's first batches, with
which models are loaded and actors started, are timed apart. A scorer that costs nothing shows how many pairs the
process that asks can hand out, and a machine is killed in mid-run. Needs RELSEARCH_COLLECTIONS. Its table is in
benchmarks/growth.md, and docs/cluster.md reckons with it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from benchmarks.deals import shuffled
from benchmarks.judges.data import labelled
from benchmarks.process_clock import Clock, Spent
from benchmarks.record import record
from benchmarks.rounds import faster
from relsearch.cluster.ray_workers import CORES_VARIABLE, RayWorkers
from relsearch.core import tables
from relsearch.core.files.journal import Journal
from relsearch.core.protocols import Opening, Workers
from relsearch.rerank.reorder import rerank_on, rerank_run
from relsearch.rerank.reranker import Reranker

ROUNDS = 2
DEPTH = 64  # so that four queries are one batch
FIRST = 2 * 4 * DEPTH  # pairs of the first batch of each of two workers
KILLED_PAIRS = 1280
FREE_TIMES = (2, 12)  # how often all pairs pass for nothing
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
    """What an arm spent until it had the first pairs, and on the others."""

    first: Spent
    others: Spent
    pairs: int  # of the others


class TimedJournal(Journal):
    """Notes when it has the first pairs."""

    def __init__(self, path: Path, clock: Clock, on_first: Callable[[], object] = lambda: None) -> None:
        super().__init__(path)
        self._clock = clock
        self._on_first = on_first
        self.pairs = 0
        self.first: tuple[int, Spent] | None = None

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one row."""
        super().append(row)
        self.pairs += len(row["places"])
        if self.first is None and self.pairs >= FIRST:
            self._on_first()
            self.first = self.pairs, self._clock.spent()


class CountingWorkers:
    """Ray's workers; counts bytes on their way to the object store and back."""

    def __init__(self, cpus: float) -> None:
        self._workers = RayWorkers(cpus, 0)
        self.sent = self.returned = 0

    def map(self, opening: Opening, tables: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Do as RayWorkers.map does."""
        for table in self._workers.map(opening, map(self._counted, tables)):
            self.returned += int(table.estimated_size())
            yield table

    def _counted(self, table: pl.DataFrame) -> pl.DataFrame:
        self.sent += int(table.estimated_size())
        return table


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
    figures = free(texts, clock) | measured(texts, [queries[turn::ROUNDS] for turn in range(ROUNDS)], clock)
    loss = killed(texts.of_queries(queries[: KILLED_PAIRS // DEPTH]), cluster, clock)
    record("ray", {**figures, "cluster_start_s": round(begun, 1), **loss})
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
    workers = CountingWorkers(CORES[TWO])
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


def _free_of(texts: Texts, times: int, workers: Workers, clock: Clock) -> Spent:
    """Rerank the pairs so many times, each under other names, with a free scorer; return what was spent."""
    run = pl.concat(
        [texts.run.with_columns(pl.format("{}-" + str(turn), "query_id").alias("query_id")) for turn in range(times)]
    )
    queries = {
        f"{query_id}-{turn}": f"{text} {turn}" for query_id, text in texts.queries.items() for turn in range(times)
    }
    _, arm = reranked(Texts(run, queries, texts.documents), workers, clock, opening=free_reranker)
    return Spent(*(first + other for first, other in zip(arm.first, arm.others, strict=True)))


def measured(texts: Texts, rounds: list[list[str]], clock: Clock) -> dict[str, Any]:
    """Return what each arm spent, and Ray's overhead."""
    found: dict[str, list[Arm]] = {arm: [] for arm in (PLAIN, *CORES)}
    workers = {arm: RayWorkers(cores, 0) for arm, cores in CORES.items()}
    arms = list(found)
    same = True
    for turn, queries in enumerate(rounds):
        part = texts.of_queries(queries)
        orders = {}
        for arm in arms[turn:] + arms[:turn]:
            orders[arm], timed = reranked(part, workers.get(arm), clock)
            found[arm].append(timed)
            print(f"round {turn + 1}, {arm}: {timed}", flush=True)
        same = same and all(each["doc_id"].equals(orders[PLAIN]["doc_id"]) for each in orders.values())
    cpu = {arm: [each.others.workers + each.others.rest for each in rounds] for arm, rounds in found.items()}
    wall = {arm: [each.others.seconds for each in rounds] for arm, rounds in found.items()}
    return {
        "pairs": sum(len(each) for each in rounds) * DEPTH,
        "same_orders": same,
        "arms": {arm: _summary(rounds) for arm, rounds in found.items()},
        "overhead": round(faster(wall[ONE], wall[PLAIN])["value"] - 1, 3),
        "overhead_cpu": round(faster(cpu[ONE], cpu[PLAIN])["value"] - 1, 3),
        "one_of_two_threads_against_two": faster(wall[WIDE], wall[TWO]),
    }


def killed(texts: Texts, cluster: Any, clock: Clock) -> dict[str, int]:
    """Rerank on two machines and kill one after the first batches; return what was lost and doubled."""
    machine = cluster.add_node(num_cpus=2, object_store_memory=STORE_BYTES)
    kill = partial(cluster.remove_node, machine, allow_graceful=False)
    with tempfile.TemporaryDirectory() as folder, closing(TimedJournal(Path(folder) / "rows", clock, kill)) as journal:
        rerank_on(RayWorkers(1.0, 0), ready, *texts, depth=DEPTH, journal=journal, about="ready")
        places = {row["key"]: len(row["places"]) for row in journal.rows()}
    return {
        "nodes_killed": 1,
        "rows_lost": texts.run.height - sum(places.values()),
        "rows_doubled": journal.pairs - sum(places.values()),
    }


def ready() -> tuple[Reranker, str]:
    """Return the ready bundle, opened anew, and its name."""
    return Reranker("ready"), "ready"


def reranked(
    texts: Texts,
    workers: Workers | None,
    clock: Clock,
    *,
    opening: Callable[[], tuple[Reranker, str]] = ready,
) -> tuple[pl.DataFrame, Arm]:
    """Rerank as the verb does, here where there are no workers; return the run and what was spent."""
    before = clock.spent()
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(TimedJournal(Path(folder) / "rows", clock)) as journal,
    ):
        reranker, about = opening()
        if workers:
            rerank_on(workers, opening, *texts, depth=DEPTH, journal=journal, about=about)
        run = rerank_run(*texts, reranker, depth=DEPTH, journal=journal, about=about)
        after = clock.spent()
        if journal.first is None:
            raise SystemExit(f"--pairs: too few, an arm and round takes more than {FIRST}")
        pairs, first = journal.first
    return run, Arm(first.since(before), after.since(first), journal.pairs - pairs)


class FreeScorer:
    """Costs nothing."""

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return one half for each text."""
        return [0.5] * len(texts)


def free_reranker() -> tuple[Reranker, str]:
    """Return a reranker that costs nothing, and its name."""
    return Reranker(FreeScorer()), "free"


def _summary(rounds: list[Arm]) -> dict[str, float]:
    pairs = sum(each.pairs for each in rounds)
    return {
        "start_s": round(sum(each.first.seconds for each in rounds) / len(rounds), 2),
        "pairs": pairs,
        "seconds": round(sum(each.others.seconds for each in rounds), 2),
        "cpu_seconds": round(sum(each.others.workers + each.others.rest for each in rounds), 2),
    }


if __name__ == "__main__":
    main()
