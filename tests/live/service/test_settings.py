"""Settings: safe by default, from options or the environment, wrong ones in one line."""

from __future__ import annotations

from traceback import format_exception

import pytest

from relsearch.core.errors import ConfigError
from relsearch.live.service.settings import read_settings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_needs_no_key(host: str) -> None:
    """Loopback addresses are served without a key."""
    assert read_settings(host=host).api_key is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "search.example.org"])  # noqa: S104  # what is refused
def test_other_addresses_need_a_key(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are refused without a key, unless that is asked for by name."""
    with pytest.raises(ConfigError, match=r"set RELSEARCH_API_KEY, or pass --insecure"):
        read_settings(host=host)
    assert read_settings(host=host, insecure=True).host == host
    monkeypatch.setenv("RELSEARCH_API_KEY", "")
    with pytest.raises(ConfigError):
        read_settings(host=host)
    monkeypatch.setenv("RELSEARCH_API_KEY", "secret")
    assert read_settings(host=host).host == host


def test_options_go_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable holds where no option is given."""
    monkeypatch.setenv("RELSEARCH_PORT", "9000")
    assert read_settings(port=None).port == 9000
    assert read_settings(port=9001).port == 9001


def test_workers_get_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes into a worker's environment comes out as the same settings, and the key is not repeated in it."""
    monkeypatch.setenv("RELSEARCH_API_KEY", "secret")
    given = read_settings(host="0.0.0.0", port=9001, timeout_s=2.5, model="mine", insecure=True)  # noqa: S104
    environment = given.environment()
    assert "RELSEARCH_API_KEY" not in environment
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert read_settings() == given


def test_a_wrong_value_is_one_line_without_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the setting; a key that no header can carry is not shown."""
    with pytest.raises(ConfigError, match=r"^serve: workers: "):
        read_settings(workers=0)
    monkeypatch.setenv("RELSEARCH_API_KEY", "schlüssel")
    with pytest.raises(ConfigError) as caught:
        read_settings()
    assert "schlüssel" not in "".join(format_exception(caught.value))
