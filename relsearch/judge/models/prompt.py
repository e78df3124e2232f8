"""Prompts: packaged TOML files, rendered to tokens with query and document bounded before any tensor is made."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from relsearch.core.errors import ConfigError
from relsearch.core.files.text_files import encodable, prompt_toml
from relsearch.core.settings.config import JudgeConfig
from relsearch.core.settings.load import first_fault
from relsearch.core.types import Pair, Scale
from relsearch.encoders.prompt_tokens import CHARACTERS_PER_TOKEN, CHAT_TURN, bounded, opening

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Prompt(BaseModel):
    """A prompt as it stands in its file, and as it is kept in a judge folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    descriptions: tuple[str, ...] = ()

    def render_scale(self, scale: Scale) -> str:
        """Return the text with everything filled in but query and document."""
        fits = len(self.descriptions) == len(scale.names)
        meanings = self.descriptions if fits else scale.names
        lines = [f"{grade}: {meaning}" for grade, meaning in zip(scale.grades, meanings, strict=True)]
        filled = self.text.replace("{grades}", "\n".join(lines))
        return filled.replace("{lowest}", str(scale.lowest)).replace("{highest}", str(scale.highest))


@dataclass(frozen=True, slots=True)
class Tokens:
    """One pair as tokens: what stands before the document, then document and ending, and whether it was truncated.

    `query` is the part of `rest` where the query stands once more, (start, stop); empty where it does not.
    """

    prefix: tuple[int, ...]
    rest: tuple[int, ...]
    truncated: bool
    query: tuple[int, int] = (0, 0)


class PromptEncoder:
    """Turns pairs into tokens for one tokenizer, prompt and scale."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, prompt: Prompt, *, scale: Scale, config: JudgeConfig
    ) -> None:
        self._tokenizer = tokenizer
        self._max_query_tokens = config.max_query_tokens
        self._max_document_tokens = config.max_document_tokens
        before, after = prompt.render_scale(scale).split("{document}")
        self._before = [self._fixed(part) for part in before.split("{query}")]
        self._before[0] = opening(tokenizer) + self._before[0]
        self._after = [self._fixed(part) for part in after.split("{query}")]

    def encode(self, pairs: Sequence[Pair]) -> list[Tokens]:
        """Return the tokens of each pair, in order."""
        texts = list(dict.fromkeys(pair.query for pair in pairs))
        queries = dict(zip(texts, bounded(self._tokenizer, texts, self._max_query_tokens), strict=True))
        documents = bounded(self._tokenizer, [pair.text for pair in pairs], self._max_document_tokens)
        return [self._join(queries[pair.query], document) for pair, document in zip(pairs, documents, strict=True)]

    def _join(self, query: tuple[list[int], bool], document: tuple[list[int], bool]) -> Tokens:
        prefix = _interleave(self._before, query[0])
        rest = document[0] + _interleave(self._after, query[0])
        if not rest:  # an empty document at the prompt's end: there has to be a token whose state is read
            prefix, rest = prefix[:-1], prefix[-1:]
        stop = len(rest) - len(self._after[-1])
        again = (stop - len(query[0]), stop) if len(self._after) > 1 else (0, 0)
        return Tokens(tuple(prefix), tuple(rest), query[1] or document[1], again)

    def _fixed(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False)) if text else []


class ChatPrompt:
    """Turns pairs into one user message each; bounded in characters, as the endpoint's tokenizer is not at hand."""

    def __init__(self, name: str, scale: Scale, *, max_document_tokens: int) -> None:
        self.text = load_prompt(name).render_scale(scale)
        if CHAT_TURN in self.text:
            raise ConfigError(f"prompt {name!r} writes its own chat turns, which an endpoint adds; use 'umbrela'")
        self._before, self._after = self.text.split("{document}")
        self._limit = max_document_tokens * CHARACTERS_PER_TOKEN

    def message(self, pair: Pair) -> tuple[str, bool]:
        """Return the message of a pair, and whether its query or text was truncated."""
        query, document = encodable(pair.query[: self._limit]), encodable(pair.text[: self._limit])
        text = self._before.replace("{query}", query) + document + self._after.replace("{query}", query)
        return text, max(len(pair.query), len(pair.text)) > self._limit


def load_prompt(name: str) -> Prompt:
    """Load a packaged prompt by name or any by path (`*.toml`); raise ConfigError if it cannot be used."""
    keys = prompt_toml(name, resources.files("relsearch.judge") / "prompts")
    try:
        prompt = Prompt.model_validate(keys)
    except ValidationError as exc:
        raise ConfigError(f"prompt {name!r}: {first_fault(Prompt, exc)}; see the packaged prompts") from exc
    _check(name, prompt.text)
    return prompt


def _check(name: str, text: str) -> None:
    unknown = set(re.findall(r"\{(\w+)\}", text)) - {"lowest", "highest", "grades", "query", "document"}
    if unknown:
        raise ConfigError(f"prompt {name!r}: unknown placeholder {{{min(unknown)}}}")
    if text.count("{document}") != 1 or "{query}" not in text:
        raise ConfigError(f"prompt {name!r}: needs {{query}}, and {{document}} exactly once")
    if text.startswith("{document}"):
        raise ConfigError(f"prompt {name!r}: begins with {{document}}; put a word before it, such as Passage:")


def _interleave(parts: list[list[int]], query: list[int]) -> list[int]:
    tokens = list(parts[0])
    for part in parts[1:]:
        tokens += query + part
    return tokens
