"""The reranker in other frameworks, with each framework itself; one process each, since importing them warns."""

from __future__ import annotations

import subprocess
import sys

import pytest

CASES = {
    "langchain": """
import asyncio
from langchain_core.documents import Document
from relsearch.adapters.langchain import RelsearchCompressor
given = [Document(page_content=text, metadata={"title": title}) for title, text in TEXTS]
compressor = RelsearchCompressor(reranker=reranker, top_n=2)
found = compressor.compress_documents(given, QUERY)
assert asyncio.run(compressor.acompress_documents(given, QUERY)) == found
assert "relevance_score" not in given[0].metadata
report((each.metadata["title"], each.metadata["relevance_score"]) for each in found)
""",
    "llama_index": """
from llama_index.core.schema import NodeWithScore, TextNode
from relsearch.adapters.llama_index import RelsearchPostprocessor
given = [NodeWithScore(node=TextNode(text=text, metadata={"title": title}), score=0.5) for title, text in TEXTS]
found = RelsearchPostprocessor(reranker=reranker, top_n=2).postprocess_nodes(given, query_str=QUERY)
report((each.node.metadata["title"], each.score) for each in found)
""",
    "haystack": """
from haystack import Document, Pipeline
from relsearch.adapters.haystack import RelsearchRanker
pipeline = Pipeline()
pipeline.add_component("ranker", RelsearchRanker("ready", top_k=2))
pipeline = Pipeline.loads(pipeline.dumps(), allowed_modules=["relsearch.adapters.haystack"])
given = [Document(content=text, meta={"title": title}) for title, text in TEXTS]
found = pipeline.run({"ranker": {"query": QUERY, "documents": given}})["ranker"]["documents"]
report((each.meta["title"], each.score) for each in found)
try:
    RelsearchRanker().run(QUERY, given, top_k=0)
except ValueError as error:
    assert "top_k" in str(error)
else:
    raise AssertionError("all documents came back")
""",
    "pyterrier": """
import pandas as pd
import pyterrier as pt
from relsearch.adapters.pyterrier import RelsearchReranker
rows = [("q1", QUERY, title, title, text, 9.0 - rank, rank) for rank, (title, text) in enumerate(TEXTS)]
given = pd.DataFrame(rows, columns=["qid", "query", "docno", "title", "text", "score", "rank"])
ranked = RelsearchReranker(reranker)
assert ranked(given.iloc[:0]).empty
second = pd.DataFrame([("q2", "tides", *rows[0][2:])], columns=given.columns)
found = ranked(pd.concat([given, second]))
assert found["qid"].tolist() == ["q1"] * 3 + ["q2"]
expected = reranker.rank(QUERY, [{"title": title, "text": text} for title, text in TEXTS], first_stage=[9.0, 8.0, 7.0])
assert found["score"].tolist()[:3] == [each.score for each in expected]
assert found["rank"].tolist() == [0, 1, 2, 0]
untitled = given.assign(title=["Tides", pd.NA, float("nan")])
absent = [{"title": "Tides", "text": TEXTS[0][1]}, *({"text": text} for _, text in TEXTS[1:])]
expected = reranker.rank(QUERY, absent, first_stage=[9.0, 8.0, 7.0])
assert ranked(untitled)["score"].tolist() == [each.score for each in expected]
found = (ranked % 2)(given.drop(columns=["score", "rank"]))
report(zip(found["docno"], found["score"]))
""",
    "ir_measures": """
import ir_measures
bm25 = {"q1": {str(place): 9.0 - place for place in range(3)}}
collection = relsearch.MemoryCollection(
    documents={str(place): {"title": title, "text": text} for place, (title, text) in enumerate(TEXTS)},
    queries={"q1": QUERY},
    qrels={"q1": {"1": 3, "2": 2}},
)
run = reranker.rerank_run(bm25, collection)
assert run.columns[:2] == ["query_id", "doc_id"] and "score" in run.columns  # what ranx.Run.from_df is given
qrels = pl.DataFrame([("q1", "1", 1), ("q1", "2", 1)], schema=["query_id", "doc_id", "relevance"], orient="row")
found = ir_measures.calc_aggregate([ir_measures.AP], qrels.to_pandas(), run.to_pandas())
ours = relsearch.evaluate(qrels, {"run": run.to_pandas()}, measures=["AP"])
assert found[ir_measures.AP] == ours.estimates["run"]["AP"].mean
""",
    "rerankers": """
from rerankers.documents import Document
from relsearch.adapters.rerankers import RelsearchRanker
ranker = RelsearchRanker("ready")
found = ranker.rank(QUERY, [f"{title}\\n{text}" for title, text in TEXTS], doc_ids=[title for title, _ in TEXTS])
assert ranker.score(QUERY, "Cats\\nA cat purrs when it is calm.") > ranker.score(QUERY, "Tides")
report((each.document.doc_id, each.score) for each in found.top_k(2))
given = [Document(text=text, doc_id=title, metadata={"title": title}) for title, text in TEXTS]
found = ranker.rank(QUERY, given)
report((each.document.metadata["title"], each.score) for each in found.top_k(2))
""",
}
_BEFORE = """
import polars as pl
import relsearch
QUERY = "why does a cat purr"
TEXTS = [("Tides", "They follow the moon."), ("Cats", "A cat purrs when it is calm."), ("Pain", "Cats purr in pain.")]
reranker = relsearch.Reranker("ready")
def report(found):
    fields = [{"title": title, "text": text} for title, text in TEXTS]
    best = reranker.rank(QUERY, fields, top_k=2)
    expected = [(each.document["title"], each.score) for each in best]
    assert list(found) == expected, expected
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_framework_gets_the_rerankers_order_and_scores(name: str) -> None:
    """The best two of three documents, with their titles read."""
    settings = {"HAYSTACK_TELEMETRY_ENABLED": "False"}
    code = f"import os; os.environ.update({settings!r})\n{_BEFORE}{CASES[name]}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
