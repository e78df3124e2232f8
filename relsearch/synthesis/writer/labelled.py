"""Examples for the writer out of labels: queries that people typed, each with a document that they called relevant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import polars as pl

from relsearch.core.errors import DataError
from relsearch.core.types import Pair, Scale
from relsearch.encoders.prompt_tokens import bounded
from relsearch.synthesis.synthesize import sample
from relsearch.synthesis.writer.lines import clean_query
from relsearch.synthesis.writer.prompt import Shot

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_MOST = 64  # more than all orders of a prompt's examples show
_DOCUMENT_TOKENS = 80


def labelled_pairs(human: pl.DataFrame, scale: Scale, *, seed: int, most: int = _MOST) -> pl.DataFrame:
    """Return query_id and doc_id of at most `most` queries, each with the document that people graded highest.

    `human` is a table of human judgments. Queries without a relevant document give none.
    """
    relevant = human.filter(pl.col("grade") >= scale.relevant)
    best = relevant.sort("grade", "doc_id", descending=[True, False]).unique("query_id", keep="first")
    chosen = sample(best["query_id"], most, seed=seed)
    return best.filter(pl.col("query_id").is_in(chosen)).select("query_id", "doc_id").sort("query_id")


def shots_of(pairs: Iterable[Pair], tokenizer: PreTrainedTokenizerBase, *, max_query_tokens: int) -> list[Shot]:
    """Return the pairs as examples, on one line each: the document's first tokens, and the query.

    A query that the writer could not write, since it is too long or no query, is left out; DataError where all are.
    """
    given = list(pairs)
    documents = bounded(tokenizer, [" ".join(pair.text.split()) for pair in given], _DOCUMENT_TOKENS)
    found = [
        Shot(document=str(tokenizer.decode(document)).strip(), query=query)
        for pair, (document, _) in zip(given, documents, strict=True)
        if (query := clean_query(" ".join(pair.query.split())))
        and len(tokenizer.encode(query, add_special_tokens=False)) <= max_query_tokens
    ]
    if not found:
        raise DataError(
            f'[synthesize] examples = "labels": none of {len(given)} labelled queries is one that the writer could '
            "write (2 to 20 words, at most max_query_tokens); set it to prompt"
        )
    return found
