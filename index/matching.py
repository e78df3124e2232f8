"""Where a text has a query's words, by the analysis that the embedded index searches with."""

from __future__ import annotations

import re

from relsearch.index.embedded import analyser

_WORD = re.compile(r"\w+")


def matched_spans(query: str, text: str, language: str) -> list[tuple[int, int]]:
    """Return start and end of each word of the text that the query has too, in the text's order."""
    analyse = analyser(language)
    wanted = set(analyse(query))
    words = {word: not wanted.isdisjoint(analyse(word)) for word in set(_WORD.findall(text))} if wanted else {}
    return [found.span() for found in _WORD.finditer(text) if words.get(found[0])]
