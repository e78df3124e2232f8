"""The command line: one thin command a verb in `verbs`, and the only place that prints."""

from relsearch.cli import verbs
from relsearch.cli.app import app, main

__all__ = ["app", "main", "verbs"]
