"""Load on a reranking server: clients that wait for their answers, or requests at times that no answer moves."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
import numpy as np

_TIMEOUT_S = 60.0


@dataclass(slots=True)
class Load:
    """What came back, and when."""

    seconds: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)  # of each answer's documents, those that were read
    refused: int = 0
    errors: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    wall_s: float = 0.0

    def failed(self, reason: str) -> None:
        """Count an error."""
        self.errors += 1
        self.reasons[reason] += 1

    def figures(self) -> dict[str, Any]:
        """Return answers a second and the percentiles of the answered requests in milliseconds."""
        found: dict[str, Any] = {
            "answered": len(self.seconds),
            "refused": self.refused,
            "errors": self.errors,
            "reasons": dict(self.reasons),
            "requests_per_s": round(len(self.seconds) / self.wall_s, 2),
        }
        for percent in (50, 95, 99):
            found[f"p{percent}_ms"] = (
                round(1000 * float(np.percentile(self.seconds, percent)), 1) if self.seconds else None
            )
        return found


class Requests:
    """Bodies of `documents` texts each; no text comes twice, so that no cache answers."""

    def __init__(self, queries: Sequence[str], texts: Sequence[str], *, documents: int, seed: int) -> None:
        self._rng = Random(seed)  # noqa: S311  # not for secrets
        self._queries, self._texts, self._documents = queries, texts, documents
        self._numbers = itertools.count()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield bodies without end."""
        while True:
            texts = [f"{next(self._numbers)} {text}" for text in self._rng.choices(self._texts, k=self._documents)]
            yield {"query": self._rng.choice(self._queries), "texts": texts}


async def closed(
    url: str, requests: Requests, *, clients: int, seconds: float, headers: Mapping[str, str] | None = None
) -> Load:
    """Let so many clients each send a request, wait for the answer, and send the next, for so long."""
    load, bodies = Load(), iter(requests)
    started = time.perf_counter()

    async def one(client: httpx.AsyncClient) -> None:
        while time.perf_counter() - started < seconds:
            await _send(client, next(bodies), load, due=time.perf_counter())

    async with _client(url, headers) as client:
        await asyncio.gather(*(one(client) for _ in range(clients)))
    load.wall_s = time.perf_counter() - started
    return load


async def offered(url: str, requests: Requests, *, per_s: float, seconds: float, seed: int) -> Load:
    """Send at random times, `per_s` on average, whether or not answers come; latency counts from those times."""
    load, bodies, rng = Load(), iter(requests), Random(seed)  # noqa: S311  # not for secrets
    started = time.perf_counter()
    due = started
    async with _client(url) as client, asyncio.TaskGroup() as sent:
        while (due := due + rng.expovariate(per_s)) < started + seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            sent.create_task(_send(client, next(bodies), load, due=due))
    load.wall_s = time.perf_counter() - started
    return load


def _client(url: str, headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=url, headers=headers, timeout=_TIMEOUT_S, limits=httpx.Limits(max_connections=None)
    )


async def _send(client: httpx.AsyncClient, body: dict[str, Any], load: Load, *, due: float) -> None:
    try:
        response = await client.post("/rerank", json=body)
    except httpx.HTTPError as exc:
        load.failed(type(exc).__name__)
        return
    if response.status_code == 200 and len(response.json()) == len(body["texts"]):
        load.seconds.append(time.perf_counter() - due)
        read, _, of = response.headers.get("X-Relsearch", "").partition("read=")[2].partition("/")
        load.shares.append(int(read) / int(of) if of else 1.0)
    elif response.status_code == 429:
        load.refused += 1
        await asyncio.sleep(min(1.0, float(response.headers["Retry-After"])))
    else:
        load.failed(f"status {response.status_code}")
