"""Tokens of what is no word between spaces: scripts that are written without them, and emoji.

Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese become pairs of neighbouring characters, as Lucene's CJKAnalyzer
makes them, with each Chinese character by itself as well as its pairs, since it often is a word. Korean has spaces, but
its words carry endings. Emoji are a token each; what joins or colours them is left out.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

_HAN = "々〇\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_KANA = "\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"
_HANGUL = "\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb"
_BOPOMOFO = "\u3105-\u312f\u31a0-\u31bf"
_SOUTH_EAST_ASIA = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u0edc-\u0edf\u1000-\u103f\u1050-\u108f\u1780-\u17d3\u17dc-\u17dd"
)
WORD = re.compile(r"\w+(?:['’.-]\w+)*")
_UNSPACED = re.compile(f"[{_HAN}{_KANA}{_HANGUL}{_BOPOMOFO}{_SOUTH_EAST_ASIA}]+")
_SIGNED = re.compile(f"[{_SOUTH_EAST_ASIA}\u3099\u309a]")  # scripts whose characters may carry signs, and Japan's two
_CHINESE = re.compile(f"[{_HAN}]")
# Flags are two letters; skin colours (1F3FB-1F3FF) are no emoji of their own.
_EMOJI = re.compile("[\U0001f1e6-\U0001f1ff]{2}|[\u2600-\u27bf\u2b50\u2b55\U0001f300-\U0001f3fa\U0001f400-\U0001faff]")


def without_unspaced(text: str) -> str:
    """Return the text with spaces for its runs of scripts that are written without them."""
    return text if text.isascii() else _UNSPACED.sub(" ", text)


def word_count(text: str) -> float:
    """Return how many words a text has; two characters of a script without spaces count as one."""
    unspaced = 0 if text.isascii() else sum(map(len, _UNSPACED.findall(text)))
    return len(WORD.findall(without_unspaced(text))) + unspaced / 2


def unspaced_tokens(text: str) -> list[str]:
    """Return the tokens of such runs, and the emoji."""
    if text.isascii():
        return []
    runs = (token for run in _UNSPACED.findall(text) for token in _tokens(unicodedata.normalize("NFKC", run)))
    return [*runs, *_EMOJI.findall(text)]


def _tokens(run: str) -> list[str]:
    characters = _with_marks(run)
    if len(characters) == 1:
        return characters
    return [*map("".join, pairwise(characters)), *filter(_CHINESE.match, characters)]


def _with_marks(run: str) -> list[str]:
    """The characters, each with the vowel signs and tone marks that stand on it."""
    if not _SIGNED.search(run):
        return list(run)
    found: list[str] = []
    for sign in run:
        if found and unicodedata.category(sign).startswith("M"):
            found[-1] += sign
        else:
            found.append(sign)
    return found
