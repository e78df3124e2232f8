"""What every section of a settings file is made of: frozen models, marks of outside files, keys that changed names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field


class Section(BaseModel):
    """Base of all sections: frozen, refusing keys that it does not know, and silent on values, which may be secrets."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Outside:
    """Marks a setting that names a file, a folder or a model: a stage depends on what is in it, not on its name."""


ModelName = Annotated[str, Outside()]
PromptName = Annotated[str, Outside()]


def renamed(key: str, *, was: str, **about: Any) -> Any:
    """Return the field of a key that had another name, which files of before and stored artefacts still have.

    It is read by either name and written by the old one, so that fingerprints and judge cards stay what they were.
    `about` is what pydantic's `Field` takes.
    """
    return Field(validation_alias=AliasChoices(key, was), serialization_alias=was, **about)


def former_names(section: type[BaseModel]) -> Mapping[str, str]:
    """Return the keys that a section's fields had before, each with today's key."""
    return {field.serialization_alias: key for key, field in section.model_fields.items() if field.serialization_alias}
