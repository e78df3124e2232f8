"""A reranker behind an endpoint: text-embeddings-inference's request, or that of Cohere, Jina and vLLM."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from relsearch.core.display.wording import counted
from relsearch.core.errors import RemoteError
from relsearch.core.settings.config import RemoteConfig
from relsearch.judge.remote.endpoint import Body, Endpoint, Post, RequestRefusedError
from relsearch.judge.remote.remote_judge import in_order
from relsearch.judge.remote.usage import Meter

_TEXTS_A_REQUEST = 32  # as many as text-embeddings-inference takes by default
_PROBE = ("how high is mount everest", ("Mount Everest rises 8,849 metres above the sea.",))


class _Row(BaseModel):
    index: int = Field(ge=0)
    score: float = Field(ge=0, le=1)


class _Result(BaseModel):
    index: int = Field(ge=0)
    relevance_score: float = Field(ge=0, le=1)


class _Results(BaseModel):
    results: list[_Result]


_ROWS = TypeAdapter(list[_Row])


class RerankEndpoint:
    """Scores texts by an endpoint's P(relevant); making one asks it once, to learn which request it takes.

    `url` is the whole address, such as http://127.0.0.1:8080/rerank; model, pace, attempts and concurrency are those of
    [remote], and the key comes from RELSEARCH_JUDGE_API_KEY. Raise ConfigError for an address that is none, RemoteError
    where the endpoint does not answer, or answers with what is no probability.
    """

    def __init__(self, url: str, config: RemoteConfig) -> None:
        self._config = config.with_address(url)
        meter = Meter(price_in=config.price_in, price_out=config.price_out)
        self._endpoint = Endpoint(self._config, meter, named_in="[label] judge")
        with self._endpoint.connection() as post:
            try:
                self._scores(post, *_PROBE, bare=False)
                self._bare = False
            except RequestRefusedError:
                self._scores(post, *_PROBE, bare=True)
                self._bare = True

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return P(relevant), one per text in input order, in [0, 1]; raise RemoteError where the endpoint gives up."""
        with self._endpoint.connection() as post:
            ask = partial(self._scores, post, query, bare=self._bare)
            starts = range(0, len(texts), _TEXTS_A_REQUEST)
            batches = (texts[start : start + _TEXTS_A_REQUEST] for start in starts)
            parts = in_order(ask, batches, workers=self._config.concurrency)
            return [score for part in parts for score in part]

    def truncated(self, query: str, texts: Sequence[str]) -> int:
        """Return 0: endpoints do not tell."""
        return 0

    def _scores(self, post: Post, query: str, texts: Sequence[str], *, bare: bool) -> list[float]:
        content = post("", self._body(query, texts, bare=bare))
        try:
            rows = (
                [(row.index, row.score) for row in _ROWS.validate_json(content)]
                if bare
                else [(row.index, row.relevance_score) for row in _Results.model_validate_json(content).results]
            )
        except ValidationError as exc:
            fault = exc.errors()[0]
            raise RemoteError(
                f"{self._config.url}: the answer holds no scores in [0, 1] ({fault['msg']}); name the address of "
                "/rerank, and let it give probabilities"
            ) from exc
        scores = dict(rows)
        if len(rows) != len(texts) or scores.keys() != set(range(len(texts))):
            given = f"{counted(len(rows), 'score')} for {counted(len(texts), 'text')}"
            raise RemoteError(f"{self._config.url}: {given}; use another endpoint")
        return [scores[place] for place in range(len(texts))]

    def _body(self, query: str, texts: Sequence[str], *, bare: bool) -> Body:
        if bare:
            return {"query": query, "texts": list(texts), "truncate": True}
        named = {"model": self._config.model} if self._config.model else {}
        return {**named, "query": query, "documents": list(texts), "top_n": len(texts)}
