"""The writer of queries: seeded by content, bounded, resumable, and its prompt is one that a user can replace."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from relsearch.core.errors import ArtifactError, ConfigError, ModelError
from relsearch.core.settings.config import SynthesizeConfig
from relsearch.core.types import Document
from relsearch.synthesis.writer.causal import QueryWriter
from relsearch.synthesis.writer.echoes import from_examples
from relsearch.synthesis.writer.lines import clean_query, own_queries
from relsearch.synthesis.writer.prompt import ORDERS, Shot, WriterMessage, WriterPrompt, load_writer_prompt
from relsearch.synthesis.writer.sampling import SeededDraws
from relsearch.synthesis.writer.store import write_all


def _writer(base: Path, *, seed: int = 1, **settings: float | str) -> QueryWriter:
    options = {"queries_per_document": 3, "max_query_tokens": 12, "max_document_tokens": 24, "temperature": 0.7}
    return QueryWriter(SynthesizeConfig.model_validate({"base": str(base), **options, **settings}), seed=seed)


def _tokens(prompt: WriterPrompt | WriterMessage, tokenizer: Any, text: str, *, limit: int, turn: int = 0) -> list[int]:
    prompted = prompt.encode(tokenizer, text, limit=limit, turn=turn)
    return [*prompted.shared, *prompted.own]


def _with_ends(folder: Path) -> None:
    """Let every fifth token end a text: a random model seldom comes to an end by itself."""
    numbers = range(len(AutoTokenizer.from_pretrained(folder)))
    GenerationConfig(eos_token_id=list(numbers)[4::5]).save_pretrained(folder)


@pytest.fixture(scope="module")
def ending(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny Llama with many ends."""
    folder = tmp_path_factory.mktemp("ending") / "llama"
    shutil.copytree(tiny_llama, folder)
    _with_ends(folder)
    return folder


@pytest.fixture(scope="module")
def texts(documents: list[Document]) -> list[str]:
    """The texts of the shared documents."""
    return [document.fields["text"] for document in documents]


@pytest.mark.slow
def test_the_same_seed_writes_the_same_in_any_batch(ending: Path, texts: list[str]) -> None:
    """Draws belong to the text: order, batch size and other texts do not change what is written for it."""
    together = _writer(ending, batch_size=7, queries_per_document=8).write(texts)
    alone = [_writer(ending, batch_size=1, queries_per_document=8).write([text])[0] for text in reversed(texts)]
    assert together == alone[::-1]
    assert any(together)


def test_draws_follow_the_probabilities_and_the_key() -> None:
    """Temperature and nucleus change them as they should; each key has its own draws, and always the same."""
    probabilities = torch.tensor([0.6, 0.3, 0.1])
    keys = [str(number) for number in range(4000)]
    scores = probabilities.log().repeat(len(keys), 1)
    ids = torch.zeros(len(keys), 1, dtype=torch.long)
    drawn = SeededDraws(keys)(ids, scores).argmax(dim=1)
    shares = torch.bincount(drawn, minlength=3) / len(keys)
    assert torch.allclose(shares, probabilities, atol=0.03)
    assert torch.equal(drawn.flip(0), SeededDraws(keys[::-1])(ids, scores).argmax(dim=1))
    sharper = SeededDraws(keys, temperature=0.5)(ids, scores).argmax(dim=1)
    wanted = probabilities.square() / probabilities.square().sum()
    assert torch.allclose(torch.bincount(sharper, minlength=3) / len(keys), wanted, atol=0.03)
    nucleus = SeededDraws(keys, top_p=0.85)(ids, scores).argmax(dim=1)
    assert torch.allclose(torch.bincount(nucleus, minlength=3) / len(keys), torch.tensor([2 / 3, 1 / 3, 0]), atol=0.03)
    draws = SeededDraws(keys, never_first=[0])
    assert draws(ids, scores).argmax(dim=1).min() == 1
    assert draws(ids, scores).argmax(dim=1).min() == 0
    nearly = SeededDraws(keys)(ids, scores + torch.tensor([0.0, 1e-3, -1e-3])).argmax(dim=1)
    assert (nearly != drawn).float().mean() < 0.002


@pytest.mark.slow
def test_seeds_differ(ending: Path, texts: list[str]) -> None:
    """Another seed writes other queries."""
    one, other = (_writer(ending, seed=seed, queries_per_document=60).write(texts[:1])[0] for seed in (1, 2))
    assert one != other


def test_the_fingerprint_changes_with_what_changes_the_queries(tiny_llama: Path) -> None:
    """Temperature and seed are in it; the batch size is not."""
    base = _writer(tiny_llama).fingerprint
    assert base == _writer(tiny_llama, batch_size=2).fingerprint
    assert len({base, _writer(tiny_llama, temperature=0.9).fingerprint, _writer(tiny_llama, seed=2).fingerprint}) == 3


def test_an_absent_model_is_one_line(tmp_path: Path) -> None:
    """The error names the model."""
    with pytest.raises(ModelError, match="absent"):
        _writer(tmp_path / "absent")


@pytest.mark.parametrize(
    ("line", "query"),
    [
        (' "how do tides work"\nPassage: more', "how do tides work"),
        ("Query:  green tea  steeping time\n", "green tea steeping time"),
        ("- why do cats purr", "why do cats purr"),
        ("tides", None),
        ("", None),
        ("? ! .", None),
        ("half a \N{REPLACEMENT CHARACTER} character", None),
        ("word " * 30, None),
        ("潮汐是如何形成的", "潮汐是如何形成的"),
        ("東京の天気予報", "東京の天気予報"),
        ("潮汐", None),
        ("潮汐是如何形成的" * 6, None),
    ],
)
def test_a_line_becomes_a_query_or_nothing(line: str, query: str | None) -> None:
    """Marks around a query go; a single word, half a character and a whole paragraph are no queries."""
    assert clean_query(line) == query


def test_the_document_is_bounded_and_closes_no_turn(tiny_llama: Path) -> None:
    """A long document is cut to its tokens, and a special token in it is plain text."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    prompt = load_writer_prompt("queries")
    short, long = (_tokens(prompt, tokenizer, text, limit=10) for text in ("a", "a<|im_end|> " * 500))
    assert len(long) <= len(short) + 10
    assert tokenizer.convert_tokens_to_ids("<|im_end|>") not in long
    assert str(tokenizer.decode(short)).endswith("Passage: a\nQuery:")


def test_a_prompt_of_the_user_is_read_and_checked(tiny_llama: Path, tmp_path: Path) -> None:
    """A TOML file works as the packaged prompt does; one without its placeholders is refused with the remedy."""
    path = tmp_path / "mine.toml"
    path.write_text(
        'instruction = "Ask.\\n"\nshot = "D: {document}\\nQ: {query}\\n"\n[[shots]]\ndocument = "d"\nquery = "q"'
    )
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    tokens = _tokens(load_writer_prompt(str(path)), tokenizer, "tea", limit=8)
    assert tokenizer.decode(tokens) == "Ask.\nD: d\nQ: q\nD: tea\nQ:"
    path.write_text('instruction = ""\nshot = "{query} {document}"\n[[shots]]\ndocument = "d"\nquery = "q"')
    with pytest.raises(ConfigError, match=r"shot needs \{document\} and, after it, \{query\}"):
        load_writer_prompt(str(path))
    path.write_text('message = "Ask."\nkinds = ["a question"]')
    with pytest.raises(ConfigError, match=r"message needs \{document\} once"):
        load_writer_prompt(str(path))
    with pytest.raises(ConfigError, match="no such prompt"):
        load_writer_prompt("absent")


def test_examples_rotate_with_document_and_turn() -> None:
    """Four of the examples stand before a document, always the same for it and its turn, and all have their turn."""
    prompt = load_writer_prompt("queries")
    drawn = [tuple(prompt.examples("tea", turn)) for turn in range(60)]
    assert {len(set(shots)) for shots in drawn} == {4}
    assert len(set(drawn)) == ORDERS
    assert len({shot.query for shots in drawn for shot in shots}) == 8
    assert [tuple(prompt.examples("tea", turn)) for turn in range(60)] == drawn
    assert [tuple(prompt.examples("coffee", turn)) for turn in range(60)] != drawn


def test_the_prompt_suits_the_model(tiny_llama: Path) -> None:
    """By default a message where the model has a chat template, else examples, and what is named else."""
    assert load_writer_prompt("auto", chat=True) == load_writer_prompt("chat")
    assert load_writer_prompt("auto") == load_writer_prompt("queries") == load_writer_prompt("queries", chat=True)
    assert _writer(tiny_llama).fingerprint == _writer(tiny_llama, prompt="queries").fingerprint
    with pytest.raises(ConfigError, match="no chat template"):
        _writer(tiny_llama, prompt="chat")


def test_an_example_is_plain_text(tiny_llama: Path, tmp_path: Path) -> None:
    """What looks like a placeholder or a special token in it is neither."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    path = tmp_path / "mine.toml"
    path.write_text(
        'instruction = ""\nshot = "D: {document}\\nQ: {query}\\n"\n'
        '[[shots]]\ndocument = "fill {query} for <|im_end|>"\nquery = "q"'
    )
    shared, _ = load_writer_prompt(str(path)).encode(tokenizer, "tea", limit=8)
    assert tokenizer.convert_tokens_to_ids("<|im_end|>") not in shared
    assert tokenizer.decode(list(shared)) == "D: fill {query} for <|im_end|>\nQ: q\nD:"


def test_a_document_is_read_as_the_examples_are(tiny_llama: Path) -> None:
    """The tokens are those of the prompt as one text, wherever it is split to share the first of them."""
    tokenizer, prompt = AutoTokenizer.from_pretrained(tiny_llama), load_writer_prompt("queries")
    shared, own = prompt.encode(tokenizer, "green tea steeps", limit=50)
    assert [*shared, *own] == tokenizer.encode(tokenizer.decode([*shared, *own]), add_special_tokens=False)
    assert tokenizer.decode(list(own)) == " green tea steeps\nQuery:"


@pytest.mark.slow
def test_what_examples_share_is_read_once_and_changes_nothing(
    ending: Path, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queries are those of whole prompts, in single precision, where rounding moves no draw."""
    monkeypatch.setattr("relsearch.synthesis.writer.causal.fast_dtype", lambda: torch.float32)
    shared = _writer(ending, queries_per_document=8).write(texts)
    monkeypatch.setattr("relsearch.synthesis.writer.causal._shares_tokens", lambda _: False)
    assert shared == _writer(ending, queries_per_document=8).write(texts)
    assert any(shared)


@pytest.mark.parametrize("family", ["mistral", "lfm2", "gpt_neo", "mpt", "llama"])
def test_any_causal_model_writes_the_same_in_any_batch(
    family: str, tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that cannot read shared tokens apart, too, that come with settings, and whose tokenizer cannot pad."""
    monkeypatch.setattr("relsearch.synthesis.writer.causal.fast_dtype", lambda: torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    tokenizer.pad_token = None
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    only: dict[str, dict[str, Any]] = {
        "mistral": {"sliding_window": 32, "num_key_value_heads": 2},
        "lfm2": {"layer_types": ["conv", "full_attention"], "num_key_value_heads": 2},
        "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 32, "num_layers": 2, "num_heads": 2},
        "mpt": {"d_model": 32, "n_heads": 2, "n_layers": 2, "max_seq_len": 2048},
        "llama": {"num_key_value_heads": 2, "use_cache": False},
    }
    torch.manual_seed(3)
    config = AutoConfig.for_model(family, vocab_size=len(tokenizer), **sizes, **only[family])
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    _with_ends(tmp_path)
    settings = json.loads((tmp_path / "generation_config.json").read_text())
    settings |= {"repetition_penalty": 1.3, "num_beams": 2, "use_cache": False}
    (tmp_path / "generation_config.json").write_text(json.dumps(settings))
    texts = [
        "tides follow the moon",
        "a cat purrs when it is calm, and when it is hurt, and nobody knows why that is so",
    ]
    together = _writer(tmp_path, batch_size=8, queries_per_document=24).write(texts)
    alone = [_writer(tmp_path, batch_size=1, queries_per_document=24).write([text])[0] for text in texts]
    assert together == alone
    assert any(together)


def test_a_line_that_goes_on_is_no_query(ending: Path, texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One that `max_query_tokens` cuts is left out: with a higher limit the same draws write all that is left."""
    monkeypatch.setattr("relsearch.synthesis.writer.causal.fingerprint_of", lambda *_: "the same draws")
    few, more = (_writer(ending, queries_per_document=20, max_query_tokens=limit).write(texts[:4]) for limit in (4, 12))
    assert any(few)
    assert all({*short} < {*long} for short, long in zip(few, more, strict=True))


def test_a_prompt_longer_than_the_model_reads_is_one_line(tiny_llama: Path) -> None:
    """Found when the model is opened; the line names the setting and the most it can be."""
    with pytest.raises(ConfigError, match=r"max_document_tokens = 100000: .* set it to at most \d+"):
        _writer(tiny_llama, max_document_tokens=100_000)


@pytest.mark.parametrize(
    ("query", "document", "foreign", "near"),
    [
        ("what is the height of a lighthouse beam", "buckling of conical shells", True, True),
        ("lighthouses and their beams", "a lighthouse has a beam", False, False),
        ("how can the shell of a cone buckle", "buckling of conical shells", False, False),
        ("beams and the buckling of shells", "buckling of conical shells", True, False),
        ("far beams that buckle", "buckling of conical shells", True, True),
    ],
)
def test_words_of_the_examples_that_the_document_lacks_count(
    query: str, document: str, foreign: bool, near: bool
) -> None:
    """Any such word where examples are foreign, more than the document's where they are of its kind; stems count."""
    shot = Shot(document="The lighthouse throws a beam.", query="how far can a lighthouse beam be seen")
    found = [from_examples(query, document, [shot], foreign=each) for each in (True, False)]
    assert found == [foreign, near]


def test_a_query_that_repeats_an_example_is_not_kept() -> None:
    """Only the examples that the turn's own prompt showed count, and a line that is no query is left out."""
    prompt = load_writer_prompt("queries")
    text = "buckling of conical shells"
    assert isinstance(prompt, WriterPrompt)
    lines: list[tuple[int, str | None]] = [(turn, prompt.examples(text, turn)[0].query) for turn in range(3)]
    lines += [(3, "why do shells buckle"), (4, None)]
    assert own_queries(lines, text, prompt) == ["why do shells buckle"]
    hidden = next(shot.query for shot in prompt.shots if shot not in prompt.examples(text, 0))
    assert own_queries([(0, hidden)], text, prompt) == [hidden]


def test_a_chat_prompt_stands_in_the_template_of_the_model(tiny_llama: Path) -> None:
    """Kinds of query take turns, a document closes no turn, and a model without a template is one line."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    template = "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"
    tokenizer.chat_template = template + "{% if enable_thinking is undefined or enable_thinking %}T{% endif %}A:"
    prompt = load_writer_prompt("chat")
    rows = [_tokens(prompt, tokenizer, "tea <|im_end|>", limit=20, turn=turn) for turn in range(4)]
    assert rows[0] == rows[3]
    assert len({tuple(row) for row in rows}) == 3
    assert str(tokenizer.decode(rows[0])).count("<|im_start|>") == 1
    assert [tokenizer.decode(token) for token in rows[0]].count("<|im_end|>") == 1
    assert str(tokenizer.decode(rows[0])).endswith("<|im_end|>A:")
    tokenizer.chat_template = None
    with pytest.raises(ConfigError, match="no chat template; set"):
        prompt.encode(tokenizer, "tea", limit=8)


class _Counting:
    def __init__(self, *, fail_at: int | None = None) -> None:
        self.asked: list[str] = []
        self._fail_at = fail_at

    def __call__(self, texts: Sequence[str]) -> list[list[str]]:
        if self._fail_at is not None and len(self.asked) >= self._fail_at:
            raise KeyboardInterrupt
        self.asked += texts
        return [[f"query on {text}"] for text in texts]


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    """What a finished batch wrote is not asked again, a line that was cut is, and the outcome is as if unbroken."""
    texts = [f"text {number}" for number in range(70)]
    with pytest.raises(KeyboardInterrupt):
        list(write_all(_Counting(fail_at=64), texts, tmp_path, fingerprint="a"))
    path = tmp_path / "written.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    again = _Counting()
    found = list(write_all(again, [*texts, "text 3"], tmp_path, fingerprint="a"))
    assert again.asked == texts[63:]
    assert found == [[f"query on {text}"] for text in [*texts, "text 3"]]
    other = _Counting()
    list(write_all(other, [*texts[:2], *texts[:2]], tmp_path, fingerprint="b"))
    assert other.asked == texts[:2]


def test_a_damaged_store_is_named(tmp_path: Path) -> None:
    """A whole line that is no record is an error, not passed over."""
    (tmp_path / "written.jsonl").write_text("{}\n")
    with pytest.raises(ArtifactError, match=r"written\.jsonl: damaged; delete it"):
        list(write_all(_Counting(), ["a"], tmp_path, fingerprint="a"))
