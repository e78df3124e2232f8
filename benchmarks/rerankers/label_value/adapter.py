"""A student that trains in a second: weights of what the ready reranker knows, and a matrix between cached vectors.

score = w . features + d' A q, where q and d are the pooled vectors of query and document, less their means. At the
start w takes the ready reranker's interpolated score alone and A is 0. The loss is the listwise one over whole pools,
or that of margins, with a Gaussian prior about the start, so that few labels move it little; L-BFGS finds its minimum.
No text is encoded again, and the documents' vectors stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]

# Chosen on folds of the training queries of cranfield, cnil-fr and vaswani, by what all labels gain.
_MATRIX_PRECISION, _WEIGHT_PRECISION = 1.0, 20.0
START = 1.5  # weight of the ready reranker's standardised score: its softmax is then about as sharp as the labels
_ITERATIONS = 25


@dataclass(frozen=True)
class Candidates:
    """A query's pool: features [n, f], the first one the ready reranker's score; vectors [n, h] and query [h]."""

    features: Floats
    documents: NDArray[np.float32]
    query: NDArray[np.float32]


@dataclass(frozen=True)
class Target:
    """What a query's candidates should score, and the weight of the query.

    `gains` [n] are at least 0, and their shares are learnt; or they are a teacher's scores, and their differences are.
    """

    candidates: Candidates
    gains: Floats
    weight: float = 1.0


class Adapter:
    """The student; `fit` returns a trained one."""

    def __init__(self, weights: Tensor, matrix: Tensor) -> None:
        self._weights = weights
        self._matrix = matrix

    @classmethod
    def fit(cls, targets: Sequence[Target], *, margins: bool = False) -> Adapter:
        """Return the student of least loss; queries without any gain teach it nothing.

        With `margins` the loss is the squared error of the differences between all candidates of a pool (MarginMSE,
        Hofstätter et al. 2020), which is that of the scores less their mean.
        """
        used = [target for target in targets if target.gains.any()]
        first = used[0].candidates
        start = torch.zeros(first.features.shape[1])
        start[0] = START
        weights = start.clone().requires_grad_(True)
        matrix = torch.zeros(first.documents.shape[1], len(first.query), requires_grad=True)
        features = torch.cat([_tensor(each.candidates.features) for each in used])
        documents = torch.cat([_tensor(each.candidates.documents) for each in used])
        queries = torch.stack([_tensor(each.candidates.query) for each in used])
        sizes = torch.tensor([len(each.gains) for each in used])
        pool = torch.repeat_interleave(torch.arange(len(used)), sizes)
        shares = [each.gains / (1.0 if margins else each.gains.sum()) for each in used]
        gains = torch.cat([_tensor(each) for each in shares])
        weight = torch.tensor([each.weight for each in used])[pool]
        optimizer = torch.optim.LBFGS([weights, matrix], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimizer.zero_grad()
            scores = features @ weights + (documents * (queries @ matrix.T)[pool]).sum(dim=1)
            if margins:
                gaps = scores - gains
                means = torch.stack([part.mean() for part in gaps.split(sizes.tolist())])
                total = (weight * (gaps - means[pool]).square() / sizes[pool]).sum()
            else:
                log_total = torch.stack([part.logsumexp(dim=0) for part in scores.split(sizes.tolist())])
                total = (weight * gains * (log_total[pool] - scores)).sum()
            prior = _MATRIX_PRECISION * matrix.square().sum() + _WEIGHT_PRECISION * (weights - start).square().sum()
            total = total + prior / 2
            total.backward()
            return total

        optimizer.step(loss)
        return cls(weights.detach(), matrix.detach())

    def scores(self, candidates: Candidates) -> Floats:
        """Return the score of each candidate, shape [n]."""
        added = _tensor(candidates.documents) @ (self._matrix @ _tensor(candidates.query))
        found = _tensor(candidates.features) @ self._weights + added
        return np.asarray(found.numpy(), dtype=np.float64)


def _tensor(values: NDArray[np.floating]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
