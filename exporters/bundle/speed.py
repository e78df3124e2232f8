"""How much faster one scorer is than another here: the median of rounds in turn, its bounds, and a place to keep it."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from importlib import metadata

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from relsearch.core.errors import GateError
from relsearch.core.files.atomic import replace_text
from relsearch.encoders.model_source import cache_folder
from relsearch.exporters.bundle.cpu import cpu_flags, cpu_name
from relsearch.exporters.bundle.parity import LogitScorer, RankList
from relsearch.rerank.bundle import ManifestBase
from relsearch.runtime.engine import available_cores

MARGIN = 1.1
# With six rounds their least and their greatest ratio hold the median with 97 %; with 20, the sixth from either end.
_ROUNDS, _MOST_ROUNDS = 6, 20
_SECONDS = 30.0  # after which no further round begins
_DOCUMENTS = 50  # a round: about a second
_CONFIDENCE = 0.95
_RUNTIMES = ("onnxruntime", "openvino", "onnx", "nncf")
_LOG = logging.getLogger(__name__)


class Speed(BaseModel):
    """How many times as fast as the reference the candidate is: the median of the rounds, and bounds of the median.

    `ms` are per 100 documents, medians too, with no document known from an earlier round.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    ratio: float
    low: float
    high: float
    rounds: int
    ms_reference: float
    ms_candidate: float

    def faster(self, margin: float = MARGIN) -> bool:
        """Whether the candidate is faster by the margin at least; what is unclear is not."""
        return self.low >= margin

    def slower(self, margin: float = MARGIN) -> bool:
        """Whether it surely is not."""
        return self.high < margin

    def figures(self) -> dict[str, float]:
        """All fields, rounded for reports."""
        times = {name: round(getattr(self, name), 2) for name in ("ms_reference", "ms_candidate")}
        ratios = {f"speed_{name}": round(getattr(self, name), 3) for name in ("ratio", "low", "high", "rounds")}
        return {**times, **ratios}


def gate_faster(speed: Speed, *, margin: float = MARGIN) -> None:
    """Raise GateError where the candidate is not surely `margin` times as fast as the reference on this machine."""
    if not speed.faster(margin):
        why = "not faster on this machine" if speed.slower(margin) else "not surely faster on this machine"
        raise GateError(
            f"{speed.ratio:.2f} times as fast as fp32 ({speed.low:.2f}-{speed.high:.2f} in {speed.rounds} rounds, "
            f"{speed.ms_candidate:.0f} against {speed.ms_reference:.0f} ms per 100 documents): {why} by "
            f"{margin - 1:.0%}; ship fp32, or export where the bundle will run"
        )


def measure_speed(
    reference: LogitScorer,
    candidate: LogitScorer,
    lists: Sequence[RankList],
    *,
    margin: float = MARGIN,
    clock: Callable[[], float] = time.perf_counter,
) -> Speed:
    """Time both in turn on the first lists, round after round, until the bounds are on one side of the margin.

    A slow minute hits both alike. What stays unclear after 20 rounds or half a minute is left so. Neither scorer may
    keep documents.
    """
    part = _first(lists)
    pairs = sum(len(each.texts) for each in part)
    for scorer in (reference, candidate):
        scorer.logits("warm up", ["the first call allocates"])
    rounds: list[tuple[float, float]] = []
    started = clock()
    while True:
        rounds.append(_round((reference, candidate), part, clock, swapped=len(rounds) % 2 == 1))
        if len(rounds) < _ROUNDS:
            continue
        speed = _summary(np.array(rounds) * 1e5 / pairs)
        if speed.faster(margin) or speed.slower(margin) or len(rounds) == _MOST_ROUNDS or clock() - started > _SECONDS:
            return speed


def kept_speed(key: str, measure: Callable[[], Speed]) -> Speed:
    """Return the speed that was measured under this key on this machine; measured now, and kept, where none was.

    So that exporting again decides again as it did.
    """
    path = cache_folder() / "speeds" / f"{key}.json"
    try:
        return Speed.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        speed = measure()
    try:
        replace_text(path, speed.model_dump_json() + "\n")
    except OSError as exc:
        _LOG.warning("%s: cannot be kept (%s), so that another export may decide otherwise", path, exc.strerror)
    return speed


def speed_key(fp32: ManifestBase, recipe: str, lists: Sequence[RankList]) -> str:
    """Return a hash of all that a speed depends on: the fp32 bundle, the recipe, the texts, the machine, versions."""
    about = (
        fp32.model_dump(mode="json", exclude={"figures", "calibration", "training_data", "mix", "feedback"}),
        recipe,
        [(part.query, part.texts) for part in _first(lists)],
        (cpu_name(), cpu_flags(), available_cores()),
        [_version(name) for name in _RUNTIMES],
        (_ROUNDS, _MOST_ROUNDS, _SECONDS, MARGIN),
    )
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _first(lists: Sequence[RankList]) -> list[RankList]:
    """The first lists that have some fifty documents together."""
    ends = np.cumsum([len(part.texts) for part in lists])
    return list(lists[: int(np.searchsorted(ends, _DOCUMENTS)) + 1])


def _round(
    scorers: Sequence[LogitScorer], lists: Sequence[RankList], clock: Callable[[], float], *, swapped: bool
) -> tuple[float, float]:
    """The seconds of both, list by list in turn; every second round and list the other one goes first."""
    seconds = [0.0, 0.0]
    for number, part in enumerate(lists):
        for place in (1, 0) if (number % 2 == 1) != swapped else (0, 1):
            started = clock()
            scorers[place].logits(part.query, part.texts)
            seconds[place] += clock() - started
    return seconds[0], seconds[1]


def _summary(ms: np.ndarray) -> Speed:
    """The medians of rounds [n, 2], and the order statistics that hold the ratio's median with _CONFIDENCE."""
    from scipy.stats import binom

    ratios = np.sort(ms[:, 0] / ms[:, 1])
    outside = int(binom.ppf((1 - _CONFIDENCE) / 2, len(ratios), 0.5)) - 1
    reference, candidate = np.median(ms, axis=0).tolist()
    return Speed(
        ratio=float(np.median(ratios)),
        low=float(ratios[outside]),
        high=float(ratios[-1 - outside]),
        rounds=len(ratios),
        ms_reference=reference,
        ms_candidate=candidate,
    )
