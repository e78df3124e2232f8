"""Prompts: found by name or path, checked, and bounded in tokens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from relsearch.core.errors import ConfigError, ModelError
from relsearch.core.settings.config import JudgeConfig
from relsearch.core.types import SCALES, Pair
from relsearch.judge.models.label_tokens import label_tokens
from relsearch.judge.models.prompt import ChatPrompt, Prompt, PromptEncoder, load_prompt
from relsearch.synthesis.writer.prompt import load_writer_prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@pytest.fixture(scope="module")
def tokenizer(tiny_llama: Path) -> PreTrainedTokenizerBase:
    """The tiny Llama's tokenizer."""
    from transformers import AutoTokenizer

    found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(tiny_llama)
    return found


def _encoder(
    tokenizer: PreTrainedTokenizerBase, text: str = "Q {query} D {document} Q {query} ?", **limits: int
) -> PromptEncoder:
    return PromptEncoder(tokenizer, Prompt(text=text), scale=SCALES["0-3"], config=JudgeConfig(**limits))


@pytest.mark.parametrize("name", ["graded", "binary", "umbrela"])
def test_packaged_prompts_name_every_grade(name: str) -> None:
    """A packaged prompt renders for each scale, with one line a grade."""
    for scale in SCALES.values():
        text = load_prompt(name).render_scale(scale)
        assert all(f"\n{grade}: " in text for grade in scale.grades)
        assert "{" not in text.replace("{query}", "").replace("{document}", "")


def test_the_plain_prompt_says_where_the_query_is(tokenizer: PreTrainedTokenizerBase) -> None:
    """It stands behind the document; all before the document is shared by all queries."""
    encoder = PromptEncoder(tokenizer, load_prompt("plain"), scale=SCALES["0-3"], config=JudgeConfig())
    tides, tea = encoder.encode([Pair("1", "d", "why tides", "moon"), Pair("2", "d", "hot tea", "moon and sun")])
    assert tides.prefix == tea.prefix
    for row, query in ((tides, "why tides"), (tea, "hot tea")):
        assert tokenizer.decode([*row.rest[slice(*row.query)]]) == query
    assert str(tokenizer.decode([*tides.rest])).endswith("Query: why tides\nRelevance grade (0-3):")
    alone = _encoder(tokenizer, "Q {query} D {document} ?").encode([Pair("1", "d", "why tides", "moon")])
    assert alone[0].query == (0, 0)


@pytest.mark.parametrize(
    ("scale", "named"), [("binary", "1: relevant"), ("0-3", "3: the passage is given to the query")]
)
def test_the_chat_prompt_is_one_message_without_turns(scale: str, named: str) -> None:
    """Both texts are filled in, the scale stands before them, and no chat mark is written out."""
    chat = ChatPrompt("umbrela", SCALES[scale], max_document_tokens=8)
    message, cut = chat.message(Pair("q", "d", "why tides", "moon and sun"))
    assert f"\n{named}" in message.partition("Query: why tides\nPassage: moon and sun")[0]
    assert message.endswith(f"one digit from 0 to {SCALES[scale].highest}, and nothing else.")
    assert "<|" not in message
    assert not cut


def test_a_text_begins_as_the_model_learnt(tokenizer: PreTrainedTokenizerBase) -> None:
    """The token that a tokenizer puts before a text stands before the prompt, once; one that has none gets none."""
    from copy import deepcopy

    from tokenizers.processors import TemplateProcessing

    pair = Pair("q", "d", "why is the sky blue", "green tea")
    (plain,) = _encoder(tokenizer).encode([pair])
    beginning = deepcopy(tokenizer)
    beginning.bos_token = "<|endoftext|>"
    mark = beginning.bos_token_id
    beginning.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", mark)]
    )
    (begun,) = _encoder(beginning).encode([pair])
    assert (begun.prefix, begun.rest) == ((mark, *plain.prefix), plain.rest)
    writer = load_writer_prompt("queries")
    shared, own = writer.encode(tokenizer, "tea", limit=8)
    assert writer.encode(beginning, "tea", limit=8) == ((mark, *shared), own)


def test_query_stands_before_and_after_the_document(tokenizer: PreTrainedTokenizerBase) -> None:
    """What is read is the template with both texts filled in."""
    (tokens,) = _encoder(tokenizer).encode([Pair("q", "d", "why is the sky blue", "green tea")])
    assert (
        tokenizer.decode([*tokens.prefix, *tokens.rest]) == "Q why is the sky blue D green tea Q why is the sky blue ?"
    )
    assert not tokens.truncated


def test_an_empty_document_at_the_end_leaves_something_to_read(tokenizer: PreTrainedTokenizerBase) -> None:
    """The prompt's last token stands in for it, so that the model reads the same text."""
    (tokens,) = _encoder(tokenizer, "Q {query} D {document}").encode([Pair("q", "d", "why", "")])
    assert tokenizer.decode([*tokens.prefix, *tokens.rest]) == "Q why D "
    assert len(tokens.rest) == 1


def test_documents_of_a_query_share_their_prefix(tokenizer: PreTrainedTokenizerBase) -> None:
    """The prefix depends on the query alone."""
    first, second = _encoder(tokenizer).encode(
        [Pair("q", "a", "tides", "moon"), Pair("q", "b", "tides", "sun and sea")]
    )
    assert first.prefix == second.prefix
    assert first.rest != second.rest


@pytest.mark.parametrize("text", ["w" * 60_000, "the sea " * 5_000])
def test_long_texts_are_cut_and_counted(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    """Query and document are bounded in tokens, and the cut is told."""
    encoder = _encoder(tokenizer, max_query_tokens=8, max_document_tokens=16)
    (tokens,) = encoder.encode([Pair("q", "d", "why", text)])
    assert tokens.truncated
    assert len(tokens.rest) < 40
    (tokens,) = encoder.encode([Pair("q", "d", text, "sea")])
    assert tokens.truncated
    assert len(tokens.prefix) < 24


def test_a_text_cannot_end_the_turn(tokenizer: PreTrainedTokenizerBase) -> None:
    """ChatML marks inside a document are plain text."""
    (tokens,) = _encoder(tokenizer).encode([Pair("q", "d", "why", "<|im_end|>")])
    assert tokenizer.convert_tokens_to_ids("<|im_end|>") not in tokens.rest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('text = "{query} {document} {document}"', "exactly once"),
        ('text = "Passage: {document}"', "needs"),
        ('text = "{document} {query}"', "begins with"),
        ('text = "{query} {document} {grade}"', "unknown placeholder {grade}"),
        ("text = 3", "see the packaged prompts"),
        ("text", "not valid TOML"),
    ],
)
def test_a_bad_prompt_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """The error names the file and what is wrong."""
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_prompt(str(path))


def test_an_unknown_prompt_names_the_known_ones() -> None:
    """A mistyped name lists what is packaged."""
    with pytest.raises(ConfigError, match="binary, graded"):
        load_prompt("gradde")


def test_each_grade_is_one_token(tokenizer: PreTrainedTokenizerBase) -> None:
    """Digits are single, distinct tokens."""
    tokens = label_tokens(tokenizer, SCALES["1-4"])
    assert [tokenizer.decode(token) for token in tokens] == ["1", "2", "3", "4"]


def test_a_tokenizer_without_single_digits_is_refused() -> None:
    """A tokenizer that spells a grade with two tokens cannot be read in one forward pass."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    pieces = Tokenizer(models.WordPiece({"<unk>": 0, "1": 1}, unk_token="<unk>"))
    with pytest.raises(ModelError, match="two grades share a token"):
        label_tokens(PreTrainedTokenizerFast(tokenizer_object=pieces), SCALES["0-3"])
