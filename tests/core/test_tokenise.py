"""Embedded BM25 finds what is written without spaces, and emoji; other texts keep their words."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relsearch.core.settings.config import IndexConfig
from relsearch.core.tokenise import unspaced_tokens, without_unspaced
from relsearch.core.types import Document, Query
from relsearch.index import embedded

TEXTS = {
    "japanese": "吾輩は猫である。名前はまだ無い。",
    "chinese": "北京大学位于北京市海淀区。",
    "thai": "แมวเป็นสัตว์เลี้ยงที่ชอบนอน",
    "korean": "고양이는 하루에 열여섯 시간을 잔다",
    "lao": "ແມວເປັນສັດລ້ຽງ",
    "khmer": "ឆ្មាជាសត្វចិញ្ចឹម",
    "burmese": "ကြောင်သည်အိမ်မွေးတိရစ္ဆာန်ဖြစ်သည်",
    "emoji": "We won 🏆 👍🏽 🇯🇵!",
    "mixed": "新しいiPhoneのｶﾒﾗ",
    "english": "A cat purrs when it is calm.",
}
# What a person types for the text, a word of it at most.
ASKED = {
    "japanese": ["猫", "名前", "まだ無い"],
    "chinese": ["大学", "海淀区"],
    "thai": ["แมว", "สัตว์เลี้ยง"],
    "korean": ["고양이", "시간"],
    "lao": ["ແມວ"],
    "khmer": ["ឆ្មា"],
    "burmese": ["ကြောင်"],
    "emoji": ["🏆", "👍", "🇯🇵"],
    "mixed": ["iphone", "カメラ"],
    "english": ["purring cats"],
}


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> embedded.EmbeddedSearcher:
    """An index of one document a script."""
    documents = [Document(name, {"text": text}) for name, text in TEXTS.items()]
    folder = tmp_path_factory.mktemp("index")
    return embedded.build(documents, folder, index=IndexConfig(), template="{text}")


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in ASKED.items() for text in texts])
def test_a_query_in_any_script_finds_its_document(searcher: embedded.EmbeddedSearcher, name: str, text: str) -> None:
    """Words of Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese, and emoji in whichever colour."""
    found = list(searcher.search([Query("q", text)], 10))
    assert found
    assert found[0].doc_id == name


def test_queries_without_a_word_are_told_once(
    searcher: embedded.EmbeddedSearcher, caplog: pytest.LogCaptureFixture
) -> None:
    """Stop words and signs alone find nothing, which is said with their number; an unknown word is one."""
    asked = [Query("q1", "to be or not to be"), Query("q2", "?!"), Query("q3", "zebra")]
    with caplog.at_level(logging.WARNING):
        assert list(searcher.search(asked, 10)) == []
    assert caplog.messages == [
        "embedded: 2 queries have nothing but stop words or signs, and find nothing; the first is 'q1'"
    ]


@given(st.text(st.characters(max_codepoint=0x0DFF)))
def test_texts_of_other_scripts_are_left_alone(text: str) -> None:
    """Latin, Greek, Cyrillic, Arabic and Devanagari, say: their words stay those between spaces."""
    assert without_unspaced(text) == text
    assert unspaced_tokens(text) == []


def test_pairs_of_characters_and_each_chinese_one() -> None:
    """Marks stay on their character, half-width signs are as wide ones, a run's only character stands alone."""
    assert unspaced_tokens("東京の") == ["東京", "京の", "東", "京"]
    assert unspaced_tokens("ที่นี่") == ["ที่นี่"]
    assert unspaced_tokens("ｶﾞｽ の") == ["ガス", "の"]
