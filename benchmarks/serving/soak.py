"""The service under a long steady load: what fails, what is refused, and whether its memory grows.

`python -m benchmarks.serving.soak [--bundle ready] [--minutes 60] [--documents 10]` measures the rate at which eight
clients saturate the service, then sends 80 % of it at random times. No text comes twice, so that every cache fills to
its bound. The service and its clients share the cores that this process may use. Texts are the packaged demo's. Its
table is in benchmarks/serving.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.record import record
from benchmarks.serving.clients import closed, offered
from benchmarks.serving.load import SEED, demo_requests, service

CLIENTS, SHARE = 8, 0.8
_LOOKS = 12  # at the memory, one at the end of each part of the load


def main() -> None:
    """Soak, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("ready"))
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--documents", type=int, default=10, help="of a request")
    arguments = parser.parse_args()
    with service(arguments.bundle) as (url, process):
        figures = soak(url, process, documents=arguments.documents, minutes=arguments.minutes)
    print(figures)
    record("serve_soak", figures | {"bundle": arguments.bundle.name}, seed=SEED)


def soak(url: str, process: subprocess.Popen[bytes], *, documents: int, minutes: float) -> dict[str, Any]:
    """Return the load's figures: counts over all of it, percentiles of each part, memory in MB after each part."""
    requests = demo_requests(documents)
    warm = asyncio.run(closed(url, requests, clients=CLIENTS, seconds=min(60.0, 6 * minutes)))
    saturated = warm.figures()["requests_per_s"]
    parts, memory = [], [_resident_mb(process)]
    for part in range(_LOOKS):
        load = offered(url, requests, per_s=SHARE * saturated, seconds=60 * minutes / _LOOKS, seed=SEED + part)
        parts.append(asyncio.run(load).figures())
        memory.append(_resident_mb(process))
        print(f"part {part + 1} of {_LOOKS}: {parts[-1]}, {memory[-1]:.0f} MB", flush=True)
    counts = {f"soak_{key}": sum(part[key] for part in parts) for key in ("answered", "refused", "errors")}
    return {
        **counts,
        "soak_minutes": minutes,
        "soak_growth_mb": round(memory[-1] - memory[0], 1),
        # Once the caches are full: what a leak would show in.
        "soak_growth_second_half_mb": round(memory[-1] - memory[_LOOKS // 2], 1),
        "saturated_per_s": saturated,
        "share": SHARE,
        "documents_per_request": documents,
        "cores": len(os.sched_getaffinity(0)),
        "parts": parts,
        "resident_mb": [round(each, 1) for each in memory],
    }


def _resident_mb(process: subprocess.Popen[bytes]) -> float:
    pages = int(Path(f"/proc/{process.pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
