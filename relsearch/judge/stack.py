"""A stack: several judges' ordinal scores as one, weighted and calibrated on held-out queries."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from relsearch.atomic import replace_text
from relsearch.config import Aim
from relsearch.encoder import load_encoder
from relsearch.errors import ArtifactError, ConfigError
from relsearch.judge.blend import Blend
from relsearch.judge.calibrate import fit_cuts
from relsearch.judge.card import ANY_DTYPE, STACK_CARD, read_card
from relsearch.judge.evidence import similarities
from relsearch.judge.grading import Decision, judgments
from relsearch.judge.tuned import TunedJudge, load_judge
from relsearch.ordinal import CumulativeLink, cut
from relsearch.types import Judgment, Pair, Scale

Floats = NDArray[np.float64]


class StackCard(BaseModel):
    """How the members' scores become one, and one score a grade; members stand in folders of these names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    blend: Blend
    calibration: dict[str, float | list[float]]
    cuts: tuple[float, ...]
    fingerprints: tuple[str, ...]


class StackedJudge:
    """Grades pairs by a weighted sum of its members' scores; pairs are read once by each, and by each encoder."""

    def __init__(self, members: Sequence[TunedJudge], card: StackCard) -> None:
        self._members = members
        self._card = card
        self._link = CumulativeLink.from_json(card.calibration)

    @property
    def fingerprint(self) -> str:
        """A hash of the members' fingerprints and of how they are weighted."""
        about = "|".join([self._card.model_dump_json(), *(member.fingerprint for member in self._members)])
        return hashlib.sha256(about.encode()).hexdigest()[:16]

    @property
    def scale(self) -> Scale:
        """The scale its grades are on."""
        return self._members[0].scale

    @property
    def pooled(self) -> bool:
        """Whether a label depends on the query's other pairs."""
        return any(member.pooled for member in self._members)

    @property
    def truncated(self) -> int:
        """How many pairs the member that cuts most has cut."""
        return max(member.truncated for member in self._members)

    def judge(self, pairs: Iterable[Pair]) -> Iterator[Judgment]:
        """Yield one judgment a pair, in the order of the pairs."""
        return judgments(pairs, self._decide, scale=self.scale, fingerprint=self.fingerprint, pooled=self.pooled)

    def _decide(self, pairs: list[Pair], advance: Callable[[int], object]) -> Decision:
        known = similarities(pairs, (encoder for member in self._members for encoder in member.encoders))
        first, *others = self._members
        columns = [first.scores(pairs, advance, known=known)]
        columns += [member.scores(pairs, known=known) for member in others]
        scores = self._card.blend.scores(np.column_stack(columns))
        return cut(scores, self._card.cuts, self.scale), self._link.probabilities(scores)


def fit_stack(
    members: Mapping[str, Path],
    columns: Mapping[str, Floats],
    grades: Sequence[int],
    query_ids: Sequence[str],
    *,
    aim: Aim,
    seed: int,
    output: Path,
) -> StackCard:
    """Weigh judge folders by their scores of held-out pairs, and write a folder that holds them and the card.

    `columns` has each member's score of every pair, all of queries that no member was trained on.
    """
    cards = [read_card(folder) for folder in members.values()]
    scale = cards[0].scale
    if any(card.scale != scale for card in cards):
        raise ConfigError(f"stack of {', '.join(members)}: the judges grade on different scales")
    values = np.column_stack([columns[name] for name in members])
    blend = Blend.fit(tuple(members), values, grades, scale)
    scores = blend.scores(values)
    card = StackCard(
        blend=blend,
        calibration=CumulativeLink.fit(scores, grades, scale).to_json(),
        cuts=fit_cuts(scores, grades, query_ids, scale, aim=aim, seed=seed),
        fingerprints=tuple(card.fingerprint(ANY_DTYPE) for card in cards),
    )
    for name, folder in members.items():
        shutil.copytree(folder, output / name, dirs_exist_ok=True)
    replace_text(output / STACK_CARD, card.model_dump_json(indent=2) + "\n")
    return card


def load_stack(folder: Path, *, keep: Path | None = None) -> StackedJudge:
    """Load a stack; raise ArtifactError if its card or a member is not whole, or a member is another than fitted."""
    path = folder / STACK_CARD
    try:
        card = StackCard.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as exc:
        raise ArtifactError(f"{path}: no stack of judges ({str(exc).splitlines()[0]}); fit it again") from exc
    load = cache(partial(load_encoder, keep=keep))  # members often share their encoders
    members = [load_judge(folder / name, load=load) for name in card.blend.columns]
    for name, fitted in zip(card.blend.columns, card.fingerprints, strict=True):
        if read_card(folder / name).fingerprint(ANY_DTYPE) != fitted:
            raise ArtifactError(
                f"{folder / name}: not the judge that {STACK_CARD} was fitted with; fit the stack again"
            )
    return StackedJudge(members, card)
