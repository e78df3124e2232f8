"""Dynamic int8 quantisation."""

from __future__ import annotations

import math
from pathlib import Path

import onnx
import pytest

from relsearch.core.errors import ModelError
from relsearch.exporters.graphs.quantize import RECIPES, quantize


def operators(graph: Path) -> list[str]:
    """The operator types of a graph."""
    return [node.op_type for node in onnx.load(graph).graph.node]


def weights(graph: Path, *kinds: int) -> int:
    """How many stored numbers are of these types."""
    return sum(math.prod(tensor.dims) for tensor in onnx.load(graph).graph.initializer if tensor.data_type in kinds)


def test_linear_layers_and_embeddings_become_int8(tiny_bundles: dict[str, Path]) -> None:
    """Most weights are 8-bit; matrix products with weights are integer ones."""
    int8 = tiny_bundles["int8"] / "model.onnx"
    kinds = operators(int8)
    assert "MatMulInteger" in kinds
    eight_bit = weights(int8, onnx.TensorProto.INT8, onnx.TensorProto.UINT8)
    assert eight_bit > 5 * weights(int8, onnx.TensorProto.FLOAT)
    assert (tiny_bundles["int8"] / "encoder.onnx").stat().st_size < (
        tiny_bundles["fp32"] / "encoder.onnx"
    ).stat().st_size


def test_scales_are_per_channel(tiny_bundles: dict[str, Path]) -> None:
    """A quantised weight has a scale for each of its columns."""
    graph = onnx.load(tiny_bundles["int8"] / "model.onnx").graph
    sizes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    weights = [node.input[1] for node in graph.node if node.op_type == "MatMulInteger"]
    assert weights
    assert all(sizes[name.replace("_quantized", "_scale")] in ([32], [64]) for name in weights)


def test_weights_have_seven_bits_on_any_processor(tiny_bundles: dict[str, Path]) -> None:
    """No weight is beyond 64, else sums would overflow where a bundle from a processor with VNNI serves on one without.

    Products of two neighbours with inputs of 8 bits are summed in 16 bits there: 2 * 255 * 64 is less than 2 ** 15.
    """
    graph = onnx.load(tiny_bundles["int8"] / "model.onnx").graph
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    largest = [abs(stored[node.input[1]].astype(int)).max() for node in graph.node if node.op_type == "MatMulInteger"]
    assert set(largest) <= {63, 64}


def test_the_head_stays_fp32(tiny_bundles: dict[str, Path]) -> None:
    """Pooler and classifier keep fp32 weights; all other products with weights are integer ones."""
    graph = onnx.load(tiny_bundles["int8"] / "model.onnx").graph
    stored = {tensor.name for tensor in graph.initializer}
    products = [node for node in graph.node if node.op_type == "MatMul" and set(node.input) & stored]
    assert sorted(node.name.split("/")[-2].rpartition(".")[2] for node in products) == ["classifier", "dense"]


@pytest.mark.parametrize("kind", ["cross", "late"])
def test_a_recipe_keeps_the_first_layers_in_fp32(
    kind: str, tiny_bundles: dict[str, Path], late_bundle: Path, tmp_path: Path
) -> None:
    """The two products of the first feed-forward block, of either family; of the plain recipe none."""
    source = (late_bundle if kind == "late" else tiny_bundles["fp32"]) / "model.onnx"
    fewest = []
    for recipe in RECIPES[:2]:
        quantize(source, tmp_path / "int8.onnx", recipe)
        fewest.append(operators(tmp_path / "int8.onnx").count("MatMulInteger"))
    assert fewest[0] - fewest[1] == 2


def test_a_recipe_whose_layers_have_no_names_is_refused(late_bundle: Path, tmp_path: Path) -> None:
    """It would be the plain recipe under another's name."""
    model = onnx.load(late_bundle / "model.onnx")
    for place, node in enumerate(model.graph.node):
        node.name = f"/{node.op_type}_{place}"
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(ModelError, match=r"^model\.onnx: no feed-forward layer"):  # no path: bundles repeat it
        quantize(tmp_path / "model.onnx", tmp_path / "int8.onnx", RECIPES[1])
