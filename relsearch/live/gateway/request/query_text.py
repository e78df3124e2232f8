"""The words that a search is for, found in the clauses of its query that score text.

What narrows a search down (`filter`, `must_not`, functions' filters, keyword flags) or is no text of the person who
searches (script parameters, percolated documents) says nothing of what it is for, so only what is named here is looked
into: clauses that hold words, and clauses that hold such clauses.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

# Where each clause keeps its words: {"multi_match": {"query": …}}, or {"match": {FIELD: …}} with these names below.
_AT_ONCE: Mapping[str, tuple[str, ...]] = {
    "multi_match": ("query",),
    "combined_fields": ("query",),
    "query_string": ("query",),
    "simple_query_string": ("query",),
    "semantic": ("query",),
    "sparse_vector": ("query",),
    "knn": ("query_vector_builder",),
    "more_like_this": ("like",),  # its texts; documents that it names have none here
}
_BELOW_FIELD: Mapping[str, tuple[str, ...]] = {
    "match": ("query",),
    "match_phrase": ("query",),
    "match_phrase_prefix": ("query",),
    "match_bool_prefix": ("query",),
    "text_expansion": ("model_text",),
    "neural": ("query_text",),
    "neural_sparse": ("query_text",),
    "intervals": ("match", "all_of", "any_of"),
}
_LUCENE = frozenset({"query_string", "simple_query_string"})
# Which parts of other clauses, and of retrievers, score: `query` of nested, function_score and script_score, `must` and
# `should` of bool, `queries` of dis_max and hybrid, `positive` of boosting, `organic` of pinned, and the parts of rrf.
_SCORING = frozenset(
    {
        "query",
        "queries",
        "must",
        "should",
        "positive",
        "organic",
        "retriever",
        "retrievers",
        "standard",
        "rrf",
        "linear",
    }
)
_NEVER = frozenset({"percolate", "script", "constant_score", "wrapper"})
_INSIDE = frozenset({"text_embedding", "model_text", "match", "intervals", "query", "all_of", "any_of"})
_FLAGS = (".keyword", ".raw")
_BOOLEAN = frozenset({"AND", "OR", "TO", "&&", "||"})
_LONGEST = 4000  # characters of Lucene's syntax that are looked at; nobody's question is longer
# A phrase or a group after a minus or NOT is not wanted; neither are ranges and regular expressions words. Nothing is
# matched in two ways, or what never closes would take a time that grows with a power of its length.
_UNWANTED = re.compile(
    r'(?:(?<!\S)-|(?<!\S)!|\bNOT\s++)(?:"[^"]*+"|\((?:[^()]|\([^()]*+\))*+\)|\S+)|(?<!\\)/(?:[^/\\]|\\.)++/'
    r"|[\[{](?>[^\[\]{}]*?\bTO\b)[^\[\]{}]*+[\]}]"
)
_FIELD = re.compile(r"(?<![^\s(+])[\w@*][\w.@*-]*:(?=\S)")
_SUFFIX = re.compile(r"[~^][\d.]*(?=\s|\)|$)")
_MARKS = re.compile(r'[+"()*?|&!<>=\\]')


def query_text(query: object, clauses: Collection[str]) -> str:
    """Return the distinct texts of the named clauses in the order of the body, or an empty string where none has any.

    `query` is a query, a list of them, or a retriever.
    """
    return " ".join(dict.fromkeys(text for text in _texts(query, clauses) if text.strip()))


def without_operators(text: str) -> str:
    """Return the words of a text in Lucene's syntax: no fields, operators, wildcards, ranges or excluded words."""
    plain = _UNWANTED.sub(" ", _FIELD.sub("", text[:_LONGEST]))
    plain = _MARKS.sub(" ", _SUFFIX.sub("", plain))
    return " ".join(word for word in plain.split() if word not in _BOOLEAN and word.strip("-"))


def _texts(node: object, clauses: Collection[str]) -> Iterator[str]:
    if isinstance(node, list):
        for child in node:
            yield from _texts(child, clauses)
    if not isinstance(node, dict):
        return
    for name, child in node.items():
        if name in _AT_ONCE or name in _BELOW_FIELD:
            if name in clauses:
                yield from _clause_texts(name, child)
        elif name in _SCORING:
            yield from _texts(child, clauses)
        elif name not in _NEVER and isinstance(child, dict):
            # bool, nested, function_score and what plugins add: their scoring parts alone.
            yield from _texts({part: child[part] for part in child if part in _SCORING}, clauses)


def _clause_texts(name: str, clause: Any) -> Iterator[str]:
    if isinstance(clause, list):  # several knn searches
        for each in clause:
            yield from _clause_texts(name, each)
    if not isinstance(clause, dict):
        return
    lucene = name in _LUCENE
    if name in _AT_ONCE:
        found = [clause.get(part) for part in _AT_ONCE[name]]
    else:
        fields = [value for field, value in clause.items() if not field.endswith(_FLAGS)]
        found = [
            each
            for value in fields
            for each in ([value.get(part) for part in _BELOW_FIELD[name]] if isinstance(value, dict) else [value])
        ]
    for value in found:
        yield from (without_operators(text) if lucene else text for text in _strings(value))


def _strings(value: Any) -> Iterator[str]:
    """The texts in what a clause holds: one itself, or those of an interval or of what makes a vector."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name in _INSIDE:
                yield from _strings(each)
