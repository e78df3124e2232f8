"""Weights of several ONNX graphs in one file: each matrix once, in 8 bits, computed with in 32.

A judge and its encoder have most of their layers in common, and 8 bits with a scale for each block of 32 numbers move a
score less than a thousandth of its deviation. ONNX Runtime unfolds them while it loads a graph.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 32
_SMALLEST = 16_384  # numbers; smaller tensors stay in the graph as they are
_OPSET = 21  # the first whose DequantizeLinear knows blocks


class _Store:
    """A file of tensors, each written once whatever its name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, tuple[int, int]] = {}
        path.write_bytes(b"")

    def tensor(self, name: str, values: NDArray[Any]) -> Any:
        """Return an initializer whose bytes lie in the file."""
        from onnx import TensorProto, helper

        data = np.ascontiguousarray(values).tobytes()
        key = hashlib.sha256(data).hexdigest()
        if key not in self._places:
            with self._path.open("ab") as file:
                file.write(bytes(-file.tell() % 64))
                self._places[key] = file.tell(), len(data)
                file.write(data)
        offset, length = self._places[key]
        tensor = TensorProto(
            name=name,
            data_type=helper.np_dtype_to_tensor_dtype(values.dtype),
            dims=values.shape,
            data_location=TensorProto.EXTERNAL,
        )
        for field, value in (("location", self._path.name), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=field, value=str(value))
        return tensor


def share_weights(graphs: Sequence[Path], weights: Path) -> None:
    """Move the large matrices of the graphs into `weights`, a file beside them, in 8 bits with a scale a block."""
    import onnx
    from onnx import helper, numpy_helper, version_converter

    store = _Store(weights)
    for path in graphs:
        model = onnx.load(path)
        if model.opset_import[0].version < _OPSET:
            model = version_converter.convert_version(model, _OPSET)
        kept, nodes = [], []
        for tensor in model.graph.initializer:
            values = numpy_helper.to_array(tensor)
            axis = _blocked_axis(values)
            if axis is None:
                kept.append(tensor)
                continue
            codes, scales = _quantised(values, axis)
            names = f"{tensor.name}_codes", f"{tensor.name}_scales"
            kept += [store.tensor(names[0], codes), store.tensor(names[1], scales)]
            nodes.append(helper.make_node("DequantizeLinear", names, [tensor.name], axis=axis, block_size=BLOCK))
        nodes += model.graph.node
        del model.graph.initializer[:], model.graph.node[:]
        model.graph.initializer.extend(kept)
        model.graph.node.extend(nodes)
        onnx.save(model, path)


def _blocked_axis(values: NDArray[Any]) -> int | None:
    """The axis of a large matrix that blocks divide evenly: that which a product sums over, else the other one."""
    if values.dtype != np.float32 or values.ndim != 2 or values.size < _SMALLEST:
        return None
    return next((axis for axis in (0, 1) if values.shape[axis] % BLOCK == 0), None)


def _quantised(values: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Codes of the shape of `values`, and the scale of each block along the axis."""
    rows = values if axis == 0 else values.T
    blocks = rows.reshape(rows.shape[0] // BLOCK, BLOCK, rows.shape[1])
    scales = np.abs(blocks).max(axis=1) / 127
    scales[scales == 0] = 1
    codes = np.round(blocks / scales[:, None]).astype(np.int8).reshape(rows.shape)
    return (codes, scales) if axis == 0 else (codes.T, scales.T)
