"""The verbs that plug the service into an engine: `attach` and `detach`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from relsearch.cli.app import JsonOption, verb
from relsearch.cli.connection import UrlOption

if TYPE_CHECKING:
    from relsearch.exporters.attached import Attached, Request

EngineArgument = Annotated[str, typer.Argument(metavar="ENGINE", help="elasticsearch or opensearch.")]
NameOption = Annotated[str, typer.Option(help="What the endpoint (connector, model, pipeline) is called.")]
_PLACEHOLDER = "<RELSEARCH_API_KEY>"  # printed bodies hold no secret


@verb(
    "relsearch attach elasticsearch --url http://127.0.0.1:9200 --service-url http://127.0.0.1:8000 --field body",
    "relsearch attach opensearch --service-url http://127.0.0.1:8000 --field body --print",
    connects=True,
)
def attach(
    engine: EngineArgument,
    service_url: Annotated[str, typer.Option(help="Where relsearch serve listens, as the engine reaches it.")],
    url: UrlOption = "http://127.0.0.1:9200",
    name: NameOption = "relsearch",
    service: Annotated[
        str, typer.Option(help="Elasticsearch: hugging_face, custom (from 8.19) or cohere.")
    ] = "hugging_face",
    field: Annotated[
        list[str] | None, typer.Option(help="The index field to rerank by; for opensearch repeatable.")
    ] = None,
    index: Annotated[
        str, typer.Option(help="The index that will be searched: --field is looked for in it, and the query names it.")
    ] = "",
    show: Annotated[bool, typer.Option("--print", help="Print the requests without keys, and do nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Register a running service with a search engine, and probe it.

    Prints a query that uses the service. Says what the cluster lacks: a licence, a plugin, a setting. Run again, it
    changes nothing. The service's own key comes from RELSEARCH_API_KEY.
    """
    fields = tuple(field or ())
    if engine == "elasticsearch" and len(fields) > 1:
        raise typer.BadParameter("a text_similarity_reranker reads one field; give --field once")
    if show:
        requests = _requests(engine, name, service, service_url, fields)
        typer.echo("\n\n".join(f"{each.method} {each.path}\n{json.dumps(each.body, indent=1)}" for each in requests))
        return
    done = _attach(engine, url, name, service, service_url, fields, index)
    path = done.example.path.replace("YOUR-INDEX", quote(index, safe=",*")) if index else done.example.path
    query = {"method": done.example.method, "path": path, "body": done.example.body}
    if as_json:
        typer.echo(json.dumps({"name": done.name, "created": done.created, "example": query}, indent=1))
        return
    typer.echo(f"{done.name}: {'attached' if done.created else 'was attached already'}, the probe was answered")
    typer.echo(f"{done.example.method} {path}\n{json.dumps(done.example.body, indent=1)}")


@verb(
    "relsearch detach elasticsearch --url http://127.0.0.1:9200",
    connects=True,
)
def detach(
    engine: EngineArgument,
    url: UrlOption = "http://127.0.0.1:9200",
    name: NameOption = "relsearch",
    as_json: JsonOption = False,
) -> None:
    """Undo attach.

    Removes the endpoint, or the pipeline, the model and the connector.
    """
    from relsearch.exporters import elastic, opensearch
    from relsearch.index.registry import open_server

    server = open_server(engine, url)
    exporter = elastic if engine == "elasticsearch" else opensearch
    removed = exporter.detach(server, name)
    if as_json:
        typer.echo(json.dumps({"name": name, "removed": removed}))
    elif removed:
        typer.echo(f"{name}: detached")
    else:
        names = exporter.attached_names(server)
        others = f"give one of these as --name: {', '.join(names)}" if names else "nothing is attached"
        typer.echo(f"{name}: was not attached; {others}")


def _first(fields: tuple[str, ...]) -> str:
    return fields[0] if fields else "YOUR-FIELD"


def _attach(
    engine: str, url: str, name: str, service: str, service_url: str, fields: tuple[str, ...], index: str
) -> Attached:
    from relsearch.exporters import elastic, opensearch
    from relsearch.exporters.attached import service_key
    from relsearch.index.engine.field_check import check_fields
    from relsearch.index.registry import open_server

    server = open_server(engine, url)
    if index and fields:
        check_fields(server, index, fields)
    if engine == "elasticsearch":
        return elastic.attach(
            server, name, service=service, service_url=service_url, key=service_key(), field=_first(fields)
        )
    return opensearch.attach(server, name, service_url=service_url, key=service_key(), fields=fields)


def _requests(engine: str, name: str, service: str, service_url: str, fields: tuple[str, ...]) -> list[Request]:
    from relsearch.exporters import elastic, opensearch

    if engine == "elasticsearch":
        made = elastic.endpoint(name, service=service, service_url=service_url, key=_PLACEHOLDER)
        return [made, elastic.example(name, _first(fields))]
    if engine == "opensearch":
        return [
            opensearch.connector(name, service_url=service_url, key=_PLACEHOLDER),
            opensearch.model(name, connector_id="<CONNECTOR_ID>"),
            opensearch.pipeline(name, model_id="<MODEL_ID>", fields=fields),
            opensearch.example(name, fields),
        ]
    raise typer.BadParameter("the engine is elasticsearch or opensearch")
