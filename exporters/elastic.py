"""Attach a reranking service to Elasticsearch: an inference endpoint that retrievers name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from relsearch.core.errors import ConfigError, SearchEngineError
from relsearch.exporters import attached
from relsearch.exporters.attached import Attached, Request
from relsearch.index.engine.http import Json, Server

SERVICES = ("hugging_face", "custom", "cohere")
_PATHS = {"hugging_face": "/rerank", "custom": "/v2/rerank", "cohere": "/v2/rerank"}
_LICENCES = ("trial", "enterprise")
# Elasticsearch holds back requests beyond 3,000 a minute to a hugging_face endpoint; a service of one's own has
# its own limit and says 429.
_RATE_LIMIT = {"requests_per_minute": 1_000_000}
_MODEL = "relsearch"
_NOT_FOUND = 404


def endpoint(name: str, *, service: str, service_url: str, key: str) -> Request:
    """Return the request that makes the inference endpoint; no `top_n` anywhere, which would lose documents."""
    if service not in SERVICES:
        raise ConfigError(f"service {service!r} is not known; use one of: {', '.join(SERVICES)}")
    url = attached.service_base(service_url) + _PATHS[service]
    settings: dict[str, Any] = {"url": url, "rate_limit": _RATE_LIMIT}
    if service == "custom":
        settings |= {"secret_parameters": {"api_key": key}, **_custom()}
    elif service == "cohere":
        settings |= {"api_key": key, "model_id": _MODEL}
    else:
        settings |= {"api_key": key}
    return Request("PUT", _path(name), {"service": service, "service_settings": settings})


def example(name: str, field: str) -> Request:
    """Return a search whose hits the endpoint reranks; a dead service leaves the engine's order."""
    retriever = {
        "retriever": {"standard": {"query": {"match": {field: "YOUR QUERY"}}}},
        "field": field,
        "inference_id": name,
        "inference_text": "YOUR QUERY",
        "rank_window_size": 100,
        "allow_rerank_failures": True,
    }
    return Request("POST", "/YOUR-INDEX/_search", {"retriever": {"text_similarity_reranker": retriever}})


def attach(server: Server, name: str, *, service: str, service_url: str, key: str, field: str) -> Attached:
    """Register the service and probe it; an equal endpoint that exists is probed and left.

    Raise SearchEngineError where the licence does not allow it, another endpoint has the name, or the probe fails;
    what this call made is then taken away again.
    """
    _check_licence(server)
    request = endpoint(name, service=service, service_url=service_url, key=key)
    found = server.send("GET", _path(name), None)
    if found.ok:
        _check_same(server, name, found.body["endpoints"][0], request.body)
    elif found.status == _NOT_FOUND:
        server.ask(request.method, request.path, request.body)
    else:
        raise SearchEngineError(f"elasticsearch at {server.url}: status {found.status}: {found.reason}")
    try:
        _probe(server, name)
    except SearchEngineError:
        if not found.ok:
            server.send("DELETE", request.path, None)
        raise
    return Attached(name, not found.ok, example(name, field))


def detach(server: Server, name: str) -> bool:
    """Take the endpoint away; return whether there was one."""
    reply = server.send("DELETE", _path(name), None)
    if not reply.ok and reply.status != _NOT_FOUND:
        raise SearchEngineError(f"elasticsearch at {server.url}: inference endpoint {name!r} stays: {reply.reason}")
    return reply.ok


def attached_names(server: Server) -> list[str]:
    """Return the names of the endpoints that attach makes, sorted; those that lead elsewhere are not listed."""
    endpoints = server.ask("GET", "/_inference/rerank/_all")["endpoints"]
    return sorted(each["inference_id"] for each in endpoints if _is_ours(each))


def _is_ours(endpoint: Json) -> bool:
    path = _PATHS.get(endpoint.get("service", ""))
    return path is not None and str(endpoint.get("service_settings", {}).get("url", "")).endswith(path)


def _path(name: str) -> str:
    return f"/_inference/rerank/{quote(name, safe='')}"


def _custom() -> dict[str, Any]:
    # ${query} and ${input} stand unquoted: Elasticsearch puts whole JSON values there.
    request = f'{{"model":{json.dumps(_MODEL)},"query":${{query}},"documents":${{input}}}}'
    parser = {"relevance_score": "$.results[*].relevance_score", "reranked_index": "$.results[*].index"}
    return {
        "headers": {"Authorization": "Bearer ${api_key}", "Content-Type": "application/json"},
        "request": request,
        "response": {"json_parser": parser},
    }


def _check_licence(server: Server) -> None:
    licence = server.ask("GET", "/_license").get("license", {})
    kind, status = licence.get("type", "none"), licence.get("status", "unknown")
    if kind in _LICENCES and status == "active":
        return
    raise SearchEngineError(
        f"elasticsearch at {server.url}: its licence is {kind} ({status}), the inference API needs enterprise or trial "
        "(POST _license/start_trial?acknowledge=true opens 30 days); relsearch gateway and relsearch search need none"
    )


def _check_same(server: Server, name: str, standing: Json, wanted: Json) -> None:
    settings: Mapping[str, Any] = standing.get("service_settings", {})
    pairs = [("service", standing.get("service"), wanted["service"])]
    pairs += [(key, settings.get(key), wanted["service_settings"].get(key)) for key in ("url", "request")]
    for key, has, needs in pairs:
        if has != needs:
            raise SearchEngineError(
                f"elasticsearch at {server.url}: inference endpoint {name!r} exists with {key} {has!r}, not {needs!r}; "
                f"give another --name, or first: relsearch detach elasticsearch --url {server.url} --name {name}"
            )


def _probe(server: Server, name: str) -> None:
    body = {"query": attached.PROBE_QUERY, "input": list(attached.PROBE_TEXTS)}
    rows = server.ask("POST", _path(name), body).get("rerank", [])
    attached.check_probe("elasticsearch", [row.get("relevance_score") for row in rows])
