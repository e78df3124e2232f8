"""The reranker in torch: what training evaluates, and what exports are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from relsearch.core.errors import MissingExtraError, ModelError
from relsearch.core.fields.template import DEFAULT_TEMPLATE
from relsearch.core.types import StrPath
from relsearch.encoders.encoder import load_encoder
from relsearch.encoders.loading import UNUSED, Source, known_positions, tells_types
from relsearch.rerank.calibrated import Request
from relsearch.rerank.card import Card, read_card
from relsearch.rerank.cross.document_vectors import Vectors
from relsearch.rerank.cross.pair_scorer import Pairs, ResidualScorer
from relsearch.rerank.cross.prior import Prior
from relsearch.runtime.pair_text import PairText
from relsearch.stats.logistic import Floats, Logistic

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

    from relsearch.encoders.encoder import Encoder


TYPES = "token_type_ids"


class TorchScorer(ResidualScorer):
    """A cross-encoder run by sentence-transformers, with its prior's encoder where it has one; one call at a time."""

    def __init__(
        self,
        model: CrossEncoder,
        *,
        encoder: Encoder | None = None,
        prior: Prior | None = None,
        template: str = DEFAULT_TEMPLATE,
        calibration: Logistic | None = None,
    ) -> None:
        super().__init__(template=template, prior=prior, calibration=calibration or Logistic())
        self._model = model
        self._encoder = encoder
        self._lock = Lock()  # a tokenizer of transformers refuses a second thread

    @classmethod
    def open(cls, folder: StrPath) -> TorchScorer:
        """Load a model folder that `train` wrote; raise ArtifactError if it has no valid reranker.json."""
        card = read_card(folder, Card)
        return cls(
            load_model(folder, max_length=card.max_length, own=card.prior is not None),
            encoder=load_encoder(card.encoder, exact=True) if card.encoder else None,
            prior=card.prior,
            template=card.template,
            calibration=card.calibration,
        )

    @classmethod
    def published(cls, name: StrPath) -> TorchScorer:
        """Load any cross-encoder; its scores are the sigmoid of its logits. Raise as load_model does."""
        return cls(load_model(name))

    def logits_many(self, requests: Sequence[Request]) -> list[Floats]:
        """Return the raw logits of each query's texts; equal pairs are scored once."""
        with self._lock:
            return super().logits_many(requests)

    def truncated(self, query: str, texts: Sequence[str]) -> int:
        """Return how many of the texts are longer than what is read of them with the query."""
        most = self._model.max_seq_length
        if not texts or most is None:
            return 0
        rows = self._model.tokenizer([query] * len(texts), list(texts), verbose=False)["input_ids"]
        return sum(len(row) > most for row in rows)

    def _encode_queries(self, texts: list[str]) -> Vectors:
        return self._prior_encoder.encode_queries(texts)

    def _encode_documents(self, texts: list[str]) -> Vectors:
        return self._prior_encoder.encode_documents(texts)

    @property
    def _prior_encoder(self) -> Encoder:
        if self._encoder is None:
            raise TypeError("a prior needs its encoder")
        return self._encoder

    def _residuals(self, pairs: Pairs) -> Floats:
        return residuals(self._model, pairs)


def load_model(
    model: StrPath, *, max_length: int | None = None, attention: str | None = None, own: bool = False
) -> CrossEncoder:
    """Load a cross-encoder with one score in fp32; raise ModelError where it is none.

    `max_length` is by default what the model reads, `attention` what transformers chooses. `own` says that relsearch
    made it a cross-encoder: see `ready`.
    """
    source = Source.find(str(model), "name a cross-encoder with one score")
    try:
        from sentence_transformers import CrossEncoder
    except ImportError as exc:
        raise MissingExtraError("a cross-encoder in torch", "train") from exc
    chosen = {"attn_implementation": attention} if attention else {}
    loaded: CrossEncoder = source.build(
        lambda: CrossEncoder(
            str(source.folder),
            max_length=max_length,
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True, "ignore_mismatched_sizes": True, **chosen},  # sizes: see check
        )
    )
    if len(loaded) == 1:
        source.check("AutoModelForSequenceClassification")
    else:  # a body, and modules that make a score of its states
        source.check("AutoModel", may_lack=UNUSED)
    loaded.eval().float()
    if max_length is None and (most := known_positions(loaded[0].auto_model)):
        # sentence-transformers takes the table's length, of which RoBERTa's first places are padding's.
        loaded.max_seq_length = min(loaded.max_seq_length or most, most)
    ready(loaded, source, own=own)
    return loaded


def ready(model: CrossEncoder, source: Source, *, own: bool) -> None:
    """Let the tokenizer give what the model reads; raise ModelError where pairs are not given one score.

    transformers 5 gives no token types by a tokenizer whose class names no architecture, though 4 did. One that
    somebody else trained is read as CrossEncoder.predict reads it, also where relsearch trained it on; relsearch's
    `own` are read with them, as ever.
    """
    network: Any = model[0].auto_model
    tokenizer = model.tokenizer
    source.check_vocabulary(tokenizer, network)
    for part in (network, *list(model)[1:]):
        source.check_finite(part)
    if tokenizer.pad_token is None:
        raise ModelError(f"{source.name}: its tokenizer has no padding token; set pad_token in tokenizer_config.json")
    names = [name for name in tokenizer.model_input_names if name != TYPES]
    if tells_types(network) and (own or TYPES in tokenizer.model_input_names):
        names.insert(1, TYPES)
    tokenizer.model_input_names = names
    probes = [("what is it", "it is that"), ("a", "")]
    with source.loading():
        found = residuals(model, probes)
    if len(found) != len(probes):
        labels = len(found) // len(probes)
        raise ModelError(f"{source.name}: gives {labels} labels, a reranker gives one score; {source.advice}")


def pair_text_of(model: CrossEncoder) -> PairText | None:
    """Return the text that a chat template makes of a pair; None where the pair goes to the tokenizer as it is.

    Raise ModelError where the template does more than put its words around query and document.
    """
    part: Any = model[0]
    if "message" not in getattr(part, "modality_config", ()):
        return None
    options = dict((part.processing_kwargs or {}).get("chat_template", {}))
    options.pop("restore_suffix", None)

    def render(query: str, document: str) -> str:
        modality, inputs, _ = part.input_formatter.parse_inputs([(query, document)])
        if modality != "message":
            _, inputs = part.input_formatter.batch_to_message(modality, inputs)
        text = model.tokenizer.apply_chat_template(inputs["message"][0], tokenize=False, **options)
        return str(text)

    # Letters that no template holds.
    query, document = "\ue000", "\ue001"
    before, _, rest = render(query, document).partition(query)
    between, _, after = rest.partition(document)
    for pair in (("why", "a cat"), ("what is it?", "it is that.\nOr not")):
        if render(*pair) != f"{before}{pair[0]}{between}{pair[1]}{after}":
            raise ModelError("its chat template changes query or document; name another cross-encoder")
    return PairText(before=before, between=between, after=after)


def residuals(model: CrossEncoder, inputs: Sequence[tuple[str, str]], *, batch_size: int = 8) -> Floats:
    """Return h(query, document) of each pair as float64; batches are sorted by length inside."""
    import torch

    identity = torch.nn.Identity()
    scores = model.predict(list(inputs), batch_size=batch_size, activation_fn=identity, show_progress_bar=False)
    return np.asarray(scores, dtype=np.float64).reshape(-1)
