"""How texts are read: prefixes, lengths, and which of the tokens are words of the text."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from relsearch.encoders.character_limit import MAX_CHARACTERS_PER_TOKEN, beginning, is_cut


class Reading(BaseModel):
    """One kind of text, query or document.

    The first `skip` tokens of what is read (special ones and the prefix) and the last `tail` are no words of the
    text: the pooled vector counts them, MaxSim does not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prefix: str
    max_length: int = Field(ge=8)
    skip: int = Field(ge=0)
    tail: int = Field(ge=0)

    @property
    def most_characters(self) -> int:
        """How many of a text's characters are looked at, a 60,000-character word being cut before."""
        return MAX_CHARACTERS_PER_TOKEN * self.max_length

    def text(self, text: str) -> str:
        """Return what is tokenised: prefix and text."""
        return self.prefix + beginning(text, self.most_characters)

    def is_cut(self, text: str) -> bool:
        """Tell whether that leaves out some of the text, before any token is counted."""
        return is_cut(text, self.most_characters)

    def words(self, length: int) -> slice:
        """Return which of an input's `length` tokens are words of the text; all where none would be left."""
        end = length - self.tail
        return slice(self.skip, end) if end > self.skip else slice(0, length)
