"""Vectors of a text and how query and document meet: the cosine and MaxSim, in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from relsearch.stats.logistic import check_finite

Floats32 = NDArray[np.float32]

# Token vectors have length 1 and more than a hundred numbers: one signed byte a number, in steps of 1/254, moves a
# product by less than a thousandth. What passes a half is cut: of e5's tokens the first number, much the same in all,
# which costs nothing beside the cosine (docs/decisions.md).
STEP = 1 / 254


class TextVectors(NamedTuple):
    """What the encoder says of a text: `pooled` [h] and `tokens` [t, d], each row of length 1."""

    pooled: Floats32
    tokens: Floats32


class DocumentVectors(NamedTuple):
    """A document's vectors as they are kept: `pooled` [h] in half precision, `tokens` [t, d] in steps of STEP."""

    pooled: NDArray[np.float16]
    tokens: NDArray[np.int8]

    @property
    def nbytes(self) -> int:
        """The bytes that they take."""
        return self.pooled.nbytes + self.tokens.nbytes


def compress(vectors: TextVectors) -> DocumentVectors:
    """Return the vectors as they are kept; scores are always computed from these, kept before or not.

    Raise ModelError where they are NaN, which half precision would keep and a byte would hide.
    """
    check_finite(vectors.pooled, "the vectors of documents")
    check_finite(vectors.tokens, "the vectors of documents")
    tokens = np.clip(np.rint(vectors.tokens / STEP), -127, 127).astype(np.int8)
    return DocumentVectors(vectors.pooled.astype(np.float16), tokens)


def cosines(query: TextVectors, documents: Sequence[DocumentVectors]) -> Floats32:
    """Return the cosine of the pooled vectors, shape [n]."""
    pooled = np.stack([document.pooled for document in documents]).astype(np.float32)
    return np.asarray(pooled @ query.pooled, dtype=np.float32)


def maxsims(query: TextVectors, documents: Sequence[DocumentVectors]) -> Floats32:
    """Return the mean over the query's tokens of the largest product with a document's token, shape [n]."""
    tokens = np.concatenate([document.tokens for document in documents]).astype(np.float32)
    products = tokens @ (query.tokens.T * np.float32(STEP))
    starts = np.cumsum([0, *(len(document.tokens) for document in documents[:-1])])
    return np.asarray(np.maximum.reduceat(products, starts).mean(axis=1), dtype=np.float32)
