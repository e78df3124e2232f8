"""Long documents in windows: any judge reads every part of a text, and the best window or their mean is the label.

The best window ("max") is MaxP of Dai and Callan (2019): a document is as relevant as its most relevant passage.
Windows are counted in characters, since words need a language; they end at white space where there is some. A part
in the middle of a text seldom says what the text is about, so windows after the first begin with its title.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice, tee
from typing import Literal

from relsearch.core.errors import ConfigError
from relsearch.core.protocols import Judge
from relsearch.core.query_pool import QueryPool
from relsearch.core.types import Judgment
from relsearch.judge.fingerprint import fingerprint_of
from relsearch.judge.judge_base import WrappedJudge, judged, mean_judgment

Combine = Literal["max", "mean"]
_LOG = logging.getLogger(__name__)


class WindowedJudge(WrappedJudge):
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
        title = min(title, characters // 4)
        about = ("windows", judge.fingerprint, characters, overlap, title, max_windows, combine)
        super().__init__(judge, fingerprint=fingerprint_of(*about), scale=judge.scale)
        self._characters = characters
        self._overlap = overlap
        self._title = title
        self._max_windows = max_windows
        self._combine = combine

    def judge(self, pools: Iterable[QueryPool]) -> Iterator[list[Judgment]]:
        """Yield the judgments of one pool after the other; holds no more pools than the inner judge reads ahead."""
        split, kept = tee(map(self._split, pools))
        for (_, judgments), (_, counts) in zip(judged(self._inner, (pool for pool, _ in split)), kept, strict=False):
            windows = iter(judgments)
            labels = [self._combined(list(islice(windows, count))) for count in counts]
            yield [replace(label, judge=self.fingerprint) for label in labels]

    def _split(self, pool: QueryPool) -> tuple[QueryPool, list[int]]:
        """The pool with each window as a document, and the number of windows of each document."""
        windows_of = [self._windows(text) for text in pool.texts]
        counts = [len(each) for each in windows_of]
        doc_ids = chain.from_iterable([doc_id] * count for doc_id, count in zip(pool.doc_ids, counts, strict=True))
        return replace(pool, doc_ids=tuple(doc_ids), texts=tuple(chain.from_iterable(windows_of))), counts

    def _windows(self, text: str) -> list[str]:
        every = windows(text, self._characters, self._overlap, title=self._title)
        read = list(islice(every, self._max_windows))
        self._count_truncated(next(every, None) is not None)
        return read

    def _combined(self, windows: Sequence[Judgment]) -> Judgment:
        missing = [one for one in windows if one.grade is None]
        if missing or len(windows) == 1:
            return (missing or windows)[0]
        return max(windows, key=_height) if self._combine == "max" else mean_judgment(windows, self.scale)

    def _count_truncated(self, truncated: bool) -> None:
        if truncated and not self._truncated:
            _LOG.info("some documents have more than %d windows; the rest of them is not read", self._max_windows)
        self._truncated += truncated


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
