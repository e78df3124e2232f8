"""Which of two orders people prefer: blind votes, kept in a file, and a sign test.

The sides of a vote are shuffled and their names hidden until it is given. The exact two-sided sign test leaves out
votes of "equal" (Dixon and Mood 1946).
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Literal

from relsearch.core.errors import DataError
from relsearch.live.ui.journal import Journal

Answer = Literal["left", "right", "equal"]
ANSWERS: tuple[Answer, ...] = ("left", "right", "equal")
_MOST_BALLOTS = 1_000  # open at once


@dataclass(frozen=True, slots=True)
class Ballot:
    """A question that is open: the query, and the systems as they are shown."""

    query: str
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class Tally:
    """The votes between two systems; `p` is the sign test's, None without a vote for either."""

    first: str
    second: str
    for_first: int
    for_second: int
    equal: int
    p: float | None


class Preferences:
    """The votes so far, and the questions that are open."""

    def __init__(self, path: Path) -> None:
        self._journal = Journal(path)
        self._open: dict[str, Ballot] = {}
        self._lock = Lock()

    def ask(self, query: str, first: str, second: str) -> tuple[str, Ballot]:
        """Return a new question, its sides in random order, and the token that its vote names."""
        left, right = (first, second) if secrets.randbits(1) else (second, first)
        token, ballot = secrets.token_urlsafe(16), Ballot(query, left, right)
        with self._lock:
            self._open[token] = ballot
            while len(self._open) > _MOST_BALLOTS:
                del self._open[next(iter(self._open))]
        return token, ballot

    def vote(self, token: str, answer: str, grader: str) -> Ballot:
        """Keep a vote and return what was compared; raise DataError where it is not open, or no answer.

        The same vote may come again, from a browser that did not see the answer to it: it counts once.
        """
        if answer not in ANSWERS:
            raise DataError(f"a vote is one of: {', '.join(ANSWERS)}")
        with self._lock:  # until the vote is kept: the same one that comes meanwhile is told so
            ballot = self._open.get(token)
            if ballot is None:
                return self._kept(token, answer)
            self._journal.append(
                {
                    "query": ballot.query,
                    "left": ballot.left,
                    "right": ballot.right,
                    "preferred": _preferred(ballot, answer),
                    "grader": grader,
                    "token": token,
                }
            )
            del self._open[token]
            return ballot

    def _kept(self, token: str, answer: str) -> Ballot:
        row = next((each for each in reversed(self._journal.rows) if each.get("token") == token), None)
        if row is None:
            raise DataError(
                "this comparison is closed: the server or a thousand comparisons have started since; compare again"
            )
        ballot = Ballot(row["query"], row["left"], row["right"])
        if _preferred(ballot, answer) != row["preferred"]:
            raise DataError("this comparison is closed: it has another vote; compare again")
        return ballot

    def tallies(self) -> list[Tally]:
        """Return the votes for each two systems, in the order of their first vote."""
        return list(self._tallies())

    def _tallies(self) -> Iterator[Tally]:
        from scipy.stats import binomtest

        votes: dict[tuple[str, str], Counter[str | None]] = {}
        for row in self._journal.rows:
            first, second = sorted((row["left"], row["right"]))
            votes.setdefault((first, second), Counter())[row["preferred"]] += 1
        for (first, second), count in votes.items():
            decided = count[first] + count[second]
            p = float(binomtest(count[first], decided).pvalue) if decided else None
            yield Tally(first, second, count[first], count[second], count[None], p)


def _preferred(ballot: Ballot, answer: str) -> str | None:
    return {"left": ballot.left, "right": ballot.right}.get(answer)
