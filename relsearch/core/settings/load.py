"""Reading relsearch.toml: unknown keys are refused with the nearest known one, former and removed ones by name."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from relsearch.core.errors import ConfigError
from relsearch.core.files.text_files import read_toml
from relsearch.core.measures import parse_measures
from relsearch.core.scale import parse_scale
from relsearch.core.settings.config import Config
from relsearch.core.settings.section import Section, former_names
from relsearch.core.types import StrPath

_UNMEASURED = "no measurement showed a gain; see docs/decisions.md"
REMOVED: Mapping[tuple[str, str], str] = {
    ("augment", "relabel_floor"): f"human labels always win ({_UNMEASURED})",
    ("augment", "weights"): f"set [augment] weight for all policies ({_UNMEASURED})",
    ("augment", "confidence_weight"): f"set [augment] confidence_floor instead ({_UNMEASURED})",
    ("augment", "max_irrelevant_ratio"): f"set [augment] max_per_query instead ({_UNMEASURED})",
    ("augment", "beside_source"): "a written query has negatives alone, which did as well; see docs/decisions.md",
    ("label", "human_irrelevant"): f"human labels always win ({_UNMEASURED})",
}
_LOG = logging.getLogger(__name__)


def load_config(path: StrPath) -> Config:
    """Read a relsearch.toml; raise ConfigError naming file, key and the nearest known key.

    A key by its former name is taken for this release, with a warning that has today's name.
    """
    return parse_config(read_toml(Path(path), "`relsearch config` prints one; -c names another"), Path(path))


def parse_config(raw: Mapping[str, Any], path: StrPath) -> Config:
    """Return the configuration that a mapping of sections holds; raise as load_config does, `path` being its name."""
    _check_keys(raw, path)
    try:
        config = Config.model_validate(raw)
    except ValidationError as exc:
        raise ConfigError(f"{path}: {first_fault(Config, exc)}") from exc
    except ConfigError as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    section = "collection"
    try:
        parse_scale(config.collection.scale)
        section = "evaluate"
        parse_measures(config.evaluate.measures)
    except ConfigError as exc:
        raise ConfigError(f"{path}: [{section}] {exc}") from exc
    return config


def first_fault(root: type[BaseModel], exc: ValidationError) -> str:
    """Return what is wrong at the first key that a model refuses."""
    error = exc.errors()[0]
    return explain(root, [str(part) for part in error["loc"]], error["type"], error["msg"])


def explain(root: type[BaseModel], location: list[str], kind: str, message: str) -> str:
    """Return what is wrong at a key of a model; of an unknown key, the nearest known one."""
    key = ".".join(location)
    if kind != "extra_forbidden":
        return f"{key}: {message}" if key else message.removeprefix("Value error, ")
    model = root
    for part in location[:-1]:
        annotation = model.model_fields[part].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        model = annotation
    known = list(model.model_fields)
    near = difflib.get_close_matches(location[-1], known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
    return f"unknown key {key!r}; {hint}"


def _check_keys(raw: Mapping[str, Any], path: StrPath) -> None:
    """Refuse removed keys and keys given by both names; warn of former names."""
    for section, keys in raw.items():
        if not isinstance(keys, Mapping):
            continue
        for key in keys:
            if reason := REMOVED.get((section, key)):
                raise ConfigError(f"{path}: [{section}] {key} is gone: {reason}")
        policies = keys.get("policies", ())
        if section == "augment" and isinstance(policies, list) and "relabel" in policies:
            raise ConfigError(f"{path}: [augment] policy relabel is gone: human labels always win ({_UNMEASURED})")
        default = Config.model_fields[section].default if section in Config.model_fields else None
        if isinstance(default, Section):
            _check_names(section, former_names(type(default)), keys, path)


def _check_names(section: str, names: Mapping[str, str], keys: Mapping[str, Any], path: StrPath) -> None:
    for was, today in names.items():
        if was in keys and today in keys:
            raise ConfigError(f"{path}: [{section}] {was} is the former name of {today}; keep {today} alone")
        if was in keys:
            _LOG.warning(
                "%s: [%s] %s is now called %s; this release still takes the old name", path, section, was, today
            )
