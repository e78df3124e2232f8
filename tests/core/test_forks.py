"""What was used before a fork works in the forked process."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from threading import Event, Thread

import pytest

import relsearch
from relsearch.core.content_cache import ContentCache
from relsearch.rerank.reranker import Reranker
from tests.live.test_searching import Engine, reranker

_TIMEOUT_S = 60

# Newer Pythons warn where a process with threads forks, which is what is tested.
pytestmark = [
    pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="the system cannot fork"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


def _exit_code_of_fork(work: Callable[[], object]) -> int | None:
    """The exit code of a fork that does the work; None where it hangs."""
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join(_TIMEOUT_S)
    code = child.exitcode
    child.kill()
    child.join()
    return code


def test_a_reranker_that_has_scored_scores_in_a_fork() -> None:
    """As a web server's workers do, which are forked from a process that opened and warmed it."""
    opened, texts = Reranker("ready"), [f"{'the sea is deep ' * (turn % 9)}{turn}" for turn in range(60)]
    scores = opened.score_pool("how deep is the sea", texts, [0.0] * 60)
    unread = [f"{text} again" for text in texts]

    def work() -> None:
        assert opened.score_pool("how deep is the sea", texts, [0.0] * 60) == pytest.approx(scores)
        assert len(opened.score_pool("how deep is the sea", unread, [0.0] * 60)) == 60
        opened.close()

    assert _exit_code_of_fork(work) == 0
    opened.close()


def test_a_search_with_a_budget_reranks_in_a_fork() -> None:
    """Its threads are new, too."""
    texts = ["tea", "green tea"]

    def search() -> None:
        assert relsearch.search(Engine(texts), "docs", "tea", bundle=reranker(), budget_ms=20_000).reranked

    search()
    assert _exit_code_of_fork(search) == 0


def test_a_lock_that_is_held_at_the_fork_holds_up_no_one() -> None:
    """A thread that keeps a value at that moment is not there to end it; what it kept counts."""
    held, go = Event(), Event()

    def size(value: str) -> int:
        if value == "slow" and not held.is_set():
            held.set()
            go.wait(_TIMEOUT_S)
        return len(value)

    cache = ContentCache[str](6, size=size)
    thread = Thread(target=cache.keep, args=({"a": "slow"},))
    thread.start()
    assert held.wait(_TIMEOUT_S)

    def work() -> None:
        assert cache.lookup(["a", "b"], lambda _: ["new"]) == ["slow", "new"]
        assert cache.contains(["a", "b"]) == [False, True]

    try:
        assert _exit_code_of_fork(work) == 0
    finally:
        go.set()
        thread.join()
