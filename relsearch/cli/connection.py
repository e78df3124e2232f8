"""The options by which every verb that meets a search engine reaches it; `--help` shows them together."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

PANEL = "Search engine"
CREDENTIALS = (
    "An API key is read from RELSEARCH_ES_API_KEY, or a user and password from RELSEARCH_ES_USER and "
    "RELSEARCH_ES_PASSWORD; never from the command line."
)
UrlOption = Annotated[
    str,
    typer.Option(
        envvar="RELSEARCH_URL",
        help="Its address, e.g. http://127.0.0.1:9200; several hosts with commas between.",
        rich_help_panel=PANEL,
    ),
]
EngineOption = Annotated[
    str | None,
    typer.Option(help="elasticsearch or opensearch.", show_default="what the server says it is", rich_help_panel=PANEL),
]
# What a verb does not take itself: each option is another spelling of a variable, which alone is read.
_FILES = {
    "ca_cert": ("RELSEARCH_ES_CA_CERT", "PEM file of the authority that signed its certificate."),
    "client_cert": ("RELSEARCH_ES_CLIENT_CERT", "PEM file of the certificate that this client shows."),
    "client_key": ("RELSEARCH_ES_CLIENT_KEY", "PEM file of that certificate's key, where it is another file."),
}


def with_connection(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a verb with the options of certificates, whose values are put into the environment."""

    @wraps(function)
    def run(**given: Any) -> Any:
        for name, (variable, _) in _FILES.items():
            if (file := given.pop(name)) is not None:
                os.environ[variable] = str(file)
        return function(**given)

    signature = inspect.signature(function, eval_str=True)
    added = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                Path | None, typer.Option(help=text, envvar=variable, show_envvar=True, rich_help_panel=PANEL)
            ],
        )
        for name, (variable, text) in _FILES.items()
    ]
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *added])  # type: ignore[attr-defined]
    return run
