"""The page itself: one HTML file with its style, its script and its data, which asks no network for anything.

No text of a document or a query is ever markup or script: Jinja2 escapes what it writes, the script sets text alone,
and the page's Content-Security-Policy runs only the style and the script whose hashes it names.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from relsearch.core.display.wording import counted
from relsearch.core.files.outputs import check_output
from relsearch.report import words
from relsearch.report.data import ReportData
from relsearch.report.views import comparison_view, curves_view, depths_view, judge_view, labels_view, latency_view

MARK = "relsearch report"  # in the page's meta tag, by which a file is known to be a report


def render_page(data: ReportData) -> str:
    """Return the page as HTML."""
    style, script = _asset("page.css"), _asset("page.js")
    return (
        _environment()
        .get_template("page.html")
        .render(
            data=data,
            mark=MARK,
            style=Markup(style),  # noqa: S704  # a file of this package
            script=Markup(script),  # noqa: S704
            policy="default-src 'none'; base-uri 'none'; form-action 'none'; "
            f"style-src '{_digest(style)}'; script-src '{_digest(script)}'",
            **comparison_view(data),
            judge=judge_view(data, data.judge) if data.judge else None,
            labels=labels_view(data),
            curves=[curves_view(each) for each in data.curves],
            latency=latency_view(data),
            depths=depths_view(data),
            words=words,
            counted=counted,
        )
    )


def check_page(path: Path, *, inputs: Iterable[Path] = (), force: bool = False) -> None:
    """Raise DataError where a page cannot be written to `path`, or would replace an input or another file.

    With `force` any file may be replaced that is none of the inputs.
    """
    check_output(path, inputs=inputs, ours=_is_page, force=force)


def _is_page(path: Path) -> bool:
    with path.open("rb") as file:
        return f'content="{MARK}"'.encode() in file.read(4096)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("relsearch.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    return environment


@cache
def _asset(name: str) -> str:
    return (files("relsearch.report") / "templates" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
