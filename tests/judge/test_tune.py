"""Tuning: it starts at the evidence, learns, resumes, and refuses what it cannot learn from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from relsearch.config import EncoderConfig, JudgeConfig, TuneConfig
from relsearch.errors import ArtifactError, ConfigError, DataError
from relsearch.judge.card import CARD
from relsearch.judge.head import GradeHead
from relsearch.judge.llm import LLMJudge, load_judge
from relsearch.judge.report import TuneReport
from relsearch.judge.tune import tune
from relsearch.ordinal import CumulativeLink
from relsearch.types import SCALES, Pair

_PRIOR = CumulativeLink(mean=0.8, deviation=0.05, slope=1.5, thresholds=(0.0, 1.0, 2.0))


def _tune(
    pairs: list[Pair], grades: list[int], judge: JudgeConfig, encoder: Path, *, output: Path, cut: int
) -> TuneReport:
    return tune(
        pairs[:cut],
        grades[:cut],
        pairs[cut:],
        grades[cut:],
        judge=judge,
        tune=TuneConfig(layers=1, rank=2, documents_per_query=5, evaluations=2),
        encoder=EncoderConfig(model=str(encoder)),
        scale=SCALES["0-3"],
        seed=3,
        output=output,
    )


def test_a_model_that_says_the_same_to_all_leaves_the_evidence_as_it_is() -> None:
    """Constant label logits are the offset's; grade logits are then the prior's."""
    cosines = torch.tensor([0.7, 0.8, 0.9])
    logits = torch.tensor([[3.0, 1.0, 0.0, 0.0]]).repeat(3, 1)
    head = GradeHead(_PRIOR, gamma=0.5, offset=torch.tensor([2.0, 0.0, -1.0, -1.0]))
    found = torch.softmax(head(logits, cosines), dim=1).detach().numpy()
    np.testing.assert_allclose(found, _PRIOR.probabilities(cosines.numpy()), atol=1e-6)


def test_a_higher_label_logit_raises_the_score() -> None:
    """What the model adds moves the score in its direction."""
    head = GradeHead(_PRIOR, gamma=0.5, offset=torch.zeros(4))
    low, high = GradeHead.scores(head(torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 1.0]]), torch.tensor([0.8, 0.8])))
    assert high > low


def test_the_report_holds_both_judges(tuned: tuple[Path, TuneReport]) -> None:
    """Tuned judge and evidence alone are measured on the same pairs, and the judge folder records it."""
    folder, report = tuned
    figures = report.figures()
    assert set(report.tuned.to_json()) == set(report.evidence.to_json())
    assert figures["beats_evidence"] == (report.tuned.log_likelihood > report.evidence.log_likelihood)
    assert json.loads((folder / CARD).read_text(encoding="utf-8"))["figures"] == json.loads(json.dumps(figures))
    assert sorted(path.name for path in folder.iterdir()) == ["adapter", CARD]


def test_tuning_twice_gives_the_same_labels(
    tuned_judge: LLMJudge,
    pairs: list[Pair],
    grades: list[int],
    judge_config: JudgeConfig,
    tiny_bert: Path,
    tmp_path: Path,
) -> None:
    """One seed, one judge."""
    _tune(pairs, grades, judge_config, tiny_bert, output=tmp_path, cut=len(pairs) // 2)
    again = load_judge(tmp_path)
    assert again.fingerprint == tuned_judge.fingerprint
    assert list(again.judge(pairs)) == list(tuned_judge.judge(pairs))


def test_an_altered_adapter_is_refused(tuned: tuple[Path, TuneReport], tmp_path: Path) -> None:
    """Adapter and card belong together."""
    card = (tuned[0] / CARD).read_text(encoding="utf-8")
    (tmp_path / CARD).write_text(card, encoding="utf-8")
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_model.safetensors").write_bytes(b"other")
    with pytest.raises(ArtifactError, match="not the adapter"):
        load_judge(tmp_path)


def test_a_folder_without_a_judge_is_refused(tmp_path: Path) -> None:
    """The error says how to get one."""
    with pytest.raises(ArtifactError, match="run `relsearch tune`"):
        load_judge(tmp_path)


def test_dev_pairs_are_needed(pairs: list[Pair], grades: list[int], judge_config: JudgeConfig, tmp_path: Path) -> None:
    """Without held-out pairs nothing can be chosen or calibrated."""
    with pytest.raises(ConfigError, match="dev_share"):
        _tune(pairs, grades, judge_config, tmp_path, output=tmp_path, cut=len(pairs))


def test_a_query_on_both_sides_is_a_leak(
    pairs: list[Pair], grades: list[int], judge_config: JudgeConfig, tmp_path: Path
) -> None:
    """Dev queries must not be trained on."""
    with pytest.raises(DataError, match="both training and dev"):
        _tune(pairs, grades, judge_config, tmp_path, output=tmp_path, cut=5)
