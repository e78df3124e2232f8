"""The remote judge at the HTTP border: what it sends, what it makes of what comes back, what it spends."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import stamina

from relsearch.core.errors import ConfigError, RemoteError
from relsearch.core.query_pool import pools_of
from relsearch.core.settings.config import RemoteConfig
from relsearch.core.types import SCALES, Judgment, Pair
from relsearch.judge.remote.endpoint import KEY_VARIABLE
from relsearch.judge.remote.remote_judge import RemoteJudge, in_order
from relsearch.judge.remote.usage import Usage
from relsearch.judge.store.judgment_store import judge_all
from tests.judge.chat_server import PROBE_DOCUMENT, Answer, ChatServer, Request, Respond, said, serving, word_overlap
from tests.judge.conftest import judge_pairs

KEY = "sk-test-1234567890"
PAIR = Pair("q", "d", "why is the sky blue", "short wavelengths scatter more")
SURE = {"0": 0.01, "1": 0.01, "2": 0.9, "3": 0.08}

Serve = Callable[[Respond], ChatServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts endpoints that end with the test."""
    with ExitStack() as stack:
        yield lambda respond: stack.enter_context(serving(respond))


def _judge(server: ChatServer, scale: str = "0-3", **settings: Any) -> RemoteJudge:
    return RemoteJudge(RemoteConfig(url=server.url, model="m", **settings), SCALES[scale])


def _after_probe(answer: Respond, probe: Answer | None = None) -> Respond:
    return lambda request: (probe or said("2", top=SURE)) if PROBE_DOCUMENT in request.text else answer(request)


def _one(server: ChatServer, **settings: Any) -> Judgment:
    (judgment,) = judge_pairs(_judge(server, **settings), [PAIR])
    return judgment


def _without_logprobs(content: str) -> Respond:
    return lambda _: said(content)


def test_grades_share_the_mass_of_the_first_token(serve: Serve) -> None:
    """The distribution is over grades alone, with and without a leading space; a grade not listed gets nothing."""
    top = {"2": 0.3, " 2": 0.2, "\N{LOWER ONE EIGHTH BLOCK}3": 0.1, "The": 0.2, "1": 0.2, "12": 0.01, "7": 0.01}
    judgment = _one(serve(lambda _: said("2", top=top)))
    assert judgment.probabilities == pytest.approx((0.0, 0.25, 0.625, 0.125))
    assert (judgment.grade, judgment.source) == (2, "judge")
    assert judgment.expected == pytest.approx(0.25 + 1.25 + 0.375)
    assert judgment.confidence == pytest.approx(0.625)


def test_a_request_asks_for_one_token_at_temperature_0(serve: Serve) -> None:
    """The body is one user message and asks for the likeliest tokens in the answer's place."""
    server = serve(word_overlap)
    _one(server, top_logprobs=7)
    request = server.requests[-1]
    assert request.path == "/v1/chat/completions"
    (message,) = request.body["messages"]
    assert message["role"] == "user"
    assert PAIR.query in message["content"]
    assert PAIR.text in message["content"]
    options = {name: value for name, value in request.body.items() if name != "messages"}
    assert options == {"model": "m", "temperature": 0, "max_tokens": 1, "logprobs": True, "top_logprobs": 7}


def test_an_endpoint_without_logprobs_answers_within_a_schema(serve: Serve) -> None:
    """The schema holds the answer to the scale, and the grade is certain of itself."""
    server = serve(_without_logprobs('{"grade": 3}'))
    judge = _judge(server)
    (judgment,) = judge_pairs(judge, [PAIR])
    assert judge.mode == "schema"
    assert (judgment.grade, judgment.probabilities, judgment.confidence) == (3, (0.0, 0.0, 0.0, 1.0), 1.0)
    schema = server.requests[-1].body["response_format"]["json_schema"]["schema"]
    assert schema["properties"] == {"grade": {"type": "integer", "enum": [0, 1, 2, 3]}}


def test_an_endpoint_that_refuses_parameters_answers_in_plain_text(serve: Serve) -> None:
    """Status 400 to logprobs and to a schema leaves the plain question, which asks for neither."""

    def respond(request: Request) -> Answer:
        fancy = {"logprobs", "response_format"} & set(request.body)
        return Answer({"error": "unknown parameter"}, status=400) if fancy else said(" 2\n")

    server = serve(respond)
    judge = _judge(server)
    assert judge.mode == "plain"
    assert [judgment.grade for judgment in judge_pairs(judge, [PAIR])] == [2]
    assert judge.usage == Usage(requests=4, tokens_in=200, tokens_out=2)


@pytest.mark.parametrize(
    ("probe", "answer"),
    [
        (said("2", top=SURE), said("The", top={"The": 0.6, "It": 0.2, "7": 0.1, "22": 0.1})),
        (said("2", top=SURE), said("2")),
        (said("2", top=SURE), Answer({"choices": []})),
        (said("2", top=SURE), Answer({"error": "context length exceeded"}, status=400)),
        (said('{"grade": 1}'), said('{"grade": 7}')),
        (said('{"grade": 1}'), said('{"grade": true}')),
        (said('{"grade": 1}'), said('{"grade": "2"}')),
        (said('{"grade": 1}'), said('{"grade": ')),
        (said('{"grade": 1}'), said("2")),
        (said("2"), said("2 because")),
        (said("2"), said("Grade: 2")),
        (said("2"), said("7")),
        (said("2"), said("\N{SUPERSCRIPT TWO}")),
        (said("2"), said("")),
        (said("2"), said(None)),
    ],
)
def test_an_answer_that_is_no_grade_is_missing(serve: Serve, probe: Answer, answer: Answer) -> None:
    """Nothing is made up: no grade, no distribution, and the count tells."""
    judge = _judge(serve(_after_probe(lambda _: answer, probe)))
    assert judge_pairs(judge, [PAIR]) == [Judgment("q", "d", None, "judge", judge.fingerprint)]
    assert judge.usage.missing == 1


def test_missing_labels_are_told_when_judging_ends(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """One line at the end, a warning where labels are missing."""
    judge = _judge(serve(_after_probe(lambda _: said("no"))))
    judge_pairs(judge, [PAIR, PAIR])
    (record,) = [record for record in caplog.records if record.name == "relsearch.judge.remote.remote_judge"]
    assert record.levelno == logging.WARNING
    assert "2 labels missing" in record.message


def test_a_missing_label_is_in_the_table_and_asked_for_again(serve: Serve, tmp_path: Path) -> None:
    """The store keeps grades only; the table shows the pair without one."""
    answers = iter([said("no"), said("2", top=SURE)])
    judge = _judge(serve(_after_probe(lambda _: next(answers))))
    assert judge_all(judge, pools_of([PAIR]), tmp_path)["grade"].to_list() == [None]
    assert judge_all(judge, pools_of([PAIR]), tmp_path)["grade"].to_list() == [2]
    assert judge_all(judge, pools_of([PAIR]), tmp_path)["grade"].to_list() == [2]
    assert judge.usage.requests == 3


def test_a_busy_endpoint_is_asked_again_when_it_says(serve: Serve) -> None:
    """Status 429 with Retry-After waits so long, then the answer counts."""
    busy = Answer({"error": "slow down"}, status=429, headers={"Retry-After": "0.4"})
    server = serve(_after_probe(lambda request: busy if request.number == 1 else said("2", top=SURE)))
    judge = _judge(server)
    assert [judgment.grade for judgment in judge_pairs(judge, [PAIR])] == [2]
    assert server.requests[2].at_s - server.requests[1].at_s >= 0.4
    assert (judge.usage.requests, judge.usage.retries) == (3, 1)


def test_retry_after_may_be_a_date(serve: Serve) -> None:
    """A date in the future waits until then."""

    def busy() -> Answer:
        return Answer({}, status=503, headers={"Retry-After": formatdate(time.time() + 2, usegmt=True)})

    server = serve(_after_probe(lambda request: busy() if request.number == 1 else said("2", top=SURE)))
    judge_pairs(_judge(server), [PAIR])
    assert server.requests[2].at_s - server.requests[1].at_s > 0.5


def test_an_endpoint_that_keeps_failing_is_one_error(serve: Serve) -> None:
    """After the attempts the error names endpoint, status, what it said and what to do."""
    server = serve(_after_probe(lambda _: Answer({"error": "out of\nmemory"}, status=500)))
    judge = _judge(server, attempts=3)
    message = rf"^judge endpoint {server.url}: status 500 \(.*memory.*\) after 3 attempts; lower \[remote\] concurrency"
    with stamina.set_testing(True, attempts=3), pytest.raises(RemoteError, match=message):
        judge_pairs(judge, [PAIR])
    assert judge.usage.requests == 1 + 3


def test_a_silent_endpoint_is_an_error(serve: Serve) -> None:
    """No answer in time, and no endpoint at all, are told apart from a refusal."""

    def slow(request: Request) -> Answer:
        time.sleep(0.5)
        return word_overlap(request)

    with pytest.raises(RemoteError, match=r"ReadTimeout .*raise .remote. timeout_s"):
        _judge(serve(slow), timeout_s=0.1, attempts=1)
    with pytest.raises(RemoteError, match=r"ConnectError .*set \[remote\] url"):
        RemoteJudge(RemoteConfig(url="http://127.0.0.1:9/v1", model="m", attempts=1), SCALES["0-3"])


def test_an_endpoint_that_is_away_is_said_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """Once, before it is tried again."""
    config = RemoteConfig(url="http://127.0.0.1:9/v1", model="m", attempts=3)
    with stamina.set_testing(True, attempts=3), pytest.raises(RemoteError):
        RemoteJudge(config, SCALES["0-3"])
    (said,) = (each.getMessage() for each in caplog.records if "trying again" in each.getMessage())
    assert said.startswith("judge endpoint http://127.0.0.1:9/v1: ")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer({"error": f"bad key {KEY}"}, status=401), f"status 401 .*set {KEY_VARIABLE}"),
        (Answer({"error": "no model m"}, status=404), "status 404 .*check its address and .remote. model"),
        (Answer({"error": "no"}, status=400), "refused a request: status 400"),
        (Answer({}, status=501), "status 501 .*check .remote. url"),
        (Answer({"hello": 1}), "no chat completion; set .remote. url"),
    ],
)
def test_an_endpoint_that_will_not_serve_is_an_error_at_once(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, answer: Answer, message: str
) -> None:
    """What another attempt cannot mend is not tried again, and the key is not shown, even where it is sent back."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    server = serve(lambda _: answer)
    with pytest.raises(RemoteError, match=message) as caught:
        _judge(server)
    assert KEY not in str(caught.value)
    assert len(server.requests) <= 3


def test_judgments_keep_the_order_of_the_pairs(serve: Serve) -> None:
    """Answers that come back in the opposite order are yielded in the pairs' order."""
    barrier = Barrier(4)

    def respond(request: Request) -> Answer:
        grade = int(request.text.partition("Passage: grade ")[2][0])
        barrier.wait(timeout=10)  # passes when all four are here: they are in flight together
        time.sleep(0.1 * (3 - grade))
        return said(str(grade), top={str(grade): 1.0})

    judge = _judge(serve(_after_probe(respond)), concurrency=4)
    pairs = [replace(PAIR, doc_id=str(grade), text=f"grade {grade}") for grade in range(4)]
    assert [(one.doc_id, one.grade) for one in judge_pairs(judge, iter(pairs))] == [
        ("0", 0),
        ("1", 1),
        ("2", 2),
        ("3", 3),
    ]


def test_no_more_than_the_allowed_requests_are_in_flight(serve: Serve) -> None:
    """The bound holds however many pairs wait."""
    running: list[int] = []
    most: list[int] = []

    def respond(request: Request) -> Answer:
        running.append(1)
        most.append(len(running))
        time.sleep(0.02)
        running.pop()
        return said("2", top=SURE)

    judge = _judge(serve(respond), concurrency=3)
    assert len(judge_pairs(judge, [PAIR] * 20)) == 20
    assert 2 <= max(most) <= 3


def test_pairs_are_taken_as_they_are_needed() -> None:
    """An endless stream of items is begun only a few ahead of what was read."""
    taken: list[int] = []

    def endless() -> Iterator[int]:
        while True:
            taken.append(len(taken))
            yield taken[-1]

    results = in_order(lambda item: item * 2, endless(), workers=2)
    assert [next(results) for _ in range(5)] == [0, 2, 4, 6, 8]
    results.close()
    assert len(taken) < 20


def test_after_an_error_nothing_new_is_begun() -> None:
    """What waits in line when a call fails is never called."""
    called: list[int] = []

    def fail_first(item: int) -> None:
        called.append(item)
        time.sleep(0.2)
        if item == 0:
            raise RemoteError("gone")

    with pytest.raises(RemoteError, match="gone"):
        list(in_order(fail_first, range(4), workers=1))
    assert called in ([0], [0, 1])


def test_requests_keep_to_the_rate(serve: Serve) -> None:
    """At 600 a minute, requests of all workers start 0.1 s apart, the probe's included."""
    server = serve(word_overlap)
    judge_pairs(_judge(server, requests_per_minute=600), [PAIR] * 5)
    times = [request.at_s for request in server.requests]
    assert len(times) == 6
    assert times[-1] - times[0] >= 0.45


def test_the_key_is_sent_and_shown_nowhere(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It goes out as a bearer token; no log line and no attribute shown holds it."""
    monkeypatch.setenv(KEY_VARIABLE, f" {KEY}\n")
    caplog.set_level(logging.DEBUG)
    server = serve(_after_probe(lambda request: Answer({}, 503) if request.number == 1 else said("2", top=SURE)))
    judge = _judge(server)
    judge_pairs(judge, [PAIR])
    assert [request.headers["Authorization"] for request in server.requests] == [f"Bearer {KEY}"] * 3
    assert caplog.records
    shown = [f"{record.getMessage()} {vars(record)}" for record in caplog.records]
    assert not [line for line in shown if KEY in line or PAIR.text in line]
    assert KEY not in repr(judge) + judge.fingerprint + str(judge.usage)


def test_without_a_key_none_is_sent(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A local server needs none."""
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    server = serve(word_overlap)
    _one(server)
    assert "Authorization" not in server.requests[0].headers


def test_a_key_that_no_header_can_hold_is_refused(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable and not the value."""
    monkeypatch.setenv(KEY_VARIABLE, "sk-\N{SNOWMAN}")
    with pytest.raises(ConfigError, match=f"{KEY_VARIABLE}: not printable") as caught:
        _judge(serve(word_overlap))
    assert "sk-" not in str(caught.value)


def test_tokens_and_their_price_are_counted(serve: Serve) -> None:
    """Tokens are the endpoint's, the probe's included; prices are of a million."""
    server = serve(lambda _: said("2", top=SURE, tokens=(1000, 10)))
    judge = _judge(server, price_in=2.0, price_out=50.0)
    judge_pairs(judge, [PAIR] * 9)
    assert replace(judge.usage, cost=0.0) == Usage(requests=10, tokens_in=10_000, tokens_out=100)
    assert judge.usage.cost == pytest.approx(0.025)


def test_long_texts_are_cut_and_counted(serve: Serve) -> None:
    """Query and text are bounded in characters before they are sent."""
    server = serve(word_overlap)
    judge = _judge(server, max_document_tokens=10)
    judge_pairs(judge, [replace(PAIR, text="w" * 121), replace(PAIR, query="why " * 99), replace(PAIR, text="w" * 120)])
    assert judge.usage.truncated == 2
    assert all("w" * 121 not in request.text for request in server.requests)
    assert any("w" * 120 in request.text for request in server.requests)


def test_a_text_cannot_take_the_place_of_another(serve: Serve) -> None:
    """Placeholders inside query and document are plain text, and a lone surrogate is sent as a question mark."""
    server = serve(word_overlap)
    judge_pairs(_judge(server), [Pair("q", "d", "what is {document}", "{query} \udc00")])
    assert "Query: what is {document}\nPassage: {query} ?\n" in server.requests[-1].text


def test_the_fingerprint_follows_what_decides_a_label(serve: Serve) -> None:
    """Model, prompt, scale, mode and limits change it; where the endpoint stands and how it is asked do not."""
    first, second = serve(word_overlap), serve(word_overlap)
    known = _judge(first).fingerprint
    assert _judge(second, concurrency=2, attempts=1, timeout_s=9, price_in=1).fingerprint == known
    others = [
        RemoteJudge(RemoteConfig(url=first.url, model="other"), SCALES["0-3"]),
        _judge(first, scale="1-4"),
        _judge(first, max_document_tokens=100),
        _judge(serve(_without_logprobs("2"))),
        _judge(serve(_without_logprobs('{"grade": 2}'))),
    ]
    assert len({known, *(judge.fingerprint for judge in others)}) == 6


def test_settings_that_cannot_work_are_refused(serve: Serve) -> None:
    """A model must be named, and a prompt with chat turns of its own is not for an endpoint."""
    server = serve(word_overlap)
    with pytest.raises(ConfigError, match=r"\[remote\] model is not set"):
        RemoteJudge(RemoteConfig(url=server.url), SCALES["0-3"])
    with pytest.raises(ConfigError, match="'graded' writes its own chat turns"):
        _judge(server, prompt="graded")
    assert not server.requests
