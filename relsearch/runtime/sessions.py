"""What computes a bundle's graph: ONNX Runtime, or OpenVINO where the bundle was exported for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from relsearch.core.errors import ArtifactError, MissingExtraError, reason
from relsearch.core.settings.config import Runtime

Variant = Literal["fp32", "int8", "fp16", "bf16"]
# What a bundle can give a graph.
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
Feeds = Mapping[str, NDArray[np.int64]]
Outputs = list[NDArray[np.float32]]

# One text a call makes int8 scores independent of their batch: dynamic quantisation takes its
# range from all that is in a call. In fp32 calls beyond a core's cache are slower: 512 tokens by a tenth.
_BATCH_TOKENS = {"fp32": 128, "int8": 1, "fp16": 16_384}
_CPU = ("CPUExecutionProvider",)
_PROVIDERS = {"fp16": ("TensorrtExecutionProvider", "CUDAExecutionProvider", *_CPU)}
# OpenVINO compiles its kernels anew for every shape that it has not met: lengths are rounded up so that they are few.
_OPENVINO_BATCH_TOKENS, _OPENVINO_STEP = 512, 16


@dataclass(frozen=True, slots=True)
class Session:
    """A loaded graph that threads share.

    A call takes at most `batch_tokens` tokens with padding, or one text; lengths are padded to a multiple of `step`.
    """

    inputs: tuple[str, ...]
    run: Callable[[Feeds], Outputs]
    batch_tokens: int
    step: int = 1


def open_session(graph: Path, outputs: Sequence[str], *, variant: Variant, runtime: Runtime, workers: int) -> Session:
    """Load a graph to be called by `workers` threads, one core each.

    Raise ArtifactError where the runtime cannot load or run it, MissingExtraError where that is not installed.
    """
    if runtime == "openvino":
        return _openvino(graph, list(outputs), variant=variant, workers=workers)
    return _onnxruntime(graph, list(outputs), variant=variant)


@contextmanager
def _running(graph: Path, what: str) -> Iterator[None]:
    """Turn whatever a runtime raises into an ArtifactError: their errors share no public base."""
    try:
        yield
    except Exception as exc:
        raise ArtifactError(f"{graph}: cannot be {what} ({reason(exc)}); export again") from exc


def _check(graph: Path, inputs: Sequence[str], outputs: Iterable[str], wanted: Sequence[str]) -> None:
    if unknown := sorted({*inputs} - {*INPUTS}):
        raise ArtifactError(f"{graph}: takes {unknown[0]!r}, which no bundle gives; export again")
    if missing := sorted({*wanted} - {*outputs}):
        raise ArtifactError(f"{graph}: gives no {missing[0]!r}; export again")


def _onnxruntime(graph: Path, outputs: list[str], *, variant: Variant) -> Session:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if variant == "fp32":  # weights may be stored in 8 bits: unfold them once, here, and not at every call
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.log_severity_level = 3
    wanted = _PROVIDERS.get(variant, _CPU)
    usable = [name for name in wanted if name in onnxruntime.get_available_providers()]
    with _running(graph, "loaded by onnxruntime"):
        session = onnxruntime.InferenceSession(str(graph), options, providers=usable)
    inputs = tuple(tensor.name for tensor in session.get_inputs())
    _check(graph, inputs, (tensor.name for tensor in session.get_outputs()), outputs)

    def run(feeds: Feeds) -> Outputs:
        with _running(graph, "run"):
            return list(session.run(outputs, dict(feeds)))

    return Session(inputs, run, _BATCH_TOKENS[variant])


def _openvino(graph: Path, outputs: list[str], *, variant: Variant, workers: int) -> Session:
    try:
        import openvino
    except ImportError as exc:
        raise MissingExtraError("a bundle for OpenVINO", "openvino") from exc
    core = openvino.Core()
    # Not beside int8: with AMX the attention's 8-bit products with bfloat16 between them give scores that vary with the
    # shape of a call, by a standard deviation; without AMX bfloat16 makes int8 no faster.
    half = variant == "bf16" and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    options = {
        "NUM_STREAMS": workers,
        "INFERENCE_NUM_THREADS": workers,
        "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
        "ENABLE_CPU_PINNING": False,  # a core that another process uses is not waited for
    }
    with _running(graph, "loaded by OpenVINO"):
        model = core.compile_model(str(graph), "CPU", options)
    inputs = tuple(each.any_name for each in model.inputs)
    _check(graph, inputs, (name for each in model.outputs for name in each.names), outputs)
    # The first call in a process is made alone: of two at once, each can wait for what the other one holds for ever
    # (OpenVINO's bindings look numpy up once, with the interpreter's lock let go).
    with _running(graph, "run"):
        model.create_infer_request().infer(dict.fromkeys(inputs, np.ones((1, _OPENVINO_STEP), dtype=np.int64)))
    of_thread: Any = threading.local()  # a request serves one call at a time

    def run(feeds: Feeds) -> Outputs:
        if not hasattr(of_thread, "request"):
            of_thread.request = model.create_infer_request()
        with _running(graph, "run"):
            found = of_thread.request.infer(dict(feeds))
        return [np.asarray(found[name]) for name in outputs]

    return Session(inputs, run, _OPENVINO_BATCH_TOKENS, _OPENVINO_STEP)
