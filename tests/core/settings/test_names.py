"""Keys of relsearch.toml: each is described, former names still work, removed ones say what to do."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, JsonValue

from relsearch.core.errors import ConfigError
from relsearch.core.settings.config import Config, JudgeConfig
from relsearch.core.settings.load import REMOVED, load_config
from relsearch.core.settings.section import Section, former_names

FORMER = [
    ("judge", "evidence", "retrieval_features", '["cosine"]', ("cosine",)),
    ("label", "anchors", "query_calibration_grades", "3", 3),
    ("export", "mix", "first_stage_weight", "0.7", 0.7),
    ("export", "feedback", "prf_weight", "0.7", 0.7),
    ("export", "guard", "quality_gate", '"off"', "off"),
    ("export", "guard_margin", "quality_gate_margin", "0.1", 0.1),
    ("export", "guard_p", "quality_gate_p", "0.2", 0.2),
]


def _load(folder: Path, text: str) -> Config:
    path = folder / "relsearch.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, str | None]]:
    for key, field in model.model_fields.items():
        yield f"{model.__name__}.{key}", field.description
        if isinstance(field.default, Section):
            yield from _fields(type(field.default))


def test_every_key_is_described() -> None:
    """In one line of plain words, so that `relsearch config` and docs/settings.md say what it means."""
    lacking = [key for key, description in _fields(Config) if not description or description[-1] == "."]
    assert lacking == []


@pytest.mark.parametrize(("section", "was", "today", "text", "value"), FORMER, ids=[each[1] for each in FORMER])
def test_a_former_name_works_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, section: str, was: str, today: str, text: str, value: JsonValue
) -> None:
    """It sets what today's name sets; the warning names that, and there is none for today's name."""
    with caplog.at_level(logging.WARNING):
        config = _load(tmp_path, f"[{section}]\n{was} = {text}")
    assert getattr(getattr(config, section), today) == value
    assert caplog.messages == [
        f"{tmp_path / 'relsearch.toml'}: [{section}] {was} is now called {today}; this release still takes the old name"
    ]
    caplog.clear()
    assert _load(tmp_path, f"[{section}]\n{today} = {text}") == config
    assert caplog.messages == []


@pytest.mark.parametrize(("section", "was", "today", "text", "value"), FORMER, ids=[each[1] for each in FORMER])
def test_both_names_together_are_refused(
    tmp_path: Path, section: str, was: str, today: str, text: str, value: JsonValue
) -> None:
    """Which one counts would be a guess."""
    with pytest.raises(ConfigError, match=rf"\[{section}\] {was} is the former name of {today}; keep {today} alone"):
        _load(tmp_path, f"[{section}]\n{was} = {text}\n{today} = {text}")


def test_every_former_name_is_tested() -> None:
    """The list above is that of the models."""
    sections = {key: type(field.default) for key, field in Config.model_fields.items()}
    models = {key: model for key, model in sections.items() if issubclass(model, Section)}
    found = {(key, *names) for key, model in models.items() for names in former_names(model).items()}
    assert found == {each[:3] for each in FORMER}


def test_what_is_stored_keeps_the_former_names() -> None:
    """Fingerprints of stages and judges are of these, so that a rename makes nothing anew."""
    dumped = Config().model_dump(mode="json")
    assert all(was in dumped[section] and today not in dumped[section] for section, was, today, *_ in FORMER)
    assert Config.model_validate(dumped) == Config()
    assert JudgeConfig.model_validate_json('{"evidence": []}').retrieval_features == ()


@pytest.mark.parametrize(("section", "key"), REMOVED)
def test_a_removed_key_says_what_to_do(tmp_path: Path, section: str, key: str) -> None:
    """It does not pass for a spelling mistake."""
    with pytest.raises(ConfigError, match=re.escape(f"[{section}] {key} is gone: {REMOVED[section, key]}")):
        _load(tmp_path, f"[{section}]\n{key} = 1")


def test_a_removed_policy_says_what_to_do(tmp_path: Path) -> None:
    """The others go on."""
    with pytest.raises(ConfigError, match=r"\[augment\] policy relabel is gone: human labels always win"):
        _load(tmp_path, '[augment]\npolicies = ["fill", "relabel"]')
