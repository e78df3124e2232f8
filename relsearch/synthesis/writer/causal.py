"""The writer: a small causal model that goes on after a few examples or answers a message, sampled with a seed."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.util import find_spec
from inspect import signature
from itertools import groupby
from typing import Any

import torch

from relsearch.core.errors import ConfigError, MissingExtraError
from relsearch.core.settings.config import SynthesizeConfig
from relsearch.encoders.loading import Source, known_positions
from relsearch.encoders.model_source import checksum, fast_dtype, quiet
from relsearch.judge.fingerprint import fingerprint_of
from relsearch.synthesis.writer.lines import clean_query, own_queries
from relsearch.synthesis.writer.prompt import ORDERS, Prompted, load_writer_prompt
from relsearch.synthesis.writer.sampling import SeededDraws

_DRAWS = "Gumbel noise by token, nucleus of 1024, whole lines"  # how tokens are drawn; part of the fingerprint


class QueryWriter:
    """Writes queries that a document answers; the same document, settings and seed give the same queries.

    Raise ConfigError where the model has too few positions for the prompt, and as the prompt does.
    """

    def __init__(self, config: SynthesizeConfig, *, seed: int) -> None:
        self._config = config
        self._model, self._tokenizer, weights = _load(config.base)
        template = getattr(self._tokenizer, "chat_template", None)
        self._prompt = load_writer_prompt(config.prompt, chat=bool(template))
        self._shares = _shares_tokens(self._model)
        self._caches: dict[tuple[int, ...], Any] = {}
        read = {"queries_per_document", "max_document_tokens", "max_query_tokens", "temperature", "top_p"}
        settings = config.model_dump_json(include=read)
        about = (weights, template, self._prompt.model_dump_json(), settings, seed, fast_dtype(), _DRAWS)
        self.fingerprint = fingerprint_of(*about)
        self._check_length()

    @property
    def texts_at_once(self) -> int:
        """How many texts give full batches, though only prompts with the same examples are written together."""
        return max(32, ORDERS * self._config.batch_size // self._config.queries_per_document)

    def write(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the queries of each text, at most `queries_per_document`.

        Left out are lines that are no query or longer than `max_query_tokens`, and queries that repeat the prompt's
        examples.
        """
        limit, each = self._config.max_document_tokens, self._config.queries_per_document
        turns = [(text, turn) for text in texts for turn in range(each)]
        prompts = [self._prompt.encode(self._tokenizer, text, limit=limit, turn=turn) for text, turn in turns]
        if not self._shares:
            prompts = [Prompted((), (*prompt.shared, *prompt.own)) for prompt in prompts]
        lines: list[str | None] = [None] * len(turns)
        for batch in _batches(prompts, self._config.batch_size):
            keys = [f"{self.fingerprint}|{turns[row][1]}|{turns[row][0]}" for row in batch]
            for row, line in zip(batch, self._sample([prompts[row] for row in batch], keys), strict=True):
                lines[row] = line
        groups = [zip(range(each), lines[start : start + each], strict=True) for start in range(0, len(lines), each)]
        return [own_queries(group, text, self._prompt) for group, text in zip(groups, texts, strict=True)]

    def _sample(self, prompts: Sequence[Prompted], keys: Sequence[str]) -> list[str | None]:
        """What follows each of the prompts, which share their first tokens."""
        from transformers import LogitsProcessorList

        shared, longest = prompts[0].shared, max(len(prompt.own) for prompt in prompts)
        gaps = [longest - len(prompt.own) for prompt in prompts]
        padding = self._tokenizer.pad_token_id or 0
        rows = zip(prompts, gaps, strict=True)
        ids = torch.tensor([[*shared, *[padding] * gap, *prompt.own] for prompt, gap in rows])
        mask = torch.ones_like(ids)
        for row, gap in zip(mask, gaps, strict=True):
            row[len(shared) : len(shared) + gap] = 0
        config = self._config
        draws = SeededDraws(
            keys,
            temperature=config.temperature,
            top_p=config.top_p,
            never_first=sorted(self._breaks),  # an empty line is no query
        )
        with torch.inference_mode(), quiet():
            known = {"cache": self._cache(shared, len(prompts))} if shared else {}
            found = self._model.generate(
                input_ids=ids.to(self._model.device),
                attention_mask=mask.to(self._model.device),
                **known,
                logits_processor=LogitsProcessorList([draws]),
                do_sample=False,
                max_new_tokens=config.max_query_tokens,
                pad_token_id=padding,
                eos_token_id=sorted(self._ends | self._breaks),
            )
        return [self._query(row) for row in found[:, ids.shape[1] :].tolist()]

    def _query(self, tokens: Sequence[int]) -> str | None:
        """The query in a row of tokens up to its first end; None where the line goes on, or is no query."""
        ends = (place for place, token in enumerate(tokens) if token in self._ends or token in self._breaks)
        if (end := next(ends, None)) is None:
            return None
        # A line break may stand behind a mark in one token.
        line = tokens[: end + (tokens[end] in self._breaks)]
        return clean_query(str(self._tokenizer.decode(line, skip_special_tokens=True)))

    def _check_length(self) -> None:
        config, most = self._config, known_positions(self._model)
        prompts = (self._prompt.encode(self._tokenizer, "", limit=1, turn=turn) for turn in range(ORDERS))
        rest = max(len(prompt.shared) + len(prompt.own) for prompt in prompts) + config.max_query_tokens
        if most and rest + config.max_document_tokens > most:
            raise ConfigError(
                f"[synthesize] max_document_tokens = {config.max_document_tokens}: {config.base} reads {most} tokens, "
                f"of which prompt and query take {rest}; "
                + (f"set it to at most {most - rest}" if rest < most else "use a shorter prompt or another base")
            )

    def _cache(self, shared: tuple[int, ...], rows: int) -> Any:
        """Keys and values of the tokens that prompts share, for so many rows."""
        from transformers import DynamicCache

        if shared not in self._caches:
            ids = torch.tensor([shared], device=self._model.device)
            cache = DynamicCache(config=self._model.config)
            self._model(input_ids=ids, cache=cache, use_cache=True, logits_to_keep=1)
            self._caches[shared] = cache
        cache = copy.deepcopy(self._caches[shared])
        cache.batch_repeat_interleave(rows)
        return cache

    @cached_property
    def _ends(self) -> set[int]:
        """The tokens that end a text."""
        ends = self._model.generation_config.eos_token_id
        known = ends if isinstance(ends, list) else [ends, self._tokenizer.eos_token_id]
        return {number for number in known if number is not None}

    @cached_property
    def _breaks(self) -> set[int]:
        """All tokens with a line break, which many have behind a full stop."""
        texts = self._tokenizer.batch_decode([[number] for number in range(len(self._tokenizer))])
        return {number for number, text in enumerate(texts) if "\n" in text} - self._ends


def _batches(prompts: Sequence[Prompted], size: int) -> Iterator[list[int]]:
    """Rows of prompts that share their first tokens, of like length, at most `size` together."""
    order = sorted(range(len(prompts)), key=lambda row: (prompts[row].shared, len(prompts[row].own), row))
    for _, group in groupby(order, key=lambda row: prompts[row].shared):
        rows = list(group)
        yield from (rows[start : start + size] for start in range(0, len(rows), size))


def _shares_tokens(model: Any) -> bool:
    """Whether a model reads shared tokens apart from what follows: not with a sliding window or recurrent layers.

    Nor where it counts places itself, as padding stands between the two.
    """
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    layers = DynamicCache(config=model.config).layers
    takes = {"cache", "position_ids"} <= signature(model.forward).parameters.keys()
    windows = "local" in getattr(model.config, "attention_layers", ())  # GPT-Neo's
    return takes and not windows and all(type(layer) is DynamicLayer for layer in layers)


def _load(base: str) -> tuple[Any, Any, str]:
    if find_spec("transformers") is None:
        raise MissingExtraError("writing queries", "train")
    from transformers import GenerationConfig

    source = Source.find(base, "set [synthesize] base", called="writer {!r}")
    tokenizer = source.tokenizer()
    model = source.model("AutoModelForCausalLM", dtype=fast_dtype())
    source.check_vocabulary(tokenizer, model)
    # Of the model's own settings only its ends count: penalties and beams would depend on the batch, and some folders
    # forbid the cache.
    model.generation_config = GenerationConfig(eos_token_id=model.generation_config.eos_token_id)
    return model.to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer, checksum(source.folder)
