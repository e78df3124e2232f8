"""The ways in which people run a cross-encoder on a CPU, all on the same model and the same pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relsearch.data.collection import load_collection
from relsearch.exporters.bundle.choose import write_bfloat, write_int8, write_static
from relsearch.exporters.bundle.cross_encoder import labelled_lists, write_foreign
from relsearch.rerank.calibrated import Request
from relsearch.rerank.cross.onnx_scorer import OnnxScorer

Floats = NDArray[np.floating[Any]]
Way = Callable[[Request], Floats]
NAIVE = "sentence-transformers"
FP32, INT8 = "relsearch fp32", "relsearch int8"
OPENVINO_BF16, OPENVINO_INT8 = "relsearch bf16, OpenVINO", "relsearch int8, OpenVINO"
# Where each of our ways lies below the folder of graphs.
BUNDLES = {FP32: "fp32", INT8: "int8", OPENVINO_BF16: "openvino-bf16", OPENVINO_INT8: "openvino-int8"}
BATCH = 32  # the default of CrossEncoder.predict
RERANKERS = "rerankers"
ONE_BATCH = TORCH, OPTIMUM, FLASHRANK = ("torch, one padded batch", "optimum, int8", "FlashRank's loop")


def ways(model: Path, folder: Path, *, max_length: int, threads: int) -> dict[str, Way]:
    """Return every way that is installed here, by name; graphs are written below `folder`."""
    import torch

    torch.set_num_threads(threads)
    write_foreign(str(model), folder / BUNDLES[FP32], max_length=max_length)
    write_fewer_bits(folder, "demo")
    return {
        NAIVE: sentence_transformers(model, max_length=max_length),
        RERANKERS: rerankers(model, max_length=max_length),
        TORCH: one_torch_batch(model, max_length=max_length),
        FLASHRANK: flashrank_loop(model, folder / BUNDLES[FP32] / "model.onnx", max_length=max_length),
        **(_by_optimum(model, folder, max_length=max_length) if _has_optimum() else {}),
        **{name: ours(folder / bundle, workers=threads) for name, bundle in BUNDLES.items()},
    }


def _has_optimum() -> bool:
    """Whether optimum's ONNX Runtime part is installed; an optimum alone is no more than a name."""
    return find_spec("optimum") is not None and find_spec("optimum.onnxruntime") is not None


def _by_optimum(model: Path, folder: Path, *, max_length: int) -> dict[str, Way]:
    """The ways through optimum's exporter, which needs transformers 4.57."""
    return {
        "sentence-transformers, ONNX": sentence_transformers(model, max_length=max_length, backend="onnx"),
        OPTIMUM: optimum_int8(model, folder / "optimum", max_length=max_length),
    }


def write_fewer_bits(folder: Path, collection: str) -> None:
    """Write what each runtime makes of the fp32 bundle below `folder`; ranges are fixed on a collection's texts."""
    fp32 = folder / BUNDLES[FP32]
    write_int8(fp32, folder / BUNDLES[INT8])
    write_bfloat(fp32, folder / BUNDLES[OPENVINO_BF16])
    write_static(fp32, folder / BUNDLES[OPENVINO_INT8], labelled_lists(load_collection(collection))[0])


def ours(bundle: Path, *, workers: int) -> Way:
    """A bundle, with the documents' token ids forgotten between calls: every round starts cold."""
    scorer = OnnxScorer.open(bundle, workers=workers, cached_documents=1)
    return lambda request: scorer.logits(*request)


def sentence_transformers(model: Path, *, max_length: int, backend: str = "torch") -> Way:
    """CrossEncoder.predict with its defaults."""
    import torch
    from sentence_transformers import CrossEncoder

    options: dict[str, Any] = {"backend": backend}
    if backend == "onnx":
        options["model_kwargs"] = {"provider": "CPUExecutionProvider", "export": True}
    loaded: Any = CrossEncoder(str(model), max_length=max_length, device="cpu", **options)
    identity = torch.nn.Identity()

    def run(request: Request) -> Floats:
        pairs = [(request[0], text) for text in request[1]]
        found = loaded.predict(pairs, batch_size=BATCH, activation_fn=identity, show_progress_bar=False)
        return np.asarray(found).reshape(-1)

    return run


def rerankers(model: Path, *, max_length: int) -> Way:
    """The class of the package rerankers for cross-encoders, with its defaults."""
    from rerankers.models.transformer_ranker import TransformerRanker

    options = {"model_max_length": max_length}
    loaded: Any = TransformerRanker(str(model), device="cpu", verbose=0, tokenizer_kwargs=options)

    def run(request: Request) -> Floats:
        found = loaded.rank(request[0], list(request[1])).results
        of_place = {result.document.doc_id: result.score for result in found}
        return np.array([of_place[place] for place in range(len(of_place))])

    return run


def one_torch_batch(model: Path, *, max_length: int) -> Way:
    """Transformers alone: all pairs padded to the longest, one call."""
    import torch
    from transformers import AutoModelForSequenceClassification

    tokenizer = _tokenizer(model)
    loaded = AutoModelForSequenceClassification.from_pretrained(str(model)).eval()

    def run(request: Request) -> Floats:
        with torch.inference_mode():
            logits: torch.Tensor = loaded(**_padded(tokenizer, request, max_length, "pt")).logits
        return logits.numpy().reshape(-1)

    return run


def optimum_int8(model: Path, folder: Path, *, max_length: int) -> Way:
    """Optimum's model class under its dynamic recipe for this processor, one padded batch."""
    from optimum.onnxruntime import ORTModelForSequenceClassification, ORTQuantizer
    from optimum.onnxruntime.configuration import AutoQuantizationConfig

    from relsearch.exporters.bundle.cpu import cpu_flags

    exported: Any = ORTModelForSequenceClassification.from_pretrained(str(model), export=True)
    exported.save_pretrained(folder)
    recipe = AutoQuantizationConfig.avx512_vnni if "avx512_vnni" in cpu_flags() else AutoQuantizationConfig.avx2
    quantizer = ORTQuantizer.from_pretrained(folder, file_name="model.onnx")
    quantizer.quantize(save_dir=folder, quantization_config=recipe(is_static=False, per_channel=False))
    loaded: Any = ORTModelForSequenceClassification.from_pretrained(folder, file_name="model_quantized.onnx")
    tokenizer = _tokenizer(model)

    def run(request: Request) -> Floats:
        return np.asarray(loaded(**_padded(tokenizer, request, max_length, "np")).logits).reshape(-1)

    return run


def flashrank_loop(model: Path, graph: Path, *, max_length: int) -> Way:
    """What FlashRank does for a query: encode all pairs padded to the longest, one call of a default session."""
    import onnxruntime
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.enable_truncation(max_length=max_length)
    tokenizer.enable_padding()
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    wanted = {tensor.name for tensor in session.get_inputs()}

    def run(request: Request) -> Floats:
        encodings = tokenizer.encode_batch([(request[0], text) for text in request[1]])
        columns = {
            "input_ids": [each.ids for each in encodings],
            "attention_mask": [each.attention_mask for each in encodings],
            "token_type_ids": [each.type_ids for each in encodings],
        }
        feeds = {name: np.array(rows, dtype=np.int64) for name, rows in columns.items() if name in wanted}
        return np.asarray(session.run(None, feeds)[0]).reshape(-1)

    return run


def check_same(found: dict[str, Way], request: Request) -> dict[str, float]:
    """Return how far each way is from the naive one, in standard deviations; raise where one of full precision is."""
    wanted = np.asarray(found[NAIVE](request), dtype=np.float64)
    spread = float(wanted.std()) or 1.0
    off = {name: float(np.abs(way(request) - wanted).max()) / spread for name, way in found.items()}
    wrong = [name for name, each in off.items() if each > 1e-3 and not _fewer_bits(name)]
    if wrong:
        raise AssertionError(f"{wrong[0]} computes something else: off by {off[wrong[0]]:.2g} standard deviations")
    return off


def _fewer_bits(name: str) -> bool:
    return "int8" in name or "bf16" in name


def _tokenizer(model: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(model))


def _padded(tokenizer: Any, request: Request, max_length: int, tensors: str) -> Any:
    queries: Sequence[str] = [request[0]] * len(request[1])
    options = {"padding": True, "truncation": True, "max_length": max_length, "return_tensors": tensors}
    return tokenizer(queries, list(request[1]), **options)
