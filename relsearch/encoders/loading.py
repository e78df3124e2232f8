"""Models that others made, read so that what is wrong with one is found before it is used, and said on one line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any, Literal, TypeVar

from relsearch.core.errors import ModelError
from relsearch.encoders.model_source import loading, resolve
from relsearch.encoders.whole_copy import TOKENIZERS

Made = TypeVar("Made")
Kind = Literal["AutoModel", "AutoModelForCausalLM", "AutoModelForSequenceClassification"]

_CALLED: Mapping[Kind, str] = {
    "AutoModel": "encoder",
    "AutoModelForCausalLM": "language model",
    "AutoModelForSequenceClassification": "cross-encoder",
}
# What stands between the last layer and the scores, as architectures call it.
HEAD = r"(^|\.)(pooler|classifier|score|head|pre_classifier|lm_head|cls)\."
# No use is made of these in an encoder, which may come without them.
UNUSED = r"(^|\.)(pooler|decoder)\."
SHORTEST = 8  # of a pair, special tokens and all
_POSITIONS = 512  # where neither the config nor the weights tell


@dataclass(frozen=True, slots=True)
class Source:
    """The folder of a model, what an error calls it, and what it advises."""

    folder: Path
    name: str
    advice: str

    @classmethod
    def find(cls, name: str, advice: str, *, called: str = "{}") -> Source:
        """Find a model as `weights.resolve` does, and raise as it does; `called` says what the model is for."""
        found = cls(resolve(name), called.format(name), advice)
        if not any(path for pattern in TOKENIZERS for path in found.folder.glob(pattern)):
            raise ModelError(f"{found.name} has no tokenizer (tokenizer.json); copy the whole model")
        return found

    def loading(self) -> AbstractContextManager[None]:
        """Return what turns any error of a library into a ModelError about this model."""
        return loading(self.name, self.advice)

    def build(self, make: Callable[[], Made]) -> Made:
        """Return what sentence-transformers makes of the folder; raise ModelError where it cannot."""
        try:
            with self.loading():
                return make()
        except ModelError:
            self.tokenizer()  # where this is what cannot be read, transformers' own words for it say more
            raise

    def model(self, kind: Kind, *, may_lack: str | None = None, **options: Any) -> Any:
        """Return the model on the CPU; raise ModelError where it cannot be loaded, or not wholly.

        `may_lack` is a pattern of the parameters that may be new.
        """
        found, info = self._load(kind, **options)
        self._check_whole(kind, info, may_lack)
        self.check_finite(found)
        return found.eval()

    def check(self, kind: Kind, *, may_lack: str | None = None, **options: Any) -> None:
        """Raise ModelError where the weights are not those of a model of this kind; they are not read."""
        _, info = self._load(kind, device_map="meta", **options)
        self._check_whole(kind, info, may_lack)

    def tokenizer(self, *, fast: bool = False) -> Any:
        """Return the tokenizer; raise ModelError where there is none, or none that is fast where it has to be."""
        from transformers import AutoTokenizer

        with self.loading():
            tokenizer = AutoTokenizer.from_pretrained(str(self.folder), trust_remote_code=False)
        if fast:
            self.check_fast(tokenizer)
        return tokenizer

    def check_fast(self, tokenizer: Any) -> None:
        """Raise ModelError where a tokenizer cannot be written as tokenizer.json."""
        if not tokenizer.is_fast:
            raise ModelError(f"{self.name} has no tokenizer.json, and none can be made of its files; {self.advice}")

    def positions(self, model: Any) -> int:
        """Return how many tokens a model has positions for; raise ModelError where that is too few to read a pair."""
        if (most := positions(model)) < SHORTEST:
            raise ModelError(f"{self.name}: reads {most} tokens, {SHORTEST} are needed; {self.advice}")
        return most

    def encoder_reads(self) -> int:
        """Return how many tokens the encoder has positions for; its weights are not read. Raise as `positions`."""
        found, _ = self._load("AutoModel", device_map="meta")
        return self.positions(found)

    def check_finite(self, model: Any) -> None:
        """Raise ModelError where a weight is NaN or infinite: scores would be, and no comparison would tell."""
        import torch

        for name, weights in model.named_parameters():
            if weights.numel() and not all(bool(torch.isfinite(each)) for each in torch.aminmax(weights)):
                raise ModelError(f"{self.name}: {name} holds NaN or infinite weights; {self.advice}")

    def check_vocabulary(self, tokenizer: Any, model: Any) -> None:
        """Raise ModelError where the tokenizer has tokens that the model has no embedding of."""
        known, last = model.get_input_embeddings().num_embeddings, max(tokenizer.get_vocab().values())
        if last >= known:
            raise ModelError(
                f"{self.name}: its tokenizer has tokens up to {last}, the model knows {known}; copy the whole model"
            )

    def _load(self, kind: Kind, **options: Any) -> tuple[Any, dict[str, Sequence[Any]]]:
        import torch
        import transformers

        options = {"dtype": torch.float32, **options}  # by default that of the file: half precision is not trained

        with self.loading():
            # Sizes that differ are reported beside what is missing, not raised as a list of all.
            found = getattr(transformers, kind).from_pretrained(
                str(self.folder),
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                **options,
            )
        model, info = found
        return model, info

    def _check_whole(self, kind: Kind, info: dict[str, Sequence[Any]], may_lack: str | None) -> None:
        other, lacking = (
            sorted(name for name in map(_name_of, info[which]) if not (may_lack and re.search(may_lack, name)))
            for which in ("mismatched_keys", "missing_keys")
        )
        if other:
            raise ModelError(f"{self.name}: {other[0]} has another size than config.json says; {self.advice}")
        if head := next((name for name in lacking if re.search(HEAD, name)), None):
            raise ModelError(f"{self.name}: no {_CALLED[kind]}, its head ({head}) is not in the weights; {self.advice}")
        if lacking:
            more = f" and {len(lacking) - 1} more" if lacking[1:] else ""
            raise ModelError(f"{self.name}: {lacking[0]}{more} not in its weights; {self.advice}")


def _name_of(reported: str | Sequence[Any]) -> str:
    """The name of a parameter that transformers reports, beside its sizes where these differ."""
    return reported if isinstance(reported, str) else str(reported[0])


def positions(model: Any) -> int:
    """Return how many tokens a model has positions for, _POSITIONS where nothing tells."""
    return known_positions(model) or _POSITIONS


def known_positions(model: Any) -> int | None:
    """Return how many tokens a model has positions for, None where neither its config nor its weights tell.

    Those of RoBERTa and MPNet begin after their padding's.
    """
    from torch import nn

    tables = [
        part.num_embeddings - (0 if part.padding_idx is None else part.padding_idx + 1)
        for name, part in model.named_modules()
        if isinstance(part, nn.Embedding) and name.endswith("position_embeddings")
    ]
    names = ("max_position_embeddings", "max_seq_len")  # MPT's and DBRX's
    stated = next((most for name in names if (most := getattr(model.config, name, None))), 0)
    # -1 is XLNet's word for no limit.
    return min((count for count in (stated, *tables) if count > 0), default=None)


def tells_types(model: Any) -> bool:
    """Tell whether a model takes token types and knows more than one: DistilBERT takes none, RoBERTa knows one."""
    return "token_type_ids" in signature(model.forward).parameters and all(
        part.num_embeddings > 1 for name, part in model.named_modules() if name.endswith("token_type_embeddings")
    )
