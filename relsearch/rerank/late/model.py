"""The late-interaction model in torch: an encoder, a projection of its token vectors, and the head."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from relsearch.cluster.processes import is_first
from relsearch.core.display.progress import progress
from relsearch.core.errors import ConfigError
from relsearch.core.settings.config import EncoderConfig
from relsearch.encoders.loading import UNUSED, Source
from relsearch.encoders.model_source import fast_dtype, loading
from relsearch.encoders.pooling import Pooling, pool, pooling_of
from relsearch.encoders.prefixes import with_prefixes
from relsearch.rerank.late.head import LateHead
from relsearch.rerank.late.reading import Reading
from relsearch.rerank.late.second import SecondEncoder, load_second
from relsearch.rerank.late.sentence_modules import write_sentence_modules

PROJECTION = "projection.safetensors"
SECOND = "second"  # folder of the second encoder in the model's
_PROBE = "what is it"
_MICRO_BATCH = 4  # texts read together, sorted by length: 1.5 x the speed of one padded batch on two cores


class LateModel(nn.Module):
    """Encoder, projection and head; `queries` and `documents` say how each kind of text is read.

    A second encoder's pooled vectors stand beside the encoder's. `rounded`: encoders compute in bfloat16; their weights
    and all that follows them stay float32.
    """

    def __init__(
        self,
        encoder: Any,
        tokenizer: Any,
        *,
        queries: Reading,
        documents: Reading,
        dimension: int,
        pooling: Pooling = "mean",
        second: SecondEncoder | None = None,
        rounded: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.second = second
        self.tokenizer = tokenizer
        self.queries = queries
        self.documents = documents
        self.pooling = pooling
        self.rounded = rounded
        size = int(encoder.config.hidden_size)
        self.projection = nn.Linear(size, min(dimension, size), bias=False)
        self.weights = nn.Parameter(torch.zeros(2))
        self.bias = nn.Parameter(torch.zeros(()))
        self.head: LateHead | None = None
        self._start: dict[str, Tensor] = {}
        self._keep_start = 0.0

    def train(self, mode: bool = True) -> LateModel:
        """Set the mode of all but the encoders, whose dropout stays off: lists are few, and looks must not blur."""
        super().train(mode)
        self.encoder.eval()
        if self.second is not None:
            self.second.eval()
        return self

    @property
    def pooled(self) -> int:
        """The length of a pooled vector."""
        second = 0 if self.second is None else int(self.second.encoder.config.hidden_size)
        return int(self.encoder.config.hidden_size) + second

    def forward(self, query: str, documents: Sequence[str]) -> Tensor:
        """Return the logits of the documents, shape [n]."""
        return self.combine(*self.similarities(query, documents))

    def similarities(self, query: str, documents: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return cosines and MaxSims, each of shape [n], before the head."""
        found = sorted(self.vectors(documents, self.documents), key=lambda each: each[0])
        return self.compare(query, [(pooled, tokens) for _, pooled, tokens in found])

    def compare(self, query: str, documents: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Return cosines and MaxSims, each of shape [n], of documents that were read: pooled and word vectors."""
        ((_, pooled, tokens),) = self.vectors([query], self.queries)
        cosines = torch.stack([each @ pooled for each, _ in documents])
        maxsims = torch.stack([(tokens @ each.T).amax(dim=1).mean() for _, each in documents])
        return cosines, maxsims

    def combine(self, cosines: Tensor, maxsims: Tensor) -> Tensor:
        """Return the head's logit of each pair of similarities."""
        if self.head is None:
            raise ValueError("the head has not been fitted")
        cosine = (cosines - self.head.cosine.mean) / self.head.cosine.deviation
        maxsim = (maxsims - self.head.maxsim.mean) / self.head.maxsim.deviation
        return self.weights[0] * cosine + self.weights[1] * maxsim + self.bias

    def start_head(self, head: LateHead) -> None:
        """Put the head's weights where training starts from."""
        self.head = head
        with torch.no_grad():
            self.weights.copy_(torch.tensor([head.cosine_weight, head.maxsim_weight]))
            self.bias.fill_(head.bias)

    def remember_start(self, share: float) -> None:
        """Let `averaged` mix this share of the encoder's weights as they are now into those to come."""
        self._keep_start = share
        self._start = {name: value.clone() for name, value in self.encoder.state_dict().items()} if share else {}

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Hold the mean of the encoder's weights and those of the start: it forgets less (Wortsman et al. 2022)."""
        if not self._start:
            yield
            return
        trained = {name: value.clone() for name, value in self.encoder.state_dict().items()}
        mixed = {
            name: torch.lerp(value, self._start[name], self._keep_start) if value.is_floating_point() else value
            for name, value in trained.items()
        }
        self.encoder.load_state_dict(mixed)
        try:
            yield
        finally:
            self.encoder.load_state_dict(trained)

    def trained_head(self) -> LateHead:
        """Return the head as it is now."""
        if self.head is None:
            raise ValueError("the head has not been fitted")
        cosine, maxsim = self.weights.detach().tolist()
        update = {"cosine_weight": cosine, "maxsim_weight": maxsim, "bias": float(self.bias.detach())}
        return self.head.model_copy(update=update)

    def vectors(self, texts: Sequence[str], reading: Reading) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Yield place, pooled vector [h] and word vectors [t, d] of each text, longest texts first."""
        rows = self.tokenizer([reading.text(text) for text in texts], truncation=True, max_length=reading.max_length)[
            "input_ids"
        ]
        order = sorted(range(len(rows)), key=lambda place: (-len(rows[place]), place))
        for start in range(0, len(order), _MICRO_BATCH):
            places = order[start : start + _MICRO_BATCH]
            pooled, tokens = self.read(*self._padded([rows[place] for place in places]))
            for number, place in enumerate(places):
                yield place, pooled[number], tokens[number, reading.words(len(rows[place]))]

    def truncated(self, texts: Sequence[str], reading: Reading) -> int:
        """Return how many of the texts have more tokens than are read."""
        whole = [text for text in texts if not reading.is_cut(text)]
        rows = self.tokenizer([reading.text(text) for text in whole], verbose=False)["input_ids"] if whole else []
        return len(texts) - len(whole) + sum(len(row) > reading.max_length for row in rows)

    def read(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return pooled [n, h] and projected token vectors [n, length, d], all of length 1."""
        with self._precision():
            states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        states = states.float()  # no product after it is rounded: the third digit of a cosine decides ranks
        pooled = pool(states, attention_mask, self.pooling)
        if self.second is not None:
            with self._precision():
                other = self.second.states(input_ids, attention_mask)
            pooled = self.second.join(pooled, pool(other, attention_mask, "mean"))
        return pooled, self.projected(states)

    def projected(self, states: Tensor) -> Tensor:
        """Return token vectors [..., d] of length 1, of states [..., h] of any length."""
        projected: Tensor = functional.normalize(self.projection(states), dim=-1)
        return projected

    def _precision(self) -> AbstractContextManager[object]:
        """What the encoders compute in; no autocast where nothing is rounded: exported nodes would lose their names."""
        return torch.autocast(self.bias.device.type, torch.bfloat16) if self.rounded else nullcontext()

    def save_pretrained(self, folder: str, **_: Any) -> None:
        """Write the averaged encoder, tokenizer and projection; the head stands in the card.

        SentenceTransformer(folder) gives the encoder's pooled vectors, by `encode_query` and `encode_document`.
        """
        from safetensors.torch import save_file

        with self.averaged():
            self.encoder.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        tensors = {"projection": self.projection.weight, "weights": self.weights, "bias": self.bias}
        if self.second is not None:
            tensors["share"] = self.second.share
        save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, Path(folder) / PROJECTION)
        size = self.encoder.config.hidden_size
        write_sentence_modules(Path(folder), self.queries, self.documents, size=size, pooling=self.pooling)

    def save_second(self, folder: Path) -> None:
        """Write the second encoder, if there is one: apart from what learns, which is written at every look."""
        if self.second is not None:
            self.second.encoder.save_pretrained(folder / SECOND)
            self.tokenizer.save_pretrained(folder / SECOND)

    def load_trained(self, folder: Path) -> None:
        """Take projection and head weights from a folder that save_pretrained wrote."""
        from safetensors.torch import load_file

        with loading(str(folder / PROJECTION), "train again"), torch.no_grad():
            tensors = load_file(folder / PROJECTION)
            self.projection.weight.copy_(tensors["projection"])
            self.weights.copy_(tensors["weights"])
            self.bias.copy_(tensors["bias"])
            if self.second is not None:
                self.second.share.copy_(tensors["share"])

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        device = self.bias.device
        ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
        lengths = torch.tensor([len(row) for row in rows])
        mask = torch.arange(ids.shape[1])[None] < lengths[:, None]
        return ids.to(device), mask.long().to(device)


def load_late(
    base: str,
    encoder: EncoderConfig,
    *,
    max_length: int,
    dimension: int,
    second: str | None = None,
    learning: bool = False,
    advice: str = "set [encoder] model to an encoder such as BERT",
) -> LateModel:
    """Return the model on a base's weights, its projection not yet set; one for learning is rounded where that pays.

    Raises ModelError where an encoder cannot be loaded, ConfigError where one is too short for `max_length`, a prefix
    as long as that, or the second reads other tokens.
    """
    source = Source.find(base, advice, called="encoder {!r}")
    rounded = learning and fast_dtype() is torch.bfloat16
    # On a CPU the gradient of fused attention takes three times as long in bfloat16; that of plain products a half.
    attention = {"attn_implementation": "eager"} if rounded and not torch.cuda.is_available() else {}
    encoder_model = source.model("AutoModel", may_lack=UNUSED, **attention).float()
    tokenizer = source.tokenizer(fast=True)
    source.check_vocabulary(tokenizer, encoder_model)
    if max_length > (most := source.positions(encoder_model)):
        raise ConfigError(f"max_length {max_length}: {base} reads at most {most} tokens; lower it")
    prefixes = with_prefixes(encoder, source).prefixes
    beside = load_second(second, tokenizer=tokenizer, max_length=max_length) if second else None
    with source.loading():
        queries, documents = (_reading(tokenizer, prefix, max_length) for prefix in prefixes)
        model = LateModel(
            encoder_model,
            tokenizer,
            queries=queries,
            documents=documents,
            dimension=dimension,
            pooling=pooling_of(source),
            second=beside,
            rounded=rounded,
        )
        with torch.inference_mode():
            list(model.vectors([_PROBE], documents))
    return model


def word_states(model: LateModel, texts: Sequence[str]) -> list[tuple[Tensor, Tensor]]:
    """Return each document's pooled vector [h] and its words' states before the projection [t, h], of length 1."""
    projection, model.projection = model.projection, nn.Identity()  # type: ignore[assignment]
    with torch.no_grad():
        reading: Iterable[tuple[int, Tensor, Tensor]] = model.vectors(texts, model.documents)
        if is_first():
            reading = progress(reading, desc="read documents", unit="document", total=len(texts))
        found = sorted(reading, key=lambda each: each[0])
    model.projection = projection
    return [(pooled, states) for _, pooled, states in found]


def principal_projection(model: LateModel, states: Iterable[Tensor]) -> Tensor:
    """Return the projection that keeps most of the words' states, shape [d, h]: their principal directions."""
    size = model.encoder.config.hidden_size
    total = torch.zeros(size, size, dtype=torch.float64)
    for each in states:
        total += (each.T @ each).double().cpu()
    _, directions = torch.linalg.eigh(total)
    kept: Tensor = directions[:, -model.projection.out_features :].flip(1).T.float().contiguous()
    return kept


def _reading(tokenizer: Any, prefix: str, max_length: int) -> Reading:
    special = tokenizer("a", return_special_tokens_mask=True)["special_tokens_mask"]
    lead, tail = special.index(0), special[::-1].index(0)
    # Of the text behind the prefix, not of the prefix alone: byte-level BPE puts the blank between into the first word.
    offsets = tokenizer(f"{prefix}{_PROBE}", add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    words = sum(start < len(prefix.rstrip()) for start, _ in offsets)
    if lead + words + tail >= max_length:
        raise ConfigError(f"prefix {prefix[:20]!r}: leaves no room for a text in {max_length} tokens; shorten it")
    return Reading(prefix=prefix, max_length=max_length, skip=lead + words, tail=tail)
