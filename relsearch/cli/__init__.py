"""The command line: one thin command a verb, and the only place that prints."""

from relsearch.cli import attach, ingest, label, measure, rank, search, stages
from relsearch.cli.app import app, main

__all__ = ["app", "attach", "ingest", "label", "main", "measure", "rank", "search", "stages"]
