"""Loading and sampling a live index: waits, resumes, draws by a seed; and a search through the official clients."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

import relsearch
from relsearch.core.errors import SearchEngineError
from relsearch.core.fields.template import DEFAULT_TEMPLATE
from relsearch.core.settings.config import EncoderConfig, IndexConfig
from relsearch.core.types import Document, Query
from relsearch.index.engine import opensearch, rest
from relsearch.index.engine.http import Json, Reply, Server
from relsearch.index.engine.ingest import Loaded, ingest, ingest_body
from relsearch.index.engine.sampling import sample
from relsearch.index.registry import open_searcher, open_server
from tests.index.busy_server import busy_server
from tests.live.test_searching import reranker

NAME = "ingested"
MANY = [Document(f"d{n:04}", {"title": f"Tea {n}", "text": "steeped " * (n % 9)}) for n in range(1200)]


def _config(server: Server, **changed: Any) -> IndexConfig:
    return IndexConfig(**{"url": server.url, "name": NAME, **changed})


def _load(server: Server, documents: Iterator[Document] | list[Document], **changed: Any) -> Loaded:
    replace = bool(changed.pop("replace", False))
    return ingest(documents, server, index=_config(server, **changed), template=DEFAULT_TEMPLATE, replace=replace)


def _count(server: Server) -> int:
    return int(server.ask("GET", f"/{NAME}/_count")["count"])


def _interrupted() -> Iterator[Document]:
    yield from MANY[:700]
    raise ConnectionResetError


def test_an_interrupted_load_goes_on_without_duplicates(server: Server) -> None:
    """What was written is not written again; afterwards each document is there once and can be searched."""
    with pytest.raises(ConnectionResetError):
        _load(server, _interrupted(), replace=True)
    loaded = _load(server, MANY)
    assert loaded.written + loaded.present == len(MANY)
    assert loaded.present >= 500
    assert _count(server) == len(MANY)
    assert _load(server, MANY) == Loaded(0, len(MANY))


def test_other_settings_are_refused_and_replace_starts_anew(server: Server) -> None:
    """An index is never half of one setting and half of another."""
    _load(server, MANY[:20], replace=True)
    with pytest.raises(SearchEngineError, match=r"was made with b 0\.4, not 0\.75; .*--replace"):
        _load(server, MANY[:20], b=0.75)
    assert _load(server, MANY[:10], b=0.75, replace=True) == Loaded(10, 0)
    assert _count(server) == 10


def test_an_index_of_somebody_else_is_left_alone(server: Server) -> None:
    """Not filled, not replaced."""
    server.send("DELETE", "/theirs", None)
    server.ask("PUT", "/theirs", {"mappings": {"properties": {"body": {"type": "text"}}}})
    with pytest.raises(SearchEngineError, match="was not made by relsearch"):
        _load(server, MANY[:1], name="theirs", replace=True)


def test_a_sample_is_the_same_for_a_seed_and_spans_pages(server: Server) -> None:
    """More than a page comes without duplicates; another seed draws others; fewer documents than asked are all."""
    _load(server, MANY, replace=True)
    if not server.send("POST", f"/{NAME}/_search", {"sort": ["_seq_no"]}).ok:
        pytest.skip("this server cannot sort by sequence number")
    drawn = [list(sample(server, NAME, size=700, seed=seed)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len({document.doc_id for document in drawn[0]}) == 700
    texts = {each.doc_id: {name: text for name, text in each.fields.items() if text} for each in MANY}
    assert all(each.fields == texts[each.doc_id] for each in drawn[0])
    assert len(list(sample(server, NAME, size=5000, seed=1))) == len(MANY)
    named = next(sample(server, NAME, size=1, seed=1, names={"text": "title"}))
    assert named.fields["text"].startswith("Tea ")


def test_a_live_search_is_reranked_by_both_clients(server: Server, documents: list[Document]) -> None:
    """The official client, sync and async, gives the same hits in the reranker's order."""
    _load(server, documents, replace=True)
    bundle = reranker()
    client: Any
    awaited: Any
    if server.name == "opensearch":
        from opensearchpy import AsyncOpenSearch, OpenSearch

        client, awaited = OpenSearch(server.url), AsyncOpenSearch(server.url)
    else:
        from elasticsearch import AsyncElasticsearch, Elasticsearch

        client, awaited = Elasticsearch(server.url), AsyncElasticsearch(server.url)

    async def search() -> object:
        try:
            return (await relsearch.search_async(awaited, NAME, "tea sea", bundle=bundle)).hits
        finally:
            await awaited.close()

    found = relsearch.search(client, NAME, "tea sea", bundle=bundle)
    client.close()
    assert found.reranked, found.reason
    assert len(found.hits) >= 4
    assert [hit.score for hit in found.hits] == sorted((hit.score or 0 for hit in found.hits), reverse=True)
    assert [hit.engine_rank for hit in found.hits] != sorted(hit.engine_rank for hit in found.hits)
    assert asyncio.run(search()) == found.hits


@pytest.mark.parametrize("language", rest.LANGUAGES)
def test_every_language_makes_an_index(server: Server, language: str) -> None:
    """Each template is accepted, and its analyzer answers."""
    config = _config(server, name="language", language=language)
    server.send("DELETE", "/language", None)
    server.ask("PUT", "/language", ingest_body(config, DEFAULT_TEMPLATE))
    tokens = server.ask("POST", "/language/_analyze", {"analyzer": "relsearch", "text": "Internationale"})["tokens"]
    assert len(tokens) == 1


@pytest.mark.parametrize("engine", ["elasticsearch", "opensearch"])
def test_a_busy_server_is_waited_for(engine: str) -> None:
    """Documents refused with 429 are sent again until they are in, each once."""
    with busy_server() as busy:
        server = open_server(engine, busy.url)
        actions = rest.bulk_actions(MANY[:5], NAME, DEFAULT_TEMPLATE, op_type="create")
        assert rest.count_progress(server.bulk(actions), NAME) == 5
    assert busy.taken == [document.doc_id for document in MANY[:5]]
    assert set(busy.sent.values()) == {3}


@pytest.mark.parametrize("engine", ["elasticsearch", "opensearch"])
def test_a_refused_search_is_made_again(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone or one of many: a search that a busy engine refuses with 429 waits, and has its hits."""
    monkeypatch.setattr(rest, "WAITS_S", (0.01,) * 4)
    queries = [Query("q1", "tea"), Query("q2", "sea")]
    with busy_server() as busy:
        searcher = open_searcher(engine, "", index=IndexConfig(url=busy.url), encoder=EncoderConfig())
        found = [(each.query_id, each.doc_id) for each in searcher.search(queries, 1)]
        busy.searches = 0
        assert open_server(engine, busy.url).send("POST", "/docs/_search", {}).ok
    assert found == [("q1", "d1"), ("q2", "d1")]


def test_a_sample_has_documents_that_tie_across_shards() -> None:
    """Sequence numbers are counted in each shard: two of one number and score stand on both sides of a page's end."""
    order = [(1.0 - place / 1000, place, f"d{place}") for place in range(510)]
    order[500] = (*order[499][:2], "another shard's")

    def send(method: str, path: str, body: Json | None) -> Reply:
        if body is None or "size" not in body:
            return Reply(200, {"pit_id": "1"})
        score, number = body.get("search_after", (2.0, 0))
        rest = [each for each in order if (-each[0], each[1]) > (-score, number)]
        hits = [{"_id": name, "sort": [*at], "_source": {"text": name}} for *at, name in rest[: body["size"]]]
        return Reply(200, {"hits": {"hits": hits}})

    server = Server("opensearch", "http://127.0.0.1:9", send, lambda actions: iter(()))
    assert [each.doc_id for each in sample(server, NAME, size=600, seed=1)] == [name for *_, name in order]


def test_a_refused_document_stops_the_load() -> None:
    """Anything but a document that is there already is an error that shows what the server said."""
    results = [(True, {"create": {"status": 201}}), (False, {"create": {"status": 409}})]
    assert rest.count_progress(results, NAME) == 1
    with pytest.raises(SearchEngineError, match=r"was refused: .*mapper_parsing"):
        rest.count_progress([(False, {"create": {"status": 400, "error": "mapper_parsing"}})], NAME)


def test_an_unreadable_index_is_an_error() -> None:
    """A server that answers neither yes nor no is not taken for an absent index."""

    def send(method: str, path: str, body: Json | None) -> Reply:
        return Reply(403, {"error": {"reason": "no rights"}})

    server = Server(opensearch.NAME, "http://os:9200", send, lambda actions: iter(()))
    with pytest.raises(SearchEngineError, match="status 403: no rights"):
        _load(server, MANY)
