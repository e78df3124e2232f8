"""A chat or /rerank endpoint: paced, retried, metered, and one clear error when it will not answer."""

from __future__ import annotations

import itertools
import logging
import math
import os
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from threading import Lock

from pydantic import JsonValue, ValidationError

from relsearch.core.errors import ConfigError, MissingExtraError, RemoteError
from relsearch.core.settings.config import RemoteConfig
from relsearch.judge.remote.answers import Reply
from relsearch.judge.remote.usage import Meter, Usage

try:
    import httpx
    import stamina
except ImportError as exc:
    raise MissingExtraError("a remote judge", "remote") from exc

Body = Mapping[str, JsonValue]
Ask = Callable[[Body], Reply]
Post = Callable[[str, Body], bytes]  # the path after the endpoint's address and the body

_LOG = logging.getLogger(__name__)
KEY_VARIABLE = "RELSEARCH_JUDGE_API_KEY"
# The request itself is at fault, whatever its key and address: a parameter not known, a text too long or not allowed.
_REFUSALS = {400, 413, 422}
_REMEDIES = {
    401: f"set {KEY_VARIABLE}",
    403: f"{KEY_VARIABLE} has no right to this model; use another key or model",
    404: "check its address and [remote] model",
}
_NOT_IMPLEMENTED = 501
_LONGEST_WAIT_S = 60.0
_SHOWN = 200  # characters of what the endpoint said


class RequestRefusedError(RemoteError):
    """The endpoint answers others, but not this request."""


class Pace:
    """Spaces calls of all threads evenly; without a number a minute it holds nothing up."""

    def __init__(self, per_minute: float | None) -> None:
        self._interval_s = 60.0 / per_minute if per_minute else 0.0
        self._lock = Lock()
        self._next_s = 0.0

    def wait(self) -> None:
        """Sleep until this call's turn."""
        with self._lock:
            now_s = time.monotonic()
            turn_s = max(now_s, self._next_s)
            self._next_s = turn_s + self._interval_s
        time.sleep(turn_s - now_s)


class Endpoint:
    """Answers chat requests from any number of threads."""

    def __init__(self, config: RemoteConfig, meter: Meter, *, named_in: str = "[remote] url") -> None:
        self._config = config
        self._named_in = named_in
        self._meter = meter
        self._key = _key()
        self._pace = Pace(config.requests_per_minute)
        self._away = False
        # stamina bounds attempts; its limit on the whole time would cut a long Retry-After short.
        self._retrying = stamina.RetryingCaller(
            attempts=config.attempts, timeout=None, wait_initial=0.5, wait_max=_LONGEST_WAIT_S
        )

    @contextmanager
    def session(self) -> Iterator[Ask]:
        """Open connections, and yield what sends a chat request and returns the reply or raises RemoteError."""
        with self.connection() as post:
            yield partial(self._ask, post)

    @contextmanager
    def connection(self) -> Iterator[Post]:
        """Open connections, and yield what sends any request and returns the answer or raises RemoteError."""
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        limits = httpx.Limits(max_connections=self._config.concurrency)
        with httpx.Client(headers=headers, timeout=self._config.timeout_s, limits=limits) as client:
            yield partial(self._post, client)

    def _ask(self, post: Post, body: Body) -> Reply:
        try:
            reply = Reply.model_validate_json(post("/chat/completions", body))
        except ValidationError as exc:
            raise self._error("the answer is no chat completion", "set [remote] url to the base, e.g. …/v1") from exc
        if reply.usage:
            self._meter.add(Usage(tokens_in=reply.usage.prompt_tokens, tokens_out=reply.usage.completion_tokens))
        return reply

    def _post(self, client: httpx.Client, path: str, body: Body) -> bytes:
        try:
            return self._send(client, path, body).content
        except httpx.HTTPStatusError as exc:
            raise self._status_error(exc) from exc
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise self._error(
                f"{type(exc).__name__} ({self._shown(str(exc))})",
                f"start it, set {self._named_in} or raise [remote] timeout_s",
            ) from exc

    def _send(self, client: httpx.Client, path: str, body: Body) -> httpx.Response:
        tries = itertools.count()

        # A closure, not arguments: stamina reports the arguments of what it calls again, and those are user texts.
        def once() -> httpx.Response:
            self._pace.wait()
            self._meter.add(Usage(requests=1, retries=int(next(tries) > 0)))
            try:
                response = client.post(f"{self._config.url.rstrip('/')}{path}", json=body)
            except httpx.NetworkError as exc:
                self._say_away(exc)
                raise
            return response.raise_for_status()

        return self._retrying(_backoff, once)

    def _say_away(self, exc: httpx.NetworkError) -> None:
        """Log, once, that the endpoint is not reached; what follows are seconds of silence."""
        if not self._away and self._config.attempts > 1:
            self._away = True
            _LOG.warning("%s: %s; trying again", self._where, self._shown(str(exc)))

    def _status_error(self, exc: httpx.HTTPStatusError) -> RemoteError:
        status = exc.response.status_code
        what = f"status {status} ({self._shown(exc.response.text)})"
        if status in _REFUSALS:
            return RequestRefusedError(f"{self._where} refused a request: {what}; check [remote] model and prompt")
        if _backoff(exc):
            remedy = "lower [remote] concurrency or requests_per_minute, or run again later"
            return self._error(f"{what} after {self._config.attempts} attempts", remedy)
        return self._error(what, _REMEDIES.get(status, f"check {self._named_in}"))

    def _error(self, what: str, remedy: str) -> RemoteError:
        return RemoteError(f"{self._where}: {what}; {remedy}")

    @property
    def _where(self) -> str:
        return f"judge endpoint {self._config.url}"

    def _shown(self, text: str) -> str:
        # Some endpoints repeat the key that they refuse.
        return textwrap.shorten(text.replace(self._key, "***") if self._key else text, _SHOWN, placeholder=" …")


def _backoff(exc: Exception) -> bool | float:
    """Whether to try again: after the seconds that the endpoint names, or else after stamina's jittered back-off."""
    if not isinstance(exc, httpx.HTTPStatusError):
        return isinstance(exc, httpx.TimeoutException | httpx.NetworkError | httpx.RemoteProtocolError)
    status = exc.response.status_code
    if status != httpx.codes.TOO_MANY_REQUESTS and (status < 500 or status == _NOT_IMPLEMENTED):
        return False
    return _retry_after_s(exc.response.headers.get("Retry-After", "")) or True


def _retry_after_s(header: str) -> float:
    """Return the seconds that the header names, as a number or a date, bounded; 0 where it names none."""
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):  # TypeError: a date without a zone
            return 0.0
    return min(max(seconds, 0.0), _LONGEST_WAIT_S) if math.isfinite(seconds) else 0.0


def _key() -> str:
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(f"{KEY_VARIABLE}: not printable ASCII, which an HTTP header must be; set it again")
    return key
