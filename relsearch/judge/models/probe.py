"""A few fixed pairs whose features show whether a base is the one that a judge was tuned on, whatever its bytes."""

from __future__ import annotations

import torch

from relsearch.core.types import Pair
from relsearch.judge.calibration.head import OrdinalHead
from relsearch.judge.models.base import Base
from relsearch.judge.models.feature_reader import read_all

# Half precision moves a score by under 0.01; another base by far more than its own spread.
TOLERANCE = 0.05
_QUERY = "how high is mount everest"
_TEXTS = (
    "Mount Everest rises 8,849 metres above the sea.",
    "Everest was first climbed in 1953 by Edmund Hillary and Tenzing Norgay.",
    "A sourdough needs flour, water, salt and time.",
)


def probe(base: Base, head: OrdinalHead) -> tuple[float, ...]:
    """Return what model and head add to the score of each probe pair."""
    pairs = [Pair("probe", str(number), _QUERY, text) for number, text in enumerate(_TEXTS)]
    features = read_all(base.reader().features, base.encode(pairs), batch_size=len(pairs))
    with torch.inference_mode():
        added = head.added(features.to(head.added.weight.device)).squeeze(1)
    return tuple(float(value) for value in added.cpu())
