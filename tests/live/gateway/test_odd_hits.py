"""Windows with odd hits: the same text twice, hits without text, searches that are wrong by themselves."""

from __future__ import annotations

import json
from collections.abc import Sequence

import httpx
import pytest

from tests.live.gateway.canned import canned, http_answer
from tests.live.gateway.running import LastWordScorer, gateway

BODY = {"query": {"match": {"text": "tides"}}, "ext": {"relsearch": {"budget_ms": 2000}}}


def _answer(texts: Sequence[str]) -> bytes:
    hits = [
        {"_index": "sea", "_id": str(place), "_score": 9.0 - place, "_source": {"text": text} if text else {}}
        for place, text in enumerate(texts)
    ]
    return http_answer(json.dumps({"hits": {"max_score": 9.0, "hits": hits}}).encode())


def _searched(texts: Sequence[str]) -> httpx.Response:
    with canned({"/sea/_search": _answer(texts)}) as engine, gateway(engine.url, LastWordScorer()) as url:
        return httpx.post(f"{url}/sea/_search", json=BODY)


def _ids(response: httpx.Response) -> list[str]:
    return [hit["_id"] for hit in response.json()["hits"]["hits"]]


def test_equal_documents_are_reranked() -> None:
    """A text that stands twice in a window is read once and placed twice, in the engine's order."""
    response = _searched(["tides 1", "tides 5", "tides 1", "tides 7"])
    assert (response.headers["X-Relsearch"], _ids(response)) == ("reranked; read=4/4", ["3", "1", "0", "2"])


def test_a_hit_that_begins_with_blanks_is_read() -> None:
    """Its words decide, however far behind the blanks they stand."""
    response = _searched(["tides 1", f"{' ' * 200_000}tides 5", "tides 3"])
    assert (response.headers["X-Relsearch"], _ids(response)) == ("reranked; read=3/3", ["1", "2", "0"])


def test_hits_without_text_keep_their_places() -> None:
    """Such as those of another index: nothing is known of them, so they neither rise nor sink."""
    response = _searched(["tides 1", "", "tides 5", "tides 7", ""])
    assert (response.headers["X-Relsearch"], _ids(response)) == ("reranked; read=3/5", ["3", "1", "2", "0", "4"])
    scores = [hit["_score"] for hit in response.json()["hits"]["hits"]]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("depth", [300, 900, 5_000])
def test_a_hit_that_is_nested_too_deeply_keeps_its_place(depth: int) -> None:
    """It spoils neither its own search nor those beside it; where fields are left out of it, the engine does that."""
    deep = '{"a":' * depth + "1" + "}" * depth
    hits = [
        f'{{"_id":"{place}","_score":{9 - place},"_source":{{"text":"tides {place}"{more}}}}}'
        for place, more in enumerate(("", f',"deep":{deep}', ""))
    ]
    answer = '{"hits":{"max_score":9,"hits":[' + ",".join(hits) + "]}}"
    many = f'{{"responses":[{answer}]}}'
    answers = {"/sea/_search": http_answer(answer.encode()), "/_msearch": http_answer(many.encode())}
    headers = {"Content-Type": "application/x-ndjson"}
    with canned(answers) as engine, gateway(engine.url, LastWordScorer()) as url:
        for extra in ({}, {"_source": ["text", "deep"]}):
            body = json.dumps({**BODY, **extra})
            one = httpx.post(f"{url}/sea/_search", content=body, headers=headers)
            of_many = httpx.post(f"{url}/_msearch", content=f'{{"index":"sea"}}\n{body}\n', headers=headers)
            assert (one.status_code, of_many.status_code) == (200, 200)
            marks = [each.headers["X-Relsearch"].partition("; searches=")[0] for each in (one, of_many)]
            if not extra:
                assert marks[0] in ("reranked; read=3/3", "reranked; read=2/3")
                assert marks[1] == "reranked"
                places = [one.text.index(f'"_id":"{place}"') for place in range(3)]
                assert places == sorted(places, reverse=True)
            elif depth > 300:
                assert marks == ["bypassed; reason=unreadable"] * 2
                assert (one.text, of_many.text) == (answer, many)


def test_a_search_that_is_wrong_by_itself_is_the_engines_error() -> None:
    """Not one of the window's, and no reason for a warning."""
    with (
        canned({"/sea/_search": http_answer(b'{"error":{}}', status="400 Bad")}) as engine,
        gateway(engine.url, LastWordScorer()) as url,
    ):
        response = httpx.post(f"{url}/sea/_search", json=BODY)
        assert len(engine.requests) == 2
    assert (response.status_code, response.headers["X-Relsearch"]) == (400, "bypassed; reason=engine_error")
