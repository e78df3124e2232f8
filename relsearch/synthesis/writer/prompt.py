"""Prompts for writing queries: packaged TOML files, rendered to tokens with the document bounded.

Either a few examples that the model goes on after, or a message to a model that has a chat template.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from relsearch.core.errors import ConfigError
from relsearch.core.files.text_files import prompt_toml
from relsearch.core.settings.load import first_fault
from relsearch.encoders.prompt_tokens import bounded, opening

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


# So many orders of a prompt's examples take turns: what stands before a document is then read once for many of them.
ORDERS = 8
AUTO = "auto"


class Prompted(NamedTuple):
    """A prompt's tokens: those that many documents share, then those of one."""

    shared: tuple[int, ...]
    own: tuple[int, ...]


class Shot(BaseModel):
    """An example: a document and a query that it answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    document: str
    query: str


class WriterPrompt(BaseModel):
    """A few-shot prompt as it stands in its file; `foreign` says that its examples have topics of their own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instruction: str
    shot: str
    shots: tuple[Shot, ...] = Field(min_length=1)
    shown: int = Field(4, ge=1)
    foreign: bool = False

    def encode(self, tokenizer: PreTrainedTokenizerBase, text: str, *, limit: int, turn: int = 0) -> Prompted:
        """Return the prompt's tokens with at most `limit` of the document's; text and turn draw the examples."""
        before = self.instruction + "".join(self._filled(each) for each in self.examples(text, turn))
        opened, between, _ = self._parts()
        # No space at the end, which tokenizers join to a word.
        shared, own = _in_one(tokenizer, before + opened, text, between.rstrip(" "), limit=limit)
        return Prompted((*opening(tokenizer), *shared), own)

    def examples(self, text: str, turn: int) -> list[Shot]:
        """Return the `shown` examples that stand before a document, in one of ORDERS, drawn for it and the turn."""
        order = _drawn(text, turn) % ORDERS
        return sorted(self.shots, key=lambda shot: _drawn(order, shot.query))[: self.shown]

    def _filled(self, shot: Shot) -> str:
        before, between, after = self._parts()
        return before + shot.document + between + shot.query + after

    def _parts(self) -> tuple[str, str, str]:
        """What stands before, between and after document and query."""
        before, _, rest = self.shot.partition("{document}")
        between, _, after = rest.partition("{query}")
        return before, between, after


class WriterMessage(BaseModel):
    """A chat prompt as it stands in its file: one message, which asks for each kind of query in turn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    message: str
    foreign: ClassVar[bool] = False
    kinds: tuple[str, ...] = Field(min_length=1)

    def encode(self, tokenizer: PreTrainedTokenizerBase, text: str, *, limit: int, turn: int = 0) -> Prompted:
        """Return the tokens of the message in the model's chat template; raise ConfigError where it has none."""
        if not tokenizer.chat_template:
            raise ConfigError("[synthesize] base has no chat template; set [synthesize] prompt to a few-shot one")
        kind = self.kinds[(_drawn(text) + turn) % len(self.kinds)]
        turns = [{"role": "user", "content": self.message.replace("{kind}", kind)}]
        # Models that think aloud first are asked not to, in the words that Qwen's template knows.
        options: dict[str, Any] = {"tokenize": False, "add_generation_prompt": True, "enable_thinking": False}
        before, after = str(tokenizer.apply_chat_template(turns, **options)).split("{document}")
        ((document, _),) = bounded(tokenizer, [text], limit)
        first, last = (tokenizer.encode(part, add_special_tokens=False) for part in (before, after))
        return Prompted(tuple(first), (*document, *last))

    def examples(self, text: str, turn: int) -> Sequence[Shot]:
        """Return no examples."""
        del text, turn
        return ()


def load_writer_prompt(name: str, *, chat: bool = False) -> WriterPrompt | WriterMessage:
    """Load a packaged prompt by name or any by path (`*.toml`); raise ConfigError if it cannot be used.

    AUTO is the packaged message where `chat` says that the model has a chat template, else the packaged examples.
    """
    if name == AUTO:
        name = "chat" if chat else "queries"
    keys = prompt_toml(name, resources.files("relsearch.synthesis.writer") / "prompts")
    form = WriterMessage if "message" in keys else WriterPrompt
    try:
        prompt = form.model_validate(keys)
    except ValidationError as exc:
        reason = first_fault(form, exc)
        raise ConfigError(f"[synthesize] prompt {name!r}: {reason}; see the packaged one") from exc
    if isinstance(prompt, WriterMessage):
        if prompt.message.count("{document}") != 1:
            raise ConfigError(f"[synthesize] prompt {name!r}: message needs {{document}} once")
        return prompt
    before, _, after = prompt.shot.partition("{document}")
    if "{query}" in before or after.count("{query}") != 1 or "{document}" in after:
        raise ConfigError(f"[synthesize] prompt {name!r}: shot needs {{document}} and, after it, {{query}}, each once")
    return prompt


def _in_one(tokenizer: PreTrainedTokenizerBase, before: str, text: str, after: str, *, limit: int) -> Prompted:
    """The tokens of a prompt as one text, in which no special token is found; shared are those before the document."""
    ((document, cut),) = bounded(tokenizer, [text], limit)
    if cut:
        text = str(tokenizer.decode(document)).rstrip("\N{REPLACEMENT CHARACTER}")  # of half a character
    whole, shared = (
        tokenizer.encode(part, add_special_tokens=False, split_special_tokens=True)
        for part in (before + text + after, before.rstrip(" "))
    )
    count = len(shared) if whole[: len(shared)] == shared else 0
    return Prompted(tuple(whole[:count]), tuple(whole[count:]))


def _drawn(*key: object) -> int:
    content = "|".join(map(str, key)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big")
