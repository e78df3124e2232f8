"""What a model wrote as queries: one line without marks, and none that repeats the prompt's examples."""

from __future__ import annotations

import re
from collections.abc import Iterable

from relsearch.core.tokenise import word_count
from relsearch.synthesis.writer.echoes import from_examples
from relsearch.synthesis.writer.prompt import WriterMessage, WriterPrompt

_MIN_WORDS, _MAX_WORDS = 2, 20
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"  # what a tokenizer gives for half a character


def own_queries(lines: Iterable[tuple[int, str | None]], text: str, prompt: WriterPrompt | WriterMessage) -> list[str]:
    """Return the queries out of turn and line that repeat none of the examples which that turn's prompt showed."""

    def own(line: str, turn: int) -> bool:
        return not from_examples(line, text, prompt.examples(text, turn), foreign=prompt.foreign)

    return [line for turn, line in lines if line is not None and own(line, turn)]


def clean_query(line: str) -> str | None:
    """Return the first line without quotes, list marks and extra spaces; None where it is no query."""
    first = line.strip().split("\n", 1)[0]
    text = " ".join(re.sub(r"^\W*(?:query|question)\s*:", "", first, flags=re.IGNORECASE).split())
    text = text.strip("\"'“”‘’*`_-•").strip()
    usable = _MIN_WORDS <= word_count(text) <= _MAX_WORDS and re.search(r"\w\w", text)
    return text if usable and _REPLACEMENT not in text else None
