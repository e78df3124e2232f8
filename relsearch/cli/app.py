"""The application that every verb joins, the options they share, and how results and errors are printed.

Exit status: 0 done, 1 a gate or the data failed, 2 wrong usage, 130 interrupted (Ctrl-C).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from relsearch import __version__
from relsearch.cli.connection import with_connection
from relsearch.cli.help import Verb, Verbs
from relsearch.cluster.processes import check_shared, is_first_here, process_count, process_number, tell_launcher
from relsearch.core.errors import FieldsError, RelsearchError
from relsearch.core.files.atomic import asked_for
from relsearch.core.settings.run import On
from relsearch.core.types import LARGEST_SEED, MOST_RESAMPLES

app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Better-ranked search from BM25, a few human labels and a small fine-tuned judge.",
    epilog="relsearch VERB --help shows options and examples. --bundle ready and --judge ready name the reranker and "
    "the judge that ship with relsearch.",
)

ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The relsearch.toml to follow.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
SeedOption = Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of what is drawn at random.")]
ResamplesOption = Annotated[int, typer.Option(min=100, max=MOST_RESAMPLES, help="Bootstrap resamples.")]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace an output that is there already and that this verb did not write.")
]
MixOption = Annotated[
    float | None,
    typer.Option(min=0, help="Weight of the first stage's scores (score interpolation); default: the bundle's."),
]
MinScoreOption = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Leave out what has a lower P(relevant), and what was not reranked."),
]
PrfOption = Annotated[
    float | None,
    typer.Option(
        "--prf",
        min=0,
        help="Weight of pseudo-relevance feedback; 0 where few documents can be relevant.",
    ),
]
CascadeOption = Annotated[
    Path | None,
    typer.Option("--cascade", help="A second bundle, e.g. a cross-encoder, for the head of the first."),
]
CascadeWindowOption = Annotated[int, typer.Option("--cascade-window", min=1, help="Candidates that --cascade reranks.")]
VectorsOption = Annotated[
    str | None,
    typer.Option(help="Documents that precompute read: a folder, or http://HOST:PORT/INDEX; late interaction."),
]
FieldOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME[=PATH]", help="A field, and its path in the index if it differs: text=body; repeatable."
    ),
]
OnOption = Annotated[
    On | None,
    typer.Option(
        "--on",
        help="here: in this process; ray: on the workers of the cluster at RAY_ADDRESS, or without it on workers of "
        "this machine (docs/cluster.md).",
    ),
]
WorkerCpusOption = Annotated[float, typer.Option(min=0.1, help="--on ray: cores of each worker.")]
WorkerGpusOption = Annotated[float, typer.Option(min=0, help="--on ray: GPUs of each worker.")]
DEFAULT_CONFIG = Path("relsearch.toml")
_INTERRUPTED = 128 + 2  # as shells report SIGINT
Function = Callable[..., Any]


def verb(
    *examples: str,
    name: str | None = None,
    text: str | None = None,
    connects: bool = False,
    resumes: bool = False,
) -> Callable[[Function], Function]:
    """Return the decorator that makes a function a verb; `text` is its help in place of the docstring.

    A verb that `connects` meets a search engine, and has the options by which it is reached. One that `resumes` goes on
    where it was interrupted, which Ctrl-C then says.
    """
    command = app.command(name, cls=Verb, help=text, epilog="\n".join(examples))
    said = "the same command goes on where it stopped" if resumes else "nothing is half written; run it again"

    def decorated(function: Function) -> Function:
        @wraps(function)
        def interruptible(*args: Any, **options: Any) -> Any:
            try:
                check_shared(name or function.__name__)
                return function(*args, **options)
            except KeyboardInterrupt:
                if is_first_here():
                    typer.echo(f"\nrelsearch: interrupted; {said}", err=True)
                raise SystemExit(_INTERRUPTED) from None

        command(with_connection(interruptible) if connects else interruptible)
        return function

    return decorated


def main() -> None:
    """Run the command line; relsearch's own errors become one line on stderr and exit status 1.

    So does a file or folder that the system does not let be written, and what one of several processes fails with.
    """
    logging.basicConfig(level=logging.WARNING if is_first_here() else logging.ERROR, format="%(message)s")
    try:
        app(prog_name="relsearch")  # under python -m, too
    except (RelsearchError, OSError) as exc:
        if logging.getLogger().isEnabledFor(logging.INFO):
            raise
        said = f"relsearch: {_message(exc)}"
        if is_first_here():
            typer.echo(said, err=True)
        tell_launcher(said)
        raise SystemExit(1) from None
    except RuntimeError as exc:  # as when another process has ended
        if process_count() == 1 or logging.getLogger().isEnabledFor(logging.INFO):
            raise
        why = str(exc).partition("\n")[0].partition(". ")[0]
        said = f"relsearch: process {process_number()} cannot go on: {why}; run the same command again"
        typer.echo(said, err=True)
        tell_launcher(said)
        raise SystemExit(1) from None


def _message(exc: Exception) -> str:
    if isinstance(exc, FieldsError):
        return exc.in_shell
    if not isinstance(exc, OSError):
        return str(exc)
    where = f"{asked_for(str(exc.filename2 or exc.filename))}: " if exc.filename else ""
    return f"{where}{exc.strerror or exc}; check that the place exists, may be written to and has room"


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log what is done, and show where an error arose.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hold the options that come before the verb."""
    if verbose:
        logging.getLogger().setLevel(logging.INFO)
        logging.getLogger("httpx").setLevel(logging.WARNING)  # else one line a request
    else:
        for client in ("elastic_transport", "opensearch", "stamina"):  # else they log each try; the error is one line
            logging.getLogger(client).setLevel(logging.ERROR)


def parse_fields(fields: list[str] | None) -> dict[str, str] | None:
    """Return each field's path by its name; None where no field is named."""
    pairs = [field.partition("=") for field in fields or []]
    if any(not name or (equals and not path) for name, equals, path in pairs):
        raise typer.BadParameter("write --field title, or --field text=body")
    return {name: path or name for name, _, path in pairs} or None


def print_result(result: Any, *, as_json: bool) -> None:
    """Print a measured result as its table, or as JSON."""
    typer.echo(json.dumps(result.to_json(), indent=1) if as_json else result.to_table())
