"""The untrained dense encoder whose cosine is the evidence that judge and reranker start from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from relsearch.core.display.progress import progress
from relsearch.core.errors import MissingExtraError, ModelError
from relsearch.core.settings.config import EncoderConfig
from relsearch.core.types import Pair, StrPath
from relsearch.encoders.character_limit import MAX_CHARACTERS_PER_TOKEN, beginning
from relsearch.encoders.loading import UNUSED, Source
from relsearch.encoders.model_source import content_checksum, fast_dtype
from relsearch.encoders.prefixes import with_prefixes
from relsearch.encoders.vector_cache import KeptVectors

if TYPE_CHECKING:
    import torch

Vectors = NDArray[np.float32]

_PROBE = "what is it"  # encoded at once, so that a model that cannot is known before hours of work


class _Embedder(Protocol):
    """What is used of sentence_transformers.SentenceTransformer."""

    max_seq_length: int | None

    @property
    def device(self) -> torch.device: ...

    def encode(self, sentences: list[str], **options: object) -> Vectors: ...

    def get_embedding_dimension(self) -> int | None: ...


class Encoder:
    """A loaded sentence encoder; queries and documents get their own prefix, vectors have length 1."""

    def __init__(
        self, model: _Embedder, config: EncoderConfig, *, exact: bool = False, keep: KeptVectors | None = None
    ) -> None:
        self._model = model
        self._exact = exact
        self._keep = keep
        self.config = config
        self._max_characters = MAX_CHARACTERS_PER_TOKEN * (model.max_seq_length or 512)

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        return self._model.get_embedding_dimension() or 0

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Return one float32 row a query, shape [n, dimension], L2-normalised."""
        return self._encode(self.config.prefixes[0], texts, "encode queries")

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Return one float32 row a document, shape [n, dimension], L2-normalised."""
        return self._encode(self.config.prefixes[1], texts, "encode documents")

    def cosines(self, pairs: Sequence[Pair]) -> Vectors:
        """Return the cosine of each pair, shape [n]; each distinct query and text is encoded once."""
        queries, texts = self.vectors(pairs)
        return np.asarray(np.einsum("nd,nd->n", queries, texts), dtype=np.float32)

    def vectors(self, pairs: Sequence[Pair]) -> tuple[Vectors, Vectors]:
        """Return the vectors of each pair's query and text, shape [n, dimension] each."""
        queries = {text: row for row, text in enumerate(dict.fromkeys(pair.query for pair in pairs))}
        texts = {text: row for row, text in enumerate(dict.fromkeys(pair.text for pair in pairs))}
        query_rows = self.encode_queries(list(queries))[[queries[pair.query] for pair in pairs]]
        return query_rows, self.encode_documents(list(texts))[[texts[pair.text] for pair in pairs]]

    def _encode(self, prefix: str, texts: Sequence[str], description: str) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        inputs = [prefix + beginning(text, self._max_characters) for text in texts]
        if self._keep is not None:
            return self._keep.lookup(inputs, lambda unknown: self._compute(unknown, description))
        return self._compute(inputs, description)

    def _compute(self, inputs: Sequence[str], description: str) -> Vectors:
        import torch

        # Longest first, as the library sorts within a call only: each batch holds texts of like length.
        order = sorted(range(len(inputs)), key=lambda row: (-len(inputs[row]), row))
        vectors = np.zeros((len(inputs), self.dimension), dtype=np.float32)
        # On a CPU with AVX512-BF16 bfloat16 is 4 x as fast; cosines move by about 0.005.
        dtype = torch.float32 if self._exact else fast_dtype()
        with (
            torch.autocast(self._model.device.type, dtype, enabled=dtype is torch.bfloat16),
            progress(total=len(inputs), desc=description, unit="text") as bar,
        ):
            for start in range(0, len(order), 512):
                rows = order[start : start + 512]
                vectors[rows] = self._model.encode(
                    [inputs[row] for row in rows],
                    prompt="",  # the prefix stands in the text
                    batch_size=16,
                    normalize_embeddings=True,
                    convert_to_numpy=True,
                    show_progress_bar=False,
                )
                bar.update(len(rows))
        if not np.isfinite(vectors).all():
            raise ModelError(
                f"encoder {self.config.model!r}: gives vectors that are NaN; set [encoder] model to another"
            )
        return vectors


def load_encoder(config: EncoderConfig, *, exact: bool = False, keep: StrPath | None = None) -> Encoder:
    """Load the encoder that the config names, with its prefixes; raise ModelError if it is not one.

    A plain transformers folder without pooling settings gets mean pooling. `exact` computes in float32 even
    where bfloat16 is faster: what an exported graph is compared with must not be rounded. `keep`
    is a folder where vectors outlive the process.
    """
    model, source = open_embedder(config)
    config = with_prefixes(config, source)
    kept = KeptVectors(Path(keep) / _vectors_of(config, source.folder, exact=exact)) if keep else None
    return Encoder(model, config, exact=exact, keep=kept)


def open_embedder(config: EncoderConfig) -> tuple[Any, Source]:
    """Return a SentenceTransformer that reads no more tokens than it can, and its source; raise as load_encoder."""
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as exc:
        raise MissingExtraError("the dense encoder", "train") from exc
    source = Source.find(config.model, "set [encoder] model to a sentence encoder", called="encoder {!r}")
    source.check("AutoModel", may_lack=UNUSED)
    model: Any = source.build(
        lambda: SentenceTransformer(
            str(source.folder), trust_remote_code=False, local_files_only=True, model_kwargs={"use_safetensors": True}
        )
    )
    with source.loading():
        reads = source.positions(model[0].auto_model)
        model.max_seq_length = min(model.max_seq_length or reads, reads, config.max_tokens)
        model.encode([_PROBE], show_progress_bar=False)
    source.check_finite(model)
    return model.eval().float(), source


def vectors_by_id(config: EncoderConfig, texts: Mapping[str, str], *, keep: Path) -> Callable[[Sequence[str]], Vectors]:
    """Return what gives the vectors of documents by their ids; the encoder is loaded once it is asked."""

    def vectors(doc_ids: Sequence[str]) -> Vectors:
        return load_encoder(config, keep=keep).encode_documents([texts[doc_id] for doc_id in doc_ids])

    return vectors


def _vectors_of(config: EncoderConfig, folder: Path, *, exact: bool) -> str:
    """A name for all that decides a vector: settings, the model's files, arithmetic."""
    dtype = "exact" if exact else fast_dtype()
    return hashlib.sha256(f"{config.model_dump_json()}|{content_checksum(folder)}|{dtype}".encode()).hexdigest()[:16]
