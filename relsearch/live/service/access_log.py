"""One JSON line a request, without bodies, query strings or credentials; and the metrics of the same request."""

from __future__ import annotations

import json
import logging
import time
import uuid
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relsearch.live.service.metrics import Metrics

_log = logging.getLogger("relsearch.live.service.access")


class JsonFormatter(logging.Formatter):
    """A log record as one JSON object; what `extra={"fields": …}` holds is merged in."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            # The message may quote what a client sent; the type and the place do not.
            kind, _, trace = record.exc_info
            line["error"] = kind.__name__ if kind else "unknown"
            line["at"] = _place(trace)
        return json.dumps(line, ensure_ascii=False)


def log_config(level: str = "INFO") -> dict[str, Any]:
    """Return the logging configuration under which all lines on stderr are JSON."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "relsearch.live.service.access_log.JsonFormatter"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {"relsearch": {"level": level}, "uvicorn": {"level": level}},
    }


class AccessLog:
    """ASGI middleware: times each request, gives it an id, logs and counts it."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; what handlers put into `scope["state"]["log"]` joins its line."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status, request_id = time.perf_counter(), 0, uuid.uuid4().hex
        fields: dict[str, object] = scope.setdefault("state", {}).setdefault("log", {})

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except Exception:
            status = 500
            raise
        finally:
            self._note(scope, status, time.perf_counter() - started, {"request_id": request_id, **fields})

    def _note(self, scope: Scope, status: int, seconds: float, fields: dict[str, object]) -> None:
        # Only paths that exist: a scanner's guesses would make a time series each.
        route = scope.get("route")
        path = getattr(route, "path", "other")
        self._metrics.requests.labels(path, status).inc()
        self._metrics.seconds.labels(path).observe(seconds)
        line = {"method": scope["method"], "path": path, "status": status, "ms": round(1000 * seconds, 1), **fields}
        _log.info("request", extra={"fields": line})


def _place(trace: Any) -> str:
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"
