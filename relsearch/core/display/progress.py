"""Progress of long work, with rate and time left: a bar on a terminal, a line every 30 seconds in a log."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

from relsearch.core.display.wording import counted

_BAR_DELAY_S = 2.0
LOG_EVERY_S = 30.0


_CURSOR_UP = "\x1b[A"  # after what a bar below another one shows


class _Lines:
    """Stderr for a bar that is no terminal's: each state becomes a line, and what only wipes the bar is dropped."""

    def write(self, text: str) -> None:
        if line := text.replace("\r", "").replace(_CURSOR_UP, "").strip():
            sys.stderr.write(line + "\n")

    def flush(self) -> None:
        sys.stderr.flush()


class _Bar(tqdm):  # type: ignore[misc]  # it has no types
    """A bar whose slow rates read `4.83 s/query`; tqdm writes `4.83s/ query`, since the unit begins with a space."""

    def __str__(self) -> str:
        return str(super().__str__()).replace("s/ ", " s/")


def progress(iterable: Any = None, *, desc: str, unit: str, total: int | None = None, initial: int = 0) -> tqdm:
    """Return a tqdm bar over an iterable, or one to update, that what is short never shows.

    `unit` is a noun in the singular; `initial` is how much was done by an earlier run, which the rate leaves out.
    """
    shared: dict[str, Any] = {"desc": desc, "unit": f" {unit}", "total": total, "initial": initial}
    if sys.stderr.isatty():
        return _Bar(iterable, delay=_BAR_DELAY_S, **shared)
    every = {"delay": LOG_EVERY_S, "mininterval": LOG_EVERY_S, "miniters": 1, "leave": False}
    line = _LINE.replace("UNITS", counted(total, unit).partition(" ")[2]) if total else None
    return _Bar(iterable, file=_Lines(), ncols=100, ascii=True, bar_format=line, **every, **shared)


_LINE = "{desc}: {percentage:3.0f} %, {n_fmt} of {total_fmt} UNITS in {elapsed}, {rate_fmt}, {remaining} left"
