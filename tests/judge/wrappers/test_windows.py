"""Long documents: every part is read, by windows that no language breaks, and one judgment comes back."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relsearch.core.errors import ConfigError, DataError
from relsearch.core.protocols import Judge
from relsearch.core.query_pool import QueryPool
from relsearch.core.types import SCALES, Judgment, Pair
from relsearch.judge.judge_base import JudgeBase
from relsearch.judge.store.judgment_store import judge_all
from relsearch.judge.wrappers.windows import WindowedJudge, spans, windows
from tests.judge.conftest import WordOverlapJudge

TEXTS = st.text(st.sampled_from("ab 日本\n語。"), max_size=120) | st.text(max_size=60)
# Without a deadline: a machine under load is no defect.
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
LIMITS = st.integers(1, 20).flatmap(lambda limit: st.tuples(st.just(limit), st.integers(0, limit // 2)))


class ReadingJudge(JudgeBase):
    """A fake that keeps what it read and reads three pools ahead; a digit in the text is its grade."""

    def __init__(self) -> None:
        super().__init__(fingerprint="reading", scale=SCALES["0-3"])
        self.texts: list[str] = []

    def judge(self, pools: Iterable[QueryPool]) -> Iterator[list[Judgment]]:
        """Read and grade."""
        waiting = iter(pools)
        while chunk := list(itertools.islice(waiting, 3)):
            for pool in chunk:
                yield [self._read(pair) for pair in pool.pairs()]

    def _read(self, pair: Pair) -> Judgment:
        self.texts.append(pair.text)
        grade = max((int(sign) for sign in pair.text if sign in "0123"), default=0)
        return self.judgment(pair, grade, [0.7 if level == grade else 0.1 for level in self.scale.grades])


def pool_of(*texts: str) -> QueryPool:
    """A pool of these texts."""
    return QueryPool("q", "query", tuple(f"d{number}" for number in range(len(texts))), texts)


def judged_texts(judge: Judge, *texts: str) -> list[Judgment]:
    """The judgments of one pool of these texts."""
    (judgments,) = judge.judge([pool_of(*texts)])
    return judgments


@CALM
@given(TEXTS, LIMITS)
def test_windows_cover_the_text_and_none_is_over_the_limit(text: str, limits: tuple[int, int]) -> None:
    """Whatever the text: windows go on, leave no gap, keep both limits, and end at the text's end."""
    limit, overlap = limits
    found = list(spans(text, limit, overlap))
    assert (found[0][0], found[-1][1]) == (0, len(text))
    assert all(end - start <= limit for start, end in found)
    for (start, end), (following, last) in itertools.pairwise(found):
        assert end - overlap <= following <= end
        assert start < following
        assert end < last


@CALM
@given(st.lists(st.sampled_from(["tea", "green", "sea"]), max_size=60), LIMITS.filter(lambda limits: limits[0] >= 12))
def test_words_are_kept_whole(words: list[str], limits: tuple[int, int]) -> None:
    """Words of at most half a window are cut at no end, and at a start only by an overlap too small for a word."""
    text = " ".join(words)
    for start, end in spans(text, *limits):
        assert end == len(text) or text[end - 1] == " "
        assert start == 0 or text[start - 1] == " " or 0 < limits[1] < len("green ")
    assert "".join(text[start:end] for start, end in spans(text, limits[0], 0)) == text


@pytest.mark.parametrize("text", ["w" * 60_000, "水" * 60_000, " " * 60_000, "é\u0301" * 30_000])
def test_a_text_without_spaces_is_cut_too(text: str) -> None:
    """One word of 60,000 characters, or Chinese, is no window of 60,000 characters."""
    assert len(list(spans(text, 1000, 100))) == pytest.approx(len(text) / 900, abs=1)


@CALM
@given(TEXTS, TEXTS, LIMITS.filter(lambda limits: limits[0] >= 8), st.integers(0, 12))
def test_every_window_begins_with_the_title(first: str, body: str, limits: tuple[int, int], title: int) -> None:
    """Whatever the text: later windows repeat a bounded title, keep the limit, and together hold all of the text."""
    text = f"{first}\n{body}"
    title = min(title, limits[0] // 4)
    line = text.partition("\n")[0]
    heading = f"{line[:title].rstrip()}\n" if title and line.strip() else ""
    beginning, *rest = windows(text, *limits, title=title)
    assert all(len(window) <= limits[0] for window in (beginning, *rest))
    assert all(window.startswith(heading) for window in rest)
    whole = windows(text, limits[0], 0, title=title)
    assert next(whole) + "".join(window.removeprefix(heading) for window in whole) == text


def test_a_later_window_is_judged_under_its_title() -> None:
    """The judge reads the title before each part; a text of one line has none."""
    reading = ReadingJudge()
    judge = WindowedJudge(reading, characters=40, title=10)
    judged_texts(judge, "Green tea\n" + "steep it long " * 5, "one line " * 6)
    assert len(reading.texts) > 4
    assert [text.startswith("Green tea\n") for text in reading.texts[:3]] == [True] * 3
    assert not any("\n" in text for text in reading.texts[-2:])


@CALM
@given(st.lists(TEXTS, max_size=12), LIMITS, st.sampled_from(["max", "mean"]))
def test_one_judgment_per_document_in_order(texts: list[str], limits: tuple[int, int], combine: Any) -> None:
    """Documents of one and of many windows come back in order, whatever the judge reads ahead."""
    judge = WindowedJudge(ReadingJudge(), characters=limits[0], overlap=limits[1], max_windows=5, combine=combine)
    pools = [pool_of(*texts[:5]), pool_of(), pool_of(*texts[5:])]
    found = list(judge.judge(iter(pools)))
    assert [[one.doc_id for one in judgments] for judgments in found] == [list(pool.doc_ids) for pool in pools]
    judgments = list(itertools.chain(*found))
    assert {one.judge for one in judgments} <= {judge.fingerprint}
    assert judge.truncated == sum(len(list(spans(text, *limits))) > 5 for text in texts)


def test_a_short_document_is_judged_as_it_is() -> None:
    """A text of one window reaches the judge to the letter, and its judgment comes back but for the fingerprint."""
    reading = ReadingJudge()
    judge = WindowedJudge(reading, characters=20, combine="mean")
    (judgment,) = judged_texts(judge, " two  2 words ")
    assert reading.texts == [" two  2 words "]
    assert [replace(judgment, judge="reading")] == judged_texts(ReadingJudge(), " two  2 words ")


def test_max_takes_the_whole_judgment_of_the_best_window() -> None:
    """A document is as relevant as its most relevant part, wherever that stands."""
    judge = WindowedJudge(ReadingJudge(), characters=8)
    (judgment,) = judged_texts(judge, "aaaa 1 bbbb 3 cccc 2")
    (best,) = judged_texts(ReadingJudge(), "3")
    assert replace(judgment, judge="reading") == best


def test_mean_rounds_the_expected_grade_of_the_mean_distribution() -> None:
    """Windows of grades 0 and 3 have a mean of 1.5, which is rounded up."""
    judge = WindowedJudge(ReadingJudge(), characters=8, combine="mean")
    (judgment,) = judged_texts(judge, "aaaa 0 bbbb 3")
    assert judgment.probabilities == pytest.approx((0.4, 0.1, 0.1, 0.4))
    assert judgment.expected == pytest.approx(1.5)
    assert judgment.grade == 2
    assert judgment.confidence == pytest.approx(0.1)


def test_windows_beyond_the_last_are_counted_not_judged() -> None:
    """A document of many windows costs at most `max_windows`, and is reported as truncated."""
    reading = ReadingJudge()
    judge = WindowedJudge(reading, characters=10, overlap=2, max_windows=3)
    judged_texts(judge, "w" * 60_000, "w" * 26, "short")
    assert len(reading.texts) == 3 + 3 + 1
    assert judge.truncated == 1


def test_pools_are_read_no_further_than_the_judge_reads() -> None:
    """An endless stream of pools is judged one after the other."""
    endless = (QueryPool("q", "query", (f"d{number}",), ("w" * 30,)) for number in itertools.count())
    judgments = WindowedJudge(ReadingJudge(), characters=10).judge(endless)
    assert [one.doc_id for (one,) in itertools.islice(judgments, 3)] == ["d0", "d1", "d2"]
    assert next(endless).doc_ids[0] in ("d3", "d4")


def test_each_setting_changes_the_fingerprint() -> None:
    """Labels of other windows are other labels."""
    settings: list[dict[str, Any]] = [
        {"characters": 100},
        {"characters": 101},
        {"characters": 100, "overlap": 10},
        {"characters": 100, "title": 10},
        {"characters": 100, "max_windows": 2},
        {"characters": 100, "combine": "mean"},
    ]
    prints = {
        WindowedJudge(inner, **one).fingerprint for one in settings for inner in (ReadingJudge(), WordOverlapJudge())
    }
    assert len(prints | {"reading", "overlap"}) == 2 * len(settings) + 2


@pytest.mark.parametrize(
    "wrong", [{"characters": 0}, {"overlap": 51}, {"overlap": -1}, {"max_windows": 0}, {"combine": "x"}]
)
def test_settings_that_go_nowhere_are_refused(wrong: dict[str, Any]) -> None:
    """An overlap of more than half a window could stand still."""
    with pytest.raises(ConfigError, match="overlap of at most half a window"):
        WindowedJudge(ReadingJudge(), **{"characters": 100, **wrong})


@pytest.mark.parametrize(
    "change", [lambda found: found[:-1], lambda found: found[1:], lambda found: [*found, found[0]]]
)
def test_a_judge_that_loses_or_adds_a_window_is_refused(change: Any) -> None:
    """A label is never made of another document's window."""

    class Wrong(ReadingJudge):
        def judge(self, pools: Iterable[QueryPool]) -> Iterator[list[Judgment]]:
            return map(change, super().judge(pools))

    with pytest.raises(DataError, match="one judgment per document"):
        judged_texts(WindowedJudge(Wrong(), characters=10), "w" * 30, "w" * 30)


def test_mean_needs_distributions() -> None:
    """A judge that gives grades alone can be combined by max only."""

    class Bare(ReadingJudge):
        def judge(self, pools: Iterable[QueryPool]) -> Iterator[list[Judgment]]:
            for judgments in super().judge(pools):
                yield [replace(one, probabilities=None, expected=None, confidence=None) for one in judgments]

    (best,) = judged_texts(WindowedJudge(Bare(), characters=8), "aaaa 1 bbbb 3 cccc 2")
    assert best.grade == 3
    with pytest.raises(DataError, match="combine windows by max"):
        judged_texts(WindowedJudge(Bare(), characters=8, combine="mean"), "aaaa 1 bbbb 3")


@pytest.mark.parametrize("combine", ["max", "mean"])
def test_a_missing_window_is_a_missing_label(combine: Any) -> None:
    """The rest of a document is not taken for the whole of it."""

    class Silent(ReadingJudge):
        def judge(self, pools: Iterable[QueryPool]) -> Iterator[list[Judgment]]:
            lost: dict[str, Any] = {"grade": None, "probabilities": None, "expected": None, "confidence": None}
            for first, second, *rest in super().judge(pools):
                yield [first, replace(second, **lost), *rest]

    judge = WindowedJudge(Silent(), characters=8, combine=combine)
    lost, whole = judged_texts(judge, "aaaa 1 bbbb 3 cccc 2", "2")
    assert {lost.grade, lost.probabilities, lost.expected} == {None}
    assert lost.judge == judge.fingerprint
    assert whole.grade == 2


def test_windows_are_stored_as_one_label(tmp_path: Path) -> None:
    """The store takes a windowed judge as any other, and does not ask it again."""
    reading = ReadingJudge()
    judge = WindowedJudge(reading, characters=10)
    table = judge_all(judge, [pool_of("w" * 30, "3")], tmp_path)
    read = len(reading.texts)
    assert judge_all(judge, [pool_of("w" * 30, "3")], tmp_path).equals(table)
    assert (table["grade"].to_list(), len(reading.texts)) == ([0, 3], read)
