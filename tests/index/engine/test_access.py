"""Credentials, certificates and hosts are the same for every verb, and no secret is ever shown."""

from __future__ import annotations

import base64
import logging
import os
from pathlib import Path

import pytest

from relsearch.core.errors import RelsearchError
from relsearch.index.engine.access import tls_advice
from relsearch.index.registry import connected, engine_at, open_server
from tests.command import relsearch
from tests.index.guarded import KEY, guarded
from tests.index.secured import PASSWORD, USER, Certificates, certificates, secured_elasticsearch

ENGINES = ["elasticsearch", "opensearch"]
VERBS = {
    "fetch": [".", "--index", "d"],
    "sample": ["-o", "out", "--index", "d"],
    "ingest": ["demo", "--index", "d"],
    "search": ["tea", "--bundle", "ready", "--index", "d"],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority and what it signed."""
    return certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable is set before a test, and none stays."""
    for name in ("API_KEY", "USER", "PASSWORD", "CA_CERT", "CLIENT_CERT", "CLIENT_KEY"):
        monkeypatch.setenv(f"RELSEARCH_ES_{name}", "")


def _set(**variables: object) -> None:
    os.environ.update({f"RELSEARCH_ES_{name}": str(value) for name, value in variables.items()})


def _error(engine: str | None, url: str) -> str:
    with pytest.raises(RelsearchError) as caught:
        open_server(engine, url).ask("GET", "/")
    return str(caught.value)


@pytest.mark.parametrize("engine", ENGINES)
def test_either_kind_of_credentials_opens_an_engine_behind_tls(engine: str, made: Certificates) -> None:
    """With its authority named; the engine is recognised."""
    with guarded(engine, made, asks_for=made.authority) as url:
        _set(CA_CERT=made.authority, CLIENT_CERT=made.client)
        for credentials in ({"API_KEY": KEY}, {"API_KEY": "", "USER": USER, "PASSWORD": PASSWORD}):
            _set(**credentials)
            assert open_server(None, url).name == engine
            assert open_server(engine, url).ask("GET", "/")["version"]["number"]
            with connected(None, url) as client:
                assert client.info()["version"]["number"]


@pytest.mark.parametrize("engine", [None, *ENGINES])
def test_what_is_refused_names_the_variables(engine: str | None, made: Certificates) -> None:
    """401 and 403 say what to set, or which of the variables is not accepted."""
    with guarded(engine or "opensearch") as url:
        assert "; set RELSEARCH_ES_API_KEY, or RELSEARCH_ES_USER and RELSEARCH_ES_PASSWORD" in _error(engine, url)
        _set(API_KEY="d3Jvbmc=")
        assert _error(engine, url).endswith(
            "status 401: no: ApiKey <RELSEARCH_ES_API_KEY>; the server does not accept RELSEARCH_ES_API_KEY"
        )
    with guarded(engine or "elasticsearch", forbidden=True) as url:
        _set(API_KEY=KEY)
        assert _error(engine, url).endswith("; RELSEARCH_ES_API_KEY lacks the privilege")


@pytest.mark.parametrize("engine", [None, *ENGINES])
def test_a_failure_of_tls_says_so_and_what_to_name(engine: str | None, made: Certificates) -> None:
    """An unknown authority, a missing client certificate, and either side without TLS."""
    with guarded("opensearch", made, asks_for=made.authority) as url:
        assert "TLS failed" in (said := _error(engine, url))
        assert said.endswith("name the authority that signed its certificate: --ca-cert, or RELSEARCH_ES_CA_CERT")
        _set(CA_CERT=made.authority)
        assert "--client-cert and --client-key, or RELSEARCH_ES_CLIENT_CERT" in _error(engine, url)
        assert "TLS failed" in (said := _error(engine, url.replace("localhost", "127.0.0.1")))
        assert said.endswith("use the host name that its certificate is for")
        assert _error(engine, url.replace("https", "http")).endswith("with TLS write https://")
    with guarded("opensearch") as url:
        assert _error(engine, url.replace("http", "https")).endswith("does not speak TLS there; write http://")


def test_other_failures_of_tls_point_to_the_clients_certificate() -> None:
    """As OpenSSL words them."""
    assert "--client-cert" in tls_advice("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required")


@pytest.mark.parametrize("engine", [None, *ENGINES])
def test_a_dead_host_is_passed_over(engine: str | None) -> None:
    """Whichever of the hosts it is."""
    _set(API_KEY=KEY)
    with guarded(engine or "opensearch") as url:
        for hosts in (f"http://127.0.0.1:9,{url}", f"{url}/,http://127.0.0.1:9"):
            server = open_server(engine, hosts)
            assert [server.ask("GET", "/")["version"]["number"] != "" for _ in range(4)] == [True] * 4


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"API_KEY": KEY, "USER": USER, "PASSWORD": PASSWORD}, "are both set; unset one"),
        ({"USER": USER}, "RELSEARCH_ES_PASSWORD is not set"),
        ({"PASSWORD": PASSWORD}, "RELSEARCH_ES_USER is not set"),
        ({"API_KEY": f"{KEY}\n{KEY}"}, "RELSEARCH_ES_API_KEY has characters that no API key has"),
        ({"CA_CERT": "nowhere.pem"}, "RELSEARCH_ES_CA_CERT: nowhere.pem: No such file"),
        ({"CA_CERT": __file__}, "RELSEARCH_ES_CA_CERT: .*name a PEM file"),
        ({"CLIENT_CERT": __file__}, "RELSEARCH_ES_CLIENT_CERT: .*name PEM files"),
        ({"CLIENT_KEY": __file__}, "RELSEARCH_ES_CLIENT_CERT is not set"),
    ],
)
def test_variables_that_cannot_be_used_are_named(variables: dict[str, str], said: str) -> None:
    """Before anything is sent."""
    _set(**variables)
    with pytest.raises(RelsearchError, match=said):
        open_server("elasticsearch", "https://127.0.0.1:9")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("secret", ["in the URL", "a key", "a password"])
def test_no_secret_is_shown(verb: str, secret: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In no message and no log, though the server repeats what it was sent."""
    caplog.set_level(logging.DEBUG)
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "tea"}\n', encoding="utf-8")
    hidden = "c2VjcmV0LWtleQ=="
    variables = {"a key": {"API_KEY": hidden}, "a password": {"USER": USER, "PASSWORD": hidden}}
    _set(**variables.get(secret, {}))
    with guarded("elasticsearch") as url:
        address = url.replace("localhost", f"user:{hidden}@localhost") if secret == "in the URL" else url
        done = relsearch(verb, *VERBS[verb], "--url", address, cwd=tmp_path)
    shown = done.stdout + done.stderr + caplog.text
    assert done.returncode == 1
    assert "RELSEARCH_ES_" in shown
    assert hidden not in shown
    assert base64.b64encode(f"{USER}:{hidden}".encode()).decode() not in shown


@pytest.mark.parametrize(
    "command",
    [
        ["rerank", "run.trec", "--bundle", "ready", "--collection", "demo", "--vectors"],
        ["precompute", "demo", "--bundle", "ready", "--vectors"],
        ["gateway", "--bundle", "ready", "--upstream"],
        ["attach", "elasticsearch", "--service-url", "http://h", "--url"],
        ["attach", "elasticsearch", "--print", "--service-url"],
        ["detach", "opensearch", "--url"],
    ],
)
def test_a_url_with_a_password_is_refused_unseen(command: list[str], tmp_path: Path) -> None:
    """By each verb that takes one."""
    (tmp_path / "run.trec").write_text("q Q0 d 1 1.0 t\n", encoding="utf-8")
    done = relsearch(*command, "https://user:c2VjcmV0LWtleQ==@host:9200/v", cwd=tmp_path)
    assert done.returncode == 1
    assert "c2VjcmV0" not in done.stdout + done.stderr
    assert "credentials" in done.stderr


@pytest.mark.live
def test_a_real_elasticsearch_with_security_on(made: Certificates, servers: Path, tmp_path: Path) -> None:
    """Is filled and searched by the command line, with a user, then with a key that may only read."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/corpus.jsonl").write_text('{"_id": "d", "title": "Tea", "text": "steeped"}\n', encoding="utf-8")
    (tmp_path / "docs/queries.jsonl").write_text('{"_id": "q", "text": "tea"}\n', encoding="utf-8")
    tls = ["--ca-cert", str(made.authority), "--client-cert", str(made.client)]
    search = ["search", "tea", "--bundle", "ready", "--index", "docs", "--json"]
    with secured_elasticsearch(servers, made) as url:
        assert "TLS failed" in relsearch(*search, "--url", url, "--ca-cert", str(made.authority)).stderr
        assert "set RELSEARCH_ES_API_KEY, or" in relsearch(*search, "--url", url, *tls).stderr
        _set(USER=USER, PASSWORD=PASSWORD)
        loaded = relsearch("ingest", "docs", "--url", url, *tls, "--index", "docs", cwd=tmp_path)
        assert loaded.returncode == 0, loaded.stderr
        assert relsearch("doctor", "--url", url, *tls, "--json").stdout.count("elasticsearch 9.") == 1
        role = {"r": {"indices": [{"names": ["docs"], "privileges": ["read"]}]}}
        body = {"name": "k", "role_descriptors": role}
        key = open_server(None, url).ask("POST", "/_security/api_key", body)["encoded"]
        _set(USER="", PASSWORD="", API_KEY=key)
        assert engine_at(url) == "elasticsearch"
        found = relsearch(*search, "--url", url, *tls)
        assert '"reranked": true' in found.stdout, found.stderr
        refused = relsearch("ingest", "docs", "--url", url, *tls, "--index", "more", cwd=tmp_path)
        assert "; RELSEARCH_ES_API_KEY lacks the privilege" in refused.stderr
