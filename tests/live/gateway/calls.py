"""Seventy calls that clients of Elasticsearch and OpenSearch make, in an order that can be repeated."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

JSON = {"Content-Type": "application/json"}
LINES = {"Content-Type": "application/x-ndjson"}
MATCH = {"query": {"match": {"text": "tides"}}}


@dataclass(frozen=True, slots=True)
class Call:
    """One request; `{scroll}` and `{pit}` in it stand for what earlier answers named."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer as it came over the wire."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


def _json(method: str, path: str, body: object, **headers: str) -> Call:
    return Call(method, path, json.dumps(body).encode(), JSON | headers)


def _lines(path: str, *lines: object) -> Call:
    return Call("POST", path, "".join(json.dumps(line) + "\n" for line in lines).encode(), LINES)


def _get(path: str, **headers: str) -> Call:
    return Call("GET", path, headers=headers)


def _documents() -> list[object]:
    lines: list[object] = []
    for number in range(12):
        source = {"text": "tides " * (12 - number), "tag": f"t{number % 3}", "n": number}
        lines += [{"index": {"_index": "calls", "_id": str(number)}}, source]
    return lines


def calls(engine: str) -> list[Call]:
    """Return the calls for an engine; the first deletes what an earlier round left."""
    return [*_administration(), *_writing(), *_searching(), *_cursors(engine), *_looking(), *_failing(), *_ending()]


def _administration() -> list[Call]:
    fields = {"text": {"type": "text"}, "tag": {"type": "keyword"}, "n": {"type": "integer"}}
    settings = {"number_of_shards": 1, "number_of_replicas": 0}
    return [
        Call("DELETE", "/calls,calls-copy?ignore_unavailable=true"),
        _json("PUT", "/calls", {"settings": settings, "mappings": {"properties": fields}}),
        Call("HEAD", "/calls"),
        Call("HEAD", "/nothing-here"),
        _get("/calls/_mapping"),
        _json("PUT", "/calls/_mapping", {"properties": {"more": {"type": "keyword"}}}),
        _get("/calls/_settings?include_defaults=false"),
        _json("PUT", "/calls/_settings", {"index": {"refresh_interval": "5s"}}),
        _json("POST", "/_aliases", {"actions": [{"add": {"index": "calls", "alias": "called"}}]}),
        _get("/_alias/called"),
        _json("PUT", "/_index_template/calls-t", {"index_patterns": ["calls-t-*"], "template": {"settings": settings}}),
        _get("/_index_template/calls-t"),
        Call("DELETE", "/_index_template/calls-t"),
    ]


def _writing() -> list[Call]:
    packed = gzip.compress(json.dumps({"text": "packed tides", "tag": "t9", "n": 99}).encode(), mtime=0)
    return [
        _lines("/_bulk?refresh=true", *_documents()),
        _json("PUT", "/calls/_doc/a%2Fb%20c?refresh=true", {"text": "a slash: é, 漢字, 🙂", "tag": "t1", "n": 50}),
        Call("PUT", "/calls/_doc/packed?refresh=true", packed, JSON | {"Content-Encoding": "gzip"}),
        _json("PUT", "/calls/_create/0", {"text": "conflict"}),
        _get("/calls/_doc/a%2Fb%20c"),
        _get("/calls/_source/3"),
        Call("HEAD", "/calls/_doc/3"),
        _json("POST", "/_mget", {"docs": [{"_index": "calls", "_id": "1"}, {"_index": "calls", "_id": "none"}]}),
        _json("POST", "/calls/_update/1?refresh=true", {"doc": {"n": 100}}),
        Call("DELETE", "/calls/_doc/2?refresh=true"),
        _json("POST", "/_reindex?refresh=true", {"source": {"index": "calls"}, "dest": {"index": "calls-copy"}}),
        _json("POST", "/calls-copy/_delete_by_query?refresh=true", {"query": {"term": {"tag": "t1"}}}),
        _json("POST", "/calls-copy/_update_by_query?refresh=true", {"query": {"match_all": {}}}),
        Call("POST", "/calls/_refresh"),
        Call("POST", "/calls/_flush"),
    ]


def _searching() -> list[Call]:
    everything = {
        **MATCH,
        "size": 3,
        "aggs": {"tags": {"terms": {"field": "tag"}, "aggs": {"mean": {"avg": {"field": "n"}}}}},
        "highlight": {"fields": {"text": {}}},
        "_source": ["tag"],
        "track_total_hits": True,
    }
    return [
        _json("POST", "/calls/_search", MATCH),
        _json("GET", "/calls/_search", everything),
        _get("/calls/_search"),
        _get("/calls/_search?q=text:tides&size=2&pretty"),
        _json("POST", "/calls,calls-copy/_search", {**MATCH, "sort": [{"n": "desc"}], "from": 1, "size": 2}),
        _json("POST", "/calls/_search", {**MATCH, "collapse": {"field": "tag"}}),
        _json("POST", "/calls/_search?filter_path=hits.hits._id", MATCH),
        _json("POST", "/calls/_search?rest_total_hits_as_int=true&typed_keys=true", everything),
        _json("POST", "/calls/_search?format=yaml", MATCH),
        _json("POST", "/calls/_search", MATCH, **{"Accept-Encoding": "gzip"}),
        _json("POST", "/calls/_search", {"size": 0, "query": {"bool": {"filter": {"range": {"n": {"gt": 3}}}}}}),
        _json("POST", "/calls/_search", {**MATCH, "explain": True, "size": 1}),
        _json("POST", "/calls/_search", {**MATCH, "ext": {}}),
        _lines("/_msearch", {"index": "calls"}, MATCH, {"index": "nothing-here"}, MATCH),
        _json("POST", "/calls/_count", MATCH),
        _json("POST", "/calls/_explain/3", MATCH),
        _json("POST", "/calls/_validate/query?explain=true", MATCH),
        _json("POST", "/calls/_analyze", {"field": "text", "text": "Tides & Waves"}),
        _json("POST", "/calls/_termvectors/3", {"fields": ["text"]}),
        _get("/calls/_field_caps?fields=*"),
    ]


def _cursors(engine: str) -> list[Call]:
    point = "/calls/_pit?keep_alive=1m" if engine == "elasticsearch" else "/calls/_search/point_in_time?keep_alive=1m"
    name = "id" if engine == "elasticsearch" else "pit_id"
    gone = "/_pit" if engine == "elasticsearch" else "/_search/point_in_time"
    value: object = "{pit}" if engine == "elasticsearch" else ["{pit}"]
    return [
        _json("POST", "/calls/_search?scroll=1m", {**MATCH, "size": 2}),
        _json("POST", "/_search/scroll", {"scroll": "1m", "scroll_id": "{scroll}"}),
        _json("DELETE", "/_search/scroll", {"scroll_id": "{scroll}"}),
        Call("POST", point),
        _json("POST", "/_search", {**MATCH, "pit": {"id": "{pit}"}, "size": 2, "sort": [{"n": "asc"}]}),
        _json("DELETE", gone, {name: value}),
    ]


def _looking() -> list[Call]:
    return [
        _get("/"),
        Call("HEAD", "/"),
        _get("/_cat/indices/calls?v&h=index,docs.count&format=json"),
        _get("/_cat/count/calls?h=count"),
        _get("/_cat/aliases/called?v"),
        _get("/_cluster/health/calls?level=shards&filter_path=status,number_of_nodes"),
        _get("/_cluster/settings"),
        _get("/_nodes/_local?filter_path=nodes.*.version"),
        Call("OPTIONS", "/calls"),
    ]


def _failing() -> list[Call]:
    return [
        Call("POST", "/calls/_search", b'{"query": {', JSON),
        _json("POST", "/calls/_search", {"query": {"nonsense": {}}}),
        _json("POST", "/nothing-here/_search", MATCH),
        _get("/nothing-here/_doc/1"),
        Call("POST", "/calls/_search", b"a: 1", {"Content-Type": "text/unknown"}),
        Call("PATCH", "/calls"),
        _get("/_no_such_api"),
        _lines("/_msearch", {"index": "calls"}),
        Call("POST", "/_bulk", b"\n", LINES),
    ]


def _ending() -> list[Call]:
    return [Call("DELETE", "/calls,calls-copy")]


def replies(url: str, engine: str) -> Iterator[tuple[Call, Reply]]:
    """Make the calls one after another on one connection kept alive; yield each with its answer."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    known: dict[str, str] = {}
    try:
        for call in calls(engine):
            body = call.body
            for name, value in known.items():
                body = body.replace(b"{%s}" % name.encode(), value.encode())
            connection.request(call.method, call.path, body or None, dict(call.headers))
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            reply = Reply(response.status, response.reason, headers, response.read())
            known |= _named(call, reply)
            yield call, reply
    finally:
        connection.close()


def _named(call: Call, reply: Reply) -> dict[str, str]:
    if "scroll=1m" in call.path:
        return {"scroll": json.loads(reply.body)["_scroll_id"]}
    if "keep_alive=1m" in call.path:
        answer = json.loads(reply.body)
        return {"pit": answer.get("id") or answer["pit_id"]}
    return {}
