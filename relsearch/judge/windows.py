"""Long documents in windows: any judge reads every part of a text, and the best window or their mean is the label.

The best window ("max") is MaxP of Dai and Callan (2019): a document is as relevant as its most relevant passage.
Windows are counted in characters, since words need a language; they end at white space where there is some. A part
in the middle of a text seldom says what the text is about, so windows after the first begin with its title.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Literal

import numpy as np

from relsearch.core.errors import ConfigError, DataError
from relsearch.core.protocols import Judge
from relsearch.core.types import Judgment, Pair, Scale
from relsearch.judge.fingerprint import fingerprint_of

Combine = Literal["max", "mean"]
_LOG = logging.getLogger(__name__)


class WindowedJudge:
    """Any judge, over windows of at most `characters`; `truncated` counts documents with more than `max_windows`.

    "max" takes the judgment of the window with the highest expected grade, the first of equals. "mean" averages the
    distributions and rounds their expected grade. `title` is how many characters of a text's first line, at most a
    quarter of a window, the later windows begin with; 0 where a text's first line is not its title. Texts of one window
    get what the judge itself gives them; where a window's label is missing, the document's is.
    """

    def __init__(
        self,
        judge: Judge,
        *,
        characters: int,
        overlap: int = 0,
        title: int = 0,
        max_windows: int = 8,
        combine: Combine = "max",
    ) -> None:
        if characters < 1 or max_windows < 1 or not 0 <= overlap <= characters // 2 or combine not in ("max", "mean"):
            raise ConfigError(
                f"windows of {characters} characters, overlap {overlap}, at most {max_windows}, {combine!r}: needs at "
                "least 1 character and window, an overlap of at most half a window, and max or mean"
            )
        self._judge = judge
        self._characters = characters
        self._overlap = overlap
        self._title = min(title, characters // 4)
        self._max_windows = max_windows
        self._combine = combine
        about = ("windows", judge.fingerprint, characters, overlap, self._title, max_windows, combine)
        self._fingerprint = fingerprint_of(*about)
        self.truncated = 0

    @property
    def fingerprint(self) -> str:
        """A hash of the judge's fingerprint and the windows' settings."""
        return self._fingerprint

    @property
    def scale(self) -> Scale:
        """The scale its grades are on."""
        return self._judge.scale

    @property
    def pooled(self) -> bool:
        """Whether the judge beneath looks at a query's other pairs."""
        return self._judge.pooled

    def judge(self, pairs: Iterable[Pair]) -> Iterator[Judgment]:
        """Yield one judgment a pair, in the order of the pairs; holds no more pairs than the judge reads ahead."""
        waiting: deque[tuple[str, str, int]] = deque()
        judged = iter(self._judge.judge(self._parts(pairs, waiting)))
        for first in judged:
            query_id, doc_id, count = waiting.popleft() if waiting else ("", "", 0)
            windows = [first, *islice(judged, max(count - 1, 0))]
            if [(one.query_id, one.doc_id) for one in windows] != [(query_id, doc_id)] * count:
                raise self._mismatch()
            yield replace(self._combined(windows), judge=self._fingerprint)
        if waiting:
            raise self._mismatch()

    def _parts(self, pairs: Iterable[Pair], waiting: deque[tuple[str, str, int]]) -> Iterator[Pair]:
        for pair in pairs:
            found = windows(pair.text, self._characters, self._overlap, title=self._title)
            kept = list(islice(found, self._max_windows))
            self._count_truncated(next(found, None) is not None)
            waiting.append((pair.query_id, pair.doc_id, len(kept)))
            for text in kept:
                yield replace(pair, text=text)

    def _combined(self, windows: Sequence[Judgment]) -> Judgment:
        missing = [one for one in windows if one.grade is None]
        if missing or len(windows) == 1:
            return (missing or windows)[0]
        return max(windows, key=_height) if self._combine == "max" else _mean(windows, self.scale)

    def _count_truncated(self, cut: bool) -> None:
        if cut and not self.truncated:
            _LOG.info("some documents have more than %d windows and are cut there", self._max_windows)
        self.truncated += cut

    def _mismatch(self) -> DataError:
        return DataError(
            f"judge {self._judge.fingerprint}: did not give one judgment a window in order; mend the judge"
        )


def windows(text: str, characters: int, overlap: int, *, title: int = 0) -> Iterator[str]:
    """Yield the text's windows of at most `characters`; each after the first begins with the text's title.

    The title is the first line where others follow, cut after `title` characters.
    """
    line, more, _ = text.partition("\n")
    heading = line[:title].rstrip() + "\n" if title and more and line.strip() else ""
    room = characters - len(heading)
    found = spans(text, characters, min(overlap, room // 2), later=room)
    for start, end in found:
        yield text[start:end] if start == 0 else heading + text[start:end]


def spans(text: str, characters: int, overlap: int, *, later: int | None = None) -> Iterator[tuple[int, int]]:
    """Yield start and end of windows that cover the text, each of at most `characters`; an empty text is one window.

    Windows after the first have at most `later` characters, where that is given.

    A window ends after the last white space of its second half, and inside a word where there is none there, as in
    Chinese or in a word that is longer than half a window. The next one starts at most `overlap` before that end, after
    white space if the overlap holds some.
    """
    start, end = 0, _end(text, 0, characters)
    yield start, end
    while end < len(text):
        start = _start(text, end - overlap, end)
        end = _end(text, start, later or characters)
        yield start, end


def _end(text: str, start: int, characters: int) -> int:
    limit = start + characters
    if limit >= len(text):
        return len(text)
    places = range(limit, start + characters // 2, -1)
    return next((place for place in places if text[place - 1].isspace()), limit)


def _start(text: str, earliest: int, end: int) -> int:
    return next((place for place in range(earliest, end) if text[place - 1].isspace()), earliest)


def _height(judgment: Judgment) -> float:
    return float(judgment.grade or 0) if judgment.expected is None else judgment.expected


def _mean(windows: Sequence[Judgment], scale: Scale) -> Judgment:
    rows = [one.probabilities for one in windows if one.probabilities is not None]
    if len(rows) != len(windows):
        raise DataError(f"judge {windows[0].judge}: gives no distributions to average; combine windows by max")
    mean = np.asarray(rows, dtype=np.float64).mean(axis=0)
    expected = float(mean @ np.asarray(scale.grades, dtype=np.float64))
    # Rounded before the half is added, so that a mean of 1.5 is one whatever its last bit.
    grade = min(max(int(np.floor(round(expected, 9) + 0.5)), scale.lowest), scale.highest)
    shares = tuple(float(share) for share in mean)
    confidence = shares[grade - scale.lowest]
    return replace(windows[0], grade=grade, probabilities=shares, expected=expected, confidence=confidence)
