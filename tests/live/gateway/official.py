"""What people do with an engine's official client, done through the gateway by whatever client is installed.

`python -m tests.live.gateway.official NAME URL DIRECT` does it in a process of its own, where another version of the
client may stand first on the path.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any


def use(name: str, url: str, direct: str) -> str:
    """Use the engine at URL as its client's users do; raise AssertionError where an answer is not the right one.

    `direct` is the same engine without the gateway. Return the client's version.
    """
    package = {"elasticsearch": "elasticsearch", "opensearch": "opensearchpy"}[name]
    module, helpers = importlib.import_module(package), importlib.import_module(f"{package}.helpers")
    opened = getattr(module, {"elasticsearch": "Elasticsearch", "opensearch": "OpenSearch"}[name])
    client, without = opened(url, http_compress=True), opened(direct)
    assert client.info()["version"]["number"] == without.info()["version"]["number"]
    actions = [{"_index": "clients", "_id": str(n), "text": f"tides {n}"} for n in range(30)]
    assert helpers.bulk(client, actions, refresh=True) == (30, [])
    assert client.count(index="clients")["count"] == 30
    assert sum(1 for _ in helpers.scan(client, index="clients", size=7)) == 30
    assert _status(module, lambda: client.get(index="clients", id="absent")) == 404
    assert not client.indices.exists(index="absent")
    body: dict[str, Any] = {"query": {"match": {"text": "tides"}}, "ext": {"relsearch": {"budget_ms": 20_000}}}
    answer = client.search(index="clients", body=body)
    assert [hit["_id"] for hit in answer["hits"]["hits"]] == [str(n) for n in range(29, 19, -1)]
    many = client.msearch(body=[{"index": "clients"}, body])
    assert many["responses"][0]["hits"]["hits"][0]["_id"] == "29"
    client.indices.delete(index="clients")
    client.close()
    return str(module.__versionstr__)


def _status(module: Any, call: Any) -> int:
    try:
        call()
    except module.NotFoundError as exc:
        return int(exc.status_code)
    return 200


if __name__ == "__main__":
    sys.stdout.write(use(*sys.argv[1:]))
