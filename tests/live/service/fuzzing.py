"""Bodies that no client should send, against the service in this process.

The model is a cheap fake, since what is tried stands before it.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from relsearch.live.service.app import create_app
from relsearch.live.service.settings import read_settings
from relsearch.rerank.reranker import Reranker

ALLOWED = {200, 400, 404, 405, 413, 422, 429}
PATHS = ("/rerank", "/v1/rerank", "/v2/rerank", "/infinity/rerank")
LIMIT = "X-Relsearch-Timeout-Ms"
TIMEOUT_S = 20.0
_MAX_BODY = 200_000
_WARM_SHARE = 0.3  # of the requests are sent before memory is first looked at
_ODD_TEXTS = (
    "",
    " ",
    "\x00",
    "🐈‍⬛",
    "\u202e",
    "\n\r\t",
    '"\\',
    "𝕬" * 50,
    "a" * 5000,
    "ﷺ",
    "null",
    "<script>",
    "\ufeff",
)
_ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 10**30, -(10**400), 1e308, "", "1", [], {}, [[]], [None],
    {"text": 1}, [{"text": None}],
)  # fmt: skip
_KEYS = ("query", "texts", "documents", "model", "top_n", "return_text", "return_documents", "raw_scores", "truncate",
         "truncation_direction", "max_tokens_per_doc", "priority", "rank_fields", "\x00")  # fmt: skip


class LengthScorer:
    """Scores by a text's length: cheap, and the same for the same text."""

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return (length + 1) / (length + 2)."""
        return [(len(text) + 1) / (len(text) + 2) for text in texts]


@dataclass(slots=True)
class Outcome:
    """What came back."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    hangs: int = 0
    memory_before_mb: float = 0.0
    memory_after_mb: float = 0.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request."""

    method: str
    path: str
    body: bytes
    headers: dict[str, str]


async def fuzz(requests: int, *, seed: int) -> Outcome:
    """Send so many seeded requests, eight at a time; return their statuses, faults and the memory's growth."""
    rng = random.Random(seed)  # noqa: S311  # not for secrets
    app = create_app(Reranker(LengthScorer()), read_settings(max_body_bytes=_MAX_BODY, max_documents=300))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    outcome = Outcome()
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service", timeout=None) as client,  # noqa: S113  # below
    ):
        for start in range(0, requests, 8):
            if not outcome.memory_before_mb and start >= _WARM_SHARE * requests:
                outcome.memory_before_mb = _resident_mb()
            attempts = [attempt(rng) for _ in range(min(8, requests - start))]
            await asyncio.gather(*(_send(client, one, outcome) for one in attempts))
    outcome.memory_after_mb = _resident_mb()
    return outcome


def attempt(rng: random.Random) -> Attempt:
    """Return a request that is right, slightly wrong, or nonsense."""
    method = "POST" if rng.random() < 0.97 else rng.choice(("GET", "PUT", "DELETE", "HEAD", "OPTIONS"))
    path = rng.choice(PATHS) if rng.random() < 0.97 else rng.choice(("/", "/rerank/", "/v3/rerank", "/%00", "//"))
    if rng.random() < 0.2:
        path += f"?sort={rng.choice(('true', 'false', 'False', '', '%ff', '1'))}"
    body = rng.choice((_right, _right, _field_replaced, _field_replaced, _bytes_changed, _nonsense))(rng)
    return Attempt(method, path, body, _headers(rng))


async def _send(client: httpx.AsyncClient, sent: Attempt, outcome: Outcome) -> None:
    content: bytes | AsyncIterator[bytes] = sent.body if len(sent.body) % 3 else _chunks(sent.body)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            response = await client.request(sent.method, sent.path, content=content, headers=sent.headers)
    except TimeoutError:
        outcome.hangs += 1
        return
    outcome.statuses[response.status_code] += 1
    fault = _fault(response)
    if fault:
        outcome.faults.append(f"{fault}: {sent.method} {sent.path} {sent.body[:200]!r}")


def _fault(response: httpx.Response) -> str:
    out_of_time = response.status_code == 424 and LIMIT in response.request.headers
    if response.status_code not in ALLOWED and not out_of_time:
        return f"status {response.status_code}"
    if response.request.method in {"HEAD", "OPTIONS"} and not response.content:
        return ""
    answer = response.json()
    if response.status_code != 200:
        return "" if set(answer) == {"error", "error_type"} else f"error without form {answer}"
    rows = answer["results"] if isinstance(answer, dict) else answer
    indexes = [row["index"] for row in rows]
    if len(set(indexes)) != len(indexes) or not indexes:
        return f"indexes {indexes}"
    scores = [row.get("score", row.get("relevance_score")) for row in rows]
    return "" if all(isinstance(score, float) for score in scores) else f"scores {scores}"


async def _chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 4096):
        yield body[start : start + 4096]


def _headers(rng: random.Random) -> dict[str, str]:
    headers = {
        "Content-Type": rng.choice(("application/json", "text/plain", "", "application/xml", "multipart/form-data"))
    }
    if rng.random() < 0.1:
        headers[LIMIT] = rng.choice(("1", "5000", "-1", "x", "9" * 400))
    return headers


def _text(rng: random.Random) -> str:
    if rng.random() < 0.3:
        return rng.choice(_ODD_TEXTS)
    if rng.random() < 0.5:
        return " ".join(rng.choice(("cat", "sea", "tea", "sky")) for _ in range(rng.randrange(12)))
    return "".join(chr(rng.randrange(0x110000)) for _ in range(rng.randrange(20)))


def _fields(rng: random.Random) -> dict[str, Any]:
    texts = [_text(rng) for _ in range(rng.choice((1, 2, 5, 40, 301)))]
    name = rng.choice(("texts", "documents"))
    entries = [{"text": text} if name == "documents" and rng.random() < 0.2 else text for text in texts]
    return {"model": "m", "query": _text(rng), name: entries, "top_n": rng.choice((None, 1, 3, 10**6))}


def _right(rng: random.Random) -> bytes:
    return _encoded(_fields(rng))


def _field_replaced(rng: random.Random) -> bytes:
    fields = _fields(rng)
    for _ in range(rng.randrange(1, 4)):
        fields[rng.choice(_KEYS)] = rng.choice(_ODD_VALUES)
    return _encoded(fields)


def _bytes_changed(rng: random.Random) -> bytes:
    body = bytearray(_right(rng))
    for _ in range(rng.randrange(1, 6)):
        place = rng.randrange(len(body))
        body[place : place + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
        if len(body) < 2:
            break
    return bytes(body[: rng.randrange(len(body) + 1)] if rng.random() < 0.2 else body)


def _nonsense(rng: random.Random) -> bytes:
    kinds = (
        b"", b"null", b"[]", b'"text"', b"\xef\xbb\xbf{}", "{}".encode("utf-16"), rng.randbytes(rng.randrange(200)),
        b"[" * rng.randrange(200_000), b'{"query":' * rng.randrange(20_000), b'{"query":"a","texts":[NaN]}',
        b'{"query":"a","query":"b","texts":["c"],"texts":["d","e"]}', b'{"query":' + b"9" * 6000 + b"}",
        b'{"query":"\\ud800","texts":["\\udc00\\ud83d"]}', b'{"query":"a","texts":["' + b"x" * 210_000 + b'"]}',
    )  # fmt: skip
    return rng.choice(kinds)


def _encoded(fields: dict[str, Any]) -> bytes:
    # Lone surrogates can only be sent as escapes.
    return json.dumps(fields).encode("ascii")


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
