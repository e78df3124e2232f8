"""OpenSearch with its ml-commons plugin, as far as a rerank connector needs it, by its written contract.

Connectors are refused where their URL is not trusted; a prediction fills the connector's template, calls the service
and reads `$.results` as the plugin's Cohere post-processing does; a deployed model and a used connector stay.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.http_server import running

Answer = tuple[int, Any]
_TRUSTED = "plugins.ml_commons.trusted_connector_endpoints_regex"
_PRIVATE = "plugins.ml_commons.connector.private_ip_enabled"


class MlCommons(ThreadingHTTPServer):
    """Holds connectors, models and search pipelines."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.settings: dict[str, Any] = {_TRUSTED: [r"^https://api\.cohere\.ai/.*$"], _PRIVATE: "false"}
        self.plugins = ["opensearch-ml", "opensearch-knn"]
        self.kept: dict[str, dict[str, dict[str, Any]]] = {"connectors": {}, "models": {}, "pipelines": {}}
        self.changes: list[str] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, method: str, path: str, body: dict[str, Any]) -> Answer:
        """Return status and JSON for a request; what is not in the contract is refused."""
        for pattern, action in _ROUTES:
            if found := re.fullmatch(pattern, f"{method} {path}"):
                answer = action(self, body, *found.groups())
                if not re.search(r"_search$|^GET|_predict", f"{method} {path}"):
                    self.changes.append(f"{method} {path}")
                return answer
        return 400, {"error": {"reason": f"no handler found for {method} {path}"}, "status": 400}

    def plugin_list(self, body: dict[str, Any]) -> Answer:
        """GET /_cat/plugins."""
        return 200, [{"name": "node", "component": name, "version": "2.19.1.0"} for name in self.plugins]

    def all_settings(self, body: dict[str, Any]) -> Answer:
        """GET /_cluster/settings."""
        return 200, {"persistent": {}, "transient": {}, "defaults": self.settings}

    def search(self, body: dict[str, Any], kind: str) -> Answer:
        """Find connectors or models by a field; 404 before the first of them, as there is no index yet."""
        if not self.kept[kind]:
            return 404, {"error": {"reason": f"no such index [.plugins-ml-{kind}]"}, "status": 404}
        ((field, value),) = (body["query"].get("term") or body["query"]["match_phrase"]).items()
        field = field.removesuffix(".keyword")
        hits = [{"_id": key, "_source": each} for key, each in self.kept[kind].items() if each[field] == value]
        return 200, {"hits": {"hits": hits}}

    def create_connector(self, body: dict[str, Any]) -> Answer:
        """Keep a connector whose URL is trusted."""
        if missing := {"name", "description", "version", "protocol", "actions"} - body.keys():
            return 400, {"error": {"reason": f"missing {sorted(missing)}"}}
        url = body["actions"][0]["url"]
        if not any(re.fullmatch(pattern, url) for pattern in self.settings[_TRUSTED]):
            return 400, {"error": {"reason": "Connector URL is not matching the trusted connector endpoint regex"}}
        if self.settings[_PRIVATE] != "true":
            return 400, {"error": {"reason": "Remote inference host name has private ip address"}}
        return 200, {"connector_id": self._keep("connectors", body)}

    def register(self, body: dict[str, Any]) -> Answer:
        """Keep a deployed remote model."""
        if body.get("function_name") != "remote" or body.get("connector_id") not in self.kept["connectors"]:
            return 400, {"error": {"reason": "a remote model needs a connector"}}
        return 200, {"task_id": "t", "status": "CREATED", "model_id": self._keep("models", {**body, "deployed": True})}

    def predict(self, body: dict[str, Any], model_id: str) -> Answer:
        """Score texts as the rerank processor does."""
        model = self.kept["models"][model_id]
        action = self.kept["connectors"][model["connector_id"]]["actions"][0]
        credential = self.kept["connectors"][model["connector_id"]]["credential"]
        texts = body["text_docs"]
        values = {"query": _escaped(body["query_text"]), "documents": json.dumps(texts), "top_n": str(len(texts))}
        payload = re.sub(r"\$\{parameters\.(\w+)}", lambda found: values[found.group(1)], action["request_body"])
        headers = {name: value.replace("${credential.api_key}", credential["api_key"]) for name, value in
                   action["headers"].items()}  # fmt: skip
        request = urllib.request.Request(action["url"], payload.encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                results = json.loads(response.read())["results"]
        except urllib.error.HTTPError as exc:
            return exc.code, {"error": {"reason": f"Error from remote service: {exc.read().decode()}"}}
        scores = _post_process(results)
        if len(scores) != len(texts):
            return 400, {"error": {"reason": "scores and documents differ in number"}}
        return 200, {"inference_results": [{"output": [_tensor(score) for score in scores], "status_code": 200}]}

    def undeploy(self, body: dict[str, Any], model_id: str) -> Answer:
        """Let a model be deleted."""
        self.kept["models"][model_id]["deployed"] = False
        return 200, {}

    def delete(self, body: dict[str, Any], kind: str, key: str) -> Answer:
        """Drop what nothing uses."""
        if kind == "models" and self.kept[kind].get(key, {}).get("deployed"):
            return 400, {"error": {"reason": "Model cannot be deleted in deploying or deployed state"}}
        if kind == "connectors" and any(each["connector_id"] == key for each in self.kept["models"].values()):
            return 409, {"error": {"reason": "models are still using this connector"}}
        return (200, {"result": "deleted"}) if self.kept[kind].pop(key, None) else (404, {"result": "not_found"})

    def put_pipeline(self, body: dict[str, Any], name: str) -> Answer:
        """Keep a pipeline of one rerank processor over a known model."""
        (processor,) = body["response_processors"]
        rerank = processor["rerank"]
        if set(rerank) - {"ml_opensearch", "context", "ignore_failure", "tag", "description"}:
            return 400, {"error": {"reason": "unknown processor field"}}
        if rerank["ml_opensearch"]["model_id"] not in self.kept["models"] or not rerank["context"]["document_fields"]:
            return 400, {"error": {"reason": "no model or no document_fields"}}
        self.kept["pipelines"][name] = body
        return 200, {"acknowledged": True}

    def get_pipeline(self, body: dict[str, Any], name: str) -> Answer:
        """Show a pipeline."""
        return (200, {name: self.kept["pipelines"][name]}) if name in self.kept["pipelines"] else (404, {})

    def all_pipelines(self, body: dict[str, Any]) -> Answer:
        """Show every pipeline."""
        return 200, self.kept["pipelines"]

    def delete_pipeline(self, body: dict[str, Any], name: str) -> Answer:
        """Drop a pipeline."""
        return (200, {}) if self.kept["pipelines"].pop(name, None) else (404, {"error": {"reason": "missing"}})

    def _keep(self, kind: str, body: dict[str, Any]) -> str:
        key = f"{kind}-{len(self.changes)}"
        self.kept[kind][key] = body
        return key


_ROUTES = (
    (r"GET /_cat/plugins\?format=json", MlCommons.plugin_list),
    (r"GET /_cluster/settings\?include_defaults=true&flat_settings=true", MlCommons.all_settings),
    (r"POST /_plugins/_ml/(connectors|models)/_search", MlCommons.search),
    (r"POST /_plugins/_ml/connectors/_create", MlCommons.create_connector),
    (r"POST /_plugins/_ml/models/_register\?deploy=true", MlCommons.register),
    (r"POST /_plugins/_ml/_predict/text_similarity/([\w-]+)", MlCommons.predict),
    (r"POST /_plugins/_ml/models/([\w-]+)/_undeploy", MlCommons.undeploy),
    (r"DELETE /_plugins/_ml/(connectors|models)/([\w-]+)", MlCommons.delete),
    (r"PUT /_search/pipeline/([\w-]+)", MlCommons.put_pipeline),
    (r"GET /_search/pipeline/([\w-]+)", MlCommons.get_pipeline),
    (r"GET /_search/pipeline", MlCommons.all_pipelines),
    (r"DELETE /_search/pipeline/([\w-]+)", MlCommons.delete_pipeline),
)


def _escaped(text: str) -> str:
    return json.dumps(text)[1:-1]


def _post_process(results: list[Mapping[str, Any]]) -> list[float]:
    """Port of the plugin's Cohere post-processing: it casts to Integer and Double, and orders by index."""
    for each in results:
        if type(each["index"]) is not int or type(each["relevance_score"]) is not float:
            raise TypeError(f"class cast: {each}")
    return [each["relevance_score"] for each in sorted(results, key=lambda each: int(each["index"]))]


def _tensor(score: float) -> dict[str, Any]:
    return {"name": "similarity", "data_type": "FLOAT32", "shape": [1], "data": [score]}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: MlCommons

    def _respond(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, answer = self.server.answer(self.command, self.path, json.loads(raw or b"{}"))
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _respond  # noqa: N815 - the base class looks these names up

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@contextmanager
def running_ml_commons() -> Iterator[MlCommons]:
    """Run until the block ends."""
    with running(MlCommons()) as server:
        yield server
