"""Queries from documents' own structure: titles, headings, salient phrases."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relsearch.core.types import Document
from relsearch.synthesis.structure import headings, phrases, titles


def test_a_title_is_a_query_if_it_has_the_length_of_one() -> None:
    """One word says too little, a paragraph is no query, an absent title is none."""
    found = [titles(Document("d", {"title": title})) for title in ("Tides  at sea", "Tides", "word " * 13)]
    assert [*found, titles(Document("d", {"text": "no title"}))] == [["Tides at sea"], [], [], []]


def test_headings_of_markdown_and_rst_are_found() -> None:
    """Marked and underlined lines are headings, each once; a ruler and plain lines are none."""
    text = (
        "# How tides work\nplain line\n\nSpring and neap\n---------------\n\n-----\n=====\n## How tides work\n#hash tag"
    )
    assert headings(Document("d", {"text": text})) == ["How tides work", "Spring and neap"]


def test_a_phrase_is_rare_elsewhere_and_frequent_here() -> None:
    """Words of every text neither begin nor end a phrase, and what a text repeats comes first."""
    common = "the list of the things and the rest of it"
    texts = [
        f"{common}. Tidal locking of moons. Tidal locking slows {common}. Lunar orbit",
        *[f"{common} number {n}" for n in range(9)],
    ]
    (first, second), *_ = phrases(texts, 2)
    assert first.startswith("tidal locking")
    words = {word for phrase in (first, second) for word in (phrase.split()[0], phrase.split()[-1])}
    assert not words & {"the", "of", "and", "it"}


def test_a_phrase_does_not_cross_a_full_stop() -> None:
    """Words on both sides of a mark are no phrase."""
    found = phrases(["alpha beta. gamma delta", "other words", "more of them"], 5)[0]
    assert sorted(found) == ["alpha beta", "gamma delta"]


@given(st.lists(st.text(alphabet="ab c.'\n7é", max_size=40), max_size=6), st.integers(1, 4))
def test_phrases_share_no_word_and_are_in_the_text(texts: list[str], count: int) -> None:
    """Whatever the texts: at most so many phrases each, of two to four words that stand there."""
    found = phrases(texts, count)
    assert [len(each) <= count for each in found] == [True] * len(texts)
    for text, each in zip(texts, found, strict=True):
        words = [word for phrase in each for word in phrase.split()]
        assert all(word in text.casefold() for word in words)
        assert all(2 <= len(phrase.split()) <= 4 for phrase in each)
