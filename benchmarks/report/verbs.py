"""The page docs/verbs.md: every verb of the command line with all its options, from the parsers themselves."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc

from typer.main import get_command

from benchmarks.report.markdown import table
from relsearch.cli import app
from relsearch.cli.connection import CREDENTIALS, PANEL
from relsearch.cli.help import PANELS, Verb, summary

VERBS: dict[str, Verb] = get_command(app).commands  # type: ignore[attr-defined]


def verbs() -> str:
    """Return the verbs by group, each with its help and a line for each argument and option."""
    return "\n\n".join(_parts()) + "\n"


def _parts() -> Iterator[str]:
    for panel, names in PANELS.items():
        yield f"## {panel}"
        rows = [[f"`{name}`", _cell(summary(VERBS[name]))] for name in names]
        yield table(["verb", "what it does"], rows)
        for name in names:
            yield f"### `{name}`"
            yield cleandoc(VERBS[name].help or "")
            yield _options(name, shared=False)
    yield f"## {PANEL}"
    yield f"Every verb that has `--url` or `--upstream` takes these, too. {CREDENTIALS}"
    yield _options("search", shared=True)


def _options(name: str, *, shared: bool) -> str:
    verb = VERBS[name]
    context = verb.make_context(name, [], resilient_parsing=True)
    rows = [
        [f"`{record[0].replace('|', ' or ')}`", _cell(record[1])]  # in code, GitHub would split the row at a bar
        for param in verb.get_params(context)
        if (getattr(param, "rich_help_panel", None) == PANEL) is shared and param.name != "help"
        if (record := param.get_help_record(context))
    ]
    return table(["option", "meaning"], rows) if rows else "It has no options."


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
