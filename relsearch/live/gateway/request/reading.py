"""What the gateway reads of a request: its kind, its index expression, its parameters and its body."""

from __future__ import annotations

import json
import re
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from aiohttp import ClientPayloadError, ClientResponse, web

from relsearch.live.gateway.request.rewrite import Parameters

# Beyond this a body is passed on unread: while JSON is parsed, 8 MB in 0.1 to 0.7 s, no other thread gets a turn. The
# most terms that Elasticsearch takes, 65,536, fit if they have 50 characters each.
MOST_BYTES = 4 << 20
# What zlib calls the forms; by deflate some clients mean the stream inside, and the engines read both.
_WINDOWS = {"gzip": (31,), "deflate": (15, -15)}
_SEARCH = re.compile(r"(?:/(?P<target>[^/?]+))?/(?P<verb>_m?search)(?P<template>/template)?/?(?:\?(?P<query>.*))?")


@dataclass(frozen=True, slots=True)
class SearchPath:
    """The path of a search: `/INDEX/_search`, `/_msearch`, with `/template` after it or not."""

    target: str
    verb: str
    template: bool
    parameters: Parameters

    def url(self, parameters: Parameters) -> str:
        """Return the path of a plain search on the same target with other parameters."""
        # `%` stays: the target is as it stood in the URL.
        index = f"/{self.target}" if self.target else ""
        return f"{index}/{self.verb}" + (f"?{urlencode(parameters)}" if parameters else "")

    @property
    def names(self) -> str:
        """The index expression as text."""
        return unquote(self.target)


def search_path(method: str, raw_path: str) -> SearchPath | None:
    """Return the parts of a search's path, or None for every other request."""
    found = _SEARCH.fullmatch(raw_path) if method in ("GET", "POST") else None
    if not found:
        return None
    query = (found["query"] or "").replace(";", "&")  # either stands between parameters, for the engines
    parameters = tuple(parse_qsl(query, keep_blank_values=True))
    return SearchPath(found["target"] or "", found["verb"], found["template"] is not None, parameters)


async def read_start(request: web.BaseRequest) -> tuple[bytes, bool]:
    """Return the body's first MOST_BYTES, and whether that is all of it."""
    if request.content_length is not None and request.content_length > MOST_BYTES:
        return b"", False
    chunks, size = [], 0
    async for chunk in request.content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > MOST_BYTES:
            return b"".join(chunks), False
    return b"".join(chunks), True


def plain_text(request: web.BaseRequest, raw: bytes) -> bytes:
    """Return a body in UTF-8 and without its compression; raise ValueError where either cannot be had."""
    text = _uncompressed(raw, request.headers.get("Content-Encoding", "identity").lower())
    encoding = json.detect_encoding(text)  # the engines read UTF-16 and UTF-32 as well
    return text if encoding.startswith("utf-8") else text.decode(encoding).encode()


def _uncompressed(raw: bytes, encoding: str) -> bytes:
    if not raw or encoding == "identity":
        return raw
    for window in _WINDOWS.get(encoding.removeprefix("x-"), ()):
        stream = zlib.decompressobj(window)
        with suppress(zlib.error):
            text = stream.decompress(raw, MOST_BYTES)
            if stream.eof:
                return text
    raise ValueError(f"the body is not {encoding}, too large, cut short, or in what only the engine reads")


def is_json(content_type: str) -> bool:
    """Whether a content type is JSON or lines of it; an absent one is taken for JSON."""
    return not content_type or "json" in content_type.lower()


def wants_json(request: web.BaseRequest) -> bool:
    """Whether the client takes an answer in JSON; YAML, CBOR and SMILE are passed on unread."""
    wanted = request.headers.get("Accept", "").lower()
    return not wanted or any(name in wanted for name in ("json", "*/*", "application/*"))


def accepts_gzip(request: web.BaseRequest) -> bool:
    """Whether the client takes an answer compressed with gzip."""
    names = [each.strip().lower() for each in request.headers.get("Accept-Encoding", "").split(",")]
    return any(name.partition(";")[0].strip() == "gzip" and not name.endswith("q=0") for name in names)


def json_object(text: bytes) -> dict[str, Any]:
    """Return a JSON object; raise ValueError for anything else. No body at all is an empty object."""
    value = json.loads(text) if text.strip() else {}
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def json_text(body: bytes) -> str:
    """Return a body of JSON as text, without a byte-order mark; no body at all is an empty object."""
    return body.decode("utf-8-sig") if body.strip() else "{}"


async def json_answered(answer: ClientResponse) -> dict[str, Any]:
    """Return the JSON object that the engine answered; raise ClientPayloadError if it is none."""
    try:
        return json_object(await answer.read())
    except ValueError as exc:
        raise ClientPayloadError("the engine's answer is no JSON object") from exc


async def chunks_answered(answer: ClientResponse) -> list[bytes]:
    """Return what the engine answered as it came; joining a large answer would hold the event loop up."""
    return [chunk async for chunk in answer.content.iter_any()]


def json_bytes(value: object) -> bytes:
    """Return compact JSON; a lone surrogate, which UTF-8 cannot carry, goes as an escape."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
