"""Tuning: it starts at the retrieval features, learns, resumes, and refuses what it cannot learn from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

from relsearch.core.errors import ArtifactError, ConfigError, DataError
from relsearch.core.query_pool import pools_of
from relsearch.core.settings.config import JudgeConfig, TuneConfig
from relsearch.core.types import Pair
from relsearch.encoders.encoder import load_encoder
from relsearch.judge.calibration.head import OrdinalHead
from relsearch.judge.judge_card import ADAPTER, CARD, HEAD, HELD_OUT, adapter_checksum, read_card, write_card
from relsearch.judge.retrieval_features import columns_of
from relsearch.judge.tuned import TunedJudge, load_judge
from relsearch.judge.tuning.report import TuneReport
from relsearch.stats.ordinal import CumulativeLink
from tests.judge.conftest import TuneHalf, judge_pairs

pytestmark = pytest.mark.slow

_PRIOR = CumulativeLink(mean=0.8, deviation=0.05, slope=1.5, thresholds=(0.0, 1.0, 2.0))


def test_a_judge_starts_at_the_evidence() -> None:
    """Before any step the score is the prior's, whatever the features."""
    cosines = torch.tensor([0.7, 0.8, 0.9])
    found = OrdinalHead(_PRIOR, 6)(torch.randn(3, 6), cosines).detach().numpy()
    np.testing.assert_allclose(found, _PRIOR.logits(cosines.numpy()), atol=1e-6)


def test_a_silenced_head_is_known_to_be_silent() -> None:
    """Features need not be computed where the model adds nothing."""
    head = OrdinalHead(_PRIOR, 2)
    assert head.silent
    torch.nn.init.ones_(head.added.weight)
    assert not head.silent
    head.silence()
    assert head.silent


def test_a_silent_judge_loads_no_base(tuned: tuple[Path, TuneReport], pairs: list[Pair], tmp_path: Path) -> None:
    """Where the model adds nothing its base is not needed, nor missed: the retrieval features alone grade."""
    shutil.copytree(tuned[0], tmp_path, dirs_exist_ok=True)
    head = tmp_path / ADAPTER / HEAD
    save_file({"added": torch.zeros_like(load_file(head)["added"])}, head)
    card = read_card(tuned[0])
    judge = card.judge.model_copy(update={"base": str(tmp_path / "nowhere")})
    write_card(tmp_path, card.model_copy(update={"judge": judge, "adapter_checksum": adapter_checksum(tmp_path)}))
    silent = load_judge(tmp_path)
    pools, encoders = pools_of(pairs), [load_encoder(config) for config in card.encoders]
    known = card.features.scores(columns_of(pools, encoders, card.judge.retrieval_features))
    np.testing.assert_allclose(silent.scores(pools), CumulativeLink.from_json(card.prior).logits(known), atol=1e-5)
    assert silent.truncated == 0


def test_the_report_holds_both_judges(tuned: tuple[Path, TuneReport]) -> None:
    """Tuned judge and retrieval features alone are measured on the same pairs, and the judge folder records it."""
    folder, report = tuned
    figures = report.figures()
    assert set(report.tuned.to_json()) == set(report.prior.to_json())
    assert figures["beats_evidence"] == (report.tuned.log_likelihood > report.prior.log_likelihood)
    assert json.loads((folder / CARD).read_text(encoding="utf-8"))["figures"] == json.loads(json.dumps(figures))
    assert sorted(path.name for path in folder.iterdir()) == ["adapter", HELD_OUT, CARD]


def test_tuning_twice_gives_the_same_labels(
    tuned: tuple[Path, TuneReport], tuned_judge: TunedJudge, pairs: list[Pair], tune_half: TuneHalf, tmp_path: Path
) -> None:
    """One seed, one judge."""
    tune_half(read_card(tuned[0]).judge, tmp_path)
    again = load_judge(tmp_path)
    assert again.fingerprint == tuned_judge.fingerprint
    assert judge_pairs(again, pairs) == judge_pairs(tuned_judge, pairs)


def test_an_altered_adapter_is_refused(tuned: tuple[Path, TuneReport], tmp_path: Path) -> None:
    """Adapter and card belong together."""
    card = (tuned[0] / CARD).read_text(encoding="utf-8")
    (tmp_path / CARD).write_text(card, encoding="utf-8")
    shutil.copytree(tuned[0] / "adapter", tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter_model.safetensors").write_bytes(b"other")
    with pytest.raises(ArtifactError, match="not the adapter"):
        load_judge(tmp_path)


def test_a_folder_without_a_judge_is_refused(tmp_path: Path) -> None:
    """The error says how to get one."""
    with pytest.raises(ArtifactError, match="run `relsearch tune`"):
        load_judge(tmp_path)


def test_dev_pairs_are_needed(
    pairs: list[Pair], judge_config: JudgeConfig, tune_half: TuneHalf, tmp_path: Path
) -> None:
    """Without held-out pairs nothing can be chosen or calibrated."""
    with pytest.raises(ConfigError, match="dev_share"):
        tune_half(judge_config, tmp_path, cut=len(pairs))


def test_a_query_on_both_sides_is_a_leak(judge_config: JudgeConfig, tune_half: TuneHalf, tmp_path: Path) -> None:
    """Dev queries must not be trained on."""
    with pytest.raises(DataError, match="both training and dev"):
        tune_half(judge_config, tmp_path, cut=5)


def test_an_llm_can_be_read_as_it_is(
    judge_config: JudgeConfig, tune_half: TuneHalf, pairs: list[Pair], tmp_path: Path
) -> None:
    """With no layer to tune a regression on its states judges; the folder holds no adapter, and the base as it was."""
    report = tune_half(judge_config, tmp_path / "judge", config=TuneConfig(layers=0))
    assert (report.steps, report.pairs) == (0, len(pairs) // 2)
    card = read_card(tmp_path / "judge")
    assert card.frozen
    assert not load_file(tmp_path / "judge" / ADAPTER / "adapter_model.safetensors")
    assert sorted(path.name for path in (tmp_path / "judge").iterdir()) == ["adapter", HELD_OUT, CARD]
    judge = load_judge(tmp_path / "judge")
    held_out = pl.read_parquet(tmp_path / "judge" / HELD_OUT)
    scores = dict(zip([(pair.query_id, pair.doc_id) for pair in pairs], judge.scores(pools_of(pairs)), strict=True))
    wanted = [scores[query, doc] for query, doc in held_out.select("query_id", "doc_id").iter_rows()]
    np.testing.assert_allclose(wanted, held_out["score"].to_numpy(), atol=0.05)


def test_states_that_tell_nothing_do_not_beat_the_features(
    judge_config: JudgeConfig, tune_half: TuneHalf, tmp_path: Path
) -> None:
    """From two pairs nothing is learnt: the report says so, whatever rounding does to the scores."""
    report = tune_half(judge_config, tmp_path, config=TuneConfig(layers=0, max_pairs=2))
    assert report.tuned == report.prior
    assert not report.beats_prior


def test_only_an_llm_is_read_as_it_is(
    encoder_config: JudgeConfig, judge_config: JudgeConfig, tune_half: TuneHalf, tmp_path: Path
) -> None:
    """An encoder has no such states, and a judge to go on from no part in them."""
    for judge, config in (
        (encoder_config, TuneConfig(layers=0)),
        (judge_config, TuneConfig(layers=0, start="ready")),
    ):
        with pytest.raises(ConfigError, match=r"layers = 0"):
            tune_half(judge, tmp_path, config=config)
