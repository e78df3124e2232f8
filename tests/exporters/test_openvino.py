"""Bundles that OpenVINO runs: int8 with fixed ranges, and bfloat16."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest

from relsearch.core.errors import ArtifactError, MissingExtraError
from relsearch.core.settings.config import ExportConfig
from relsearch.core.types import SCALES, Document, Query
from relsearch.exporters.bundle.choose import write_bfloat, write_static
from relsearch.exporters.bundle.cpu import cpu_flags
from relsearch.exporters.bundle.late_interaction import export_late
from relsearch.exporters.bundle.onnx import Labelled, export_bundle
from relsearch.exporters.bundle.parity import RankList, rank_lists
from relsearch.rerank.bundle import open_bundle
from relsearch.rerank.cross.onnx_scorer import OnnxScorer
from relsearch.rerank.families import open_scorer
from relsearch.stats.logistic import log_odds
from tests.rerank.tiny_reranker import dev_pairs, examples_of

pytestmark = pytest.mark.slow

OFFERED = "bf16" if "amx_bf16" in cpu_flags() else "int8"
QUERY = "why does a cat purr"
TEXTS = ["a cat purrs", "sea water holds salt", "green tea is steeped", "a cat " * 60]
OTHERS = [f"{'sea salt ' * (number % 12)}{number}" for number in range(50)]


@pytest.fixture(scope="module")
def lists(queries: list[Query], documents: list[Document]) -> list[RankList]:
    """The dev pairs."""
    return rank_lists(dev_pairs(queries, documents), depth=10)


@pytest.fixture(scope="module")
def bundles(
    tiny_bundles: dict[str, Path], lists: list[RankList], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The tiny reranker as both kinds of OpenVINO bundle."""
    folder = tmp_path_factory.mktemp("openvino")
    write_static(tiny_bundles["fp32"], folder / "int8", lists)
    write_bfloat(tiny_bundles["fp32"], folder / "bf16")
    return {variant: folder / variant for variant in ("int8", "bf16")}


@pytest.mark.parametrize(("variant", "off"), [("int8", 0.3), ("bf16", 0.05)])
def test_scores_are_near_fp32(
    tiny_bundles: dict[str, Path], bundles: dict[str, Path], variant: str, off: float
) -> None:
    """Within so many standard deviations of fp32, over texts of many lengths; not equal, for it has fewer bits."""
    exact = OnnxScorer.open(tiny_bundles["fp32"]).logits(QUERY, OTHERS + TEXTS)
    found = OnnxScorer.open(bundles[variant], workers=2).logits(QUERY, OTHERS + TEXTS)
    assert 0 < np.abs(found - exact).max() / exact.std() < off


@pytest.mark.parametrize("variant", ["int8", "bf16"])
def test_company_hardly_counts(bundles: dict[str, Path], variant: str) -> None:
    """Ranges are fixed: what a text is batched with changes rounding alone."""
    scorer = OnnxScorer.open(bundles[variant], workers=2)
    together = scorer.logits(QUERY, TEXTS + OTHERS)
    alone = np.concatenate([scorer.logits(QUERY, [text]) for text in TEXTS])
    assert together[: len(TEXTS)] == pytest.approx(alone, abs=0.02 * together.std())


def test_the_head_and_no_more_stays_in_floating_point(bundles: dict[str, Path]) -> None:
    """Every product of tokens with weights reads 8-bit weights; pooler and classifier do not."""
    graph = onnx.load(bundles["int8"] / "model.onnx").graph
    made_by = {name: node for node in graph.node for name in node.output}
    gemms = [node for node in graph.node if node.op_type == "Gemm"]
    assert gemms
    for node in gemms:
        assert node.input[1] not in made_by or made_by[node.input[1]].op_type != "DequantizeLinear"
    eight_bit = [tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.INT8]
    assert len([tensor for tensor in eight_bit if len(tensor.dims) == 2]) >= 6


def test_export_says_which_runtime(
    tiny_reranker: Path, tmp_path: Path, queries: list[Query], documents: list[Document]
) -> None:
    """A bundle for OpenVINO names it; opening one needs no more than its folder."""
    qrels = examples_of(["q3", "q4"], documents)
    labelled = Labelled.from_pairs(dev_pairs(queries, documents), qrels, SCALES["0-3"])
    config = ExportConfig(runtime="openvino", force=True)
    report = export_bundle(tiny_reranker, tmp_path / "bundle", labelled=labelled, config=config)
    manifest = open_bundle(tmp_path / "bundle").manifest
    assert (manifest.runtime, manifest.variant) == (report.runtime, report.variant) == ("openvino", OFFERED)
    assert report.recipe == f"OpenVINO {OFFERED}"


def test_late_interaction_runs_on_it_too(
    late_model: Path, tmp_path: Path, queries: list[Query], documents: list[Document]
) -> None:
    """Queries and documents calibrate one graph, and a budget of no time still orders."""
    qrels = examples_of(["q3", "q4"], documents).select("query_id", "doc_id", pl.col("grade").cast(pl.Int64))
    labelled = Labelled.from_pairs(dev_pairs(queries, documents), qrels, SCALES["0-3"])
    config = ExportConfig(runtime="openvino", force=True)
    export_late(late_model, tmp_path / "int8", labelled=labelled, config=config)
    export_late(late_model, tmp_path / "plain", labelled=labelled, config=ExportConfig(force=True))
    found, plain = (open_scorer(tmp_path / name) for name in ("int8", "plain"))
    assert open_bundle(tmp_path / "int8").manifest.runtime == "openvino"
    assert found.rerank(QUERY, TEXTS, budget_ms=0).order == (0, 1, 2, 3)
    logits = log_odds(plain.score(QUERY, TEXTS))
    assert np.abs(log_odds(found.score(QUERY, TEXTS)) - logits).max() < 0.15 * logits.std()


_AT_ONCE = """
import sys, threading
from pathlib import Path
import numpy as np
from relsearch.runtime.sessions import open_session
sys.setswitchinterval(1e-6)  # makes an unlucky moment likely
session = open_session(Path(sys.argv[1]), ["logits"], variant="bf16", runtime="openvino", workers=2)
feeds = {name: np.ones((1, 16), dtype=np.int64) for name in session.inputs}
barrier = threading.Barrier(8)
threads = [threading.Thread(target=lambda: (barrier.wait(), session.run(feeds))) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_first_calls_may_come_at_once(bundles: dict[str, Path]) -> None:
    """A process whose first calls are concurrent ends; without the call that is made alone most hang for ever."""
    for _ in range(3):
        subprocess.run([sys.executable, "-c", _AT_ONCE, bundles["bf16"] / "model.onnx"], check=True, timeout=60)


def test_an_absent_extra_is_named(bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without OpenVINO the error is the command that installs it."""
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"relsearch\[openvino\]"):
        OnnxScorer.open(bundles["bf16"])


def test_a_graph_that_is_none_is_refused(bundles: dict[str, Path], tmp_path: Path) -> None:
    """What OpenVINO cannot read is our error, naming the file."""
    from relsearch.runtime.sessions import open_session

    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ArtifactError, match=r"model\.onnx"):
        open_session(tmp_path / "model.onnx", ["logits"], variant="bf16", runtime="openvino", workers=1)
