"""Few-shot prompts for writing queries: packaged TOML files, rendered to tokens with the document bounded."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from relsearch.core.errors import ConfigError
from relsearch.core.files.text_files import prompt_toml
from relsearch.core.settings.load import first_fault
from relsearch.encoders.prompt_tokens import bounded, opening

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Shot(BaseModel):
    """One example of a document and a query that it answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    document: str
    query: str


class WriterPrompt(BaseModel):
    """A prompt as it stands in its file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instruction: str
    shot: str
    shots: tuple[Shot, ...] = Field(min_length=1)

    @property
    def before(self) -> str:
        """All that stands before the document to write for."""
        return self.instruction + "".join(self._filled(each) for each in self.shots) + self.shot.split("{document}")[0]

    @property
    def after(self) -> str:
        """What stands between that document and the query; no space at the end, which tokenizers join to a word."""
        return self.shot.split("{document}")[1].split("{query}")[0].rstrip(" ")

    def encode(self, tokenizer: PreTrainedTokenizerBase, text: str, *, limit: int) -> list[int]:
        """Return the prompt's tokens with at most `limit` of the document's."""
        ((document, _),) = bounded(tokenizer, [text], limit)
        before, after = (tokenizer.encode(part, add_special_tokens=False) for part in (self.before, self.after))
        return [*opening(tokenizer), *before, *document, *after]

    def _filled(self, shot: Shot) -> str:
        return self.shot.replace("{document}", shot.document).replace("{query}", shot.query)


def load_writer_prompt(name: str) -> WriterPrompt:
    """Load a packaged prompt by name or any by path (`*.toml`); raise ConfigError if it cannot be used."""
    keys = prompt_toml(name, resources.files("relsearch.synthesis.writer") / "prompts")
    try:
        prompt = WriterPrompt.model_validate(keys)
    except ValidationError as exc:
        reason = first_fault(WriterPrompt, exc)
        raise ConfigError(f"[synthesize] prompt {name!r}: {reason}; see the packaged one") from exc
    before, _, after = prompt.shot.partition("{document}")
    if "{query}" in before or after.count("{query}") != 1 or "{document}" in after:
        raise ConfigError(f"[synthesize] prompt {name!r}: shot needs {{document}} and, after it, {{query}}, each once")
    return prompt
