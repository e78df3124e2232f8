"""Attach a reranking service to OpenSearch: a connector, a remote model on it, and a search pipeline."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Any
from urllib.parse import quote, urlsplit

from relsearch.core.errors import ConfigError, SearchEngineError
from relsearch.exporters import attached
from relsearch.exporters.attached import Attached, Request
from relsearch.index.engine.http import Server

_ML = "/_plugins/_ml"
_REGEX = "plugins.ml_commons.trusted_connector_endpoints_regex"
_PRIVATE = "plugins.ml_commons.connector.private_ip_enabled"
_DESCRIPTION = "relsearch reranker"
_NOT_FOUND = 404


def connector(name: str, *, service_url: str, key: str) -> Request:
    """Return the request that makes the connector to the service's Cohere dialect."""
    action = {
        "action_type": "predict",
        "method": "POST",
        "url": f"{attached.service_base(service_url)}/v1/rerank",
        "headers": {"Authorization": "Bearer ${credential.api_key}", "Content-Type": "application/json"},
        # The pre-processing function fills in all three; its top_n is the number of documents.
        "request_body": '{"query":"${parameters.query}","documents":${parameters.documents},'
        '"top_n":${parameters.top_n}}',
        "pre_process_function": "connector.pre_process.cohere.rerank",
        # This one reads `$.results` of the answer.
        "post_process_function": "connector.post_process.cohere.rerank",
    }
    body = {
        "name": name,
        "description": _DESCRIPTION,
        "version": 1,
        "protocol": "http",
        "credential": {"api_key": key},
        "actions": [action],
    }
    return Request("POST", f"{_ML}/connectors/_create", body)


def model(name: str, *, connector_id: str) -> Request:
    """Return the request that registers and deploys the model."""
    body = {
        "name": name,
        "function_name": "remote",
        "description": _DESCRIPTION,
        "connector_id": connector_id,
    }
    return Request("POST", f"{_ML}/models/_register?deploy=true", body)


def pipeline(name: str, *, model_id: str, fields: tuple[str, ...]) -> Request:
    """Return the request that makes the search pipeline; a dead service leaves the engine's order."""
    rerank = {
        "ml_opensearch": {"model_id": model_id},
        "context": {"document_fields": list(fields)},
        "ignore_failure": True,
    }
    body = {"description": _DESCRIPTION, "response_processors": [{"rerank": rerank}]}
    return Request("PUT", f"/_search/pipeline/{quote(name, safe='')}", body)


def example(name: str, fields: tuple[str, ...]) -> Request:
    """Return a search whose hits the pipeline reranks."""
    body = {
        "query": {"multi_match": {"query": "YOUR QUERY", "fields": list(fields)}},
        "size": 100,
        "ext": {"rerank": {"query_context": {"query_text": "YOUR QUERY"}}},
    }
    return Request("POST", f"/YOUR-INDEX/_search?search_pipeline={quote(name, safe='')}", body)


def attach(server: Server, name: str, *, service_url: str, key: str, fields: tuple[str, ...]) -> Attached:
    """Make what is absent of connector, model and pipeline, and probe the model.

    Raise SearchEngineError that names the plugin or setting that is missing, or a connector of this name to another
    URL; what this call made is taken away where a later step fails.
    """
    if not fields:
        raise ConfigError("attach opensearch needs the fields to rerank by; pass --field")
    wanted = connector(name, service_url=service_url, key=key)
    _check_cluster(server, wanted.body["actions"][0]["url"])
    standing = _standing_connector(server, name, wanted.body)
    connector_id = standing or str(_do(server, wanted)["connector_id"])
    try:
        created = _attach_model(server, name, connector_id, fields)
    except SearchEngineError:
        if standing is None:
            _remove(server, "connectors", connector_id)
        raise
    return Attached(name, standing is None or created, example(name, fields))


def detach(server: Server, name: str) -> bool:
    """Take pipeline, model and connector away; return whether there was any of them."""
    _check_plugin(server)
    removed = [_delete(server, f"/_search/pipeline/{quote(name, safe='')}")]
    removed += [_remove(server, "models", each["_id"]) for each in _named(server, "models", name)]
    removed += [_remove(server, "connectors", each["_id"]) for each in _named(server, "connectors", name)]
    return any(removed)


def attached_names(server: Server) -> list[str]:
    """Return the names of the pipelines, models and connectors that attach makes, sorted."""
    reply = server.send("GET", "/_search/pipeline", None)  # refused with 404 where there is none
    made = [{"name": name, **each} for name, each in reply.body.items()] if reply.ok else []
    for kind in ("models", "connectors"):
        made += [each["_source"] for each in _found(server, kind, {"match_phrase": {"description": _DESCRIPTION}})]
    return sorted({each["name"] for each in made if each.get("description") == _DESCRIPTION})


def _attach_model(server: Server, name: str, connector_id: str, fields: tuple[str, ...]) -> bool:
    """Return whether model or pipeline had to be made."""
    standing = [each["_id"] for each in _named(server, "models", name)]
    model_id = standing[0] if standing else str(_do(server, model(name, connector_id=connector_id))["model_id"])
    try:
        _probe(server, model_id)
        wanted = pipeline(name, model_id=model_id, fields=fields)
        found = server.send("GET", wanted.path, None)
        same = found.ok and found.body.get(name, {}).get("response_processors") == wanted.body["response_processors"]
        if not same:
            _do(server, wanted)
    except SearchEngineError:
        if not standing:
            _remove(server, "models", model_id)
        raise
    return not standing or not same


def _check_cluster(server: Server, url: str) -> None:
    _check_plugin(server)
    settings = _settings(server)
    missing: dict[str, Any] = {}
    trusted = settings.get(_REGEX) or []
    if not any(re.fullmatch(pattern, url) for pattern in trusted):
        missing[_REGEX] = [*trusted, f"^{re.escape(url)}$"]
    if _is_private(url) and str(settings.get(_PRIVATE, "false")).lower() != "true":
        missing[_PRIVATE] = True
    if missing:
        body = json.dumps({"persistent": missing})
        raise SearchEngineError(
            f"opensearch at {server.url}: {url} is not trusted; send: PUT /_cluster/settings {body}"
        )


def _check_plugin(server: Server) -> None:
    plugins = server.ask("GET", "/_cat/plugins?format=json").get("body", [])
    if not any(each.get("component") == "opensearch-ml" for each in plugins):
        raise SearchEngineError(
            f"opensearch at {server.url}: the plugin opensearch-ml is not installed; use a distribution that has it, "
            "or relsearch gateway and relsearch search, which need none"
        )


def _settings(server: Server) -> dict[str, Any]:
    every = server.ask("GET", "/_cluster/settings?include_defaults=true&flat_settings=true")
    return {**every.get("defaults", {}), **every.get("persistent", {}), **every.get("transient", {})}


def _is_private(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or "." not in host or host.endswith((".local", ".internal"))


def _standing_connector(server: Server, name: str, wanted: dict[str, Any]) -> str | None:
    for each in _named(server, "connectors", name):
        url = each["_source"]["actions"][0]["url"]
        if url != wanted["actions"][0]["url"]:
            raise SearchEngineError(
                f"opensearch at {server.url}: connector {name!r} exists and leads to {url}; "
                f"give another --name, or first: relsearch detach opensearch --url {server.url} --name {name}"
            )
        return str(each["_id"])
    return None


def _named(server: Server, kind: str, name: str) -> list[dict[str, Any]]:
    hits = _found(server, kind, {"term": {"name.keyword": name}})
    return [each for each in hits if each["_source"].get("name") == name]


def _found(server: Server, kind: str, query: dict[str, Any]) -> list[dict[str, Any]]:
    # A cluster that never had a model or connector has no index of them yet, which the plugin says by 404.
    reply = server.send("POST", f"{_ML}/{kind}/_search", {"query": query, "size": 100})
    if not reply.ok and reply.status != _NOT_FOUND:
        raise SearchEngineError(f"opensearch at {server.url}: searching {kind}: {reply.status}: {reply.reason}")
    hits: list[dict[str, Any]] = reply.body["hits"]["hits"] if reply.ok else []
    return hits


def _probe(server: Server, model_id: str) -> None:
    texts = list(attached.PROBE_TEXTS)
    body = {"query_text": attached.PROBE_QUERY, "text_docs": texts}
    results = server.ask("POST", f"{_ML}/_predict/text_similarity/{model_id}", body).get("inference_results", [])
    outputs = [output for result in results for output in result.get("output", [])]
    attached.check_probe("opensearch", [output["data"][0] for output in outputs if output.get("data")])


def _remove(server: Server, kind: str, identity: str) -> bool:
    if kind == "models":
        server.send("POST", f"{_ML}/models/{identity}/_undeploy", None)
    return _delete(server, f"{_ML}/{kind}/{identity}")


def _delete(server: Server, path: str) -> bool:
    reply = server.send("DELETE", path, None)
    if not reply.ok and reply.status != _NOT_FOUND:
        raise SearchEngineError(f"opensearch at {server.url}: DELETE {path}: {reply.status}: {reply.reason}")
    return reply.ok


def _do(server: Server, request: Request) -> dict[str, Any]:
    return server.ask(request.method, request.path, request.body)
