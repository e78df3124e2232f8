"""A stack: its members' scores as one, and only with the members that it was fitted with."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from relsearch.encoder import Encoder, Vectors, load_encoder
from relsearch.errors import ArtifactError
from relsearch.judge.card import STACK_CARD
from relsearch.judge.stack import StackCard, StackedJudge, load_stack
from relsearch.judge.tuned import TunedJudge, load_judge
from relsearch.ordinal import CumulativeLink, cut
from relsearch.types import Pair


@pytest.fixture(scope="module")
def stack(stack_folder: Path) -> StackedJudge:
    """The stack of two judges, loaded."""
    return load_stack(stack_folder)


@pytest.fixture(scope="module")
def card(stack_folder: Path) -> StackCard:
    """What the stack's folder says of it."""
    return StackCard.model_validate_json((stack_folder / STACK_CARD).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def members(stack_folder: Path, card: StackCard) -> list[TunedJudge]:
    """The stack's members by themselves, loaded from its own folder."""
    return [load_judge(stack_folder / name) for name in card.blend.columns]


def test_the_folder_holds_members_and_card(stack_folder: Path, card: StackCard) -> None:
    """A stack can be moved as one folder."""
    assert sorted(path.name for path in stack_folder.iterdir()) == ["encoder", "llm", STACK_CARD]
    assert card.blend.columns == ("llm", "encoder")


def test_labels_are_those_of_the_weighted_scores(
    stack: StackedJudge, card: StackCard, members: list[TunedJudge], pairs: list[Pair]
) -> None:
    """Each pair, in order, gets the grade and the distribution of its members' blended scores."""
    scores = card.blend.scores(np.column_stack([member.scores(pairs) for member in members]))
    labels = list(stack.judge(pairs))
    assert [(label.query_id, label.doc_id) for label in labels] == [(pair.query_id, pair.doc_id) for pair in pairs]
    assert [label.grade for label in labels] == cut(scores, card.cuts, stack.scale).tolist()
    expected = CumulativeLink.from_json(card.calibration).probabilities(scores)
    np.testing.assert_allclose(np.array([label.probabilities for label in labels]), expected, atol=1e-5)


class CountingEncoder(Encoder):
    """An encoder that counts the pairs it is asked for."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.config = encoder.config
        self.pairs = 0

    def vectors(self, pairs: Sequence[Pair]) -> tuple[Vectors, Vectors]:
        """Count, and encode."""
        self.pairs += len(pairs)
        return self._encoder.vectors(pairs)


def test_members_with_one_encoder_encode_once(
    stack: StackedJudge, stack_folder: Path, card: StackCard, pairs: list[Pair]
) -> None:
    """Evidence that members share is not paid for by each, and the labels are the same."""
    counting = cache(lambda config: CountingEncoder(load_encoder(config)))
    members = [load_judge(stack_folder / name, load=counting) for name in card.blend.columns]
    (config,) = {encoder.config for member in members for encoder in member.encoders}
    assert list(StackedJudge(members, card).judge(pairs)) == list(stack.judge(pairs))
    assert counting(config).pairs == len(pairs)


def test_a_stack_is_pooled_where_a_member_is(stack: StackedJudge, card: StackCard, members: list[TunedJudge]) -> None:
    """One member that looks at a query's other pairs makes the whole depend on them."""
    assert [member.pooled for member in members] == [False, True]
    assert stack.pooled
    assert not StackedJudge(members[:1], card).pooled


def test_the_fingerprint_changes_with_weights_and_members(
    stack: StackedJudge, card: StackCard, members: list[TunedJudge]
) -> None:
    """Whatever could change a label changes the fingerprint, and nothing else does."""
    assert StackedJudge(members, card).fingerprint == stack.fingerprint
    first, second = card.blend.weights
    blend = card.blend.model_copy(update={"weights": (first, second + 0.1)})
    others = [
        StackedJudge(members, card.model_copy(update={"blend": blend})),
        StackedJudge(members, card.model_copy(update={"cuts": tuple(value + 0.1 for value in card.cuts)})),
        StackedJudge(members[::-1], card),
    ]
    assert len({stack.fingerprint, *(other.fingerprint for other in others)}) == 4


def test_a_swapped_member_is_refused(stack_folder: Path, tmp_path: Path) -> None:
    """A whole judge in a member's place is still not the one whose scores were weighted."""
    shutil.copytree(stack_folder, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "llm")
    shutil.copytree(stack_folder / "encoder", tmp_path / "llm")
    with pytest.raises(ArtifactError, match=r"llm: not the judge that stack\.json was fitted with"):
        load_stack(tmp_path)


def test_a_missing_member_is_refused(stack_folder: Path, tmp_path: Path) -> None:
    """A stack without one of its judges is not whole."""
    shutil.copytree(stack_folder, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "encoder")
    with pytest.raises(ArtifactError, match="encoder"):
        load_stack(tmp_path)


@pytest.mark.parametrize("text", [None, "", '{"cuts": [0]}'], ids=["absent", "empty", "incomplete"])
def test_a_folder_without_a_card_is_refused(tmp_path: Path, text: str | None) -> None:
    """The error names the card and says what to do."""
    if text is not None:
        (tmp_path / STACK_CARD).write_text(text, encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"stack\.json: no stack of judges .*; fit it again"):
        load_stack(tmp_path)
