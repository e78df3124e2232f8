"""Search templates: the engine renders them, so that they can be widened like any other search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multidict import CIMultiDict

from relsearch.live.gateway.proxy import Upstream
from relsearch.live.gateway.request.reading import json_answered, json_bytes, json_object

_RENDERING = ("id", "source", "params")
_BESIDE = ("explain", "profile")


async def rendered(
    upstream: Upstream, headers: CIMultiDict[str], templates: Sequence[str]
) -> list[dict[str, Any]] | None:
    """Return the search bodies that templates stand for, or None where the engine does not render one of them."""
    # The engine wants the same version named here as in Accept, so the client's own type is kept.
    headers["Content-Type"] = headers.get("Content-Type", "application/json").replace("x-ndjson", "json")
    bodies = []
    for template in templates:
        given = json_object(template.encode())
        request = {name: given[name] for name in _RENDERING if name in given}
        async with await upstream.send("POST", "/_render/template", headers, json_bytes(request)) as answer:
            if answer.status != 200:
                return None
            body = (await json_answered(answer)).get("template_output")
        if not isinstance(body, dict):
            return None
        bodies.append({**body, **{name: given[name] for name in _BESIDE if name in given}})
    return bodies
