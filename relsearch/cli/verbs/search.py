"""The verb that searches: `search`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated

import typer

from relsearch.cli.app import (
    CascadeOption,
    CascadeWindowOption,
    FieldOption,
    JsonOption,
    MinScoreOption,
    MixOption,
    PrfOption,
    VectorsOption,
    parse_fields,
    verb,
)
from relsearch.cli.connection import EngineOption, UrlOption
from relsearch.core.display.text_table import WIDTH, table

if TYPE_CHECKING:
    from relsearch.live.searching import Hit, SearchResult

_ID_SHARE = 0.3  # of the table's width: 24 of 80 columns, which keeps room for text


@verb(
    "relsearch search 'green tea' --url http://127.0.0.1:9200 --index docs --bundle ready --field title --field text",
    connects=True,
)
def search(
    words: Annotated[list[str], typer.Argument(metavar="WORDS", help="What to search for.")],
    url: UrlOption,
    index: Annotated[str, typer.Option(help="The index, alias or pattern to search.")],
    bundle: Annotated[Path, typer.Option(help="A bundle that export wrote, or ready, which ships with relsearch.")],
    vectors: VectorsOption = None,
    field: FieldOption = None,
    size: Annotated[int, typer.Option("--size", "-n", min=1, help="How many hits to show.")] = 10,
    window: Annotated[int, typer.Option(min=1, help="How many hits are reranked.")] = 100,
    budget_ms: Annotated[
        float | None,
        typer.Option(
            min=0, help="Milliseconds after the engine's answer; hits that are not read by then keep their places."
        ),
    ] = None,
    min_score: MinScoreOption = None,
    mix: MixOption = None,
    prf: PrfOption = None,
    cascade: CascadeOption = None,
    cascade_window: CascadeWindowOption = 20,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search a live index and show what reranking changes.

    The table has the new rank, BM25's, and P(rel), how probably a hit is relevant (docs/rerankers.md). --field
    names what the bundle's template reads, and its path in the index. Where the reranker fails, the engine's order is
    shown and stderr says why.
    """
    from relsearch.index.engine.field_check import check_fields
    from relsearch.index.registry import connected, open_server
    from relsearch.live.searching import search as search_live

    fields = parse_fields(field)
    with connected(engine, url) as client:
        found = search_live(
            client,
            index,
            " ".join(words),
            bundle=bundle,
            vectors=vectors,
            fields=fields,
            size=size,
            window=window,
            budget_ms=budget_ms,
            min_score=min_score,
            mix=mix,
            prf=prf,
            cascade=cascade,
            cascade_window=cascade_window,
        )
    if fields:  # a field that is not there leaves a part of every document unread
        check_fields(open_server(engine, url), index, fields.values())
    if found.reason:
        typer.echo(f"not reranked: {found.reason}", err=True)
    elif min_score is not None and not found.hits:
        typer.echo(f"no hit has P(relevant) {min_score:g} or more", err=True)
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=1, ensure_ascii=False))
    else:
        typer.echo(result_table(found, fields, width=get_terminal_size().columns))


def result_table(result: SearchResult, fields: Mapping[str, str] | None = None, *, width: int = WIDTH) -> str:
    """Return both ranks of each hit and the text of its fields, by default of all, in lines of at most `width`."""
    rows = [_row(rank, hit, fields, int(width * _ID_SHARE)) for rank, hit in enumerate(result.hits, 1)]
    return table(["rank", "BM25", "P(rel)", "document", "text"], rows, width=width) if rows else "nothing found"


def _row(rank: int, hit: Hit, fields: Mapping[str, str] | None, longest_id: int) -> list[str]:
    shown = hit.doc_id if len(hit.doc_id) <= longest_id else hit.doc_id[: longest_id - 1] + "…"
    score = "-" if hit.score is None else f"{hit.score:.3f}"
    return [str(rank), str(hit.engine_rank), score, shown, _text(hit, fields)]


def _text(hit: Hit, fields: Mapping[str, str] | None) -> str:
    """The title, unless it is the id again, perhaps with a signature, or the text's beginning; and the text."""
    from relsearch.index.engine.hits import hit_fields

    texts = {name: " ".join(text.split()) for name, text in hit_fields({"_source": hit.source}, fields).items()}
    title = texts.pop("title", "")
    body = " ".join(texts.values())
    if body and (title == hit.doc_id or title.startswith(f"{hit.doc_id}(") or body.startswith(title)):
        return body
    return f"{title} {body}".strip()
