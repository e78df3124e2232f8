"""The command: it serves a bundle without torch, stops when told to, and its errors are one line."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import httpx
import pytest

from relsearch.core.errors import ConfigError
from relsearch.live.gateway.config import GatewayConfig, load_gateway_config
from relsearch.live.gateway.scoring.scoring import Scoring
from relsearch.live.gateway.server import check_answers, check_index_fields, prospects
from relsearch.rerank.reranker import Reranker
from tests.command import relsearch
from tests.live.gateway.canned import HITS, canned, hits, http_answer

COMMAND = [sys.executable, "-c", "from relsearch.cli import main; main()", "gateway"]

# An engine with one index, whose mapping names other fields than its documents have.
SEA = {
    "/": http_answer(b'{"version": {"number": "2.19.1", "distribution": "opensearch"}}'),
    "/sea/_field_caps?fields=*": http_answer(b'{"fields": {"body": {"text": {}}, "year": {"long": {}}}}'),
    "/sea/_search": http_answer(hits()),
    "/news-*/_field_caps?fields=*": http_answer(b'{"fields": {}}'),
}


def test_a_gateway_loads_no_torch() -> None:
    """Nor anything else that only training needs."""
    probe = (
        "import sys, relsearch.live.gateway.app, relsearch.live.gateway.server, relsearch.rerank.cross.onnx_scorer;"
        "print(*{'torch', 'transformers', 'sentence_transformers', 'sklearn'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", probe], text=True).split() == []


def test_the_command_reranks_with_a_bundle(tiny_bundles: dict[str, Path], tmp_path: Path) -> None:
    """It says where it listens, reranks the index of its configuration, and ends with status 0 on SIGTERM."""
    response = _answered(["--bundle", str(tiny_bundles["int8"])], tmp_path)
    scores = _scores(response)
    assert response.headers["X-Relsearch"] == f"reranked; read={HITS}/{HITS}"
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score < 1 for score in scores)


def test_a_second_bundle_reranks_the_head(tiny_bundles: dict[str, Path], late_bundle: Path, tmp_path: Path) -> None:
    """The first hits get the second bundle's scores, and what lies below them decreasing ones."""
    second = ["--cascade", str(tiny_bundles["int8"]), "--cascade-window", "2"]
    response = _answered(["--bundle", str(late_bundle), *second], tmp_path)
    scores = _scores(response)
    assert response.headers["X-Relsearch"] == f"reranked; read={HITS}/{HITS}"
    assert scores == sorted(scores, reverse=True)
    assert scores[2:] == pytest.approx([scores[1] / (2 + place) for place in range(HITS - 2)])


@pytest.mark.slow
def test_a_restart_with_vectors_begins_warm(tmp_path: Path) -> None:
    """What one gateway read is in the folder when the next one starts, which says so and reads nothing again."""
    told = tmp_path / "stderr"
    options = ["--bundle", "ready", "--vectors", str(tmp_path / "vectors")]
    for known in (0, HITS):
        with told.open("w", encoding="utf-8") as stderr:
            response = _answered(options, tmp_path, stderr=stderr)
        assert response.headers["X-Relsearch"] == f"reranked; read={HITS}/{HITS}"
        assert f"; {known} are read already" in told.read_text("utf-8")


def test_it_says_how_many_documents_a_budget_reads() -> None:
    """And what becomes of the others, in two sentences."""
    scorers: dict[Path | None, Scoring] = {None: Scoring(Reranker("ready"), threads=1)}
    (_, line) = prospects(GatewayConfig(), scorers)
    said = (
        r"about \d+ of 100 new documents can be read within 500 ms, the others after the answer\. To read all ahead, "
    )
    assert re.fullmatch(f"{said}run relsearch precompute and pass --vectors\\.", line)


def _answered(options: list[str], folder: Path, *, stderr: IO[str] | None = None) -> httpx.Response:
    """What a gateway with these options answers to a search of the index that its configuration names."""
    config = folder / "gateway.toml"
    config.write_text("[index.sea]\nbudget_ms = 20000\n", encoding="utf-8")
    with canned(SEA) as engine:
        command = [*COMMAND, "--upstream", engine.url, *options, "-c", str(config), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process:
            try:
                assert process.stdout is not None
                ready, url = process.stdout.readline().split()
                assert ready == "ready"
                body = {"query": {"match": {"text": "tides"}}, "size": HITS}
                return httpx.post(f"{url}/sea/_search", json=body, timeout=30)
            finally:
                process.send_signal(signal.SIGTERM)
                assert process.wait(timeout=30) == 0


def _scores(response: httpx.Response) -> list[float]:
    return [hit["_score"] for hit in response.json()["hits"]["hits"]]


def test_an_open_address_without_a_key_is_refused() -> None:
    """One line that names both ways out, before anything is opened."""
    options = ["--upstream", "http://127.0.0.1:9", "--bundle", "none", "--host", "192.0.2.1"]
    result = relsearch("gateway", *options)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "RELSEARCH_GATEWAY_KEY" in line
    assert "--insecure" in line


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ('titel = "headline"', "[index.sea] fields: the template has no field titel; nearest: title;"),
        ('text = "boddy"', "[index.sea] index 'sea' has no field boddy; nearest: body;"),
        ('text = "body"', ""),
        ('text = "title"', ""),
    ],
)
def test_fields_are_checked_before_it_listens(fields: str, said: str, tmp_path: Path) -> None:
    """Names against the bundle's template, paths against the index; where that cannot be asked, a line says so."""
    config = tmp_path / "gateway.toml"
    config.write_text(f"[index.sea]\nfields = {{ {fields} }}\n", encoding="utf-8")
    later = tmp_path / "later.toml"
    later.write_text('[index."news-*"]\n', encoding="utf-8")
    scorers: dict[Path | None, Scoring] = {None: Scoring(Reranker("ready"), threads=1)}
    rules = load_gateway_config(config)
    with canned(SEA) as engine:
        if said:
            with pytest.raises(ConfigError) as refused:
                list(check_index_fields(rules, scorers, engine.url))
            assert str(refused.value).startswith(said)
        else:
            assert list(check_index_fields(rules, scorers, engine.url)) == []
            (line,) = check_index_fields(load_gateway_config(later), scorers, engine.url)
            assert (
                line == "[index.news-*] its fields are not checked: no index is called 'news-*' yet, or none has fields"
            )
    if "titel" not in fields:
        (line,) = check_index_fields(rules, scorers, "http://127.0.0.1:9")
        assert line.startswith("[index.sea] its fields are not checked: ")


def test_an_engine_that_is_away_is_told_at_the_start() -> None:
    """By a line where none of its hosts takes a connection; nobody has to search to learn of it."""
    away = "http://127.0.0.1:9"
    assert list(check_answers(away)) == [f"upstream {away}: does not answer yet; until it does, searches get 502"]
    with canned(SEA) as engine:
        assert list(check_answers(f"{away}, {engine.url}")) == []
