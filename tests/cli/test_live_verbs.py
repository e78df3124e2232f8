"""The verbs that talk to a search server: what they print, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from relsearch.cli import app
from relsearch.cli.verbs.search import result_table
from relsearch.core.errors import ConfigError, RelsearchError
from relsearch.data.collection import load_collection
from relsearch.live.searching import Hit, SearchResult
from tests.command import relsearch
from tests.index.conftest import compatible_url

__all__ = ["compatible_url"]

HITS = tuple(
    Hit(f"document-with-a-long-identifier-{place}", "docs", score, rank, 9.0, {"title": "Tea", "text": "steep\n" * 40})
    for place, (rank, score) in enumerate([(3, 0.91), (1, 0.5), (12, None)])
)


def _run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def test_words_need_no_quotes() -> None:
    """All that is no option is searched for."""
    command = get_command(app).commands["search"]  # type: ignore[attr-defined]
    line = ["green", "tea", "--url", "http://127.0.0.1:9", "--index", "docs", "--bundle", "ready", "leaves"]
    assert command.make_context("search", line).params["words"] == ["green", "tea", "leaves"]


def test_both_ranks_stand_side_by_side_in_80_columns() -> None:
    """The new rank, BM25's, the probability, the id cut short, the text on one line."""
    lines = result_table(SearchResult(HITS, True, None, 1.0, 2.0)).splitlines()
    assert lines[0].split() == ["rank", "BM25", "P(rel)", "document", "text"]
    assert [line.split()[:3] for line in lines[2:]] == [["1", "3", "0.910"], ["2", "1", "0.500"], ["3", "12", "-"]]
    assert max(map(len, lines)) <= 80
    assert all("Tea steep steep" in line for line in lines[2:])


def test_the_table_is_as_wide_as_the_terminal() -> None:
    """More of ids and texts is shown; fields that were named are, in their order."""
    result = SearchResult(HITS, True, None, 1.0, 2.0)
    lines = result_table(result, width=160).splitlines()
    assert max(map(len, lines)) == 160
    assert all("identifier-" in line for line in lines[2:])
    assert all(line.endswith("  Tea") for line in result_table(result, {"title": "title"}).splitlines()[2:])


@pytest.mark.parametrize(
    ("title", "text", "shown"),
    [
        ("csv.reader(f)", "Reads rows.", "Reads rows."),
        ("CSV", "CSV parsing and writing.", "CSV parsing and writing."),
        ("Rows", "Reads\nthem.", "Rows Reads them."),
        ("csv.reader", "", "csv.reader"),
        ("csv.reader", "Reads rows.", "Reads rows."),
        ("csv.readers compared", "Two ways.", "csv.readers compared Two ways."),
        ("csv.reader and csv.writer", "Two ways.", "csv.reader and csv.writer Two ways."),
    ],
)
def test_nothing_is_shown_twice(title: str, text: str, shown: str) -> None:
    """The title comes first, but not where the id or the text says it already."""
    hit = Hit("csv.reader", "docs", 0.5, 1, 9.0, {"text": text, "title": title})
    assert result_table(SearchResult((hit,), True, None, 1.0, 2.0)).splitlines()[2].split("  ")[-1] == shown


def test_nothing_found_is_said() -> None:
    """An empty table would look like a fault."""
    assert result_table(SearchResult((), True, None, 1.0, 2.0)) == "nothing found"


def test_printed_bodies_hold_no_key_and_touch_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--print` writes each request with placeholders."""
    monkeypatch.setenv("RELSEARCH_API_KEY", "s3cret")
    for engine in ("elasticsearch", "opensearch"):
        options = ["--url", "http://127.0.0.1:9", "--service-url", "http://s:8080", "--field", "body", "--print"]
        printed = _run("attach", engine, *options)
        assert "s3cret" not in printed
        assert "<RELSEARCH_API_KEY>" in printed
        for block in printed.split("\n\n"):
            head, _, body = block.partition("\n")
            assert head.split()[0] in ("PUT", "POST")
            json.loads(body)


def test_ingest_prints_what_creates_an_index() -> None:
    """Analyzer, k1 and b stand in the body."""
    options = ["--url", "http://127.0.0.1:9", "--index", "docs", "--language", "spanish", "--k1", "1.2", "--print"]
    body = json.loads(_run("ingest", "demo", *options))
    assert body["settings"]["analysis"]["analyzer"]["relsearch"] == {"type": "spanish"}
    assert body["settings"]["similarity"]["default"] == {"type": "BM25", "k1": 1.2, "b": 0.4}


@pytest.mark.parametrize("arguments", [["--field", "=body"], ["--field", "a", "--field", "b"]])
def test_fields_that_make_no_sense_are_usage_errors(arguments: list[str]) -> None:
    """A retriever reads one field, and a path needs a name."""
    if len(arguments) == 4:
        _run("attach", "elasticsearch", "--service-url", "http://s", "--print", *arguments, code=2)
    else:
        _run("search", "tea", "--url", "http://s", "--index", "d", "--bundle", "b", *arguments, code=2)


def test_an_unknown_engine_is_named() -> None:
    """The error lists those there are."""
    result = CliRunner().invoke(app, ["detach", "solr"])
    assert isinstance(result.exception, ConfigError)
    assert "elasticsearch, opensearch" in str(result.exception)


def test_a_log_becomes_the_queries_of_a_collection(tmp_path: Path) -> None:
    """The counts that are printed are those of the file."""
    log, output = tmp_path / "log.csv", tmp_path / "queries.jsonl"
    log.write_text("query,count\ngreen tea,3\nann@example.org,9\nrare,1\n", encoding="utf-8")
    printed = _run("queries", str(log), "-o", str(output), "--min-count", "2", "--drop-personal", "--json")
    assert json.loads(printed) == {
        "output": str(output),
        "rows": 3,
        "queries": 1,
        "dropped": {"personal": 1, "rare": 1},
    }
    assert [query.text for query in load_collection(str(tmp_path)).queries()] == ["green tea"]


@pytest.mark.slow
def test_what_was_ingested_is_searched_and_reranked(
    compatible_url: str, tiny_bundles: dict[str, Path], tmp_path: Path
) -> None:
    """`ingest`, then `search` as a table, as JSON, and past its budget with the engine's order."""
    (tmp_path / "corpus.jsonl").write_text(
        "".join(json.dumps({"_id": f"d{n}", "title": "Tea", "text": "green " * n}) + "\n" for n in range(1, 6)),
        encoding="utf-8",
    )
    server = ["--url", compatible_url, "--index", "cli"]
    assert "5 documents written" in _run("ingest", str(tmp_path), *server)
    search = ["search", "green tea", *server, "--bundle", str(tiny_bundles["fp32"])]
    assert _run(*search).splitlines()[0].split()[:3] == ["rank", "BM25", "P(rel)"]
    found = json.loads(_run(*search, "--json"))
    assert found["reranked"] is True
    assert sorted(hit["engine_rank"] for hit in found["hits"]) == [1, 2, 3, 4, 5]
    late = CliRunner().invoke(app, [*search, "--budget-ms", "0"])
    assert late.exit_code == 0
    assert "not reranked: the reranker took longer than 0 ms" in late.stderr
    assert [line.split()[1] for line in late.stdout.splitlines()[2:]] == ["1", "2", "3", "4", "5"]


def test_a_url_without_a_port_says_how_to_write_it() -> None:
    """The client's own complaint becomes one line."""
    result = CliRunner().invoke(app, ["detach", "elasticsearch", "--url", "http://es"])
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).endswith("write http://HOST:PORT")


def test_an_unreachable_server_is_one_line(tmp_path: Path) -> None:
    """Whatever the verb."""
    server = ["--url", "http://127.0.0.1:9", "--index", "d"]
    for verb in (["sample", *server, "-o", str(tmp_path)], ["ingest", "demo", *server]):
        result = CliRunner().invoke(app, verb)
        assert isinstance(result.exception, RelsearchError)
        assert "check that it runs there, or give another address" in str(result.exception)
        assert "\n" not in str(result.exception)


@pytest.mark.parametrize(
    "verb",
    [
        ["rerank", "run", "--collection", "."],
        ["serve"],
        ["gateway", "--upstream", "http://127.0.0.1:9", "--port", "0"],
        ["precompute", ".", "--vectors", "vectors"],
        ["ui", "--demo", "--port", "0"],
    ],
    ids=lambda verb: verb[0],
)
def test_a_mistyped_bundle_is_one_message(verb: list[str], tmp_path: Path) -> None:
    """It names what was looked for, and what there is."""
    (tmp_path / "run").write_text("q1 Q0 d1 1 2.0 t\n", encoding="utf-8")
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d1", "text": "tea"}', encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "tea"}', encoding="utf-8")
    done = relsearch(*verb, "--bundle", "redy", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "relsearch: bundle 'redy': no such folder; name ready, which ships with relsearch, a folder that `relsearch "
        "export` wrote, or a hub id that is downloaded\n"
    )
