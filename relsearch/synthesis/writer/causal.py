"""The writer: a small causal model that goes on after a few examples or answers a message, sampled with a seed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Any

import torch

from relsearch.core.errors import MissingExtraError
from relsearch.core.settings.config import SynthesizeConfig
from relsearch.encoders.loading import Source
from relsearch.encoders.model_source import checksum, fast_dtype, quiet
from relsearch.judge.fingerprint import fingerprint_of
from relsearch.synthesis.writer.echoes import echoes
from relsearch.synthesis.writer.prompt import WriterMessage, WriterPrompt, load_writer_prompt
from relsearch.synthesis.writer.sampling import SeededDraws

_MIN_WORDS, _MAX_WORDS = 2, 20
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"  # what a tokenizer gives for half a character


class QueryWriter:
    """Writes queries that a document answers; the same document, settings and seed give the same queries."""

    def __init__(self, config: SynthesizeConfig, *, seed: int) -> None:
        self._config = config
        self._prompt = load_writer_prompt(config.prompt)
        self._model, self._tokenizer, weights = _load(config.base)
        read = {"queries_per_document", "max_document_tokens", "max_query_tokens", "temperature", "top_p"}
        settings = config.model_dump_json(include=read)
        about = (weights, self._prompt.model_dump_json(), settings, seed, fast_dtype())
        self.fingerprint = fingerprint_of(*about)

    def write(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the queries of each text, at most `queries_per_document`.

        Left out are lines that are no query, and queries with a word of the prompt's examples that the text lacks.
        """
        limit, each = self._config.max_document_tokens, self._config.queries_per_document
        turns = [(text, turn) for text in texts for turn in range(each)]
        rows = [
            (self._prompt.encode(self._tokenizer, text, limit=limit, turn=turn), f"{self.fingerprint}|{turn}|{text}")
            for text, turn in turns
        ]
        lines: list[str | None] = []
        for start in range(0, len(rows), self._config.batch_size):
            lines += self._sample(rows[start : start + self._config.batch_size])
        groups = [zip(range(each), lines[start : start + each], strict=True) for start in range(0, len(lines), each)]
        return [own_queries(group, text, self._prompt) for group, text in zip(groups, texts, strict=True)]

    def _sample(self, rows: Sequence[tuple[list[int], str]]) -> list[str | None]:
        from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper

        longest = max(len(tokens) for tokens, _ in rows)
        padding = self._tokenizer.pad_token_id or 0
        ids = torch.tensor([[padding] * (longest - len(tokens)) + tokens for tokens, _ in rows])
        mask = torch.tensor([[0] * (longest - len(tokens)) + [1] * len(tokens) for tokens, _ in rows])
        config = self._config
        warpers = [TemperatureLogitsWarper(config.temperature), TopPLogitsWarper(config.top_p)]
        with torch.inference_mode(), quiet():
            found = self._model.generate(
                input_ids=ids.to(self._model.device),
                attention_mask=mask.to(self._model.device),
                logits_processor=LogitsProcessorList([*warpers, SeededDraws([key for _, key in rows])]),
                do_sample=False,
                max_new_tokens=config.max_query_tokens,
                pad_token_id=padding,
                eos_token_id=self._ends(),
            )
        lines = self._tokenizer.batch_decode(found[:, longest:], skip_special_tokens=True)
        return [clean_query(line) for line in lines]

    def _ends(self) -> list[int]:
        """The ends of text, and the tokens of a line break alone."""
        ends = self._model.generation_config.eos_token_id
        known = ends if isinstance(ends, list) else [ends, self._tokenizer.eos_token_id]
        breaks = self._tokenizer.encode("\n", add_special_tokens=False)
        return sorted({number for number in [*known, *breaks] if number is not None})


def own_queries(lines: Iterable[tuple[int, str | None]], text: str, prompt: WriterPrompt | WriterMessage) -> list[str]:
    """Return the queries out of turn and line that repeat none of the examples which that turn's prompt showed."""
    return [line for turn, line in lines if line is not None and not echoes(line, text, prompt.examples(text, turn))]


def clean_query(line: str) -> str | None:
    """Return the first line without quotes, list marks and extra spaces; None where it is no query."""
    first = line.strip().split("\n", 1)[0]
    text = " ".join(re.sub(r"^\W*(?:query|question)\s*:", "", first, flags=re.IGNORECASE).split())
    text = text.strip("\"'“”‘’*`_-•").strip()
    words = re.findall(r"\w+", text)
    usable = _MIN_WORDS <= len(words) <= _MAX_WORDS and any(len(word) > 1 for word in words)
    return text if usable and _REPLACEMENT not in text else None


def _load(base: str) -> tuple[Any, Any, str]:
    if find_spec("transformers") is None:
        raise MissingExtraError("writing queries", "train")
    source = Source.find(base, "set [synthesize] base", called="writer {!r}")
    tokenizer = source.tokenizer()
    model = source.model("AutoModelForCausalLM", dtype=fast_dtype())
    return model.to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer, checksum(source.folder)
