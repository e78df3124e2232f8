"""What the processor can do at most, measured: the best rate of large matrix products in onnxruntime."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

_SIZE = 1024


def peak_gops(kind: str, *, threads: int, size: int = _SIZE, repeats: int = 12) -> float:
    """Return the best 10^9 operations a second of a product of two square matrices, `fp32` or `int8`."""
    session = _session(kind, size, threads)
    rng = np.random.default_rng(0)
    values = rng.integers(0, 255, (size, size)).astype(np.uint8)
    feed = {"a": values if kind == "int8" else values.astype(np.float32)}
    return max(2e-9 * size**3 / _seconds(session, feed) for _ in range(repeats))


def operations(graph: Path, lengths: list[int]) -> float:
    """Return the operations of the linear layers for inputs of these lengths, two a weight and token.

    In the last layer only keys and values are computed for every token where the graph computes its output for the
    first token alone; the few rows of the first token and the attention's own products are not counted.
    """
    import onnx

    model = onnx.load(graph).graph
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in model.initializer if len(tensor.dims) == 2}
    linear = [
        (node.name, sum(sizes.get(name, 0) for name in node.input)) for node in model.node if node.op_type == "MatMul"
    ]
    layers = [name.split("layer.")[1].split("/")[0] for name, _ in linear if "layer." in name]
    last = f"layer.{layers[-1]}/" if layers else "none"
    whole = [size for name, size in linear if last not in name or "/key/" in name or "/value/" in name]
    return 2.0 * sum(whole) * sum(lengths)


def _session(kind: str, size: int, threads: int) -> Any:
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    integer = kind == "int8"
    weights = np.random.default_rng(1).integers(-60, 60, (size, size))
    weight = numpy_helper.from_array(weights.astype(np.int8 if integer else np.float32), "b")
    node = helper.make_node("MatMulInteger" if integer else "MatMul", ["a", "b"], ["c"])
    source = helper.make_tensor_value_info("a", TensorProto.UINT8 if integer else TensorProto.FLOAT, [size, size])
    target = helper.make_tensor_value_info("c", TensorProto.INT32 if integer else TensorProto.FLOAT, [size, size])
    graph = helper.make_graph([node], "product", [source], [target], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _seconds(session: Any, feed: dict[str, Any]) -> float:
    started = time.perf_counter()
    session.run(None, feed)
    return time.perf_counter() - started
