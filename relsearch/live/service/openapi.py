"""The OpenAPI document's part that FastAPI cannot derive, since the service reads bodies itself."""

from __future__ import annotations

from typing import Any

from relsearch.live.service.body import DIALECTS
from relsearch.live.service.schema import ErrorResponse

ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorResponse, "description": "Not JSON, or nothing to rank"},
    401: {"model": ErrorResponse, "description": "No API key, or a wrong one"},
    413: {"model": ErrorResponse, "description": "Too many bytes or documents"},
    422: {"model": ErrorResponse, "description": "Not a request of this path"},
    424: {"model": ErrorResponse, "description": "The model failed or took too long"},
    429: {"model": ErrorResponse, "description": "Overloaded; Retry-After says when to come back"},
    503: {"model": ErrorResponse, "description": "Shutting down"},
}
_PARAMETERS: list[dict[str, Any]] = [
    {
        "name": "sort",
        "in": "query",
        "schema": {"type": "boolean", "default": True},
        "description": "false: results in the order of the documents.",
    },
    {
        "name": "X-Relsearch-Timeout-Ms",
        "in": "header",
        "schema": {"type": "integer", "minimum": 1},
        "description": "Give up after so many milliseconds, if the service's own limit is not shorter.",
    },
    {
        "name": "X-Relsearch-Budget-Ms",
        "in": "header",
        "schema": {"type": "integer", "minimum": 1},
        "description": "Answer after so many milliseconds with what was read by then: documents that were not keep "
        "their places in the request's order. The answer's header X-Relsearch says how many were read.",
    },
]


def operation(path: str) -> dict[str, Any]:
    """Return what documents a ranking path: summary, parameters and the bodies it takes."""
    dialects = DIALECTS[path]
    schemas = [_inline(dialect.model_json_schema()) for dialect in dialects]
    body = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {
        "summary": "Rank documents for a query",
        "description": " ".join(dialect.__doc__ or "" for dialect in dialects),
        "openapi_extra": {
            "parameters": _PARAMETERS,
            "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        },
    }


def _inline(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without references, which would point outside the operation."""
    definitions = schema.pop("$defs", {})

    def resolved(value: Any) -> Any:
        if isinstance(value, dict):
            if "$ref" in value:
                return resolved(definitions[value["$ref"].rpartition("/")[2]])
            return {key: resolved(entry) for key, entry in value.items()}
        return [resolved(entry) for entry in value] if isinstance(value, list) else value

    inlined: dict[str, Any] = resolved(schema)
    return inlined
