"""The verbs, each a few lines over the room that does the work. Importing this package makes the verbs known."""

from relsearch.cli.verbs import (
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

__all__ = [
    "attach",
    "config",
    "demo",
    "doctor",
    "export",
    "gateway",
    "ingest",
    "label",
    "measure",
    "push",
    "rank",
    "report",
    "search",
    "serve",
    "stages",
    "ui",
]
