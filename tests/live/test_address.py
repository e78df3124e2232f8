"""Addresses that servers listen at."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from relsearch.core.errors import ConfigError
from relsearch.live.address import check_free
from tests.command import relsearch


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens at."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield int(other.getsockname()[1])


@pytest.mark.parametrize(
    "arguments",
    [
        ["gateway", "--upstream", "http://127.0.0.1:9", "--bundle"],
        ["serve", "--bundle"],
        ["ui", "--demo", "--bundle"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_taken_port_is_one_line_that_names_the_options(
    arguments: list[str], taken: int, tmp_path: Path, tiny_bundles: dict[str, Path]
) -> None:
    """Of every verb that listens, in the same words."""
    done = relsearch(*arguments, str(tiny_bundles["int8"]), "--port", str(taken), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line == (
        f"relsearch: cannot listen at 127.0.0.1:{taken} (Address already in use); pass another --port or --host"
    )


def test_a_host_that_is_not_there_is_named(taken: int) -> None:
    """As is one of another machine, or what is no name; a port that is free, or any, is not refused."""
    for host in ("no.such.host.invalid", "192.0.2.1", "a" * 70):
        with pytest.raises(ConfigError, match=f"cannot listen at {host}:{taken} \\(.+\\); pass another"):
            check_free(host, taken)
    check_free("127.0.0.1", 0)
