"""The reranker in production: a bundle run by onnxruntime and tokenizers, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from relsearch.core.content_cache import ContentCache
from relsearch.core.errors import ArtifactError
from relsearch.core.files.key_index import digest
from relsearch.core.files.text_files import encodable
from relsearch.core.types import StrPath
from relsearch.encoders.character_limit import MAX_CHARACTERS_PER_TOKEN, beginning
from relsearch.encoders.joining import Row
from relsearch.rerank.bundle import ENCODER, MODEL, TOKENIZER, Bundle, Manifest, open_bundle_of
from relsearch.rerank.cross.document_vectors import VectorCache, Vectors
from relsearch.rerank.cross.pair_scorer import Pairs, ResidualScorer
from relsearch.rerank.deadline import Reranked, rerank_within
from relsearch.runtime.engine import Engine
from relsearch.runtime.tokenising import PairTokenizer, TextTokenizer
from relsearch.stats.logistic import Floats

_CHARACTERS_PER_TOKEN = 4  # of ordinary text; plans how many candidates are worth tokenising
_WARM_UP = "how fast is this machine"


class OnnxScorer(ResidualScorer):
    """A bundle's cross-encoder and encoder, each on one session shared by `workers` threads.

    Caches token ids and vectors of `cached_documents` documents, and `cached_scores` scores. A document that is longer
    than the model reads is split into up to `windows` parts, and its score is that of the best part.
    """

    def __init__(
        self,
        bundle: Bundle[Manifest],
        *,
        workers: int | None = None,
        windows: int = 1,
        cached_documents: int = 20_000,
        cached_scores: int = 0,
    ) -> None:
        manifest = bundle.manifest
        super().__init__(template=manifest.template, prior=manifest.prior, calibration=manifest.calibration)
        self.manifest = manifest
        self.vectors = VectorCache(cached_documents)
        self._pairs = PairTokenizer(
            bundle.folder / TOKENIZER,
            max_length=manifest.max_length,
            windows=windows,
            cached_tokens=cached_documents * manifest.max_length,
            text=manifest.pair_text,
        )
        self._graph = bundle.folder / MODEL
        self._model = _engine(bundle, MODEL, "logits", workers)
        if manifest.prior is not None:
            self._texts = TextTokenizer(bundle.encoder_tokenizer, max_length=manifest.encoder_max_length)
            self._encoder = _engine(bundle, ENCODER, "sentence_embedding", workers)
        self._scores = ContentCache[float](cached_scores) if cached_scores else None

    @classmethod
    def open(
        cls,
        folder: StrPath,
        *,
        workers: int | None = None,
        windows: int = 1,
        cached_documents: int = 20_000,
        cached_scores: int = 0,
    ) -> OnnxScorer:
        """Open a bundle folder; raise ArtifactError if it is not whole."""
        bundle = open_bundle_of(folder, Manifest)
        return cls(
            bundle, workers=workers, windows=windows, cached_documents=cached_documents, cached_scores=cached_scores
        )

    def truncated(self, query: str, texts: Sequence[str]) -> int:
        """Return how many of the texts are longer than what is read of them with this query."""
        return self._pairs.truncated([(encodable(query), encodable(text)) for text in texts])

    def prepare(self, texts: Sequence[str]) -> None:
        """Tokenise and encode documents before they are asked for, as at indexing time."""
        cleaned = list(dict.fromkeys(encodable(text) for text in texts))
        if cleaned:
            self._pairs.rows([("", text) for text in cleaned])
            if self.prior is not None:
                self.vectors.stacked(cleaned, self._encode_documents)

    def close(self) -> None:
        """End the threads; the scorer reads no more."""
        self._model.close()
        if self.prior is not None:
            self._encoder.close()

    def warm_up(self) -> None:
        """Score one pair, which measures the cost of a token; done at start-up it keeps the first call in budget."""
        self.logits(_WARM_UP, [_WARM_UP * 16])

    def rerank(self, query: str, texts: Sequence[str], *, budget_ms: float = 50) -> Reranked:
        """Return the order of the texts that is found within about `budget_ms`; texts come in the search's order."""
        if not self._model.seconds_per_token:
            self.warm_up()
        return rerank_within(self, encodable(query), [encodable(text) for text in texts], budget_ms=budget_ms)

    def priors_until(self, query: str, texts: Sequence[str], deadline: float) -> Mapping[int, float]:
        """Return the prior logit of each place whose vector is known or computed by the deadline."""
        places = list(range(len(texts)))
        if self.prior is not None and texts:
            known = self.vectors.contains(texts)
            unknown = [place for place in places if not known[place]]
            computed = self._encode_until([texts[place] for place in unknown], deadline)
            have = {unknown[turn] for turn in computed}
            self.vectors.keep({texts[unknown[turn]]: vector for turn, vector in computed.items()})
            places = [place for place in places if known[place] or place in have]
        logits = self.prior_logits([(query, texts[place]) for place in places])
        return dict(zip(places, logits.tolist(), strict=True))

    def residuals_until(self, query: str, texts: Sequence[str], deadline: float) -> Mapping[int, float]:
        """Return what the cross-encoder adds at each place that it reads whole by the deadline."""
        worth = self._model.plan(self._lengths([query + text for text in texts], self.manifest.max_length), deadline)
        inputs = self._pairs.rows([(query, text) for text in texts[:worth]])
        of_row = [place for place, rows in enumerate(inputs) for _ in rows]
        outputs = self._model.run_until([row for rows in inputs for row in rows], deadline)
        found: dict[int, list[float]] = {}
        for number, (output,) in outputs.items():
            found.setdefault(of_row[number], []).append(float(output.reshape(-1)[0]))
        return {place: max(each) for place, each in found.items() if len(each) == len(inputs[place])}

    def _encode_queries(self, texts: list[str]) -> Vectors:
        return self._unit(self._encoder.run(self._text_rows(self.manifest.query_prefix, texts)))

    def _encode_documents(self, texts: list[str]) -> Vectors:
        return self._unit(self._encoder.run(self._text_rows(self.manifest.document_prefix, texts)))

    def _encode_until(self, texts: list[str], deadline: float) -> dict[int, Vectors]:
        """The vectors of those documents that are encoded by the deadline."""
        worth = self._encoder.plan(self._lengths(texts, self.manifest.encoder_max_length), deadline)
        outputs = self._encoder.run_until(self._text_rows(self.manifest.document_prefix, texts[:worth]), deadline)
        return {place: self._unit(output[None])[0] for place, (output,) in outputs.items()}

    def _text_rows(self, prefix: str, texts: Sequence[str]) -> list[Row]:
        characters = MAX_CHARACTERS_PER_TOKEN * self.manifest.encoder_max_length
        return self._texts.rows([prefix + beginning(text, characters) for text in texts])

    def _residuals(self, pairs: Pairs) -> Floats:
        if self._scores is None:
            return self._cross(pairs)
        # A digest, since a query may be long; its length keeps two pairs apart whose texts are the same put together.
        of_key = {f"{digest(query).hex()}{text}": (query, text) for query, text in pairs}
        kept = self._scores.lookup(list(of_key), lambda keys: self._cross([of_key[key] for key in keys]).tolist())
        return np.asarray(kept, dtype=np.float64)

    def _cross(self, pairs: Pairs) -> Floats:
        inputs = self._pairs.rows(pairs)
        found = self._model.run([row for rows in inputs for row in rows]).astype(np.float64)
        if found.size != len(found):
            raise ArtifactError(f"{self._graph}: gives {found.size // len(found)} scores a pair, not one; export again")
        outputs = found.reshape(-1)
        starts = np.cumsum([0, *(len(rows) for rows in inputs[:-1])])
        return np.asarray(np.maximum.reduceat(outputs, starts), dtype=np.float64)

    @staticmethod
    def _lengths(texts: Sequence[str], most: int) -> list[int]:
        return [min(most, len(text) // _CHARACTERS_PER_TOKEN + 1) for text in texts]

    @staticmethod
    def _unit(vectors: Vectors) -> Vectors:
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def _engine(bundle: Bundle[Manifest], graph: str, output: str, workers: int | None) -> Engine:
    manifest = bundle.manifest
    return Engine(
        bundle.folder / graph,
        outputs=(output,),
        variant=manifest.variant,
        runtime=manifest.runtime,
        workers=workers,
    )
