"""Where training starts: the projection that keeps most, and the head of the scale that the training loss prefers.

A head that fitted another loss would leave a scale to be learnt, and the encoder, which learns faster, would learn
it by forgetting what it knows. How cosine and MaxSim share that scale is given: a few labelled queries cannot tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from relsearch.core.settings.config import TrainConfig
from relsearch.rerank.cross.loss import graded
from relsearch.rerank.late.fit import Step
from relsearch.rerank.late.head import LateHead, Standard
from relsearch.rerank.late.model import LateModel, principal_projection, word_states
from relsearch.rerank.late.second import SecondEncoder
from relsearch.stats.logistic import LOWEST_SLOPE

# MaxSim's weight for one of the cosine, both standardised: what 62 queries of TREC DL 2021 ask for. From it, training
# on 8 of scifact's training queries starts at an NDCG@10 of 0.737 on others of them, from a fitted one at 0.729 (mean
# of 20 draws); 0.2 to 1 do as well.
_MAXSIM = 0.35
_ITERATIONS = 60  # of L-BFGS on two numbers; it needs about twenty


def start_late(model: LateModel, steps: Sequence[Step], config: TrainConfig) -> None:
    """Set projection and head from what the untrained encoder says of the steps' documents."""
    with torch.no_grad():
        documents = list(dict.fromkeys(text for step in steps for text in step.documents))
        read = dict(zip(documents, word_states(model, documents), strict=True))
        model.projection.weight.copy_(principal_projection(model, (states for _, states in read.values())))
        if model.second is not None:
            read = _weighed(model, model.second, steps, read)
        vectors = {text: (pooled, model.projected(states)) for text, (pooled, states) in read.items()}
        found = [model.compare(step.query, [vectors[text] for text in step.documents]) for step in steps]
    similarities = [torch.stack(both, dim=1).double().cpu() for both in found]
    model.start_head(fit_head(similarities, steps, config))


def _weighed(
    model: LateModel, second: SecondEncoder, steps: Sequence[Step], read: Mapping[str, tuple[Tensor, Tensor]]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Set the second encoder's share by the steps' cosines; return what was read, its pooled vectors by that share."""
    before = float(second.share)
    queries = {place: pooled for place, pooled, _ in model.vectors([step.query for step in steps], model.queries)}
    documents = [torch.stack([read[text][0] for text in step.documents]) for step in steps]
    second.set_share([second.cosines(queries[place], each) for place, each in enumerate(documents)])
    return {text: (second.rejoin(pooled, before), states) for text, (pooled, states) in read.items()}


def fit_head(similarities: Sequence[Tensor], steps: Sequence[Step], config: TrainConfig) -> LateHead:
    """Return the head whose scale and bias have the least training loss on fixed similarities, [n, 2] a step.

    Raise DataError where all cosines, or all MaxSims, are the same.
    """
    columns = torch.cat(list(similarities)).numpy().T
    cosine, maxsim = (
        Standard.fit(np.asarray(each), name) for each, name in zip(columns, ("cosine", "MaxSim"), strict=True)
    )
    mean = torch.tensor([cosine.mean, maxsim.mean], dtype=torch.float64)
    deviation = torch.tensor([cosine.deviation, maxsim.deviation], dtype=torch.float64)
    lists = [
        ((each - mean) / deviation, torch.tensor(step.gains).double(), torch.tensor(step.weights).double())
        for each, step in zip(similarities, steps, strict=True)
    ]
    shares = torch.tensor([1.0, _MAXSIM], dtype=torch.float64)
    parameters = torch.tensor([0.5, 0.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([parameters], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        scale, bias = parameters
        slopes = scale.clamp_min(LOWEST_SLOPE) * shares
        total = torch.stack(
            [
                graded(
                    each @ slopes + bias,
                    gains,
                    weights,
                    listwise=config.listwise_weight,
                    pointwise=config.pointwise_weight,
                )
                for each, gains, weights in lists
            ]
        ).mean()
        total.backward()
        return total

    optimizer.step(loss)
    scale, bias = parameters.tolist()
    scale = max(scale, LOWEST_SLOPE)
    return LateHead(cosine=cosine, maxsim=maxsim, cosine_weight=scale, maxsim_weight=_MAXSIM * scale, bias=bias)
