"""How fast a variant is on this machine, and that exporting again decides alike."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from relsearch.core.errors import GateError
from relsearch.core.settings.config import ExportConfig
from relsearch.core.types import SCALES, Document, Query
from relsearch.encoders.model_source import cache_folder
from relsearch.exporters.bundle.onnx import Labelled, export_bundle
from relsearch.exporters.bundle.parity import RankList
from relsearch.exporters.bundle.speed import Speed, gate_faster, kept_speed, measure_speed, speed_key
from relsearch.rerank.bundle import open_bundle
from tests.rerank.tiny_reranker import dev_pairs, examples_of

pytestmark = pytest.mark.slow

LISTS = [RankList(f"q{number}", "query", ("a", "b"), ("one", "two")) for number in range(80)]
SPEED = Speed(ratio=1.5, low=1.4, high=1.6, rounds=6, ms_reference=30.0, ms_candidate=20.0)


class Clock:
    """Time that passes only while a scorer works, `load` times as fast as it says."""

    def __init__(self) -> None:
        self.now = 0.0
        self.load = 1.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class TimedScorer:
    """Takes the next of its times for each call."""

    def __init__(self, clock: Clock, seconds: Iterator[float]) -> None:
        self.clock = clock
        self.seconds = seconds
        self.calls = 0

    def logits(self, query: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """Let the time pass."""
        self.calls += 1
        self.clock.now += next(self.seconds) * self.clock.load
        return np.zeros(len(texts))


def measured(reference: Iterator[float], candidate: Iterator[float], clock: Clock | None = None) -> Speed:
    """What is measured of two scorers that take these times."""
    clock = clock or Clock()
    return measure_speed(TimedScorer(clock, reference), TimedScorer(clock, candidate), LISTS, clock=clock)


def test_what_is_clearly_faster_is_known_after_six_rounds() -> None:
    """Ratio and times are the scorers', per 100 documents."""
    speed = measured(itertools.repeat(0.002), itertools.repeat(0.001))
    assert (speed.rounds, speed.ratio, speed.low, speed.high) == pytest.approx((6, 2, 2, 2))
    assert (speed.ms_reference, speed.ms_candidate) == pytest.approx((100, 50))
    gate_faster(speed)


def test_what_is_clearly_not_faster_is_refused() -> None:
    """Five percent are not the ten that are asked for."""
    speed = measured(itertools.repeat(0.00105), itertools.repeat(0.001))
    assert speed.rounds == 6
    with pytest.raises(GateError, match=r"1\.05 times as fast .* not faster on this machine by 10%"):
        gate_faster(speed)


def test_what_stays_unclear_is_measured_on_and_then_refused() -> None:
    """Rounds on both sides of the margin do not decide for fewer bits, however the last one went."""
    noisy = itertools.cycle([0.0010] * 51 + [0.0013] * 49)
    speed = measured(noisy, itertools.repeat(0.001))
    assert speed.rounds == 20
    assert speed.low < 1.1 <= speed.high
    with pytest.raises(GateError, match="not surely faster"):
        gate_faster(speed)


def test_slow_rounds_are_not_waited_for() -> None:
    """After half a minute no further one begins."""
    noisy = itertools.cycle([0.10] * 51 + [0.13] * 49)
    assert measured(noisy, itertools.repeat(0.1)).rounds == 6


def test_a_slow_minute_hits_both_alike() -> None:
    """A machine that grows slower and slower changes no ratio by more than the margin asks for."""
    clock = Clock()

    def slowing(seconds: float) -> Iterator[float]:
        while True:
            clock.load *= 1.001
            yield seconds

    speed = measured(slowing(0.002), slowing(0.001), clock)
    assert speed.ratio == pytest.approx(2, abs=0.01)


def test_some_fifty_documents_are_read_a_round() -> None:
    """Of 80 lists of two the first 25, and the warm-up."""
    clock = Clock()
    reference, candidate = (TimedScorer(clock, itertools.repeat(0.001)) for _ in range(2))
    speed = measure_speed(reference, candidate, LISTS, clock=clock)
    assert reference.calls == candidate.calls == 1 + 25 * speed.rounds


def test_a_speed_is_measured_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is kept by its key; what cannot be read is measured anew."""
    monkeypatch.setenv("RELSEARCH_CACHE", str(tmp_path))
    times = iter([SPEED, SPEED.model_copy(update={"ratio": 9.0})])
    assert kept_speed("key", lambda: next(times)) == kept_speed("key", lambda: next(times)) == SPEED
    (tmp_path / "speeds" / "key.json").write_text("half a f")
    assert kept_speed("key", lambda: next(times)).ratio == 9.0


def test_a_cache_that_cannot_be_written_is_told_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The export goes on."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("RELSEARCH_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        assert kept_speed("key", lambda: SPEED) == SPEED
    assert "another export may decide otherwise" in caplog.text


def test_a_key_tells_what_matters(tiny_bundles: dict[str, Path]) -> None:
    """The graphs, the recipe and the texts; not what was found before."""
    manifest = open_bundle(tiny_bundles["fp32"]).manifest
    key = speed_key(manifest, "int8", LISTS)
    assert key == speed_key(manifest.model_copy(update={"figures": {"last_layer": "another"}}), "int8", LISTS)
    other = open_bundle(tiny_bundles["int8"]).manifest
    assert len({key, speed_key(other, "int8", LISTS), speed_key(manifest, "bf16", LISTS)}) == 3
    assert key != speed_key(manifest, "int8", LISTS[:3])


@pytest.fixture
def labelled(queries: list[Query], documents: list[Document]) -> Labelled:
    """The dev pairs and their grades."""
    grades: pl.DataFrame = examples_of(["q3", "q4"], documents)
    return Labelled.from_pairs(dev_pairs(queries, documents), grades, SCALES["0-3"])


@pytest.mark.parametrize("family", ["tiny_reranker", "late_model"])
def test_exporting_again_gives_the_same_bytes(
    family: str, request: pytest.FixtureRequest, tmp_path: Path, labelled: Labelled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures too; the second export times nothing, and decides as the kept speed says."""
    from relsearch.exporters.bundle.late_interaction import export_late

    monkeypatch.setenv("RELSEARCH_CACHE", str(tmp_path / "cache"))
    export = export_late if family == "late_model" else export_bundle
    model: Path = request.getfixturevalue(family)
    config = ExportConfig(max_ndcg_loss=1, min_top10_overlap=0)
    for name in ("first", "second"):
        export(model, tmp_path / name, labelled=labelled, config=config)
    contents = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("first", "second")]
    assert contents[0] == contents[1]
    kept = sorted((cache_folder() / "speeds").iterdir())
    assert kept
    if family == "tiny_reranker":
        return  # how a kept speed decides is the same code
    for path in kept:
        path.write_text(SPEED.model_dump_json())
    report = export(model, tmp_path / "third", labelled=labelled, config=config)
    assert (report.variant, report.speed) == ("int8", SPEED)
    assert open_bundle(tmp_path / "third").manifest.figures["tried_fp32_speed_ratio"] == 1.5
    for path in kept:
        path.write_text(SPEED.model_copy(update={"low": 1.0}).model_dump_json())
    report = export(model, tmp_path / "fourth", labelled=labelled, config=config)
    assert report.variant == "fp32"
    assert "not surely faster on this machine" in report.reason
