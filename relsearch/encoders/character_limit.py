"""How many characters of a text are looked at, before it is tokenised."""

from __future__ import annotations

import re

# About 12 characters a token is beyond any real text; cutting first keeps a 60,000-character word cheap to tokenise.
MAX_CHARACTERS_PER_TOKEN = 12
_RUN = re.compile(r"\s{2,}")


def beginning(text: str, characters: int) -> str:
    """Return the text, or where it is longer the first `characters` of it with each run of white space as one.

    White space makes no tokens: a page that begins with thousands of blanks would be read as empty.
    """
    if len(text) <= characters:
        return text
    looked_at = max(characters, 1)
    while True:
        found = _collapsed(text[:looked_at])
        if looked_at >= len(text):
            return found[:characters]
        found = found.rstrip()  # a run may go on beyond what was looked at
        if len(found) >= characters:
            return found[:characters]
        looked_at *= 2


def ending(text: str, characters: int) -> str:
    """Return the text, or where it is longer the last `characters` of it, as `beginning` does the first."""
    return text if len(text) <= characters else beginning(text[::-1], characters)[::-1]


def is_cut(text: str, characters: int) -> bool:
    """Tell whether `beginning` leaves out more than white space."""
    return len(text) > characters and len(_collapsed(text).rstrip()) > characters


def _collapsed(text: str) -> str:
    return _RUN.sub(lambda run: "\n" if "\n" in run[0] else run[0][0], text)
