"""`config`: what it prints is the configuration that holds without it, and what it refuses it refuses in one line."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from typer.testing import CliRunner

from relsearch.cli import app
from relsearch.core.errors import ConfigError
from relsearch.core.settings.config import Config
from relsearch.core.settings.load import load_config
from relsearch.live.gateway.config import GatewayConfig, Rules, load_gateway_config


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["config", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def _keys(text: str) -> set[str]:
    return set(re.findall(r"^(?:# )?(\w+) =", text, re.MULTILINE))


def test_what_is_printed_is_the_default_configuration(tmp_path: Path) -> None:
    """Every key of every section, as a file that changes nothing."""
    path = tmp_path / "relsearch.toml"
    path.write_text(_run(), encoding="utf-8")
    assert load_config(path) == Config()
    sections = [type(value) for value in vars(Config()).values() if hasattr(value, "model_fields_set")]
    wanted = {name for section in sections for name, field in section.model_fields.items()}
    assert wanted <= _keys(path.read_text(encoding="utf-8")) | {"encoder"}
    assert _run("--check", str(path)) == f"{path}: valid\n"


def test_a_gateway_configuration_is_printed_and_checked(tmp_path: Path) -> None:
    """One section with the defaults."""
    path = tmp_path / "gateway.toml"
    path.write_text(_run("--gateway"), encoding="utf-8")
    assert load_gateway_config(path) == GatewayConfig(index={"NAME": Rules()})
    assert set(Rules.model_fields) <= _keys(path.read_text(encoding="utf-8"))
    for options in (["--gateway"], []):
        assert _run(*options, "--check", str(path)) == f"{path}: valid\n"


def test_comments_are_no_keys() -> None:
    """Choices are listed, and a key without a default stands behind a comment sign."""
    printed = _run()
    assert "# splits =" in printed
    assert "splits" not in tomllib.loads(printed)["collection"]
    assert re.search(r"window_combine = .*one of: max, mean", printed)


def test_a_fault_is_one_line(tmp_path: Path) -> None:
    """The key, and the nearest known one."""
    path = tmp_path / "c.toml"
    path.write_text("[index.docs]\nwindw = 3\n", encoding="utf-8")
    for options in (["--gateway"], []):
        result = CliRunner().invoke(app, ["config", *options, "--check", str(path)])
        assert isinstance(result.exception, ConfigError)
        assert str(result.exception) == f"{path}: [index.docs] unknown key 'windw'; did you mean 'window'?"
