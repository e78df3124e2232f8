"""A bi-encoder as a graph: the vectors that a judge's retrieval features are computed from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relsearch.core.display.progress import progress
from relsearch.core.files.text_files import encodable
from relsearch.core.settings.config import EncoderConfig
from relsearch.core.types import Pair
from relsearch.encoders.character_limit import MAX_CHARACTERS_PER_TOKEN, beginning
from relsearch.encoders.vector_cache import KeptVectors, rounded
from relsearch.judge.onnx.manifest import VECTOR, EncoderGraph
from relsearch.judge.onnx.parts import run_in_parts
from relsearch.runtime.engine import Engine
from relsearch.runtime.tokenising import TextTokenizer

Vectors = NDArray[np.float32]
_SMALLEST = 1e-12  # no vector is divided by 0


class OnnxEncoder:
    """Encodes queries and texts of pairs by one graph; `keep` is a folder where vectors outlive the process."""

    def __init__(self, folder: Path, files: EncoderGraph, config: EncoderConfig, *, keep: Path | None = None) -> None:
        self.config = config
        self._max_characters = files.max_tokens * MAX_CHARACTERS_PER_TOKEN
        self._texts = TextTokenizer(folder / files.tokenizer, max_length=files.max_tokens)
        self._engine = Engine(folder / files.graph, outputs=(VECTOR,))
        self._kept = KeptVectors(keep) if keep else None

    def vectors(self, pairs: Sequence[Pair]) -> tuple[Vectors, Vectors]:
        """Return the vectors of each pair's query and text, L2-normalised, shape [pairs, dimension] each."""
        for_queries, for_documents = self.config.prefixes
        queries = self._rows(for_queries, [pair.query for pair in pairs])
        return queries, self._rows(for_documents, [pair.text for pair in pairs])

    def _rows(self, prefix: str, texts: Sequence[str]) -> Vectors:
        places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        inputs = [prefix + encodable(beginning(text, self._max_characters)) for text in places]
        # Rounded in either case, so that a label does not depend on whether vectors are kept.
        vectors = self._kept.lookup(inputs, self._encode) if self._kept else rounded(self._encode(inputs))
        return vectors[[places[text] for text in texts]]

    def _encode(self, inputs: Sequence[str]) -> Vectors:
        with progress(total=len(inputs), desc="encode", unit="text") as bar:
            vectors = run_in_parts(
                inputs, lambda part: self._engine.run(self._texts.rows(part)), length=len, advance=bar.update
            )
        norms = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _SMALLEST)
        return np.asarray(vectors / norms, dtype=np.float32)
