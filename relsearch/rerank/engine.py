"""Running one ONNX graph fast on CPUs: length-sorted micro-batches on workers of one thread each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relsearch.errors import ArtifactError

Inputs = Sequence[str] | Sequence[tuple[str, str]]


class Engine:
    """A session with its tokenizer; one row of output a text or pair of texts."""

    def __init__(
        self,
        graph: Path,
        tokenizer: Path,
        *,
        output: str,
        max_length: int,
        batch_tokens: int,
        workers: int | None = None,
    ) -> None:
        self._session = _session(graph)
        self._tokenizer = _tokenizer(tokenizer, max_length)
        self._output = output
        self._wanted = [tensor.name for tensor in self._session.get_inputs()]
        self._batch_tokens = batch_tokens
        self._pool = ThreadPoolExecutor(workers or os.cpu_count() or 1, thread_name_prefix="relsearch-onnx")

    def run(self, inputs: Inputs) -> NDArray[np.float32]:
        """Return the graph's output for each input, in input order."""
        encodings = self._tokenizer.encode_batch_fast(list(inputs))
        batches = micro_batches([len(encoding) for encoding in encodings], self._batch_tokens)
        outputs = self._pool.map(lambda rows: self._call([encodings[row] for row in rows]), batches)
        parts = list(zip(batches, outputs, strict=True))
        result = np.empty((len(encodings), *parts[0][1].shape[1:]), dtype=np.float32)
        for rows, output in parts:
            result[rows] = output
        return result

    def _call(self, encodings: Sequence[Any]) -> NDArray[np.float32]:
        length = max(len(encoding) for encoding in encodings)
        columns = {
            "input_ids": [encoding.ids for encoding in encodings],
            "attention_mask": [encoding.attention_mask for encoding in encodings],
            "token_type_ids": [encoding.type_ids for encoding in encodings],
        }
        feeds = {name: _padded(columns[name], length) for name in self._wanted}
        output: NDArray[np.float32] = self._session.run([self._output], feeds)[0]
        return output


def micro_batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Return rows in batches of like length, longest first, each at most `batch_tokens` padded tokens or one row."""
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= batch_tokens:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def _padded(rows: Sequence[Sequence[int]], length: int) -> NDArray[np.int64]:
    # Padding ids are 0 whatever the vocabulary: the attention mask hides them.
    table = np.zeros((len(rows), length), dtype=np.int64)
    for number, row in enumerate(rows):
        table[number, : len(row)] = row
    return table


def _session(graph: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as exc:  # onnxruntime's errors share no public base
        raise ArtifactError(f"{graph}: onnxruntime cannot load it ({exc}); export again") from exc


def _tokenizer(path: Path, max_length: int) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as exc:  # tokenizers raises bare Exception
        raise ArtifactError(f"{path}: not a tokenizer ({exc}); export again") from exc
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length, strategy="longest_first")
    return tokenizer
