"""Bundles whose checksums are right and whose graphs are not."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest
from onnx import TensorProto, helper, numpy_helper

from relsearch.cli.app import main
from relsearch.core import tables
from relsearch.core.errors import ArtifactError, GateError, ModelError
from relsearch.core.settings.config import ExportConfig
from relsearch.core.types import SCALES, Document, Query
from relsearch.exporters.bundle.choose import choose
from relsearch.exporters.bundle.onnx import Labelled, ship
from relsearch.exporters.bundle.parity import LogitScorer, ParityReport
from relsearch.exporters.trec import write_run
from relsearch.rerank.bundle import MODEL, LateManifest, Manifest, open_bundle, open_bundle_of, seal
from relsearch.rerank.cross.onnx_scorer import OnnxScorer
from relsearch.rerank.families import open_model, open_scorer
from relsearch.stats.logistic import Logistic
from tests.rerank.tiny_reranker import dev_pairs, examples_of

TEXTS = ["a cat purrs", "sea water holds salt"]
EXACT = ParityReport(1, 1, 0.0, 0.0, 10.0, 1.0, 1.0)


def resealed(bundle: Path, folder: Path, change: Callable[[Path], object]) -> Path:
    """Copy a bundle, change its graph, and write its checksums anew."""
    shutil.copytree(bundle, folder)
    change(folder / MODEL)
    seal(folder, open_unverified(bundle))
    return folder


def open_unverified(bundle: Path) -> Manifest | LateManifest:
    """The manifest of either family."""
    manifest = open_bundle(bundle).manifest
    assert isinstance(manifest, Manifest | LateManifest)
    return manifest


def with_nan(graph: Path) -> None:
    """Put a NaN into the largest matrix of a graph but the embeddings."""
    model = onnx.load(graph)
    matrices = [each for each in model.graph.initializer if len(each.dims) == 2 and "embeddings" not in each.name]
    largest = max(matrices, key=lambda each: int(np.prod(each.dims)))
    values = numpy_helper.to_array(largest).copy()
    values[0, 0] = np.nan
    largest.CopyFrom(numpy_helper.from_array(values, largest.name))
    onnx.save(model, graph)


def graph_of(inputs: tuple[str, ...], output: str, columns: int) -> Callable[[Path], None]:
    """Return what writes a graph that gives each row its first tokens' ids."""

    def write(path: Path) -> None:
        shape = ["rows", "tokens"]
        nodes = [
            helper.make_node("Slice", [inputs[0], "start", "end", "axis"], ["first"]),
            helper.make_node("Cast", ["first"], [output], to=TensorProto.FLOAT),
        ]
        numbers = {"start": 0, "end": columns, "axis": 1}
        constants = [numpy_helper.from_array(np.array([value]), name) for name, value in numbers.items()]
        graph = helper.make_graph(
            nodes,
            "first tokens",
            [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in inputs],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["rows", columns])],
            constants,
        )
        opset = [helper.make_opsetid("", 17)]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)

    return write


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda graph: graph.write_bytes(b"no graph"), "cannot be loaded by onnxruntime"),
        (lambda graph: graph.write_bytes(graph.read_bytes()[:5000]), "cannot be loaded by onnxruntime"),
        (graph_of(("pixels",), "logits", 1), "takes 'pixels', which no bundle gives"),
        (graph_of(("input_ids",), "scores", 1), "gives no 'logits'"),
        (graph_of(("input_ids",), "logits", 2), "gives 2 scores a pair, not one"),
    ],
    ids=["none", "half of one", "other inputs", "other outputs", "two scores"],
)
def test_a_graph_of_another_kind_is_refused(
    write: Callable[[Path], object], said: str, tiny_bundles: dict[str, Path], tmp_path: Path
) -> None:
    """One line of ours, whatever the runtime says."""
    folder = resealed(tiny_bundles["fp32"], tmp_path / "bundle", write)
    with pytest.raises(ArtifactError, match=said) as raised:
        OnnxScorer.open(folder).score("why", TEXTS)
    assert "\n" not in str(raised.value)


def test_a_graph_that_fails_at_a_text_is_one_error(tiny_bundles: dict[str, Path], tmp_path: Path) -> None:
    """Such as one that knows fewer tokens than its tokenizer has."""

    def change(graph: Path) -> None:
        model = onnx.load(graph)
        words = next(each for each in model.graph.initializer if "word_embeddings" in each.name)
        words.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(words)[:10].copy(), words.name))
        onnx.save(model, graph)

    folder = resealed(tiny_bundles["fp32"], tmp_path / "bundle", change)
    with pytest.raises(ArtifactError, match=r"model\.onnx: cannot be run"):
        OnnxScorer.open(folder).score("why does a cat purr", TEXTS)


@pytest.mark.parametrize("family", ["cross", "late"])
def test_nan_is_no_score(family: str, tiny_bundles: dict[str, Path], late_bundle: Path, tmp_path: Path) -> None:
    """Neither at leisure nor in a budget."""
    source = late_bundle if family == "late" else tiny_bundles["fp32"]
    scorer = open_scorer(resealed(source, tmp_path / "bundle", with_nan))
    with pytest.raises(ModelError, match="NaN or infinite"):
        scorer.score("why", TEXTS)
    with pytest.raises(ModelError, match="NaN or infinite"):
        scorer.rerank("why", TEXTS, budget_ms=60_000)


def test_the_command_writes_no_nan(
    tiny_bundles: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`rerank` ends with one line and no run."""
    bundle = resealed(tiny_bundles["fp32"], tmp_path / "bundle", with_nan)
    from relsearch.data.collection import load_collection

    demo = load_collection("demo")
    query, document = next(iter(demo.queries())), next(iter(demo.documents()))
    row = [(query.query_id, document.doc_id, 1, 1.0, "bm25")]
    write_run(pl.DataFrame(row, schema=dict(tables.CANDIDATES), orient="row"), tmp_path / "run.trec", tag="bm25")
    arguments = [
        "rerank",
        str(tmp_path / "run.trec"),
        "--collection",
        "demo",
        "--bundle",
        str(bundle),
        "-o",
        str(tmp_path / "out.trec"),
    ]
    monkeypatch.setattr(sys, "argv", ["relsearch", *arguments])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out.trec").exists()


@pytest.fixture
def labelled(queries: list[Query], documents: list[Document]) -> Labelled:
    """The dev pairs and their grades."""
    return Labelled.from_pairs(dev_pairs(queries, documents), examples_of(["q3", "q4"], documents), SCALES["0-3"])


@pytest.mark.parametrize("family", ["cross", "late"])
def test_an_fp32_graph_that_gives_nan_is_not_exported(
    family: str,
    tiny_bundles: dict[str, Path],
    late_bundle: Path,
    tiny_reranker: Path,
    late_model: Path,
    tmp_path: Path,
    labelled: Labelled,
) -> None:
    """The gate against torch sees it, and what stood at the target stays."""
    late = family == "late"
    fp32 = resealed(late_bundle if late else tiny_bundles["fp32"], tmp_path / "fp32", with_nan)
    torch: LogitScorer = open_model(late_model if late else tiny_reranker)
    with pytest.raises((GateError, ModelError), match="NaN"):
        ship(
            fp32,
            tmp_path / "out",
            open_unverified(fp32),
            torch,
            labelled=labelled,
            config=ExportConfig(force=True),
            figures={},
        )
    assert not (tmp_path / "out").exists()


def test_fewer_bits_that_cannot_be_written_do_not_ship(
    tiny_bundles: dict[str, Path], tmp_path: Path, labelled: Labelled
) -> None:
    """The quantiser's own error becomes the reason, forced or not."""
    fp32 = Path(shutil.copytree(tiny_bundles["fp32"], tmp_path / "fp32"))
    with_nan(fp32 / MODEL)  # which the quantiser stops at
    seal(fp32, open_unverified(tiny_bundles["fp32"]))
    folder, report = choose(
        fp32, labelled.lists, labelled.grades, ExportConfig(force=True), exact=EXACT, last_layer="all tokens"
    )
    assert (folder, report.variant, report.tried, report.speed) == (fp32, "fp32", None, None)
    assert "int8 was refused: model.onnx cannot be written as int8" in report.reason
    assert "tried_fp32_ndcg_loss" not in report.figures()


def test_a_refusal_names_no_folder_of_this_machine(
    tiny_bundles: dict[str, Path], tmp_path: Path, labelled: Labelled
) -> None:
    """The reason stands in bundle.json, which others read."""
    fp32 = Path(shutil.copytree(tiny_bundles["fp32"], tmp_path / "fp32"))
    (fp32 / "tokenizer.json").write_text("{}")
    _, report = choose(fp32, labelled.lists, labelled.grades, ExportConfig(), exact=EXACT, last_layer="all tokens")
    assert "int8 was refused: fp32/tokenizer.json: differs from its checksum" in report.reason
    assert str(tmp_path) not in report.reason


def test_a_manifest_with_nan_is_not_sealed(tiny_bundles: dict[str, Path], tmp_path: Path) -> None:
    """JSON would hold null, which the next version could read as anything."""
    folder = Path(shutil.copytree(tiny_bundles["fp32"], tmp_path / "bundle"))
    manifest = open_bundle_of(folder, Manifest).manifest
    before = (folder / "bundle.json").read_bytes()
    for broken in (
        {"figures": {"dev_ndcg10": float("nan")}},
        {"calibration": Logistic.model_construct(slope=1.0, intercept=float("nan"))},
    ):
        with pytest.raises(GateError, match="is nan"):
            seal(folder, manifest.model_copy(update=broken))
    assert (folder / "bundle.json").read_bytes() == before
