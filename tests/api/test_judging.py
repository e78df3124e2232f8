"""relsearch.Judge on lists of documents, on runs, and as it learns."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from traceback import format_exception

import pytest

import relsearch
from relsearch.core.display.results import TextOrFields
from relsearch.core.errors import ArtifactError, ConfigError, DataError
from relsearch.core.settings.config import Config, EncoderConfig, JudgeConfig, TuneConfig
from relsearch.core.types import Document, Query
from tests.judge.chat_server import serving, word_overlap
from tests.judge.conftest import WordOverlapJudge

DOCUMENTS: list[TextOrFields] = ["tides", {"title": "Green tea", "text": "steep it"}, "black tea"]


def test_each_document_gets_its_label_in_order() -> None:
    """Grade, probabilities, expected grade and confidence; the same from threads and from an event loop."""
    judge = relsearch.Judge(WordOverlapJudge())
    found = judge.grade("black tea", DOCUMENTS)
    assert [(each.index, each.grade) for each in found] == [(0, 0), (1, 1), (2, 2)]
    assert (found[2].probabilities, found[2].expected, found[2].confidence) == ((0.0, 0.0, 1.0, 0.0), 2.0, 1.0)
    assert found[1].document is DOCUMENTS[1]
    assert repr(found).splitlines()[0].split() == ["grade", "expected", "confidence", "document"]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda _: judge.grade("black tea", DOCUMENTS), range(3))) == [found] * 3
    assert asyncio.run(judge.grade_async("black tea", DOCUMENTS)) == found
    assert list(judge.grade("black tea", [])) == []


def test_a_run_is_graded_down_to_its_depth() -> None:
    """As a table that `agree` takes."""
    texts = {"a": "green tea", "b": "tides", "c": "sea"}
    collection = relsearch.MemoryCollection(texts, {"q": "green tea"})
    run = {"q": {"a": 3.0, "b": 2.0, "c": 1.0}}
    labels = relsearch.Judge(WordOverlapJudge()).grade_run(run, collection, depth=2)
    assert dict(labels.select("doc_id", "grade").iter_rows()) == {"a": 2, "b": 0}
    assert relsearch.agree({"q": {"a": 2, "b": 0}}, labels).accuracy.value == 1.0
    with pytest.raises(DataError, match="document 'z' has no text"):
        relsearch.Judge(WordOverlapJudge()).grade_run({"q": {"z": 1.0}}, collection)


def test_an_endpoint_grades_by_its_address() -> None:
    """Whose model must be named."""
    with serving(word_overlap) as server:
        judge = relsearch.Judge(server.url, model="tiny")
        assert [each.grade for each in judge.grade("green tea", ["green tea", "tides"])] == [2, 0]
        with pytest.raises(ConfigError, match="model: give the name by which"):
            relsearch.Judge(server.url)


@pytest.mark.parametrize("name", ["{}/v1", "reranker:{}/rerank", "ready + reranker:{}/rerank"])
def test_an_address_with_a_password_is_refused_unseen(name: str) -> None:
    """In one line that has none of it, nor has the traceback."""
    password = "open-sesame"
    with pytest.raises(ConfigError) as caught:
        relsearch.Judge(name.format(f"http://me:{password}@127.0.0.1"), model="tiny")
    assert len(str(caught.value).splitlines()) == 1
    assert password not in "".join(format_exception(caught.value))


def test_a_judge_without_weights_does_not_learn(tmp_path: Path) -> None:
    """Nor is a name that leads nowhere a judge."""
    collection = relsearch.MemoryCollection({}, {}, qrels={})
    with pytest.raises(ConfigError, match="no weights here; tune ready"):
        relsearch.Judge(WordOverlapJudge()).tune(collection, tmp_path)
    with pytest.raises(ConfigError, match="'nowhere': no such judge"):
        relsearch.Judge("nowhere")


@pytest.mark.slow
def test_a_judge_learns_from_human_labels(
    tmp_path: Path, tiny_bert: Path, tiny_llama: Path, queries: list[Query], documents: list[Document]
) -> None:
    """From an untuned base, then on from itself; the folder is a judge like any other, and is not written over."""
    texts = {document.doc_id: dict(document.fields) for document in documents}
    qrels = {query.query_id: {doc_id: int(doc_id[-1]) for doc_id in texts} for query in queries}
    collection = relsearch.MemoryCollection(texts, {q.query_id: q.text for q in queries}, qrels=qrels)
    base = JudgeConfig(base=str(tiny_llama), max_document_tokens=48)
    config = Config(judge=base, encoder=EncoderConfig(model=str(tiny_bert)))
    settings = TuneConfig(layers=1, rank=2, evaluations=1)
    judge = relsearch.Judge("zero-shot", config=config).tune(collection, tmp_path / "judge", settings=settings)
    grades = judge.grade("green tea", [texts["tea-1"], texts["sea-1"]])
    assert {each.grade for each in grades} <= {0, 1, 2, 3}
    again = relsearch.Judge(tmp_path / "judge").grade("green tea", [texts["tea-1"], texts["sea-1"]])
    assert again == grades
    with pytest.raises(ArtifactError, match="holds a judge; name another folder"):
        judge.tune(collection, tmp_path / "judge")
