"""Dynamic int8 quantisation."""

from __future__ import annotations

import math
from pathlib import Path

import onnx


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


def test_the_head_stays_fp32(tiny_bundles: dict[str, Path]) -> None:
    """Pooler and classifier keep fp32 weights; all other products with weights are integer ones."""
    graph = onnx.load(tiny_bundles["int8"] / "model.onnx").graph
    stored = {tensor.name for tensor in graph.initializer}
    products = [node for node in graph.node if node.op_type == "MatMul" and set(node.input) & stored]
    assert sorted(node.name.split("/")[-2].rpartition(".")[2] for node in products) == ["classifier", "dense"]
