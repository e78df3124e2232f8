"""Rounds of ranking, judging and training: each pair is paid for once, and what nobody graded changes nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from relsearch.core.settings.config import Config
from relsearch.core.types import Document, Query
from relsearch.pipeline.artifacts import Building
from relsearch.pipeline.stages import label
from relsearch.pipeline.stages.inputs import Artefacts, open_pools
from relsearch.pipeline.stages.refine import Bench
from relsearch.rerank.card import write_card
from relsearch.rerank.families import open_card
from tests.judge.chat_server import PROBE_DOCUMENT, serving, word_overlap
from tests.pipeline.tiny_pipeline import LABELLED, lay_out

_SPLITS = {"q1": "train", "q2": "train", "q3": "dev", "q4": "dev"}


@pytest.fixture
def config(
    tmp_path: Path, documents: Sequence[Document], queries: Sequence[Query], tiny_bert: Path, tiny_reranker: Path
) -> Config:
    """A pipeline of two training and two dev queries up to the augmented reranker."""
    artefacts = lay_out(tmp_path / "out", _SPLITS, documents, queries)
    shutil.copytree(tiny_reranker, artefacts.path("train-augmented"))
    settings = {
        "output": artefacts.output,
        "encoder": {"model": str(tiny_bert)},
        "label": {"judge": "remote", "depth": 6},
        "train": {"family": "cross", "base": str(tiny_bert), "max_length": 64, "max_steps": 1, "evaluations": 1},
        "augment": {"policies": ["fill"]},
    }
    return Config.model_validate(settings)


def _bench(config: Config) -> Bench:
    folder = config.output / "optimize.partial"
    folder.mkdir(exist_ok=True)
    return Bench(config, folder, pools=open_pools(config).without_test(), artefacts=Artefacts(config.output))


def _judge(config: Config) -> None:
    work = Building(config.output / "judge")
    label.judge(config, work, pools=open_pools(config), artefacts=Artefacts(config.output))


def _graded(config: Config) -> Config:
    """The pipeline up to its judge, which grades two documents and no others."""
    answers = config.output / "answers.tsv"
    answers.write_text("".join(f"q{query} 0 {doc} 1\n" for query in (1, 2) for doc in ("tea-1", "tea-2")), "utf-8")
    graded = config.model_copy(update={"label": config.label.model_copy(update={"judge": str(answers)})})
    _judge(graded)
    return graded


def test_a_round_pays_for_its_new_pairs_alone(config: Config) -> None:
    """Neither for the pairs that calibrate queries, which the judge graded before, nor again in a second attempt."""
    with serving(word_overlap) as server:
        remote = config.remote.model_copy(update={"url": server.url, "model": "word-overlap"})
        paid = config.model_copy(update={"remote": remote})

        def asked() -> int:
            return sum(PROBE_DOCUMENT not in request.text for request in server.requests)

        _judge(paid)
        before = asked()
        assert before == 2 * 6 + 2 * LABELLED  # of dev queries only what people graded
        judged, *_ = _bench(paid).round(1)
        assert (judged, asked() - before) == (8, 8)
        shutil.rmtree(config.output / "optimize.partial")
        judged, *_ = _bench(paid).round(1)
        assert (judged, asked() - before) == (8, 8)


def test_a_round_without_an_answer_changes_nothing(config: Config) -> None:
    """It has judged nothing, trains nothing, and is the last."""
    partly = _graded(config)
    bench = _bench(partly)
    assert bench.round(1) == (0, 0, bench.start)
    assert not list((config.output / "optimize.partial").rglob("trained"))


def test_the_best_model_outlives_a_kill_while_it_is_replaced(config: Config, tiny_reranker: Path) -> None:
    """Between the two renames it stands beside its place, from where it comes back."""
    dead = int(subprocess.check_output([sys.executable, "-c", "import os; print(os.getpid())"]))
    aside = config.output / "optimize.partial" / f".model.{dead}.deadbeef.old"
    shutil.copytree(tiny_reranker, aside)
    card = open_card(aside)
    better = tuple(look.model_copy(update={"ndcg10": 1.0}) for look in card.history)
    write_card(card.model_copy(update={"history": better}), aside)
    bench = _bench(_graded(config))
    assert (bench.start, bench.best) == (card.dev_ndcg10, 1.0)
