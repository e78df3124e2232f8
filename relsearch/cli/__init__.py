"""The command line: one thin command a verb, and the only place that prints."""

from relsearch.cli import (
    attach,
    config,
    demo,
    doctor,
    export,
    gateway,
    ingest,
    label,
    measure,
    push,
    rank,
    report,
    search,
    serve,
    stages,
    ui,
)
from relsearch.cli.app import app, main

__all__ = [
    "app",
    "attach",
    "config",
    "demo",
    "doctor",
    "export",
    "gateway",
    "ingest",
    "label",
    "main",
    "measure",
    "push",
    "rank",
    "report",
    "search",
    "serve",
    "stages",
    "ui",
]
