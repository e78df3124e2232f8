"""A configuration with every key, its default and what it means, generated from the models that read it."""

from __future__ import annotations

import json
import textwrap
import types
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_WIDTH = 100


def commented_toml(model: type[BaseModel]) -> str:
    """Return TOML that gives the model its defaults, with a comment on each key.

    A key without a default value stands behind a comment sign. A section that is absent by default is only named; of
    sections with names of the user's choice there is one, called NAME.
    """
    return "\n".join(_section(model, "")).strip() + "\n"


def toml_value(value: Any) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml_value(each)}" for key, each in value.items()) + "}"
    if isinstance(value, tuple | list | frozenset):
        return f"[{', '.join(map(toml_value, value))}]"
    return json.dumps(str(value) if isinstance(value, PurePath) else value, ensure_ascii=False)


def _section(model: type[BaseModel], name: str) -> Iterator[str]:
    nested = {key: found for key, field in model.model_fields.items() if (found := _model_in(field))}
    yield from _comment(_first_sentence(model))
    if name and len(nested) < len(model.model_fields):
        yield f"[{name}]"
    for key, field in model.model_fields.items():
        if key not in nested:
            yield from _key(key, field)
    for key, inner in nested.items():
        path, field = f"{name}.{key}" if name else key, model.model_fields[key]
        yield ""
        if field.default is None:
            yield from _comment(f"[{path}]: {field.description or _first_sentence(inner)}; absent by default")
        else:
            yield from _section(inner, path if isinstance(field.default, BaseModel) else f"{path}.NAME")


def _key(key: str, field: FieldInfo) -> Iterator[str]:
    set_to = f"{key} = {toml_value(field.default)}" if field.default is not None else f"# {key} ="
    said = "; ".join(filter(None, [field.description, _choices(field)]))
    if said and len(line := f"{set_to}  # {said}") <= _WIDTH:
        yield line
        return
    yield from _comment(said)
    yield set_to


def _comment(text: str) -> Iterator[str]:
    yield from textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _choices(field: FieldInfo) -> str:
    words = list(dict.fromkeys(_literals(field.annotation)))
    return f"one of: {', '.join(words)}" if words else ""


def _literals(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from map(str, get_args(annotation))
        return
    for argument in get_args(annotation):
        yield from _literals(argument)


def _model_in(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a nested section, or of those of a mapping; a list of sections has none."""
    annotation = field.annotation
    several = (Union, types.UnionType, Annotated, Mapping)
    parts = get_args(annotation) if get_origin(annotation) in several else (annotation,)
    return next((part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)), None)


def _first_sentence(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split("\n\n")[0].split())
