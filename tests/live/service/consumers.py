"""How the consumers read a ranking, each as strict as its own source, and the inputs they send.

Written after Elasticsearch 8.19-9.x (Cohere, Hugging Face and custom services of the inference API) and OpenSearch
ml-commons (the Cohere post-processor).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Row = tuple[int, float, str | None]

INPUTS: dict[str, list[str]] = {
    "probe": ["how big"],
    "one": ["a query of one document"],
    "thousand": [f"document {number} of the query" for number in range(1000)],
    "empty": [""],
    "signs": ["🐈‍⬛", "two\nlines\r\n", 'a "quoted" \\ word', "nul \x00 inside", "ünï 日本語", "\u2028\u2029"],
    "identical": ["the same query"] * 7,
    "100 kB": ["query " * 17_000],
}


class ContractError(Exception):
    """A consumer would have failed."""


@dataclass(frozen=True)
class _Object:
    """A JSON object as its pairs in order, as a token parser meets them."""

    pairs: list[tuple[str, Any]]


def elasticsearch_cohere(body: bytes) -> list[Row]:
    """Read as CohereRankedResponseEntity: the first `results` at any depth, and no unknown key in a result."""
    tree = json.loads(body, object_pairs_hook=_Object)
    if not isinstance(tree, _Object):
        raise ContractError("the root must be an object")
    results = _first(tree, "results")
    if not isinstance(results, list):
        raise ContractError("no array of results")
    return [_cohere_row(entry) for entry in results]


def elasticsearch_hugging_face(body: bytes) -> list[Row]:
    """Read as HuggingFaceRerankResponseEntity of the strict builds: a bare array of index, score, text."""
    rows = json.loads(body)
    if not isinstance(rows, list):
        raise ContractError("the root must be an array")
    for row in rows:
        if set(row) - {"index", "score", "text"} or not {"index", "score"} <= set(row):
            raise ContractError(f"keys {sorted(row)}")
        if "text" in row and not isinstance(row["text"], str):
            raise ContractError("text is no string")
    return [(_integer(row["index"]), _number(row["score"]), row.get("text")) for row in rows]


def elasticsearch_custom(body: bytes) -> list[Row]:
    """Read as the custom service with the paths of interop: both lists equally long."""
    tree = json.loads(body)
    if not isinstance(tree, dict):
        raise ContractError("the root must be an object")
    scores = extract(tree, "$.results[*].relevance_score")
    indexes = extract(tree, "$.results[*].index")
    if len(scores) != len(indexes):
        raise ContractError(f"{len(scores)} scores, {len(indexes)} indexes")
    return [(_integer(index), _number(score), None) for index, score in zip(indexes, scores, strict=True)]


def extract(tree: Any, path: str) -> Any:
    """Follow a path of `.field` and `[*]` alone, as MapPathExtractor does."""
    rest = path.removeprefix("$")
    if not rest:
        return tree
    if field := re.match(r"\.([^.\[]+)", rest):
        if not isinstance(tree, dict) or tree.get(field[1]) is None:
            raise ContractError(f"no field {field[1]} at {rest}")
        return extract(tree[field[1]], rest[field.end() :])
    if rest.startswith("[*]"):
        if not isinstance(tree, list):
            raise ContractError(f"no array at {rest}")
        return [extract(entry, rest[3:]) for entry in tree]
    raise ContractError(f"cannot follow {rest}")


def opensearch_cohere(body: bytes) -> list[Row]:
    """Read as CohereRerankPostProcessFunction behind json-smart: casts, no conversions, one slot a result."""
    results = json.loads(body, parse_int=_JavaInteger, parse_float=_java_float)["results"]
    if not results or results[0].get("index") is None or results[0].get("relevance_score") is None:
        raise ContractError("the first result lacks index or relevance_score")
    slots: list[float | None] = [None] * len(results)
    for row in results:
        if type(row["index"]) is not _JavaInteger or type(row["relevance_score"]) is not float:
            raise ContractError(f"ClassCastException: {row}")
        slots[row["index"]] = row["relevance_score"]
    if None in slots:
        raise ContractError("a document has no score")
    return [(index, score, None) for index, score in enumerate(slots) if score is not None]


class _JavaInteger(int):
    """What the reader makes of a number without a point: never a Double."""


def _java_float(literal: str) -> float | Decimal:
    # json-smart reads a number of more than 18 characters as a BigDecimal, which is no Double.
    if "." not in literal:
        raise ContractError(f"{literal} has no decimal point")
    return Decimal(literal) if len(literal) > 18 else float(literal)


def _cohere_row(entry: Any) -> Row:
    if not isinstance(entry, _Object):
        raise ContractError("a result must be an object")
    index, score, text = -1, -1.0, None
    for key, value in entry.pairs:
        if key == "index":
            index = _integer(value)
        elif key == "relevance_score":
            score = _number(value)
        elif key == "document" and isinstance(value, _Object):
            text = dict(value.pairs).get("text")
        else:
            raise ContractError(f"unknown field {key}")
    if index < 0 or score < 0:
        raise ContractError("index or relevance_score is missing")
    return index, score, text


def _first(tree: Any, name: str) -> Any:
    if isinstance(tree, _Object):
        for key, value in tree.pairs:
            if key == name:
                return value
            found = _first(value, name)
            if found is not None:
                return found
    return None


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise ContractError(f"{value!r} is no integer")
    return value


def _number(value: Any) -> float:
    if type(value) is not float:
        raise ContractError(f"{value!r} is no float")
    return value


@dataclass(frozen=True)
class Consumer:
    """Where a consumer sends what, and how it reads the answer."""

    path: str
    request: Callable[[str, Sequence[str]], dict[str, Any]]
    read: Callable[[bytes], list[Row]]


CONSUMERS = {
    "elasticsearch cohere v1": Consumer(
        "/v1/rerank",
        lambda query, texts: {"model": "m", "query": query, "documents": list(texts), "return_documents": True},
        elasticsearch_cohere,
    ),
    "elasticsearch cohere v2": Consumer(
        "/v2/rerank",
        lambda query, texts: {"model": "m", "query": query, "documents": list(texts)},
        elasticsearch_cohere,
    ),
    "elasticsearch hugging_face": Consumer(
        "/rerank", lambda query, texts: {"texts": list(texts), "query": query}, elasticsearch_hugging_face
    ),
    "elasticsearch hugging_face with texts": Consumer(
        "/rerank",
        lambda query, texts: {"texts": list(texts), "query": query, "return_text": True, "top_n": None},
        elasticsearch_hugging_face,
    ),
    "elasticsearch custom": Consumer(
        "/v2/rerank",
        lambda query, texts: {"model": "m", "query": query, "documents": list(texts)},
        elasticsearch_custom,
    ),
    "opensearch": Consumer(
        "/v1/rerank",
        lambda query, texts: {"model": "m", "query": query, "documents": list(texts), "top_n": len(texts)},
        opensearch_cohere,
    ),
}
