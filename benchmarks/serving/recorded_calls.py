"""Which real servers ran, and how many recorded API calls passed the gateway as if it were not there.

`python -m benchmarks.serving.recorded_calls` starts each engine, makes the calls of tests/live/gateway/calls.py three
times directly and once through the gateway, and compares status, headers and body. Its table is in
benchmarks/serving.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.request

from benchmarks.record import record
from benchmarks.serving.engines import NAMES, engine, started
from tests.live.gateway.calls import replies
from tests.live.gateway.same import differences


def main() -> None:
    """Run, print and record; exit 1 if a call came back different."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    figures = {name: _check(name) for name in NAMES}
    record("servers", {"servers": figures})
    print(json.dumps(figures, indent=1))
    if any(each["different"] for each in figures.values()):
        raise SystemExit(1)


def _check(name: str) -> dict[str, object]:
    with engine(name) as url:
        with urllib.request.urlopen(url) as response:  # noqa: S310 - the engine's own address
            version = json.load(response)["version"]["number"]
        rounds = [[reply for _, reply in replies(url, name)] for _ in range(3)]
        with started([sys.executable, "-m", "benchmarks.serving.gateway_process", url, "none"]) as through:
            passed = list(replies(through, name))
    different = [
        f"{call.method} {call.path}"
        for (call, reply), *direct in zip(passed, *rounds, strict=True)
        if differences(direct, reply)
    ]
    return {"version": version, "calls": len(passed), "passed": len(passed) - len(different), "different": different}


if __name__ == "__main__":
    main()
