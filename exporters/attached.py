"""What attaching a reranker to an engine has in common: its settings, its probe, its result."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from relsearch.core.errors import ConfigError, SearchEngineError

KEY_VARIABLE = "RELSEARCH_API_KEY"
# What is sent where the service needs no key: the engines insist on one.
NO_KEY = "none"
PROBE_QUERY = "how long is green tea steeped"
PROBE_TEXTS = ("Green tea is steeped for two minutes.", "Tides follow the moon.", "")


@dataclass(frozen=True, slots=True)
class Request:
    """One request that attaching sends."""

    method: str
    path: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Attached:
    """What stands in the engine now: its id, whether this call made it, and a query that uses it."""

    name: str
    created: bool
    example: Request


def service_key() -> str:
    """Return the service's API key from the environment, the only place it is read from."""
    return os.environ.get(KEY_VARIABLE, "").strip() or NO_KEY


def service_base(url: str) -> str:
    """Return the service's URL, with the path that a proxy may serve it under and no slash at its end.

    Raise ConfigError for anything but http://HOST or https://HOST, with or without port and path.
    """
    if "@" in url:  # not shown: it may hold a password
        raise ConfigError(f"the service URL holds credentials; leave them out, keys come from {KEY_VARIABLE}")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ConfigError(f"service URL {url!r}: write http://HOST:PORT; keys come from {KEY_VARIABLE}")
    return url.rstrip("/")


def check_probe(engine: str, scores: Sequence[Any]) -> None:
    """Raise SearchEngineError where the probe's scores are not one number within (0, 1) a text."""
    numbers = [score for score in scores if isinstance(score, float) and math.isfinite(score) and 0 < score < 1]
    if len(numbers) != len(PROBE_TEXTS) or len(scores) != len(PROBE_TEXTS):
        raise SearchEngineError(
            f"{engine}: the probe got {list(scores)!r:.200} for {len(PROBE_TEXTS)} texts, expected as many numbers "
            "between 0 and 1; check that --service-url is a relsearch service"
        )
