"""The service asked for more than it can read: answers a second that come within their budget, by number of users.

`python -m benchmarks.serving.overload [--bundle ready] [--seconds 20]`: each user sends 50 documents that nobody has
sent before, waits for the answer, and sends the next; one that is refused waits as `Retry-After` says, up to a second.
`whole` wants all documents read within the service's time limit of 8 s, `partly` takes what was read within a second
(`X-Relsearch-Budget-Ms`). Users share the cores with the service. Texts are the packaged demo's.
Its table is in benchmarks/serving.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path
from typing import Any

from benchmarks.record import record
from benchmarks.serving.clients import Requests, closed
from benchmarks.serving.load import SEED, demo_requests, service
from relsearch.core.display.text_table import table

USERS = (1, 2, 4, 8, 16)
DOCUMENTS = 50
WAYS = {"whole": ("X-Relsearch-Timeout-Ms", 8000), "partly": ("X-Relsearch-Budget-Ms", 1000)}
_KEYS = ("users", "good_per_s", "read_share", "refused", "errors", "p50_ms", "p95_ms")


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("ready"))
    parser.add_argument("--seconds", type=float, default=20.0, help="of each number of users")
    options = parser.parse_args()
    ways: dict[str, list[dict[str, Any]]] = {}
    for way, (header, budget_ms) in WAYS.items():
        with service(options.bundle) as (url, _):
            requests = demo_requests(DOCUMENTS)  # one for all, so that no text comes twice
            asyncio.run(closed(url, requests, clients=1, seconds=1.0))
            ways[way] = [_measured(url, requests, users, options.seconds, header, budget_ms) for users in USERS]
        print(way, table(_KEYS, [[str(row[key]) for key in _KEYS] for row in ways[way]]), sep="\n")
    figures = {
        "least_over_one_user": {way: _least_over_one(rows) for way, rows in ways.items()},
        "budget_ms": {way: budget_ms for way, (_, budget_ms) in WAYS.items()},
        "documents_per_request": DOCUMENTS,
        "cores": len(os.sched_getaffinity(0)),
        "load_average_after": round(os.getloadavg()[0], 1),
        "ways": ways,
    }
    record("service_overload", figures, seed=SEED)


def _measured(url: str, requests: Requests, users: int, seconds: float, header: str, budget_ms: int) -> dict[str, Any]:
    load = asyncio.run(closed(url, requests, clients=users, seconds=seconds, headers={header: str(budget_ms)}))
    # A tenth more than the budget, for the way to the service and back.
    good = sum(1000 * each <= 1.1 * budget_ms for each in load.seconds)
    read = sum(load.shares) / len(load.shares) if load.shares else 0.0
    return {
        "users": users,
        "good_per_s": round(good / load.wall_s, 2),
        "read_share": round(read, 3),
        **load.figures(),
    }


def _least_over_one(rows: list[dict[str, Any]]) -> float:
    one, *more = (float(row["good_per_s"]) for row in rows)
    return round(min(more) / one, 2)


if __name__ == "__main__":
    main()
