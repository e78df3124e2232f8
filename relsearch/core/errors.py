"""Every error relsearch raises on purpose; each message says what, where, and what to do.

RelsearchError
├── DataError            a file, row or id is not what it should be
│   └── NothingToReviewError   every judged pair has a human label
├── ConfigError          a setting is unknown, missing or contradictory
│   └── FieldsError      named fields are not those that are read; says it for the shell as well
├── MissingExtraError    an optional package is needed; the message is the pip command
├── ArtifactError        an artefact directory is absent, unfinished or altered
├── SearchEngineError    a search engine cannot be reached or refused a request
├── ModelError           a model folder cannot be used as asked
├── RemoteError          a remote judge cannot be reached or refused a request
└── GateError            a quality gate failed; what it guards was not produced
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

_SHOWN = 400  # characters of what another library said


class RelsearchError(Exception):
    """Base of all errors that the command line shows as one line, whatever a file name or an id in it holds."""

    def __str__(self) -> str:
        return " ".join(super().__str__().splitlines())


class DataError(RelsearchError):
    """A file, row or id is not what it should be."""


class NothingToReviewError(DataError):
    """Every judged pair has a human label."""


class ConfigError(RelsearchError):
    """A setting is unknown, missing or contradictory."""


class FieldsError(ConfigError):
    """Fields do not fit, for a `reason`; `in_shell` says it as the command line writes them, the message as Python."""

    def __init__(self, reason: str, *, in_python: str, in_shell: str) -> None:
        super().__init__(f"{reason}; {in_python}")
        self.reason = reason
        self.in_shell = f"{reason}; {in_shell}"


class MissingExtraError(RelsearchError):
    """An optional package is needed and not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional package; run: pip install 'relsearch[{extra}]'")


class ArtifactError(RelsearchError):
    """An artefact directory is absent, unfinished or altered."""


class SearchEngineError(RelsearchError):
    """A search engine cannot be reached or refused a request."""


class ModelError(RelsearchError):
    """A model folder cannot be used as asked."""


class RemoteError(RelsearchError):
    """A remote judge cannot be reached or refused a request."""


class GateError(RelsearchError):
    """A quality gate failed; what it guards was not produced."""


def reason(exc: BaseException) -> str:
    """Return what another library's exception says, on one line of at most 400 characters.

    Where the operating system refused something, its own words alone; else the first paragraph of the message, or the
    exception's name where there is none.
    """
    if isinstance(exc, RecursionError):
        return "nested too deeply"
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    if system := re.findall(r"\[Errno -?\d+\] ([\w ]+)", str(exc)):
        return str(system[-1])
    # Python's own advice, a setting of the interpreter's, is none to users.
    paragraph = str(exc).strip().partition("\n\n")[0].partition("; use sys.set_int_max_str_digits()")[0]
    said = " ".join(paragraph.split()) or type(exc).__name__
    return said if len(said) <= _SHOWN else said[:_SHOWN].rpartition(" ")[0] + " ..."


def model_fault(exc: ValidationError) -> str:
    """Return the first thing that a pydantic model refuses: `files.model.onnx: Field required`."""
    error = exc.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
