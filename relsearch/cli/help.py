"""What `--help` shows: the verbs in groups, a whole sentence for each, and examples as they are typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from typer import BadParameter, echo
from typer.core import TyperCommand, TyperGroup

from relsearch.cli.connection import CREDENTIALS, PANEL

# The groups of `relsearch --help`, and the verbs of each in the order in which one comes to need them.
PANELS: Mapping[str, tuple[str, ...]] = {
    "Start": ("doctor", "demo", "config", "fetch", "sample", "queries"),
    "Pipeline": (
        "run",
        "collect",
        "index",
        "pool",
        "tune",
        "judge",
        "synthesize",
        "augment",
        "train",
        "optimize",
        "export",
        "push",
    ),
    "Search": ("rerank", "search", "ui", "gateway", "serve", "attach", "detach", "ingest", "precompute"),
    "Label": ("grade", "review", "labels"),
    "Measure": ("evaluate", "agree", "report"),
}


FORMER_OPTIONS = {"--feedback": "--prf", "--then": "--cascade", "--then-window": "--cascade-window"}


class Verb(TyperCommand):
    """A command whose help ends in examples, a shell line each; `examples` has them.

    Options under former names work, with a warning, and are in no help.
    """

    @property
    def examples(self) -> tuple[str, ...]:
        """Return the lines, each of which works where the files that it names are there."""
        return tuple((self.epilog or "").splitlines())

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Return what is left of the arguments; an error about one comes without pydantic's `Value error, `."""
        try:
            return super().parse_args(ctx, self._renamed(args))
        except BadParameter as exc:
            exc.message = exc.message.removeprefix("Value error, ")
            raise

    def _renamed(self, args: Sequence[str]) -> list[str]:
        """The arguments, options under former names having today's."""
        known = {option for param in self.params for option in param.opts}
        renamed = []
        for arg in args:
            former, equals, value = arg.partition("=")
            today = FORMER_OPTIONS.get(former)
            if today in known:
                echo(f"{former} is now called {today}", err=True)
                arg = f"{today}{equals}{value}"
            renamed.append(arg)
        return renamed

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, the verb's options, and those by which it reaches a search engine."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": [], PANEL: []}
        for param in self.get_params(ctx):
            own = "Arguments" if param.param_type_name == "argument" else "Options"
            if record := param.get_help_record(ctx):
                sections[getattr(param, "rich_help_panel", None) or own].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
                    if title == PANEL:
                        formatter.write_text(CREDENTIALS)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples; a long line is broken as a shell reads it, not as prose is."""
        if self.examples:
            with formatter.section("Examples" if len(self.examples) > 1 else "Example"):
                for example in self.examples:
                    formatter.write("\n".join(_broken(example, formatter.width - 2)) + "\n")


class Verbs(TyperGroup):
    """The verbs by panel, with the first sentence of each one's help."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each panel."""
        for panel, names in PANELS.items():
            with formatter.section(panel):
                formatter.write_dl([(name, summary(self.commands[name])) for name in names])


def summary(verb: Any) -> str:
    """Return the first sentence of a verb's help."""
    first, _, _ = " ".join((verb.help or "").split("\n\n")[0].split()).partition(". ")
    return first.removesuffix(".")


def _broken(line: str, width: int) -> list[str]:
    """The line, over as many as it takes; all but the last end in a backslash."""
    lines: list[str] = []
    current = ""
    for word in _words(line):
        if current and len(f"    {current} {word} \\") > width:
            lines.append(f"{'    ' if lines else '  '}{current} \\")
            current = word
        else:
            current = f"{current} {word}" if current else word
    return [*lines, f"{'    ' if lines else '  '}{current}"]


def _words(line: str) -> list[str]:
    """The parts that a line may be broken between: an option stays with its value, a quoted text whole."""
    words: list[str] = []
    for word in line.split(" "):
        if (words and (words[-1].count("'") % 2 or words[-1].count('"') % 2)) or (
            words and words[-1].startswith("-") and " " not in words[-1] and not word.startswith("-")
        ):
            words[-1] += f" {word}"
        else:
            words.append(word)
    return words
