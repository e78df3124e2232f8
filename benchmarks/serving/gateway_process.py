"""A gateway whose reranker is broken in a chosen way: `python -m benchmarks.serving.gateway_process URL FAULT`.

What passes untouched never meets a reranker, so this measures the gateway as `relsearch gateway` runs it.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence

from relsearch.live.gateway.answer.ranking import Ranking, Scorers
from relsearch.live.gateway.app import Gateway
from relsearch.live.gateway.config import GatewayConfig
from relsearch.live.gateway.proxy import Upstream
from relsearch.live.gateway.scoring.scoring import Scoring
from relsearch.live.gateway.server import serve
from relsearch.rerank.reranker import Reranker

FAULTS = ("none", "raises", "hangs", "slow")
_SLOW_S = 0.3


class FaultyScorer:
    """Scores by length, or fails as asked."""

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return scores, raise, be slow or never return."""
        if self.fault == "raises":
            raise RuntimeError("broken on purpose")
        time.sleep({"hangs": 3600.0, "slow": _SLOW_S}.get(self.fault, 0.0))
        return [1 / (2 + len(text)) for text in texts]


def main() -> None:
    """Serve until stopped."""
    url, fault = sys.argv[1:]
    scorers: Scorers = {None: Scoring(Reranker(FaultyScorer(fault)))}
    gateway = Gateway(Upstream(url), Ranking(GatewayConfig(), scorers))
    asyncio.run(serve(gateway, host="127.0.0.1", port=0, ready=lambda address: print("ready", address, flush=True)))


if __name__ == "__main__":
    main()
