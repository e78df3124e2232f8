"""One suite that every searcher passes: ranks, ties, order, hostile queries, reopening."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from relsearch.core.errors import SearchEngineError
from relsearch.core.protocols import Searcher
from relsearch.core.settings.config import EncoderConfig, IndexConfig
from relsearch.core.types import Candidate, Document, Query
from relsearch.index.java import find_java
from relsearch.index.registry import build_searcher, open_searcher

HOSTILE = [
    "title:(cat OR",
    '"green tea',
    "cat* AND +sea -tea ~ ^ \\ / []{}",
    "кошка 猫 🐈",
    "cat\x00tea",
    "cat " * 3000,
]


class FakeSearcher:
    """Weighs shared words by their rarity; the smallest searcher that keeps the contract."""

    name = "fake"

    def __init__(self, documents: Sequence[Document]) -> None:
        self._words = {doc.doc_id: set(" ".join(doc.fields.values()).lower().split()) for doc in documents}

    def search(self, queries: Sequence[Query], k: int) -> Iterator[Candidate]:
        """Yield the documents with the most shared words."""
        everywhere = Counter(word for words in self._words.values() for word in words)
        for query in queries:
            asked = set(query.text.lower().split())
            weights = {
                doc_id: sum(1 / everywhere[word] for word in asked & words) for doc_id, words in self._words.items()
            }
            scored = sorted((-weight, doc_id) for doc_id, weight in weights.items() if weight)
            for rank, (score, doc_id) in enumerate(scored[:k], 1):
                yield Candidate(query.query_id, doc_id, -float(score), rank, self.name)


ENGINES = [
    "fake",
    "embedded",
    pytest.param("dense", marks=pytest.mark.slow),
    "lucene",
    "compatible",
    pytest.param("elasticsearch", marks=pytest.mark.live),
    pytest.param("opensearch", marks=pytest.mark.live),
]
Opener = Callable[[], Searcher]


@pytest.fixture(scope="module", params=ENGINES)
def opener(
    request: pytest.FixtureRequest, documents: list[Document], tmp_path_factory: pytest.TempPathFactory
) -> Opener:
    """Build an engine over ten documents and two equal ones; return what opens it again."""
    engine = str(request.param)
    twins = [Document(f"twin-{letter}", {"text": "Lighthouses blink at night."}) for letter in "ba"]
    corpus = [*twins, *documents]
    if engine == "fake":
        return lambda: FakeSearcher(corpus)
    if engine == "lucene":
        try:
            find_java()
        except SearchEngineError as exc:
            pytest.skip(str(exc))
    url = request.getfixturevalue(f"{engine}_url") if engine in ("compatible", "elasticsearch", "opensearch") else ""
    name = "elasticsearch" if engine == "compatible" else engine
    folder = tmp_path_factory.mktemp(engine)
    index, encoder = IndexConfig(url=url or "http://127.0.0.1:9", name="conformance"), EncoderConfig()
    build_searcher(name, corpus, folder, index=index, encoder=encoder)
    return lambda: open_searcher(name, folder, index=index, encoder=encoder)


@pytest.fixture
def searcher(opener: Opener) -> Searcher:
    """A freshly opened searcher."""
    return opener()


def test_the_right_document_comes_first(searcher: Searcher, queries: list[Query]) -> None:
    """Each query of the small corpus finds its document."""
    first = {hit.query_id: hit.doc_id for hit in searcher.search(queries, 3) if hit.rank == 1}
    assert (first["q2"], first["q3"], first["q4"]) == ("tea-1", "sea-1", "sky-1")


def test_ranks_count_up_scores_fall_and_queries_keep_their_order(searcher: Searcher, queries: list[Query]) -> None:
    """Ranks are 1..n, n at most k, scores do not rise, no document comes twice."""
    hits = list(searcher.search(queries, 3))
    assert list(dict.fromkeys(hit.query_id for hit in hits)) == [query.query_id for query in queries]
    for query in queries:
        own = [hit for hit in hits if hit.query_id == query.query_id]
        assert [hit.rank for hit in own] == list(range(1, len(own) + 1))
        assert len(own) <= 3
        assert [hit.score for hit in own] == sorted((hit.score for hit in own), reverse=True)
        assert len({hit.doc_id for hit in own}) == len(own)


def test_equal_documents_rank_by_id(searcher: Searcher) -> None:
    """A tie is broken by the document's id, whatever the order of indexing; also where k cuts it."""
    query = [Query("q", "lighthouses blink")]
    assert [hit.doc_id for hit in searcher.search(query, 5)][:2] == ["twin-a", "twin-b"]
    assert [hit.doc_id for hit in searcher.search(query, 1)] == ["twin-a"]


def test_the_result_does_not_depend_on_the_batch(searcher: Searcher, queries: list[Query]) -> None:
    """One query at a time gives what all together give."""
    together = [(hit.query_id, hit.doc_id, hit.rank) for hit in searcher.search(queries, 5)]
    alone = [(hit.query_id, hit.doc_id, hit.rank) for query in queries for hit in searcher.search([query], 5)]
    assert alone == together


def test_an_opened_index_answers_like_the_built_one(opener: Opener, queries: list[Query]) -> None:
    """Opening again changes nothing."""
    assert list(opener().search(queries, 5)) == list(opener().search(queries, 5))


def test_an_empty_query_finds_nothing(searcher: Searcher) -> None:
    """A query without a word yields no candidate and no error."""
    assert list(searcher.search([Query("q", ""), Query("r", "  ")], 5)) == []
    assert list(searcher.search([], 5)) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_query_is_only_words(searcher: Searcher, text: str) -> None:
    """Query syntax, other scripts, control characters and 3,000 words do no harm."""
    assert len(list(searcher.search([Query("q", text)], 3))) <= 3


@pytest.mark.parametrize("name", ["elasticsearch", "opensearch"])
def test_an_unreachable_server_is_one_line(name: str, documents: list[Document]) -> None:
    """The error names the URL and what to look at."""
    index = IndexConfig(url="http://127.0.0.1:9", name="x")
    with pytest.raises(SearchEngineError, match=r"at http://127\.0\.0\.1:9: .*check that it runs there"):
        build_searcher(name, documents, Path("unused"), index=index, encoder=EncoderConfig())
