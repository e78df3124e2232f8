"""Texts as tokens of a causal model's prompt: each bounded, none able to end a chat turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CHAT_TURN = "<|im_start|>"  # ChatML's mark, which opens a turn
# No text has more characters per token; truncating there first keeps a 60,000-character word from the tokenizer.
CHARACTERS_PER_TOKEN = 12


def opening(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the token that the model learnt texts to begin with, as those of Llama and Gemma do; most have none."""
    # A tokenizer read from a GGUF file names ChatML's turn mark so; prompts write their turns out themselves.
    first: list[int] = tokenizer("")["input_ids"][:1]
    return first if first == [tokenizer.bos_token_id] and tokenizer.bos_token != CHAT_TURN else []


def bounded(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], limit: int) -> list[tuple[list[int], bool]]:
    """Return at most `limit` tokens of each text, and whether it was truncated."""
    if not texts:
        return []
    short = [text[: limit * CHARACTERS_PER_TOKEN] for text in texts]
    # split_special_tokens: a text that holds "<|im_end|>" must not end the turn.
    rows = tokenizer(short, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]
    return [
        (row[:limit], len(row) > limit or len(kept) < len(text))
        for row, kept, text in zip(rows, short, texts, strict=True)
    ]
