"""The pages and forms of the web app."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from relsearch.core.display.wording import counted
from relsearch.core.errors import DataError, RelsearchError
from relsearch.live.service.body import read_body
from relsearch.live.service.refusals import RefusedError
from relsearch.live.ui.grading import CHECK_UP, Grading
from relsearch.live.ui.guard import COOKIE, LOGIN, Guard, cookie_of
from relsearch.live.ui.orders.comparison import Side, pieces, side
from relsearch.live.ui.orders.systems import ENGINE, order
from relsearch.live.ui.runs import list_runs
from relsearch.live.ui.workspace import Workspace
from relsearch.report import render

_GRADER = "relsearch_grader"
_NOT_FOUND = "There is no such page."
_LONGEST_QUERY, _LONGEST_NAME, _LONGEST_BODY = 1_000, 60, 64 * 1024
_LONGEST_DOCUMENT = 20_000  # characters on the grading page
_MOST_FIELDS = 20
_YEAR_S = 365 * 24 * 3600
# A report is a page of its own: it may run its own script, and nothing of the app's.
_REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; img-src data:; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
)


def create_app(workspace: Workspace, *, key: str | None = None) -> Starlette:
    """Return the application; with a key, browsers log in before they see anything else."""
    pages = Pages(workspace, key)
    routes = [
        Route("/", pages.compare),
        Route("/blind", pages.blind),
        Route("/blind", pages.vote, methods=["POST"]),
        Route("/grade", pages.grade),
        Route("/grade", pages.keep, methods=["POST"]),
        Route("/grader", pages.name, methods=["POST"]),
        Route("/runs", pages.runs),
        Route("/runs/{name:path}/report", pages.report),
        Route("/runs/{name:path}", pages.run),
        Route(LOGIN, pages.login),
        Route(LOGIN, pages.log_in, methods=["POST"]),
        Mount("/static", StaticFiles(directory=str(files("relsearch.live.ui") / "static"))),
    ]
    handlers: dict[Any, Any] = {
        RelsearchError: pages.failed,
        RefusedError: pages.refused,
        HTTPException: pages.not_found,
    }
    return Starlette(routes=routes, exception_handlers=handlers, middleware=[Middleware(Guard, key=key)])


class Pages:
    """One method a page or form; what they show is computed by the other modules."""

    def __init__(self, workspace: Workspace, key: str | None) -> None:
        self._work = workspace
        self._key = key
        loader = PackageLoader("relsearch.live.ui")
        self._templates = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
        self._templates.globals["counted"] = counted

    def compare(self, request: Request) -> Response:
        """Show both orders of a query side by side."""
        asked = self._asked(request)
        sides: tuple[Side, Side] | None = None
        error = None
        if asked["q"]:
            try:
                sides = self._sides(asked["q"], asked["left"], asked["right"])
            except RelsearchError as exc:
                error = str(exc)
        return self._page("compare.html", **self._choices(asked), sides=sides, error=error)

    def blind(self, request: Request) -> Response:
        """Show both orders with their names hidden, in random places."""
        asked = self._asked(request)
        asked["q"] = asked["q"] or self._another() or ""
        token = sides = error = None
        if asked["q"] and asked["left"] != asked["right"]:
            try:
                token, ballot = self._work.preferences.ask(asked["q"], asked["left"], asked["right"])
                sides = self._sides(asked["q"], ballot.left, ballot.right)
            except RelsearchError as exc:
                error = str(exc)
        tallies = self._work.preferences.tallies()
        last = request.query_params.get("voted")
        return self._page(
            "blind.html", **self._choices(asked), token=token, sides=sides, tallies=tallies, last=last, error=error
        )

    async def vote(self, request: Request) -> Response:
        """Keep a vote and go on with another query."""
        form = await _form(request)
        token, answer = form.get("token", ""), form.get("answer", "")
        ballot = await run_in_threadpool(self._work.preferences.vote, token, answer, _grader(request))
        preferred = {"left": ballot.left, "right": ballot.right}.get(answer, "")
        said = f"preferred {preferred}" if preferred else "called them equal"
        left, right = form.get("left", ENGINE), form.get("right", ENGINE)
        return _to("/blind", left=left, right=right, voted=f"You {said} for “{ballot.query}”.")

    def grade(self, request: Request) -> Response:
        """Show the pair that is to be graded next, or one that is named."""
        grader, again = _grader(request), request.query_params.get("again", "")
        if (grading := self._work.grading) is None or self._work.judged is None:
            return self._page("grade.html", grading=None)
        named = request.query_params.get("query"), request.query_params.get("doc")
        pair = (named[0], named[1]) if named[0] and named[1] else grading.next_pair(grader, again=again or None)
        shown = None
        if pair:
            query, passage = self._pair(*pair)
            body = passage.body.strip()
            marked = pieces(body[:_LONGEST_DOCUMENT], query, self._work.options.language)
            rest = max(0, len(body) - _LONGEST_DOCUMENT)
            shown = {"ids": pair, "query": query, "title": passage.title, "body": marked, "rest": rest}
        return self._page(
            "grade.html",
            grading=grading,
            pair=shown,
            grader=grader,
            again=again,
            last=grading.last(grader),
            mine=len(grading.grades(grader)),
            others=[name for name in grading.graders() if name != grader],
            check_up=grading.check_up(),
            every=CHECK_UP,
            state=self._work.judged.state(),
        )

    async def keep(self, request: Request) -> Response:
        """Keep a grade, a skip or an undo, and go on."""
        form, grader = await _form(request), _grader(request)
        if (grading := self._work.grading) is None:
            raise DataError("there is nothing to grade; start with --collection")
        pair = form.get("query", ""), form.get("doc", "")
        await run_in_threadpool(self._keep, grading, grader, pair, form)
        shown = {"query": pair[0], "doc": pair[1]} if form.get("action") == "undo" else {}
        return _to("/grade", **shown, **({"again": form["again"]} if form.get("again") else {}))

    async def name(self, request: Request) -> Response:
        """Set who grades, in a cookie."""
        name = " ".join((await _form(request)).get("name", "").split())[:_LONGEST_NAME]
        answer = _to("/grade")
        answer.set_cookie(_GRADER, quote(name), max_age=_YEAR_S, httponly=True, samesite="strict")
        return answer

    def runs(self, _: Request) -> Response:
        """List the run folders."""
        found = list_runs(self._work.options.runs)
        return self._page("runs.html", runs=found, root=self._work.options.runs)

    def run(self, request: Request) -> Response:
        """Show one run folder's stages."""
        found = {run.name: run for run in list_runs(self._work.options.runs)}
        return self._page("run.html", run=_found(found, request.path_params["name"]))

    def report(self, request: Request) -> Response:
        """Show a run folder's report."""
        found = {run.name: run for run in list_runs(self._work.options.runs) if run.reports}
        page = render(_found(found, request.path_params["name"]).folder)
        return HTMLResponse(page, headers={"Content-Security-Policy": _REPORT_POLICY})

    def login(self, _: Request) -> Response:
        """Ask for the key."""
        return self._page("login.html", wrong=False)

    async def log_in(self, request: Request) -> Response:
        """Let a browser with the right key in."""
        given = (await _form(request)).get("key", "")
        if self._key is None or not secrets.compare_digest(given.encode(), self._key.encode()):
            return self._page("login.html", status=403, wrong=True)
        answer = _to("/")
        answer.set_cookie(COOKIE, cookie_of(self._key), httponly=True, samesite="strict")
        return answer

    def failed(self, _: Request, error: RelsearchError) -> Response:
        """Show what went wrong."""
        return self._page("error.html", status=422, message=str(error))

    def refused(self, _: Request, refusal: RefusedError) -> Response:
        """Show why a request was not read."""
        return self._page("error.html", status=refusal.status, message=str(refusal))

    def not_found(self, _: Request, error: HTTPException) -> Response:
        """Show that there is no such page."""
        return self._page(
            "error.html", status=error.status_code, message=_NOT_FOUND if error.detail == "Not Found" else error.detail
        )

    def _page(self, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        shown = {"source": self._work.source.name, "qrels": self._work.options.qrels, **values}
        return HTMLResponse(self._templates.get_template(template).render(shown), status_code=status)

    def _asked(self, request: Request) -> dict[str, str]:
        names = list(self._work.systems)
        asked = request.query_params
        query = " ".join(asked.get("q", "").split())[:_LONGEST_QUERY]
        left, right = asked.get("left", names[0]), asked.get("right", names[1])
        return {"q": query, "left": left, "right": right}

    def _choices(self, asked: Mapping[str, str]) -> dict[str, Any]:
        systems, suggestions = list(self._work.systems), self._work.suggestions()
        return {**asked, "systems": systems, "suggestions": suggestions, "another": self._another()}

    def _another(self) -> str | None:
        queries = self._work.queries
        return secrets.choice(queries).text if queries else None

    def _sides(self, query: str, left: str, right: str) -> tuple[Side, Side]:
        work = self._work
        unknown = [name for name in (left, right) if name not in work.systems]
        if unknown:
            raise DataError(f"{unknown[0]!r} is none of: {', '.join(work.systems)}")
        started = time.perf_counter()
        passages = work.source.find(query, work.options.window)
        engine_ms = 1000 * (time.perf_counter() - started)
        first, second = (
            order(name, work.systems[name], query, passages, engine_ms=engine_ms) for name in (left, right)
        )
        language = work.options.language
        return side(first, second, query, language=language), side(second, first, query, language=language)

    def _pair(self, query_id: str, doc_id: str) -> tuple[str, Any]:
        judged, passage = self._work.judged, self._work.source.passage(doc_id)
        if judged is None or query_id not in judged.queries or passage is None:
            raise DataError(f"query {query_id!r} or document {doc_id!r} has no text; start with their collection")
        return judged.queries[query_id], passage

    def _keep(self, grading: Grading, grader: str, pair: tuple[str, str], form: Mapping[str, str]) -> None:
        self._pair(*pair)
        match form.get("action"):
            case "undo":
                grading.undo(grader, pair)
            case "skip":
                grading.skip(grader, pair)
            case _:
                given = form.get("grade", "")
                grade = next((each for each in grading.scale.grades if str(each) == given), None)
                if grade is None:
                    raise DataError(f"grade {given[:20]!r} is not one of {', '.join(map(str, grading.scale.grades))}")
                grading.grade(grader, pair, grade, form.get("comment", ""))


async def _form(request: Request) -> dict[str, str]:
    body = await read_body(request, _LONGEST_BODY)
    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError as exc:
        raise DataError("this is no form of these pages") from exc


def _grader(request: Request) -> str:
    return unquote(request.cookies.get(_GRADER, ""))[:_LONGEST_NAME] or "me"


def _to(path: str, **parameters: str) -> RedirectResponse:
    return RedirectResponse(f"{path}?{urlencode(parameters)}" if parameters else path, status_code=303)


def _found(pages: Mapping[str, Any], name: str) -> Any:
    if name not in pages:
        raise HTTPException(404, f"{name!r} is not there")
    return pages[name]
