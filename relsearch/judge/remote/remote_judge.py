"""A model behind an OpenAI-compatible chat endpoint as a judge: a baseline, or a teacher for a small one."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from itertools import chain, islice, tee
from typing import TypeVar

import numpy as np

from relsearch.core.errors import ConfigError
from relsearch.core.query_pool import QueryPool
from relsearch.core.settings.config import RemoteConfig
from relsearch.core.types import Judgment, Pair, Scale
from relsearch.judge.fingerprint import fingerprint_of
from relsearch.judge.judge_base import JudgeBase, progress_bar
from relsearch.judge.models.prompt import ChatPrompt, load_prompt
from relsearch.judge.remote.answers import Distribution, Mode, distribution, request_options
from relsearch.judge.remote.endpoint import Ask, Body, Endpoint, RequestRefusedError
from relsearch.judge.remote.usage import Meter, Usage

Item = TypeVar("Item")
Result = TypeVar("Result")

_LOG = logging.getLogger(__name__)
_TEMPERATURE = 0
_MODES: tuple[Mode, ...] = ("logprobs", "schema", "plain")  # most telling first
_PROBE = Pair("probe", "probe", "how high is mount everest", "Mount Everest rises 8,849 metres above the sea.")
# Requests begun before the oldest is read, per worker: one slow answer does not leave the other workers idle.
_AHEAD = 4


def check_remote(config: RemoteConfig) -> None:
    """Raise ConfigError for settings that no endpoint could be asked with."""
    if not config.model:
        raise ConfigError(
            "[remote] model is not set; name it in a relsearch.toml as the endpoint does, and label with "
            "`relsearch judge -c relsearch.toml`"
        )
    load_prompt(config.prompt)


class RemoteJudge(JudgeBase):
    """Grades pairs by one short answer each; an answer that is no grade is a missing label, never a grade.

    Making one asks the endpoint up to three questions, to learn how it can answer: see `mode`. The API key comes from
    RELSEARCH_JUDGE_API_KEY. Raises ConfigError for settings and RemoteError where the endpoint does not answer.
    """

    def __init__(self, config: RemoteConfig, scale: Scale) -> None:
        check_remote(config)
        self._config = config
        self._prompt = ChatPrompt(config.prompt, scale, max_document_tokens=config.max_document_tokens)
        self._meter = Meter(price_in=config.price_in, price_out=config.price_out)
        self._endpoint = Endpoint(config, self._meter)
        self._mode = self._probe(scale)
        # Where the endpoint stands is no part of the fingerprint.
        read = (config.max_document_tokens, config.top_logprobs, _TEMPERATURE)
        about = (config.model, self._prompt.text, scale, self._mode, *read)
        super().__init__(fingerprint=fingerprint_of(*about), scale=scale)

    @property
    def mode(self) -> Mode:
        """How the endpoint answers: `logprobs`, `schema` or `plain`, the first of them that gave a grade."""
        return self._mode

    @property
    def truncated(self) -> int:
        """How many documents were too long to be sent whole so far."""
        return self.usage.truncated

    @property
    def usage(self) -> Usage:
        """What was asked and spent so far."""
        return self._meter.total

    def judge(self, pools: Iterable[QueryPool]) -> Iterator[list[Judgment]]:
        """Yield the judgments of one pool after the other; raise RemoteError where the endpoint gives up."""
        asked, kept = tee(pools)
        pairs = chain.from_iterable(pool.pairs() for pool in asked)
        with (
            self._endpoint.session() as ask,
            progress_bar() as bar,
            closing(in_order(partial(self._judged, ask), pairs, workers=self._config.concurrency)) as judgments,
        ):
            for pool in kept:
                labels = []
                for judgment in islice(judgments, len(pool)):
                    bar.update()
                    labels.append(judgment)
                yield labels
        _LOG.log(logging.WARNING if self.usage.missing else logging.INFO, "remote judge so far: %s", self.usage)

    def _probe(self, scale: Scale) -> Mode:
        with self._endpoint.session() as ask:
            text, _ = self._prompt.message(_PROBE)
            for mode in _MODES[:-1]:
                with suppress(RequestRefusedError):
                    if distribution(mode, ask(self._body(text, mode, scale)), scale):
                        return mode
            ask(self._body(text, _MODES[-1], scale))
        return _MODES[-1]

    def _judged(self, ask: Ask, pair: Pair) -> Judgment:
        text, truncated = self._prompt.message(pair)
        row: Distribution | None = None
        try:
            row = distribution(self._mode, ask(self._body(text, self._mode, self.scale)), self.scale)
        except RequestRefusedError as exc:
            _LOG.warning("query %s, document %s: %s", pair.query_id, pair.doc_id, exc)
        self._meter.add(Usage(truncated=int(truncated), missing=int(row is None)))
        return self.judgment(pair, None if row is None else self.scale.lowest + int(np.argmax(row)), row)

    def _body(self, text: str, mode: Mode, scale: Scale) -> Body:
        return {
            "model": self._config.model,
            "messages": [{"role": "user", "content": text}],
            "temperature": _TEMPERATURE,
            **request_options(mode, scale, top_logprobs=self._config.top_logprobs),
        }


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int
) -> Generator[Result, None, None]:
    """Yield function(item) in the order of the items, several at once; on an error what has not begun never does."""
    pool = ThreadPoolExecutor(workers)
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= workers * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
