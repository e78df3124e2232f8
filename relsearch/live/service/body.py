"""A request's body: read no further than the limit, parsed without surprises, checked against its dialect."""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError
from starlette.requests import Request

from relsearch.core.errors import model_fault
from relsearch.live.service.dialects import (
    CohereRequest,
    InfinityRequest,
    JinaRequest,
    RerankRequest,
    TeiRequest,
    VoyageRequest,
)
from relsearch.live.service.refusals import EmptyError, InvalidError, MalformedError, TooLargeError
from relsearch.live.service.settings import Settings

DIALECTS: dict[str, tuple[type[RerankRequest], ...]] = {
    "/rerank": (TeiRequest, VoyageRequest, InfinityRequest, JinaRequest),
    "/v1/rerank": (VoyageRequest, InfinityRequest, JinaRequest),
    "/v2/rerank": (CohereRequest,),
    "/infinity/rerank": (InfinityRequest,),  # for clients whose requests have none of Infinity's own keys
}

_Request = TypeVar("_Request", bound=RerankRequest)


async def read_request(request: Request, settings: Settings) -> RerankRequest:
    """Return what the client asks, in the dialect of its path; raise a RefusedError that says what is wrong."""
    try:
        async with asyncio.timeout(settings.timeout_s):
            body = await read_body(request, settings.max_body_bytes)
    except TimeoutError:
        raise MalformedError(f"the body did not arrive within {settings.timeout_s:g} s") from None
    content = parse(body)
    if not isinstance(content, dict):
        raise InvalidError("the body must be a JSON object")
    asked = check(content, DIALECTS[request.url.path])
    count = len(asked.passages)
    if not count:
        raise EmptyError("there is nothing to rank; send at least one text")
    if count > settings.max_documents:
        raise TooLargeError(f"{count} documents are more than {settings.max_documents}, the most in one request")
    return asked


async def read_body(request: Request, limit: int) -> bytes:
    """Return the whole body, unpacked, read no further than the limit; raise TooLargeError beyond it."""
    message = f"the body is larger than {limit} bytes, the most in one request"
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise TooLargeError(message)
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise MalformedError("the body is compressed with something other than gzip")
    unpack = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    body = bytearray()
    try:
        async for chunk in request.stream():
            # One byte more than the limit tells that there are more, whatever a small body unpacks to.
            body += unpack.decompress(chunk, limit + 1 - len(body)) if unpack else chunk
            if len(body) > limit:
                raise TooLargeError(message)
    except zlib.error as exc:
        raise MalformedError("the body is not gzip, as its Content-Encoding says") from exc
    if unpack and not unpack.eof:
        raise MalformedError("the gzip body is cut short")
    return bytes(body)


def parse(body: bytes) -> Any:
    """Return the JSON value; half a surrogate pair, as cutting an emoji leaves, becomes a question mark."""
    try:
        content = json.loads(body, parse_constant=_refuse_constant)
        if b"\\ud" in body.lower():
            content = json.loads(json.dumps(content, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError) as exc:  # ValueError: no JSON, no UTF-8, or a number of thousands of digits
        raise MalformedError("the body is not JSON; send UTF-8 encoded JSON") from exc
    return content


def check(content: dict[str, Any], dialects: tuple[type[RerankRequest], ...]) -> RerankRequest:
    """Return the request in the dialect whose list of texts it has, and whose own keys where two share that list."""
    keys = dict.fromkeys(dialect.texts_key for dialect in dialects)
    given = [key for key in keys if content.get(key) is not None]
    if len(given) != 1:
        raise InvalidError(f"send either {' or '.join(keys)}" if len(keys) > 1 else f"send {', '.join(keys)}")
    alike = [dialect for dialect in dialects if dialect.texts_key == given[0]]
    return _validated(next((dialect for dialect in alike if dialect.fits(content)), alike[-1]), content)


def _validated(dialect: type[_Request], content: dict[str, Any]) -> _Request:
    try:
        return dialect.model_validate(content)
    except ValidationError as exc:
        raise InvalidError(model_fault(exc)) from exc


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
