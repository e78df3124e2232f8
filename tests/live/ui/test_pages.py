"""The pages: what they show, whom they answer, and that no text becomes markup."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from starlette.testclient import TestClient

from relsearch.core.errors import ArtifactError, ConfigError, DataError, GateError
from relsearch.core.settings.config import CollectionConfig, Config
from relsearch.live.ui.app import create_app
from relsearch.live.ui.guard import KEY_VARIABLE, ui_key
from relsearch.live.ui.workspace import Workspace
from relsearch.pipeline.artifacts import building
from relsearch.pipeline.order import run_verb
from relsearch.pipeline.progress import noted
from tests.live.ui.conftest import ODD, ORIGIN, options

QUERY = "/?q=why+does+a+cat+purr"


def test_compare_shows_both_orders_and_who_moved(client: TestClient) -> None:
    """Left the run's order, right the bundle's; each document's move is its rank on the other side less its own."""
    page = client.get(QUERY).text
    left, right = page.split('<section class="side right"')
    orders = [re.findall(r'data-doc="([^"]+)" data-move="(-?\d+)"', part) for part in (left, right)]
    assert [doc for doc, _ in orders[0]] == [*reversed(ODD), "sky-2", "sky-1", "sea-3", "sea-2", "sea-1"]
    assert "cat-1" in [doc for doc, _ in orders[1]][:5]
    ranks = {doc: rank for rank, (doc, _) in enumerate(orders[0], 1)}
    for rank, (doc, move) in enumerate(orders[1], 1):
        assert doc not in ranks or int(move) == ranks[doc] - rank


def test_where_every_judged_pair_has_a_label_nobody_is_said_to_have_graded(folder: Path, tmp_path: Path) -> None:
    """The grading page says so, and how there come to be pairs to grade."""
    judged = pl.read_parquet(folder / "judgments.parquet").filter(query_id="q1", doc_id="cat-1")
    judged.write_parquet(tmp_path / "judgments.parquet")
    workspace = Workspace(options(folder, tmp_path / "human.qrels", judgments=tmp_path / "judgments.parquet"))
    page = TestClient(create_app(workspace), base_url=ORIGIN).get("/grade").text
    workspace.close()
    assert "There is nothing to grade" in page
    assert "Every picked pair is graded" not in page


def test_texts_are_shown_as_they_are(client: TestClient) -> None:
    """Tags of a document are text; a long one is cut, and says so."""
    page = client.get(QUERY).text
    assert "&lt;script&gt;document.title=&#39;owned&#39;&lt;/script&gt;" in page
    assert not re.search(r"<(script|img|svg)(?! (class=\"lines\"|src=\"/static/ui.js\"))", page)
    assert "more characters" in page
    assert len(page) < 100_000
    assert "{{7*7}}" in page


def test_a_query_is_text_too(client: TestClient) -> None:
    """In the page that says that the run does not have it."""
    page = client.get("/", params={"q": '"><script>alert(1)</script>'}).text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "has no query with this text" in page


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:80", ""])
def test_other_hosts_are_refused(client: TestClient, host: str) -> None:
    """A name that was rebound to this machine still says its own name."""
    assert client.get("/", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:99", "https://127.0.0.1"])
def test_forms_of_other_sites_are_refused(client: TestClient, tmp_path: Path, origin: str) -> None:
    """Whatever they hold."""
    fields = {"query": "q1", "doc": "cat-1", "grade": "1"}
    assert client.post("/grade", data=fields, headers={"Origin": origin}).status_code == 403
    del client.headers["Origin"]
    assert client.post("/grade", data=fields).status_code == 403
    assert not (tmp_path / "human.qrels").exists()


def test_every_answer_forbids_foreign_script(client: TestClient) -> None:
    """Pages, errors, refusals and the app's own files."""
    for path in ("/", "/absent", "/static/ui.js", "/runs/absent"):
        policy = client.get(path).headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "unsafe" not in policy


def test_a_large_body_is_not_read(client: TestClient) -> None:
    """More than a comment can hold."""
    assert client.post("/grade", data={"comment": "x" * 70_000}).status_code == 413
    assert client.post("/grade", content="&".join("a=1" for _ in range(99))).status_code == 422


def test_with_a_key_a_browser_logs_in_first(folder: Path, tmp_path: Path) -> None:
    """A wrong key leads nowhere; the cookie does not hold the key."""
    workspace = Workspace(options(folder, tmp_path / "human.qrels"))
    outside = "http://search.example"
    browser = TestClient(create_app(workspace, key="s3cret"), base_url=outside, headers={"Origin": outside})
    assert browser.get("/grade").url.path == "/login"
    assert browser.post("/login", data={"key": "wrong"}).status_code == 403
    assert browser.get("/").url.path == "/login"
    assert browser.post("/login", data={"key": "s3cret"}).url.path == "/"
    assert "s3cret" not in str(dict(browser.cookies))
    workspace.close()


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("SEARCH.example", "https://search.example", 303),
        ("search.example:443", "https://search.example", 303),
        ("search.example:80", "http://search.example", 303),
        ("search.example:80", "https://search.example", 403),
        ("search.example:8443", "https://search.example", 403),
    ],
)
def test_a_host_may_be_written_in_another_way(
    folder: Path, tmp_path: Path, host: str, origin: str, status: int
) -> None:
    """In capitals, or with the port that goes without saying, which browsers leave out of the origin."""
    workspace = Workspace(options(folder, tmp_path / "human.qrels"))
    browser = TestClient(create_app(workspace, key="s3cret"), follow_redirects=False)
    headers = {"Host": host, "Origin": origin}
    assert browser.post("/login", data={"key": "s3cret"}, headers=headers).status_code == status
    workspace.close()


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://search.example", 303),
        ("http://search.example", 303),
        ("https://evil.example", 403),
        ("https://search.example:99", 403),
        ("ftp://search.example", 403),
        ("null", 403),
    ],
)
def test_with_a_key_a_proxy_may_end_tls(folder: Path, tmp_path: Path, origin: str, status: int) -> None:
    """The browser's origin is then https, while what reaches the app is HTTP; its host is the app's own."""
    workspace = Workspace(options(folder, tmp_path / "human.qrels"))
    browser = TestClient(create_app(workspace, key="s3cret"), base_url="http://search.example", follow_redirects=False)
    assert browser.post("/login", data={"key": "s3cret"}, headers={"Origin": origin}).status_code == status
    workspace.close()


def test_other_machines_need_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the environment."""
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    assert ui_key("127.0.0.1") is None
    with pytest.raises(ConfigError, match="RELSEARCH_UI_KEY"):
        ui_key("0.0.0.0")  # noqa: S104
    monkeypatch.setenv(KEY_VARIABLE, "s3cret")
    assert ui_key("0.0.0.0") == "s3cret"  # noqa: S104


def test_one_process_has_the_qrels(client: TestClient, folder: Path, tmp_path: Path) -> None:
    """A second one would not know the first one's grades."""
    assert client.get("/").status_code == 200
    with pytest.raises(ArtifactError, match="another process"):
        Workspace(options(folder, tmp_path / "human.qrels"))


def test_one_that_cannot_open_leaves_no_folder(folder: Path, tmp_path: Path) -> None:
    """Nor a lock in it."""
    with pytest.raises(DataError):
        Workspace(replace(options(folder, tmp_path / "new" / "human.qrels"), run=tmp_path / "absent"))
    assert not (tmp_path / "new").exists()


def test_votes_are_blind_and_counted_once(client: TestClient, tmp_path: Path) -> None:
    """No name, score or move is on the page; a vote names the systems; another one of a page is refused."""
    for _ in range(20):
        page = client.get("/blind?q=why+does+a+cat+purr").text
        assert "data-move" not in page
        assert 'class="score"' not in page
        token = re.findall(r'name="token" value="([^"]+)"', page)[0]
        fields = {"token": token, "answer": "left", "left": "engine", "right": "ready"}
        assert client.post("/blind", data=fields).status_code == 200
        again = client.post("/blind", data=fields)  # of a browser that left the page before it was answered
        assert again.status_code == 200
        assert "You preferred" in again.text
        assert client.post("/blind", data={**fields, "answer": "equal"}).status_code == 422
        assert client.post("/blind", data={**fields, "token": "unknown"}).status_code == 422
    votes = [json.loads(line) for line in (tmp_path / "human.qrels.ui" / "preferences.jsonl").read_text().splitlines()]
    assert len(votes) == 20
    shuffled = {vote["preferred"] for vote in votes}
    assert shuffled == {"engine", "ready"}
    assert all(vote["preferred"] == vote["left"] for vote in votes)


def test_runs_show_stages_as_they_run_and_fail(client: TestClient, tmp_path: Path) -> None:
    """The message of a failed stage is that of its error."""
    folder = tmp_path / "runs" / "mine"

    def fail() -> None:
        with noted(folder, "pool", ["collect", "pool"]):
            assert "running pool" in client.get("/runs").text
            raise ConfigError("no <engine> there")

    with pytest.raises(ConfigError):
        fail()
    assert "failed" in client.get("/runs").text
    assert "pool: no &lt;engine&gt; there" in client.get("/runs/mine").text
    with pytest.raises(GateError), noted(folder, "augment", ["augment"]):
        raise GateError("augment: the judge agrees no better")
    assert ">augment: the judge agrees no better<" in client.get("/runs/mine").text
    assert "There is no such page." in client.get("/nope").text
    assert client.get("/runs/../mine").status_code == 404
    assert client.get("/runs/mine/report").status_code == 404


def test_a_run_has_its_report(client: TestClient, folder: Path, tmp_path: Path) -> None:
    """In a page of its own, which may not do what the app's pages may."""
    config = Config(collection=CollectionConfig(source=str(folder)), output=tmp_path / "runs" / "mine")
    assert [each.status for each in run_verb("collect", config)] == ["done"]
    assert "/runs/mine/report" in client.get("/runs").text
    answer = client.get("/runs/mine/report")
    assert answer.status_code == 200
    assert "mine: relsearch report" in answer.text
    assert answer.headers["content-security-policy"].startswith("sandbox allow-scripts; default-src 'none'")


def test_a_reranker_that_is_refused_is_not_shown_as_done(client: TestClient, tmp_path: Path) -> None:
    """Its stage has ended, and the page says what was not beaten."""
    export = tmp_path / "runs" / "mine" / "export"
    with building(export, "export", expected="") as work:
        work.figures["refused"] = "export: on 5 dev queries the new reranker does not beat (nDCG@10) bm25"
    page = client.get("/runs/mine").text
    assert '<span class="state refused">refused</span>' in page
    assert ">export: on 5 dev queries the new reranker does not beat (nDCG@10) bm25<" in page


def test_a_killed_run_is_known_for_one(client: TestClient, tmp_path: Path) -> None:
    """It left no message."""
    folder = tmp_path / "runs" / "mine"
    with noted(folder, "pool", ["pool"]):
        text = (folder / "progress.json").read_text()
    (folder / "progress.json").write_text(re.sub(r'"process":\d+', '"process":4194305', text))
    assert "its process is gone" in client.get("/runs/mine").text
