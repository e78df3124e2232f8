"""The speed benchmark: its ways compute the same, its rounds and rates are right."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from benchmarks.judges.speed import judging_ways as judging_speed
from benchmarks.judges.speed import tuning_ways as tuning_speed
from benchmarks.judges.speed.__main__ import Family, Size, bfloat16, measure, section
from benchmarks.judges.speed.prompt_lengths import full_length, pairs_of_length
from benchmarks.rounds import faster, interleaved, rate
from relsearch.core.settings.config import JudgeConfig
from relsearch.core.types import SCALES, Document, Pair, Query
from relsearch.encoders.model_source import fast_dtype
from relsearch.judge.models.prompt import Tokens
from relsearch.judge.tuning.trainer import Step

# Said by transformers 5.24 of peft 0.21; relsearch's own calls of peft keep it back.
_OF_PEFT = "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings(_OF_PEFT)]

SCALE = SCALES["0-3"]
SIZE = Size(queries=2, documents=3, steps=2, documents_per_step=3, agreement_pairs=4, rounds=2)


@pytest.fixture(scope="module", params=["llm", "encoder"])
def family(request: pytest.FixtureRequest, tiny_llama: Path, tiny_bert: Path) -> Family:
    """Both families on tiny models, one of two layers tuned."""
    if request.param == "llm":
        return Family(JudgeConfig(base=str(tiny_llama), batch_size=2), 1, judging_speed.llm_ways)
    encoder = JudgeConfig(family="encoder", base=str(tiny_bert), batch_size=2, max_document_tokens=56)
    return Family(encoder, 1, judging_speed.encoder_ways)


@pytest.fixture(scope="module")
def pairs(queries: list[Query], documents: list[Document]) -> list[Pair]:
    """Every query with every document."""
    return [Pair(q.query_id, d.doc_id, q.text, d.fields["text"]) for q in queries for d in documents]


def test_every_way_is_run_once_a_round_in_turning_order() -> None:
    """No way is always the first, which finds the caches cold."""
    seen: list[str] = []
    seconds = interleaved({name: partial(seen.append, name) for name in "abc"}, rounds=2)
    assert "".join(seen) == "abcbca"
    assert [len(each) for each in seconds.values()] == [2, 2, 2]


def test_ratios_are_those_of_the_rounds() -> None:
    """A slow round of both ways changes no ratio."""
    assert faster([2.0, 40.0, 3.0], [1.0, 10.0, 1.0]) == {"value": 3.0, "low": 2.0, "high": 4.0}
    assert rate(10, [2.0, 5.0], per_s=60) == {"value": 210.0, "low": 120.0, "high": 300.0}


def test_prompts_have_the_wanted_mean_length(family: Family, pairs: list[Pair]) -> None:
    """Documents differ in length; the mean of the whole prompts is what was asked for, to a few tokens."""
    base = judging_speed.load(family.config, SCALE)
    overhead = max(full_length(row) for row in base.encode([replace(pair, text="") for pair in pairs[:20]]))
    found = pairs_of_length(
        base, ["why", "how"], [pair.text for pair in pairs], documents=5, prompt_tokens=overhead + 30, seed=1
    )
    lengths = [full_length(row) for row in base.encode(found)]
    assert [pair.query for pair in found] == ["why"] * 5 + ["how"] * 5
    assert sum(lengths) / len(lengths) == pytest.approx(overhead + 30, abs=8)
    assert max(lengths) - min(lengths) > 20


def test_a_way_that_computes_something_else_is_refused(family: Family, pairs: list[Pair], tmp_path: Path) -> None:
    """The naive way and every other agree; one that does not is named."""
    folder = judging_speed.adapter_folder(family.config, SCALE, tmp_path, seed=1)
    ways = family.ways(family.config, SCALE, pairs[:15], folder)
    judging_speed.check_same(ways)
    wanted = ways[judging_speed.SORTED]
    with pytest.raises(AssertionError, match="like length"):
        judging_speed.check_same({**ways, judging_speed.SORTED: lambda: wanted().flip(0)})


def test_the_adapter_of_the_benchmark_changes_the_answers(family: Family, pairs: list[Pair], tmp_path: Path) -> None:
    """Otherwise a way that forgets the adapter would pass."""
    folder = judging_speed.adapter_folder(family.config, SCALE, tmp_path, seed=1)
    tokens = judging_speed.load(family.config, SCALE).encode(pairs[:1])
    bases = (judging_speed.load(family.config, SCALE), judging_speed.unmerged(family.config, SCALE, folder))
    with torch.inference_mode():
        plain, adapted = (base.reader().features(tokens) for base in bases)
    assert (plain - adapted).abs().max() > judging_speed.TOLERANCE


def test_tokens_are_counted_alike_and_states_are_paid_once() -> None:
    """Epochs share the cost of the frozen states."""
    row = Tokens(prefix=(1,) * 6, rest=(2,) * 4, truncated=False)
    step = Step((row, row), (0.0, 0.0), (0, 1), (1.0, 1.0))
    found = tuning_speed.tokens_per_s({"before": [4.0], "states": [3.0], "after": [1.0]}, [step])
    assert found["tokens"] == 20
    assert [found[name]["value"] for name in ("before", "after")] == [5.0, 20.0]
    assert found["after_with_states_1_epoch"]["value"] == 5.0
    assert found["after_with_states_3_epochs"]["value"] == 10.0
    assert [found[f"ratio{name}"]["value"] for name in ("", "_with_states_1_epoch")] == [4.0, 1.0]


def test_a_family_is_measured_whole(family: Family, pairs: list[Pair]) -> None:
    """Every figure that the README's table shows is there."""
    empty = judging_speed.load(family.config, SCALE).encode([replace(pair, text="") for pair in pairs])
    size = replace(SIZE, prompt_tokens=max(full_length(row) for row in empty) + 30)
    found = measure(family, size, pairs, rounds=2)
    _, rows = section({**found, "encoder": found})
    assert len(rows) == 8
    assert found["steps"][0]["ratio_to_naive"]["value"] == 1


def test_bfloat16_is_measured_where_it_is_not_emulated(tiny_llama: Path, pairs: list[Pair]) -> None:
    """The record has the agreement, or the reason why it has none."""
    family = Family(JudgeConfig(base=str(tiny_llama), batch_size=2), 1, judging_speed.llm_ways)
    found = bfloat16(family, pairs[:4])
    able = fast_dtype() is torch.bfloat16
    assert (found["bf16"] is not None, found["bf16_reason"] is None) == (able, able)
