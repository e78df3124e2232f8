"""What does not concern the reranker passes through real engines' APIs untouched, and their clients notice nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.conftest import REPOSITORY
from tests.live.gateway.calls import Reply, calls, replies
from tests.live.gateway.official import use
from tests.live.gateway.running import LastWordScorer, gateway
from tests.live.gateway.same import differences

pytestmark = pytest.mark.live
_ELASTICSEARCH_8 = REPOSITORY / ".venv" / "elasticsearch-8"


def test_recorded_calls_pass_byte_for_byte(engine: tuple[str, str]) -> None:
    """Status, headers and body of each call are those of direct calls."""
    name, url = engine
    rounds = [[reply for _, reply in replies(url, name)] for _ in range(3)]
    with gateway(url, LastWordScorer()) as through:
        passed = list(replies(through, name))
    assert len(passed) == len(calls(name)) >= 60
    wrong = [
        f"{call.method} {call.path}: {difference}"
        for (call, reply), *direct in zip(passed, *rounds, strict=True)
        for difference in differences(direct, reply)
    ]
    assert wrong == []


def test_a_difference_is_seen() -> None:
    """The comparison forgives what differs directly, and nothing else."""
    direct = [Reply(200, "OK", {"x": "1"}, b'{"took":%d,"id":"%s","n":5}' % (n, n * b"a")) for n in (1, 2)]
    assert differences(direct, Reply(200, "OK", {"x": "1"}, b'{"took":3,"id":"b","n":5}')) == []
    for wrong in (
        replace(direct[0], status=201),
        replace(direct[0], headers={}),
        replace(direct[0], headers={"x": "1", "y": "2"}),
        replace(direct[0], body=b'{"took":3,"id":"b","n":6}'),
        replace(direct[0], body=b'{"took":3,"id":"b","n":5 }'),
    ):
        assert differences(direct, wrong) != []


def test_the_official_client_works_unchanged(engine: tuple[str, str], sea: str) -> None:
    """Its product check, bulk helper, errors, scan and compressed bodies; and a reranked search."""
    name, _ = engine
    with gateway(sea, LastWordScorer()) as url:
        use(name, url, sea)


def test_the_client_of_elasticsearch_8_works_unchanged(engine: tuple[str, str], sea: str) -> None:
    """As many clusters are still asked; `make` puts that client in a folder of its own, beside the installed one."""
    name, _ = engine
    if name != "elasticsearch":
        pytest.skip("that client refuses what is not Elasticsearch, with a gateway or without")
    if not _ELASTICSEARCH_8.is_dir():
        pytest.skip(f"no {_ELASTICSEARCH_8}; `make .venv/dev.stamp` makes it")
    with gateway(sea, LastWordScorer()) as url:
        command = [sys.executable, "-m", "tests.live.gateway.official", name, url, sea]
        environment = os.environ | {"PYTHONPATH": str(_ELASTICSEARCH_8)}
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=REPOSITORY, env=environment, timeout=120
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("8.")
