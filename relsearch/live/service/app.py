"""The service's FastAPI application: six dialects on one port, health, info, metrics, OpenAPI."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from relsearch import __version__
from relsearch.live.service.access_log import AccessLog
from relsearch.live.service.batching import Batcher, Scored
from relsearch.live.service.body import read_request
from relsearch.live.service.dialects import RerankRequest
from relsearch.live.service.metrics import Metrics
from relsearch.live.service.openapi import ERRORS, operation
from relsearch.live.service.refusals import ErrorType, InvalidError, RefusedError, UnauthorizedError
from relsearch.live.service.schema import (
    CohereResponse,
    ErrorResponse,
    InfinityResponse,
    JinaResponse,
    Ranked,
    TeiResult,
    VoyageResponse,
)
from relsearch.live.service.settings import Settings
from relsearch.live.service.tokens import TokenLengths
from relsearch.live.tracing import Attributes, search_span
from relsearch.rerank.reranker import Reranker

TRUNCATED = "X-Relsearch-Truncated"
TIMEOUT = "X-Relsearch-Timeout-Ms"
BUDGET = "X-Relsearch-Budget-Ms"
MARK = "X-Relsearch"
SCORE_SCALE = "calibrated P(relevant), strictly inside (0, 1)"
_OPEN_PATHS = {"/health", "/docs", "/openapi.json"}
_DIGITS = 9  # of a time limit; more would be years
_CLIENT_LEFT = 499  # nginx's number; nobody reads it but the log


def create_app(reranker: Reranker, settings: Settings, *, tokens: TokenLengths | None = None) -> FastAPI:
    """Return the application around a reranker; without `tokens`, lengths are guessed and truncation not reported."""
    metrics = Metrics()
    batcher = Batcher(reranker, settings, metrics=metrics, tokens=tokens)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await batcher.start()
        yield
        await batcher.close()
        metrics.close()

    app = FastAPI(
        title="relsearch",
        version=__version__,
        description="Reranks documents for a query; scores are " + SCORE_SCALE + ".",
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
        responses=ERRORS,
    )
    _add_ranking(app, Service(batcher, settings, metrics))
    _add_information(app, settings, metrics, tokens)
    _add_errors(app)
    app.add_middleware(RequireKey, key=settings.api_key.get_secret_value() if settings.api_key else None)
    app.add_middleware(AccessLog, metrics=metrics)
    return app


class Service:
    """Answers a ranking request."""

    def __init__(self, batcher: Batcher, settings: Settings, metrics: Metrics) -> None:
        self._batcher = batcher
        self._settings = settings
        self._metrics = metrics

    async def answer(self, request: Request) -> Response:
        """Return the ranking in the dialect of the request; give up when its client hangs up."""
        with search_span("relsearch rerank", request.headers) as describe:
            return await self._answer(request, describe)

    async def _answer(self, request: Request, describe: Callable[[Attributes], None]) -> Response:
        asked = await read_request(request, self._settings)
        passages = asked.passages
        request.state.log["documents"] = len(passages)
        scored = await _unless_client_leaves(request, self._score(request, asked, passages))
        ranked = rank(scored.scores, limit=asked.limit, sort=_flag(request, "sort", default=True))
        self._count(request, scored)
        describe({"relsearch.reranked": True, "relsearch.read": scored.read, "relsearch.window": len(passages)})
        answer = asked.answer(ranked, scored.usage, model=getattr(asked, "model", None) or self._settings.model)
        headers = {} if scored.usage.truncated is None else {TRUNCATED: str(scored.usage.truncated)}
        if BUDGET in request.headers:
            headers[MARK] = f"reranked; read={scored.read}/{len(passages)}"
        return JSONResponse(answer, headers=headers)

    async def _score(self, request: Request, asked: RerankRequest, passages: list[str]) -> Scored:
        return await self._batcher.score(
            asked.query,
            passages,
            timeout_s=_seconds(request, TIMEOUT),
            budget_s=_seconds(request, BUDGET),
            priority=asked.urgency,
            whole_texts_only=asked.whole_texts_only,
            ends=asked.ends,
        )

    def _count(self, request: Request, scored: Scored) -> None:
        request.state.log |= {"tokens": scored.usage.total_tokens, "truncated": scored.usage.truncated}
        self._metrics.documents.inc(len(scored.scores))
        self._metrics.unread.inc(len(scored.scores) - scored.read)
        self._metrics.tokens.inc(scored.usage.total_tokens)
        self._metrics.truncated.inc(scored.usage.truncated or 0)


def rank(scores: Sequence[float], *, limit: int | None = None, sort: bool = True) -> list[Ranked]:
    """Return the best `limit` places, best first, or as they came if `sort` is off; ties keep their order."""
    best = sorted(range(len(scores)), key=lambda index: (-scores[index], index))[:limit]
    return [Ranked(index, scores[index]) for index in (best if sort else sorted(best))]


class RequireKey:
    """ASGI middleware: without the bearer key only health and documentation are answered."""

    def __init__(self, app: ASGIApp, *, key: str | None) -> None:
        self._app = app
        self._key = None if key is None else key.encode("ascii")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it before its body is read."""
        if scope["type"] != "http" or self._key is None or scope["path"] in _OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode("latin-1"), self._key):
            await self._app(scope, receive, send)
            return
        await _refused(UnauthorizedError("send the API key: Authorization: Bearer KEY"))(scope, receive, send)


def _add_ranking(app: FastAPI, service: Service) -> None:
    with_documents = JinaResponse | VoyageResponse | InfinityResponse
    answers: dict[str, Any] = {
        "/rerank": with_documents | list[TeiResult],
        "/v1/rerank": with_documents,
        "/v2/rerank": CohereResponse,
        "/infinity/rerank": InfinityResponse,
    }
    for path, answer in answers.items():
        app.add_api_route(path, service.answer, methods=["POST"], response_model=answer, **operation(path))


def _add_information(app: FastAPI, settings: Settings, metrics: Metrics, tokens: TokenLengths | None) -> None:
    started = int(time.time())

    @app.get("/health")
    def health() -> dict[str, str]:
        """Say that the model is loaded."""
        return {"status": "ok"}

    @app.get("/info")
    def info() -> dict[str, Any]:
        """Name the model, how much of a text it reads, its scores and the service's limits."""
        return {
            "model_id": settings.model,
            "model_type": {"reranker": {}},
            "max_input_length": tokens.max_length if tokens else None,
            "score_scale": SCORE_SCALE,
            "max_client_batch_size": settings.max_documents,
            "max_batch_tokens": settings.max_batch_tokens,
            "max_concurrent_requests": settings.max_waiting_requests,
            "max_body_bytes": settings.max_body_bytes,
            "timeout_s": settings.timeout_s,
            "auto_truncate": True,
            "version": __version__,
        }

    @app.get("/v1/models")
    def models() -> dict[str, Any]:
        """List the one model."""
        model = {"id": settings.model, "object": "model", "created": started, "owned_by": "relsearch"}
        return {"object": "list", "data": [model]}

    @app.get("/metrics", response_class=PlainTextResponse)
    def exposition() -> Response:
        """Give the numbers to Prometheus."""
        return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(RefusedError)
    async def refuse(_: Request, refusal: RefusedError) -> Response:
        return _refused(refusal)

    @app.exception_handler(ClientDisconnect)
    async def client_left(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=_CLIENT_LEFT)

    @app.exception_handler(HTTPException)
    async def other(_: Request, error: HTTPException) -> Response:
        return _error(error.status_code, str(error.detail), "Validation", dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def unexpected(_: Request, __: Exception) -> Response:
        return _error(500, "internal error; see the service's log", "Backend", {})


def _refused(refusal: RefusedError) -> Response:
    return _error(refusal.status, str(refusal), refusal.error_type, refusal.headers)


def _error(status: int, message: str, error_type: ErrorType, headers: dict[str, str]) -> Response:
    body = ErrorResponse(error=message, error_type=error_type).model_dump()
    return JSONResponse(body, status_code=status, headers=headers)


async def _unless_client_leaves(request: Request, work: Coroutine[Any, Any, Scored]) -> Scored:
    task, gone = asyncio.create_task(work), asyncio.create_task(_hang_up(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _hang_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _flag(request: Request, name: str, *, default: bool) -> bool:
    value = request.query_params.get(name, str(default)).lower()
    if value not in {"true", "false"}:
        raise InvalidError(f"query parameter {name}: write true or false")
    return value == "true"


def _seconds(request: Request, header: str) -> float | None:
    value = request.headers.get(header)
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and int(value[:_DIGITS]) > 0):
        raise InvalidError(f"header {header}: write whole milliseconds above 0")
    return int(value[:_DIGITS]) / 1000
