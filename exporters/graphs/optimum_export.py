"""The second way to a graph: optimum's exporter, in an environment of transformers 4.57 (extra `export-optimum`)."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relsearch.core.errors import MissingExtraError, ModelError
from relsearch.exporters.graphs.torch_export import exporting

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

# Said by torch 2.9+ and transformers 4.57 on every export through the tracing exporter, the one optimum 2.1 uses;
# parity with torch, which each export is held to, covers what they warn of.
_EXPECTED = (
    "You are using the legacy TorchScript-based ONNX export",
    "The feature will be removed",
    "Constant folding",
    r"`torch_dtype` is deprecated",
    r"`torch\.jit\.\w+` is deprecated",  # DeBERTa scripts parts of itself
    "Exporting aten::index operator",  # of models that look for the last token
)


def is_the_way() -> bool:
    """Tell whether optimum is what exports here: it reads transformers 4.57 alone, PyTorch's exporter 5 alone."""
    return int(version("transformers").partition(".")[0]) < 5


def write_scores(model: CrossEncoder, target: Path, *, typed: bool, name: str) -> None:
    """Write the graph of a cross-encoder, to `logits`; ModelError where modules of its own follow its network.

    Unless it is `typed`, the graph reads one token type, whatever it is fed.
    """
    if len(model) > 1:
        raise ModelError(
            f"{name}: modules of its own make its score, which optimum does not read; export it in an environment "
            "of transformers 5: pip install 'relsearch[export]'"
        )
    network: Any = model[0].auto_model.cpu()
    for part_name, part in network.named_modules():
        if part_name.endswith("token_type_embeddings") and not typed:
            part.register_forward_pre_hook(lambda _, inputs: tuple(types * 0 for types in inputs))

    def export(folder: str) -> None:
        from optimum.exporters.onnx import onnx_export_from_model

        onnx_export_from_model(network, folder, task="text-classification", do_validation=False)

    _write(export, target, name)


def write_vectors(source: Path, target: Path, *, name: str) -> None:
    """Write the graph of a sentence-transformers folder, to `sentence_embedding`."""

    def export(folder: str) -> None:
        from optimum.exporters.onnx import main_export

        options = {"task": "feature-extraction", "library_name": "sentence_transformers", "framework": "pt"}
        main_export(str(source), folder, do_validation=False, **options)

    _write(export, target, name)


def _write(export: Callable[[str], None], target: Path, name: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder, exporting(name), _expected_warnings():
        try:
            export(folder)
        except ImportError as exc:
            raise MissingExtraError("ONNX export by optimum", "export-optimum") from exc
        shutil.move(Path(folder) / "model.onnx", target)


@contextmanager
def _expected_warnings() -> Iterator[None]:
    from torch.jit import TracerWarning  # type: ignore[attr-defined]  # torch's list of public names lacks it

    with warnings.catch_warnings():
        for message in _EXPECTED:
            warnings.filterwarnings("ignore", message=message)
        # Of every kind: graphs are compared with torch at other sizes than the traced one.
        warnings.filterwarnings("ignore", category=TracerWarning)
        yield
