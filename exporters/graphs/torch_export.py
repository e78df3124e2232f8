"""One torch module to one ONNX graph, by PyTorch's own exporter: any number of rows and of tokens."""

from __future__ import annotations

import ast
import hashlib
import logging
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from relsearch.core.errors import MissingExtraError, ModelError, reason
from relsearch.encoders.model_source import quiet

# onnxruntime fuses what stands in graphs of this opset: attention, GELU, layer norms. It has LayerNormalization whole.
OPSET = 20
_SCOPES = "pkg.torch.onnx.name_scopes"
# Tell on every export that torchvision, which no text model needs, is absent, and which constants are not folded.
_TALKATIVE = [logging.getLogger(name) for name in ("torch.onnx._internal.exporter._registration", "onnxscript")]
# Graphs without their weights, by the digest of the module's structure; each is small.
_traces: dict[str, Any] = {}
# Said by torch 2.13 of its own code on every export.
_EXPECTED = (r"`isinstance\(treespec, LeafSpec\)` is deprecated",)


def write_graph(
    module: nn.Module, example: Sequence[Tensor], target: Path, *, inputs: Sequence[str], outputs: Sequence[str]
) -> None:
    """Write a module's graph; each input has shape [rows, tokens], both free whatever the example's are.

    Nodes are named by the part of the module that they stand in, `0.model.encoder.layer.1.output.dense/MatMul`.
    """
    import onnx
    import onnx_ir
    import onnxscript.optimizer

    weights = module.eval().state_dict()
    model = _traced(module, example, inputs=inputs, outputs=outputs).clone()
    for name, value in model.graph.initializers.items():
        if name in weights:
            value.const_value = onnx_ir.tensor(weights[name].detach().contiguous().numpy(), name=name)
    graph = onnx_ir.to_proto(onnxscript.optimizer.optimize(model))
    _name_nodes(graph)
    _strip(graph)
    onnx.save(graph, target)


def _traced(module: nn.Module, example: Sequence[Tensor], *, inputs: Sequence[str], outputs: Sequence[str]) -> Any:
    """Return a module's graph without its weights, traced once for all modules that differ in their weights alone.

    Tracing takes most of an export's time, and the rerankers of a project share their architecture.
    """
    structure = _structure(module, example, (*inputs, *outputs))
    if structure not in _traces:
        free = torch.export.Dim.DYNAMIC
        program = torch.onnx.export(
            module,
            tuple(example),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=tuple({0: free, 1: free} for _ in example),
            verbose=False,
            optimize=False,
        )
        if program is None:
            raise ValueError("torch.onnx.export returned no program")
        weights = module.state_dict()
        for name, value in program.model.graph.initializers.items():
            if name in weights:
                value.const_value = None
        _traces[structure] = program.model
    return _traces[structure]


def _structure(module: nn.Module, example: Sequence[Tensor], names: Sequence[str]) -> str:
    """Digest all that a trace depends on: classes, settings, shapes, and tensors that are no weights."""
    weights = module.state_dict()
    digest = hashlib.sha256(repr(names).encode())
    for each in (*example, *weights.values()):
        digest.update(f"{tuple(each.shape)} {each.dtype}".encode())
    for name, part in module.named_modules():
        digest.update(f"{name} {type(part)!r}".encode())
        for key, value in sorted({**vars(part), **part._buffers}.items()):
            if isinstance(value, Tensor) and f"{name}.{key}".lstrip(".") not in weights:
                digest.update(value.numpy(force=True).tobytes())
            elif hasattr(value, "to_json_string"):  # a transformer's config
                digest.update(value.to_json_string().encode())
            elif key != "name_or_path" and isinstance(value, bool | int | float | str | None):
                digest.update(f"{key}={value!r}".encode())
    return digest.hexdigest()


def _strip(model: Any) -> None:
    """Drop what the exporter notes of itself, paths of this machine among it, and name the free sizes."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
    for node in graph.node:
        node.doc_string = ""
    del graph.value_info[:]  # in numbered names of sizes, which differ from run to run
    for tensor in graph.input:
        for dimension, name in zip(tensor.type.tensor_type.shape.dim, ("rows", "tokens"), strict=True):
            dimension.dim_param = name
    for tensor in graph.output:
        for place, dimension in enumerate(tensor.type.tensor_type.shape.dim):
            if dimension.dim_param:
                dimension.dim_param = ("rows", "tokens")[place]


@contextmanager
def exporting(name: str) -> Iterator[None]:
    """Keep back what the exporter says on every export, and turn whatever it raises into a ModelError."""
    levels = [logger.level for logger in _TALKATIVE]
    for logger in _TALKATIVE:
        logger.setLevel(logging.ERROR)
    try:
        with quiet(), warnings.catch_warnings(), redirect_stdout(None):  # a graph that fails is printed whole
            for message in _EXPECTED:
                warnings.filterwarnings("ignore", message=message)
            yield
    except ImportError as exc:
        raise MissingExtraError("ONNX export", "export") from exc
    except Exception as exc:  # of as many kinds as there are kinds of models
        raise ModelError(f"{name}: cannot be exported to ONNX ({reason(exc)}); use another base") from exc
    finally:
        for logger, level in zip(_TALKATIVE, levels, strict=True):
            logger.setLevel(level)


def _name_nodes(model: Any) -> None:
    """Name each node by its part of the module and its operator, numbered where that is met again."""
    seen: Counter[str] = Counter()
    for node in model.graph.node:
        scopes = next((entry.value for entry in node.metadata_props if entry.key == _SCOPES), "[]")
        parts = [part for part in ast.literal_eval(scopes)[:-1] if part]  # the last is torch's name of the node
        name = f"{parts[-1] if parts else ''}/{node.op_type}"
        node.name = f"{name}_{seen[name]}" if seen[name] else name
        seen[name] += 1
