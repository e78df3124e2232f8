"""An ONNX graph in fewer bits: dynamic and static int8, per channel, and half precision for GPUs."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relsearch.core.errors import MissingExtraError, ModelError
from relsearch.encoders.joining import Row
from relsearch.runtime.engine import feeds_of

# Linear layers and embedding tables. The head stays fp32: it costs nothing and sets the score's resolution.
OPERATORS = ("MatMul", "Gather")
# Nodes are named by the part of the model they stand in: of `layer.3` by PyTorch's exporter, `/layer.3/` by optimum's.
_LAYER = re.compile(r"(?:^|[./])layers?[./](\d+)[./]")
# How BERT's relatives, ModernBERT and DistilBERT name the two products of a feed-forward block.
_FEED_FORWARD = re.compile(r"(?:^|[./])layers?[./]\d+[./](intermediate|output|mlp|ffn)[./]")
_PROJECTION = re.compile(r"(?:^|[./])projection/")


@dataclass(frozen=True, slots=True)
class Recipe:
    """An int8 variant: the first `fp32_layers` layers keep their feed-forward products in fp32."""

    name: str
    fp32_layers: int


# Most of the error comes from the feed-forward products of the first layers, where activations have outliers: one
# layer's halve it for 15 % of the speed. In the order of their speed.
RECIPES = (
    Recipe("int8", 0),
    Recipe("int8, feed-forward of layer 0 in fp32", 1),
    Recipe("int8, feed-forward of layers 0-2 in fp32", 3),
)


def quantize(source: Path, target: Path, recipe: Recipe = RECIPES[0]) -> None:
    """Write the int8 version of the graph.

    Per channel, which has a fifth of the per-tensor error at the same speed. The graph is not fused
    first: fusing hides linear layers from the quantiser. Weights take 7 bits, so that no sum overflows on processors
    without VNNI, which sum products in 16 bits. Raise ModelError where the layers that should stay fp32 cannot be told.
    """
    try:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as exc:
        raise MissingExtraError("quantisation", "export") from exc
    graph = onnx.load(source).graph
    kept = _feed_forward(graph, recipe.fp32_layers)
    if recipe.fp32_layers and not kept:
        raise ModelError(f"{source.name}: no feed-forward layer is known by its name in the graph")
    with _quiet_root_logger():  # it advises fusing
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=list(OPERATORS),
            nodes_to_exclude=[*_renamed_head(graph), *kept],
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )


def quantize_static(source: Path, target: Path, rows: Sequence[Row]) -> None:
    """Write the int8 version of the graph whose ranges are fixed on these inputs, for OpenVINO.

    By NNCF's recipe for transformers: outliers are smoothed into the weights, biases corrected. The head stays fp32.
    """
    os.environ.setdefault("NNCF_CI", "1")  # else it reports its use to its makers
    try:
        import nncf
        import onnx
    except ImportError as exc:
        raise MissingExtraError("static quantisation", "export-openvino") from exc
    model = onnx.load(source)
    wanted = [tensor.name for tensor in model.graph.input]
    logging.getLogger("nncf").setLevel(logging.ERROR)  # its own set_log_level sets that of other people's handlers, too
    with redirect_stdout(None):  # its progress bars
        quantised = nncf.quantize(
            model,
            nncf.Dataset([feeds_of([row], wanted) for row in rows]),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(rows),
            ignored_scope=nncf.IgnoredScope(names=_head(model.graph)),
        )
    onnx.save(quantised, target)


def halve(source: Path, target: Path) -> None:
    """Write the graph in half precision, for GPUs; its inputs and outputs stay as they are."""
    try:
        import onnx
        from onnxruntime.transformers.float16 import convert_float_to_float16
    except ImportError as exc:
        raise MissingExtraError("half precision", "export") from exc
    onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=True), target)


def _head(graph: Any) -> list[str]:
    """The products on pooled vectors, the only Gemm nodes, and a projection of tokens."""
    return [node.name for node in graph.node if node.op_type == "Gemm" or _PROJECTION.search(node.name)]


def _renamed_head(graph: Any) -> list[str]:
    """The same, and the names that dynamic quantisation gives the Gemm nodes."""
    return [name for node in _head(graph) for name in (node, f"{node}_MatMul")]


def _feed_forward(graph: Any, layers: int) -> list[str]:
    """The feed-forward products of the first layers."""
    products = [node.name for node in graph.node if node.op_type == "MatMul" and _FEED_FORWARD.search(node.name)]
    return [name for name in products if (found := _LAYER.search(name)) and int(found.group(1)) < layers]


@contextmanager
def _quiet_root_logger() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
