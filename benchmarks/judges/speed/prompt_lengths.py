"""Pairs whose prompts have a wanted mean length, from the texts of the packaged demo."""

from __future__ import annotations

import random
from collections.abc import Sequence

from relsearch.core.fields.template import render
from relsearch.core.types import Pair
from relsearch.data.collection import load_collection
from relsearch.encoders.prompt_tokens import CHARACTERS_PER_TOKEN
from relsearch.judge.models.base import Base
from relsearch.judge.models.prompt import Tokens
from relsearch.judge.tuning.sample import natural_sample

# Documents differ in length, as those of a pool do: from half to one and a half times the mean.
SHORTEST, LONGEST = 0.5, 1.5


def demo_pairs(*, queries: int, documents: int, seed: int) -> list[Pair]:
    """Return graded pairs of the demo's first queries, at most `documents` a query."""
    collection = load_collection("demo")
    texts = {document.doc_id: render(document.fields) for document in collection.documents()}
    chosen = {query.query_id: query.text for query in collection.queries()[:queries]}
    graded = [
        Pair(label.query_id, label.doc_id, chosen[label.query_id], texts[label.doc_id])
        for label in collection.qrels()
        if label.query_id in chosen
    ]
    return [graded[row] for row in natural_sample(graded, count=queries * documents, seed=seed)]


def pairs_of_length(
    base: Base, queries: Sequence[str], texts: Sequence[str], *, documents: int, prompt_tokens: int, seed: int
) -> list[Pair]:
    """Return `documents` pairs a query, its texts cut from all texts joined, in seeded order of length."""
    empty = base.encode([Pair("", "", query, "") for query in queries])
    wanted = [prompt_tokens - full_length(row) for row in empty]
    shares = [SHORTEST + (LONGEST - SHORTEST) * (number + 0.5) / documents for number in range(documents)]
    rng = random.Random(seed)  # noqa: S311 - a seeded order, not a secret
    lengths = [round(mean * share) for mean in wanted for share in rng.sample(shares, documents)]
    passages = _passages(base, texts, lengths)
    return [
        Pair(f"q{number // documents}", f"d{number}", queries[number // documents], text)
        for number, text in enumerate(passages)
    ]


def full_length(row: Tokens) -> int:
    """Return the tokens of a pair's prompt."""
    return len(row.prefix) + len(row.rest)


def mean_tokens(base: Base, pairs: Sequence[Pair]) -> dict[str, float]:
    """Return the mean tokens of the pairs' prompts, and of the part that a query's pairs share."""
    rows = base.encode(pairs)
    return {
        "prompt": round(sum(full_length(row) for row in rows) / len(rows), 1),
        "prefix": round(sum(len(row.prefix) for row in rows) / len(rows), 1),
    }


def _passages(base: Base, texts: Sequence[str], lengths: Sequence[int]) -> list[str]:
    """Consecutive pieces of the joined texts, each of so many tokens."""
    joined = " ".join(texts)
    joined *= 1 + sum(lengths) * CHARACTERS_PER_TOKEN // len(joined)
    joined = joined[: sum(lengths) * CHARACTERS_PER_TOKEN]
    found = base.tokenizer(joined, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    places = found["offset_mapping"]
    starts = [sum(lengths[:number]) for number in range(len(lengths))]
    return [
        joined[places[start][0] : places[start + length - 1][1]] for start, length in zip(starts, lengths, strict=True)
    ]
