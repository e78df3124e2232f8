"""Queries that documents ask by themselves: their titles, their headings, their most salient phrases."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from relsearch.core.tokenise import WORD, word_count
from relsearch.core.types import Document

_MIN_WORDS, _MAX_WORDS = 2, 12
_PHRASE_WORDS = (2, 3, 4)
# BM25's k1: a word said five times is not five times as salient as one said once.
_SATURATION = 1.2
# A word in more of the documents than that joins others ("of", "the") and says nothing by itself.
_COMMON_SHARE = 0.2
_PAUSE = re.compile(r"[.!?;:,()\[\]{}\"“”|\n]+(?:\s|$)|[。！？；：，、（）「」『』【】《》]+")
_UNDERLINE = re.compile(r"([=\-~^*#\"])\1{2,}\s*")


def titles(document: Document) -> list[str]:
    """Return the document's title, if it has one that could be a query."""
    return _usable([document.fields.get("title", "")])


def headings(document: Document) -> list[str]:
    """Return the headings within the document's fields: marked with # or underlined, as in Markdown and RST."""
    found: list[str] = []
    for text in document.fields.values():
        lines = text.splitlines()
        found += [line.lstrip("#").strip() for line in lines if re.match(r"#{1,6} \S", line)]
        found += [
            line.strip()
            for line, below in pairwise(lines)
            if line.strip() and _UNDERLINE.fullmatch(below) and not _UNDERLINE.fullmatch(line)
        ]
    return _usable(found)


def phrases(texts: Sequence[str], count: int) -> list[list[str]]:
    """Return up to `count` phrases of each text, the most salient first, no two sharing a word.

    Salience of a phrase is the sum over its words of idf x tf / (tf + 1.2); idf is over the given texts. A phrase
    neither begins nor ends with a word that a fifth of the texts hold, nor with a number. Text without spaces between
    its words has no phrases.
    """
    split = [_sentences(text) for text in texts]
    frequency = Counter(word for sentences in split for word in {word for words in sentences for word in words})
    idf = {word: math.log(1 + (len(texts) - df + 0.5) / (df + 0.5)) for word, df in frequency.items()}
    common = {word for word, df in frequency.items() if df > max(1, _COMMON_SHARE * len(texts)) or word.isdigit()}
    return [_salient(sentences, count, idf=idf, common=common) for sentences in split]


def _salient(
    sentences: Sequence[Sequence[str]], count: int, *, idf: Mapping[str, float], common: set[str]
) -> list[str]:
    times = Counter(word for words in sentences for word in words)
    salience = {word: idf[word] * tf / (tf + _SATURATION) for word, tf in times.items() if word not in common}
    found = {
        words[start : start + size]
        for words in map(tuple, sentences)
        for size in _PHRASE_WORDS
        for start in range(len(words) - size + 1)
        if words[start] not in common and words[start + size - 1] not in common
    }
    ranked = sorted(found, key=lambda phrase: (-sum(salience.get(word, 0.0) for word in {*phrase}), phrase))
    chosen: list[str] = []
    taken: set[str] = set()
    for phrase in ranked:
        if len(chosen) < count and not taken & salience.keys() & {*phrase}:
            chosen.append(" ".join(phrase))
            taken |= {*phrase}
    return chosen


def _sentences(text: str) -> list[list[str]]:
    """The words between marks that a phrase does not cross."""
    return [WORD.findall(part.casefold()) for part in _PAUSE.split(text)]


def _usable(lines: Sequence[str]) -> list[str]:
    cleaned = (" ".join(line.split()) for line in lines)
    return list(dict.fromkeys(line for line in cleaned if _MIN_WORDS <= word_count(line) <= _MAX_WORDS))
