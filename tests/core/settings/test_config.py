"""Configuration: typed, frozen, and helpful about mistakes."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from traceback import format_exception

import pytest
from pydantic import ValidationError

from relsearch.core.errors import ConfigError
from relsearch.core.scale import parse_scale
from relsearch.core.settings.config import Config
from relsearch.core.settings.load import load_config
from relsearch.core.types import SCALES


def _load(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "relsearch.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def test_an_empty_file_is_the_default_config(tmp_path: Path) -> None:
    """Every key has a default that works on the packaged demo."""
    assert _load(tmp_path, "") == Config()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[pool]\ndeph = 3", r"unknown key 'pool.deph'; did you mean 'depth'\?"),
        ("[pol]\ndepth = 3", r"unknown key 'pol'; did you mean 'pool'\?"),
        ("[pool]\nzzz = 3", r"unknown key 'pool.zzz'; known keys: depth"),
        ("[remote]\nmodl = 3", r"unknown key 'remote.modl'; did you mean 'model'\?"),
        ('[remote]\nurl = "http://me:key@host/v1"', r"remote.url: String should match pattern"),
        ("[pool]\ndepth = 0", r"pool.depth: Input should be greater than or equal to 1"),
        ("[pool\n", "not valid TOML"),
        ('[augment]\npolicies = ["fil"]', r"augment.policies.*'fill'"),
        ("[augment]\nweight = nan", r"augment.weight: Input should be"),
        (
            "[label]\nwindow_characters = 9",
            r"relsearch\.toml: \[label\] window_characters: a reranker reads",
        ),
        ('[collection]\nscale = "²-3:2"', r"\[collection\] scale '²-3:2': use 0-3, 1-4, binary"),
        ('[evaluate]\nmeasures = ["nDCG@10", "P@0"]', r"\[evaluate\] measure 'P@0': 0 as @ is not from 1"),
        ('[evaluate]\nmeasures = ["ndcg_10"]', r"\[evaluate\] measure 'ndcg_10' is not known.*did you mean 'nDCG@10'"),
        ("[evaluate]\nresamples = 1000000000", r"evaluate.resamples: Input should be less than or equal to 10000"),
        ('[label]\njudge = "ready + "', r"relsearch\.toml: \[label\] judge 'ready \+ ': a name is missing"),
        ('[label]\njudge = " + ready"', r"relsearch\.toml: \[label\] judge ' \+ ready': a name is missing"),
        (
            '[label]\njudge = "ready + reranker:"',
            r"relsearch\.toml: \[label\] judge 'ready \+ reranker:': a name is missing",
        ),
        ("seed = -1", r"seed: Input should be greater than or equal to 0"),
        ("seed = 4294967296", r"seed: Input should be less than or equal to 4294967295"),
        ("[export]\nquality_gate_p = 1e-9", r"export.quality_gate_p: Input should be greater than or equal to 0.001"),
        ('[collection]\nscale = "0-x"', r"\[collection\] scale '0-x': use 0-3, 1-4, binary"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(tmp_path: Path, text: str, message: str) -> None:
    """The error says which file and key, and the nearest key that exists."""
    with pytest.raises(ConfigError, match=message):
        _load(tmp_path, text)


@pytest.mark.parametrize("key", ["[remote]\nurl", "[label]\njudge"])
def test_a_password_is_not_shown(tmp_path: Path, key: str) -> None:
    """Neither in the message nor in the traceback that `-v` prints."""
    password = "open-sesame"
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, f'{key} = "http://me:{password}@host/v1"')
    assert password not in "".join(format_exception(caught.value))


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    """A missing config is one clear error."""
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read"):
        load_config(tmp_path / "absent.toml")


def test_a_config_cannot_be_changed() -> None:
    """Sections are frozen, so a stage cannot alter what another one reads."""
    with pytest.raises(ValidationError):
        Config().pool.depth = 3  # type: ignore[misc]


def test_custom_scales() -> None:
    """Named scales and lowest-highest:relevant are understood."""
    assert parse_scale("binary") == SCALES["binary"]
    scale = parse_scale("0-4:3")
    assert (scale.grades, scale.relevant, scale.gain(2)) == ((0, 1, 2, 3, 4), 3, 0.5)


@pytest.mark.parametrize("text", ["3-0:1", "0-3:0", "0-3:4", "0-12:3", "", "0-3:"])
def test_impossible_scales_are_refused(text: str) -> None:
    """A cut-off outside the scale, or a scale of one grade, is an error."""
    with pytest.raises(ConfigError, match="scale"):
        parse_scale(text)


def test_a_first_run_needs_few_keys() -> None:
    """The demo's file sets at most twelve, all of them other than the defaults."""
    demo = resources.files("relsearch.data.demo") / "relsearch.toml"
    found = tomllib.loads(demo.read_text("utf-8"))
    default = Config().model_dump(mode="json")
    keys = [(section, key) for section, each in found.items() if isinstance(each, dict) for key in each] + [
        (key, "") for key, value in found.items() if not isinstance(value, dict)
    ]
    assert len(keys) <= 12
    assert not [(s, k) for s, k in keys if k and found[s][k] == default[s].get(k)]
