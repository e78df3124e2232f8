"""The tuning loop: it lowers the loss, keeps its best look, and goes on where it was cut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model

from relsearch.core.settings.config import JudgeConfig, TuneConfig
from relsearch.core.types import Pair, Scale
from relsearch.judge.calibration.head import OrdinalHead
from relsearch.judge.models.base import Base, load_base
from relsearch.judge.models.prompt import Prompt
from relsearch.judge.tuning.loss import cumulative_loss
from relsearch.judge.tuning.trainer import Step, TunedModel, run
from relsearch.stats.ordinal import CumulativeLink

_PRIOR = CumulativeLink(mean=0.0, deviation=1.0, slope=1.0, thresholds=(-1.0, 0.0, 1.0))
_CONFIG = TuneConfig(learning_rate=5e-3, head_learning_rate=5e-3, evaluations=4, epochs=2.0)

# Said by transformers 5.24 of peft 0.21; relsearch's own calls of peft keep it back.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]


@pytest.fixture
def base(judge_config: JudgeConfig, scale: Scale) -> Base:
    """The tiny Llama under a short prompt."""
    return load_base(judge_config, Prompt(text="{query} | {document} | {query} = "), scale, dtype=torch.float32)


@pytest.fixture
def new_model(judge_config: JudgeConfig, scale: Scale) -> Callable[[], TunedModel]:
    """Makes a model with fresh adapters, alike each time."""

    def make() -> TunedModel:
        base = load_base(judge_config, Prompt(text="{query}{document}"), scale, dtype=torch.float32)
        torch.manual_seed(1)
        adapted = get_peft_model(base.model, LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"]))
        return TunedModel(adapted, OrdinalHead(_PRIOR, base.reader().width), base.reader())

    return make


@pytest.fixture
def steps(base: Base, pairs: list[Pair], grades: list[int]) -> list[Step]:
    """Eight steps of five documents."""
    tokens = base.encode(pairs)
    starts = range(0, len(pairs), 5)
    return [Step(tuple(tokens[s : s + 5]), (0.0,) * 5, tuple(grades[s : s + 5]), (1.0,) * 5) for s in starts]


def _loss(model: TunedModel, steps: list[Step]) -> float:
    with torch.no_grad():
        parts = [
            cumulative_loss(model(s), model.head.thresholds, torch.tensor(s.levels), torch.tensor(s.weights))
            for s in steps
        ]
    return float(torch.stack(parts).mean())


def _constant() -> dict[str, float | None]:
    return {"log_likelihood": -1.0}


def test_the_loss_falls(new_model: Callable[[], TunedModel], steps: list[Step], tmp_path: Path) -> None:
    """The model learns the pairs it is shown, and looks are in reach of the trainer."""
    model = new_model()
    before = _loss(model, steps)
    losses: list[float] = []

    def look() -> dict[str, float | None]:
        losses.append(_loss(model, steps))
        return {"log_likelihood": -losses[-1]}

    assert run(model, steps, config=_CONFIG, seed=1, evaluate_dev=look, folder=tmp_path).steps == 16
    assert len(losses) == 4
    assert _loss(model, steps) == pytest.approx(min(losses), abs=1e-5)
    assert _loss(model, steps) < before - 0.05


def test_a_cut_run_goes_on_and_ends_as_an_unbroken_one(
    new_model: Callable[[], TunedModel], steps: list[Step], tmp_path: Path
) -> None:
    """An interruption costs only the steps since the last checkpoint, and changes nothing."""
    whole = new_model()
    looks = iter(range(100))

    def improving() -> dict[str, float | None]:
        return {"log_likelihood": float(next(looks))}

    run(whole, steps, config=_CONFIG, seed=1, evaluate_dev=improving, folder=tmp_path / "whole")
    looks = iter(range(2))
    with pytest.raises(StopIteration):  # the third look fails, after two checkpoints
        run(new_model(), steps, config=_CONFIG, seed=1, evaluate_dev=improving, folder=tmp_path / "cut")
    looks = iter(range(2, 100))
    resumed = new_model()
    tuned = run(resumed, steps, config=_CONFIG, seed=1, evaluate_dev=improving, folder=tmp_path / "cut")
    assert (tuned.steps, tuned.history) == (8, [(4, 0.0), (8, 1.0), (12, 2.0), (16, 3.0)])
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value)


def test_time_is_kept(new_model: Callable[[], TunedModel], steps: list[Step], tmp_path: Path) -> None:
    """When the minutes are over the run stops, after a last look and checkpoint."""
    config = _CONFIG.model_copy(update={"minutes": 1e-9})
    assert run(new_model(), steps, config=config, seed=1, evaluate_dev=_constant, folder=tmp_path).steps == 1
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-1"]


def test_a_checkpoint_holds_only_what_is_trained(new_model: Callable[[], TunedModel]) -> None:
    """Adapters and head, a few hundred kilobytes; the base stays where it is."""
    names = set(new_model().state_dict())
    assert {"head.added.weight", "head.thresholds"} < names
    assert all("lora_" in name or name.startswith("head.") for name in names)
