"""Which of a query's candidates to read next, where there is no time to read all: words tell which look promising.

Reading a document is the dear part of reranking. What was read has scores; a candidate that shares its words with those
that scored well is likely to score well, too (as in adaptive retrieval: MacAvaney et al. 2022, arXiv 2208.08942, whose
neighbours are found at indexing time; here they are those of the pool itself). benchmarks.rerankers.partly_read
measures what that is worth.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np

from relsearch.core.tokenise import unspaced_tokens, without_unspaced
from relsearch.encoders.prf import standardise
from relsearch.stats.logistic import Floats, log_odds

STEP = 4  # documents read before the order is thought over; 8 did as well where no fewer were read
_CHARACTERS = 1000  # of a text that are looked at
_BEST = 3
_EXPECTED_WEIGHT = 2.0
_DOUBT = 0.3  # as much likeness counts for a score of average height
_WORD = re.compile(r"\w+")


class ReadingOrder:
    """The order in which a query's candidates are worth reading; `texts` come in the order of the search.

    A candidate is worth reading for its rank, its likeness to the best of what was read, and the score that it is
    expected to have: the mean of those that were read, weighed by likeness. Likeness is the cosine of tf-idf vectors
    over the pool.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    def best_first(self, logits: Mapping[int, float]) -> list[int]:
        """Return the places that were not read, most promising first, given the logits by place of those that were.

        Before STEP were read that is the order of the search.
        """
        unread = [place for place in range(len(self._texts)) if place not in logits]
        if len(logits) < STEP or not unread:
            return unread
        read, scored = list(logits), np.array(list(logits.values()))
        likeness = self._likeness[:, read]
        best = np.argsort(-scored, kind="stable")[:_BEST]
        near = np.square(likeness[unread])
        expected = near @ standardise(scored) / (near.sum(axis=1) + _DOUBT)
        alike = standardise(likeness[:, best].mean(axis=1))[unread]
        worth = _EXPECTED_WEIGHT * expected + alike + self._by_rank[unread]
        return [unread[turn] for turn in np.argsort(-worth, kind="stable")]

    @cached_property
    def _by_rank(self) -> Floats:
        return standardise(-np.log(1.0 + np.arange(len(self._texts))))

    @cached_property
    def _likeness(self) -> Floats:
        """The cosine of each two texts, shape [n, n]."""
        counts = [Counter(_words(text[:_CHARACTERS])) for text in self._texts]
        frequency = Counter(word for each in counts for word in each)
        column = {word: at for at, word in enumerate(word for word, found in frequency.items() if found > 1)}
        matrix = np.zeros((len(counts), len(column)))
        for row, each in enumerate(counts):
            for word, times in each.items():
                if (at := column.get(word)) is not None:
                    matrix[row, at] = (1 + math.log(times)) * math.log(len(counts) / frequency[word])
        length = np.linalg.norm(matrix, axis=1, keepdims=True)
        matrix /= np.where(length > 0, length, 1.0)
        return np.asarray(matrix @ matrix.T)


def read_some(texts: Sequence[str], most: int, score: Callable[[list[str]], Sequence[float]]) -> dict[int, float]:
    """Return P(relevant), by place, of the `most` texts that are worth reading, STEP of them scored at a time."""
    order = ReadingOrder(texts)
    scores: dict[int, float] = {}
    logits: dict[int, float] = {}
    while len(scores) < min(most, len(texts)):
        places = order.best_first(logits)[: min(STEP, most - len(scores))]
        found = score([texts[place] for place in places])
        scores |= zip(places, found, strict=True)
        logits |= zip(places, log_odds(found).tolist(), strict=True)
    return scores


def _words(text: str) -> list[str]:
    folded = text.casefold()
    return [*_WORD.findall(without_unspaced(folded)), *unspaced_tokens(folded)]
