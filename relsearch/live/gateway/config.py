"""gateway.toml: how the searches of each index are reranked; one section an index, unknown keys refused.

[index.articles]                  # what stands in the URL: an index, an alias or a pattern such as "news-*"
fields = { title = "headline", text = "body.content" }   # template field = path in _source
window = 100                      # how many of the engine's hits are reranked
budget_ms = 500                   # how long reranking may take after the engine has answered
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, TypeAdapter, ValidationError, field_validator

from relsearch.core.errors import ConfigError
from relsearch.core.fields.template import template_fields
from relsearch.core.files.text_files import read_toml
from relsearch.core.settings.load import first_fault
from relsearch.core.settings.section import Section

Clause = Literal[
    "match",
    "match_phrase",
    "match_phrase_prefix",
    "match_bool_prefix",
    "multi_match",
    "combined_fields",
    "query_string",
    "simple_query_string",
    "intervals",
    "semantic",
    "sparse_vector",
    "text_expansion",
    "neural",
    "neural_sparse",
    "knn",
    "more_like_this",
]
CLAUSES: tuple[Clause, ...] = get_args(Clause)
# Requests may give templates and paths; each field's path is followed in every hit, in a time that grows with the
# square of its dots.
_MOST_FIELDS, _MOST_DOTS = 16, 20
FieldPath = Annotated[str, Field(max_length=300)]


class Rules(Section):
    """How a search is reranked; a request may change all but the bundle and the clauses."""

    query_from: tuple[Clause, ...] = Field(CLAUSES, min_length=1, description="clauses whose text is the query's")
    query_path: str | None = Field(
        None, description="where the body has the query's words, dotted, e.g. suggest.text; goes before query_from"
    )
    fields: Mapping[str, FieldPath] = Field(
        {}, description="the path in _source of each template field; default: its name"
    )
    template: str | None = Field(None, max_length=2000, description="instead of the bundle's")
    window: int = Field(100, ge=1, le=10_000, description="hits that are reranked")
    budget_ms: int = Field(
        500, ge=1, le=60_000, description="how long reranking may take after the engine has answered"
    )
    mix: float | None = Field(
        None, ge=0, description="weight of the engine's scores against the bundle's; default: what the bundle asks for"
    )
    feedback: float | None = Field(
        None, ge=0, description="weight of likeness to the best candidates; default: what the bundle asks for"
    )
    bundle: Path | None = Field(None, description="instead of the command line's --bundle")
    original: bool = Field(False, description="keep the engine's rank and score under each hit's fields")

    @field_validator("template")
    @classmethod
    def _well_formed(cls, template: str | None) -> str | None:
        if template is not None:
            try:
                names = template_fields(template)
            except ConfigError as exc:
                raise ValueError(str(exc)) from exc
            if len(set(names)) > _MOST_FIELDS:
                raise ValueError(f"names more than {_MOST_FIELDS} fields")
        return template

    @field_validator("fields")
    @classmethod
    def _shallow(cls, fields: Mapping[str, FieldPath]) -> Mapping[str, FieldPath]:
        if deep := [path for path in fields.values() if path.count(".") > _MOST_DOTS]:
            raise ValueError(f"the path {deep[0]} has more than {_MOST_DOTS} dots")
        return fields


class GatewayConfig(Section):
    """A whole gateway.toml."""

    index: Mapping[str, Rules] = {}

    def rules_for(self, target: str) -> Rules | None:
        """Return the rules of the section that every name of the URL's index expression falls under, if one does.

        The first section of the file that matches a name is that name's; names that start with `-` exclude.
        """
        names = [name for name in target.split(",") if name and not name.startswith("-")]
        found = {next((key for key in self.index if fnmatchcase(name, key)), None) for name in names}
        if len(found) != 1 or None in found:
            return None
        return self.index[str(found.pop())]


def load_gateway_config(path: Path) -> GatewayConfig:
    """Read a gateway.toml; raise ConfigError naming file, key and the nearest known key."""
    raw = read_toml(path, "write one or leave --config out")
    sections = raw.get("index", {})
    if more := sorted(set(raw) - {"index"}):
        raise ConfigError(f"{path}: [{more[0]}] is none of a gateway.toml's sections; write [index.NAME]")
    if not isinstance(sections, dict):
        raise ConfigError(f"{path}: index is no section; write [index.NAME]")
    return GatewayConfig(index={name: _rules(path, name, section) for name, section in sections.items()})


def is_gateway_config(path: Path) -> bool:
    """Tell by its name, or by its sections, whether a TOML file is a gateway.toml and no relsearch.toml."""
    raw = read_toml(path, "name a relsearch.toml or a gateway.toml")
    sections = raw.get("index")
    if not isinstance(sections, dict) or not sections or len(raw) > 1:
        return path.name == "gateway.toml"
    return all(isinstance(each, dict) for each in sections.values())


def _rules(path: Path, name: str, section: object) -> Rules:
    try:
        return TypeAdapter(Rules).validate_python(section)
    except ValidationError as exc:
        raise ConfigError(f"{path}: [index.{name}] {first_fault(Rules, exc)}") from exc
