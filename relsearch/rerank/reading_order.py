"""Which of a query's candidates to read next, where there is no time to read all: their words tell.

Reading documents is what costs time in reranking. A candidate that shares words with documents that were read and
scored well is likely to score well, too. Adaptive retrieval (MacAvaney et al. 2022, arXiv 2208.08942) rests on the
same, with neighbours found at indexing time; here they are found among the candidates. benchmarks.rerankers.reads
measures what that gains.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from relsearch.core.tokenise import unspaced_tokens, without_unspaced
from relsearch.encoders.prf import standardise
from relsearch.stats.deviation import standard_deviation
from relsearch.stats.logistic import Floats, log_odds

if TYPE_CHECKING:
    from scipy.sparse import csr_array

STEP = 4  # documents read between two looks at the order; 8 did as well where no fewer were read
_ALL_CHARACTERS = 300_000  # of all texts together that are compared: about 20 ms of one core, 100 ms in Chinese
_CHARACTERS, _FEWEST = 1000, 200  # of one text: at most, and at least, however many texts there are
_UNSPACED = 3  # a character of a script without spaces says as much as three letters, and makes two tokens
_BEST = 3
_TOGETHER = 128  # columns of likeness in memory
_EXPECTED_WEIGHT = 2.0
_DOUBT = 0.3  # as much likeness counts for a score of average height
_WORD = re.compile(r"\w+")


class ReadingOrder:
    """The order in which a query's candidates are worth reading; `texts` come in the order of the search.

    A candidate is worth reading for its rank, its likeness to the best of what was read, and the score that it is
    expected to have: the mean of those that were read, weighed by likeness. Likeness is the cosine of tf-idf vectors
    over the pool, of the beginnings of the texts.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._known: set[int] = set()  # the places that are in these sums over what was read:
        self._near = np.zeros(len(texts))  # squared likeness
        self._scored = np.zeros(len(texts))  # squared likeness times logit

    def best_first(self, logits: Mapping[int, float]) -> list[int]:
        """Return the places that were not read, most promising first, given the logits by place of those that were.

        Before STEP were read that is the order of the search. A place keeps the logit that it was first given.
        """
        unread = [place for place in range(len(self._texts)) if place not in logits]
        if len(logits) < STEP or not unread:
            return unread
        self._learn({place: logit for place, logit in logits.items() if place not in self._known})
        scores = np.array(list(logits.values()))
        best = np.array(list(logits))[np.argsort(-scores, kind="stable")[:_BEST]]
        above = (self._scored - scores.mean() * self._near) / (self._near + _DOUBT)
        deviation = float(standard_deviation(scores))
        expected = above / deviation if deviation else 0.0
        alike = standardise(self._likeness(best).mean(axis=1))
        worth = (_EXPECTED_WEIGHT * expected + alike + self._by_rank)[unread]
        return [unread[turn] for turn in np.argsort(-worth, kind="stable")]

    def _learn(self, logits: Mapping[int, float]) -> None:
        places = list(logits)
        for start in range(0, len(places), _TOGETHER):
            some = places[start : start + _TOGETHER]
            near = np.square(self._likeness(some))
            self._near += near.sum(axis=1)
            self._scored += near @ np.array([logits[place] for place in some])
        self._known.update(places)

    @cached_property
    def _by_rank(self) -> Floats:
        return standardise(-np.log(1.0 + np.arange(len(self._texts))))

    def _likeness(self, places: Sequence[int] | NDArray[np.intp]) -> Floats:
        """The cosine of each text and each of those at the places, shape [n, places]."""
        return np.asarray((self._vectors @ self._vectors[places].T).toarray())

    @cached_property
    def _vectors(self) -> csr_array:
        """The tf-idf vector of each text, of length 1 or 0; a word of one text alone has no weight."""
        from scipy.sparse import csr_array

        number: defaultdict[str, int] = defaultdict(count().__next__)
        words: list[int] = []
        ends = [0]
        most = min(_CHARACTERS, max(_FEWEST, _ALL_CHARACTERS // len(self._texts)))
        for text in self._texts:
            words += map(number.__getitem__, _words(text, most))
            ends.append(len(words))
        vectors = csr_array((np.ones(len(words)), words, ends), shape=(len(self._texts), len(number)))
        vectors.sum_duplicates()
        frequency = np.bincount(vectors.indices, minlength=len(number))
        weight = np.where(frequency > 1, np.log(len(self._texts) / np.maximum(frequency, 1)), 0.0)
        vectors.data = (1 + np.log(vectors.data)) * weight[vectors.indices]
        vectors.eliminate_zeros()
        length = np.sqrt(vectors.power(2).sum(axis=1))
        vectors.data /= np.repeat(length, np.diff(vectors.indptr))
        return vectors


def warm_up() -> None:
    """Order a few texts: what is loaded for it takes a fifth of a second, for which no search should wait."""
    ReadingOrder(["how fast"] * (STEP + 1)).best_first(dict.fromkeys(range(STEP), 0.0))


def read_some(texts: Sequence[str], most: int, score: Callable[[list[str]], Sequence[float]]) -> dict[int, float]:
    """Return P(relevant), by place, of the `most` texts that are worth reading, each scored once, STEP at a time."""
    distinct = list(dict.fromkeys(texts))
    order = ReadingOrder(distinct)
    scores: dict[str, float] = {}
    logits: dict[int, float] = {}
    while len(scores) < min(most, len(distinct)):
        places = order.best_first(logits)[: min(STEP, most - len(scores))]
        asked = [distinct[place] for place in places]
        found = score(asked)
        scores |= zip(asked, found, strict=True)
        logits |= zip(places, log_odds(found).tolist(), strict=True)
    return {place: scores[text] for place, text in enumerate(texts) if text in scores}


def _words(text: str, most: int) -> list[str]:
    folded = text[:most].casefold()
    return [*_WORD.findall(without_unspaced(folded)), *unspaced_tokens(folded[: most // _UNSPACED])]
