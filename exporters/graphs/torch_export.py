"""One torch module to one ONNX graph, by PyTorch's own exporter: any number of rows and of tokens."""

from __future__ import annotations

import ast
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
# Said by torch 2.13 of its own code on every export.
_EXPECTED = (r"`isinstance\(treespec, LeafSpec\)` is deprecated",)


def write_graph(
    module: nn.Module, example: Sequence[Tensor], target: Path, *, inputs: Sequence[str], outputs: Sequence[str]
) -> None:
    """Write a module's graph; each input has shape [rows, tokens], both free whatever the example's are.

    Nodes are named by the part of the module that they stand in, `0.model.encoder.layer.1.output.dense/MatMul`.
    """
    import onnx

    free = torch.export.Dim.DYNAMIC
    program = torch.onnx.export(
        module.eval(),
        tuple(example),
        dynamo=True,
        opset_version=OPSET,
        input_names=list(inputs),
        output_names=list(outputs),
        dynamic_shapes=tuple({0: free, 1: free} for _ in example),
        verbose=False,
    )
    if program is None:
        raise ValueError("torch.onnx.export returned no program")
    graph = program.model_proto
    _name_nodes(graph)
    _strip(graph)
    onnx.save(graph, target)


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
