"""One template renders a document's fields to text, alike for index, judge, training and serving."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from string import Formatter

from relsearch.core.errors import ConfigError

DEFAULT_TEMPLATE = "{title}\n{text}"


@lru_cache(maxsize=256)
def template_fields(template: str) -> tuple[str, ...]:
    """Return the field names that the template uses; raise ConfigError if it is malformed."""
    try:
        parsed = [(name, spec, conversion) for _, name, spec, conversion in Formatter().parse(template)]
    except ValueError as exc:
        raise ConfigError(f"template {template!r}: {exc}; write fields as {{title}}") from exc
    names = [name for name, _, _ in parsed if name is not None]
    if not names or any(not name.isidentifier() for name in names) or any(s or c for _, s, c in parsed):
        raise ConfigError(f"template {template!r}: name plain fields only, e.g. {DEFAULT_TEMPLATE!r}")
    return tuple(names)


def render(fields: Mapping[str, str], template: str = DEFAULT_TEMPLATE) -> str:
    """Fill the template; a field that a document lacks is empty, and blank lines it leaves are dropped."""
    values = {name: fields.get(name, "") for name in template_fields(template)}
    filled = template.format_map(values)
    lines = (re.sub(r"[^\S\n]+", " ", line).strip() for line in filled.split("\n"))
    return "\n".join(line for line in lines if line)
