"""The reranker as Python programs use it: lists of strings or dicts in, ranked documents out."""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from relsearch.core.errors import ArtifactError, DataError, ModelError
from relsearch.data.memory import MemoryCollection
from relsearch.rerank.interpolation import Interpolation
from relsearch.rerank.reranker import Reranker
from tests.rerank.fake_scorer import OverlapScorer

QUERY = "how to steep green tea"
TEXTS = ["the moon and tides", "how to steep green tea", "green tea", "tides"]


def test_documents_come_best_first_with_their_places() -> None:
    """Ties stay in the order in which they were given; top_k cuts."""
    found = Reranker(OverlapScorer()).rank(QUERY, TEXTS)
    assert [each.index for each in found] == [1, 2, 0, 3]
    assert [each.document for each in found] == [TEXTS[place] for place in (1, 2, 0, 3)]
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    assert [each.index for each in Reranker(OverlapScorer()).rank(QUERY, TEXTS, top_k=2)] == [1, 2]
    assert list(Reranker(OverlapScorer()).rank(QUERY, [])) == []


def test_a_dict_is_rendered_by_the_template() -> None:
    """By the bundle's fields, or those of the template that is given; numbers and lists of texts are text."""
    documents: list[dict[str, Any]] = [{"title": "Tides"}, {"title": "Tea", "text": ["green", "tea"], "body": "x"}]
    found = Reranker(OverlapScorer()).rank(QUERY, documents, top_k=1)
    assert found[0].document is documents[1]
    other = Reranker(OverlapScorer(), "{body}").rank(QUERY, [{"body": "tides"}, {"body": "green tea"}])
    assert [each.index for each in other] == [1, 0]


def test_the_first_stages_scores_count_by_their_weight() -> None:
    """A large one puts the engine's order first."""
    reranker = Reranker(OverlapScorer(), interpolation=Interpolation(9.0))
    assert [each.index for each in reranker.rank(QUERY, TEXTS, first_stage=[1, 2, 3, 4])] == [3, 2, 1, 0]


def test_pairs_are_scored_alone_in_their_order() -> None:
    """Whatever their query."""
    pairs = [(QUERY, TEXTS[1]), ("tides", "tides"), (QUERY, TEXTS[3])]
    scores = Reranker(OverlapScorer(), interpolation=Interpolation(9.0)).score(pairs)
    assert scores == [OverlapScorer().score(query, [text])[0] for query, text in pairs]


@pytest.mark.parametrize("missing", [None, math.nan, np.float32("nan"), pd.NA, pd.NaT])
def test_a_field_that_is_missing_is_empty(missing: object) -> None:
    """As JSON has it, or a record of a frame."""
    given = [{"title": missing, "text": TEXTS[1]}, {"title": TEXTS[3], "text": missing}]
    expected = Reranker(OverlapScorer()).rank(QUERY, [{"text": TEXTS[1]}, {"title": TEXTS[3]}])
    assert [each.score for each in Reranker(OverlapScorer()).rank(QUERY, given)] == [each.score for each in expected]


def test_a_number_of_numpy_is_a_number() -> None:
    """As a row of a frame or an array has it."""
    given: list[dict[str, object]] = [{"text": np.int64(7)}, {"text": np.float32(7.5)}, {"text": 7}, {"text": 7.5}]
    scores = [each.score for each in sorted(Reranker(OverlapScorer()).rank("7 7.5", given), key=lambda e: e.index)]
    assert scores[:2] == scores[2:]
    with pytest.raises(DataError, match="field 'text' is a bool"):
        Reranker(OverlapScorer()).rank(QUERY, [{"text": np.bool_(True)}])


def test_the_documents_of_a_column_come_back_by_their_places() -> None:
    """Whatever the labels of its rows."""
    documents = ["nothing of it", QUERY]
    found = Reranker(OverlapScorer()).rank(QUERY, pd.Series(documents, index=[1, 0]))
    assert [(each.index, each.document) for each in found] == [(1, QUERY), (0, "nothing of it")]


def test_a_frame_is_refused_with_what_to_write() -> None:
    """Its columns' names would be ranked."""
    with pytest.raises(TypeError, match=r'to_dict\("records"\)'):
        Reranker(OverlapScorer()).rank(QUERY, pd.DataFrame({"text": TEXTS}))


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda r: r.rank(QUERY, "one text"), TypeError, "documents: give a list"),
        (lambda r: r.rank(QUERY, iter(TEXTS)), TypeError, "documents: give a list"),
        (lambda r: r.rank(QUERY, set(TEXTS)), TypeError, "documents: give a list"),
        (lambda r: r.rank(QUERY, ["a", 7]), TypeError, r"documents\[1\] is of type int"),
        (lambda r: r.rank(QUERY, [{"body": "x"}]), DataError, r"documents\[0\] has the fields body; .*template="),
        (lambda r: r.rank(7, ["a"]), TypeError, "query is of type int"),
        (lambda r: r.score(["ab"]), TypeError, "pairs of a query and a document"),
        (lambda r: r.rank(QUERY, ["a"], top_k=0), ValueError, "top_k is 0"),
        (lambda r: r.rank(QUERY, ["a"], first_stage=[]), ValueError, "0 scores for 1 document$"),
        (lambda _: Reranker("no-such-folder"), ArtifactError, "bundle 'no-such-folder': no such folder; name ready"),
        (lambda _: Reranker("nobody/nothing"), ModelError, "'nobody/nothing': it is not in the cache"),
    ],
)
def test_errors_name_the_argument(call: Any, error: type[Exception], said: str) -> None:
    """In Python's words."""
    with pytest.raises(error, match=said):
        call(Reranker(OverlapScorer()))


def test_a_result_prints_as_a_table() -> None:
    """As it does at the end of a notebook's cell."""
    lines = repr(Reranker(OverlapScorer()).rank(QUERY, [*TEXTS, {"title": "Long", "text": "word " * 40}])).splitlines()
    assert lines[0].split() == ["rank", "score", "document"]
    assert lines[2].endswith(TEXTS[1])
    assert len(lines) == 7
    assert max(map(len, lines)) <= 80


def test_a_run_is_reranked_from_a_dict_and_texts_in_memory() -> None:
    """What is below the depth follows."""
    collection = MemoryCollection({"a": TEXTS[0], "b": {"text": TEXTS[1]}, "c": TEXTS[2]}, {"q": QUERY})
    run = Reranker(OverlapScorer()).rerank_run({"q": {"a": 3.0, "b": 2.0, "c": 1.0}}, collection, depth=2)
    assert run["doc_id"].to_list() == ["b", "a", "c"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bundle", "trained", "published"])
def test_any_kind_of_folder_opens_and_threads_share_it(
    kind: str, tiny_bundles: dict[str, Path], tiny_reranker: Path, tmp_path: Path
) -> None:
    """A bundle, what `train` wrote, and a cross-encoder of the hub's layout; the scores are those of one thread."""
    folder = tiny_bundles["fp32"] if kind == "bundle" else tiny_reranker
    if kind == "published":
        folder = tmp_path / "published"
        folder.mkdir()
        for path in tiny_reranker.iterdir():
            if path.name != "reranker.json":
                (folder / path.name).symlink_to(path)
    with Reranker(folder) as reranker, ThreadPoolExecutor(4) as pool:
        alone = reranker.rank(QUERY, TEXTS)
        assert list(pool.map(lambda _: reranker.rank(QUERY, TEXTS), range(8))) == [alone] * 8
        assert asyncio.run(reranker.rank_async(QUERY, TEXTS, top_k=2)) == alone[:2]
        assert asyncio.run(reranker.score_async([(QUERY, TEXTS[0])])) == reranker.score([(QUERY, TEXTS[0])])
