"""The verbs that label without a pipeline: `grade` by a judge, `review` by people, `labels` for other tools."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from relsearch.cli.app import ForceOption, JsonOption, OnOption, WorkerCpusOption, WorkerGpusOption, verb
from relsearch.core.display.wording import counted
from relsearch.core.fields.template import DEFAULT_TEMPLATE

if TYPE_CHECKING:
    import polars as pl


LabelFormat = Literal["trec", "beir", "quepid", "opensearch", "rank-eval"]


@verb(
    "relsearch grade bm25.trec --collection my-collection -o judgments.parquet",
    "relsearch grade bm25.trec --collection my-collection --judge ready --qrels human.qrels -o calibrated.parquet",
    "relsearch grade pairs -o judgments",
    resumes=True,
)
def grade(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="RUN, whose pairs are graded, or PAIRS with their texts: a file, folder or URI (docs/cluster.md).",
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", help="A judgments table (.parquet), or TREC qrels; of PAIRS a folder or URI of tables."
        ),
    ],
    collection: Annotated[
        str | None, typer.Option(help="RUN: where texts come from: a BEIR folder, demo, ir_datasets:ID.")
    ] = None,
    judge: Annotated[
        str,
        typer.Option(
            help="ready, zero-shot, a judge's folder, a file of labels, or reranker:NAME (a hub id, a /rerank URL)."
        ),
    ] = "ready",
    depth: Annotated[
        int | None, typer.Option(min=1, help="RUN: candidates of each query to grade; default: 20.")
    ] = None,
    qrels: Annotated[
        Path | None,
        typer.Option(help="RUN: human grades of some of the pairs, which calibrate the labels of their queries."),
    ] = None,
    scale: Annotated[str, typer.Option(help="0-3, 1-4, binary or lowest-highest:relevant.")] = "0-3",
    on: OnOption = None,
    worker_cpus: WorkerCpusOption = 1.0,
    worker_gpus: WorkerGpusOption = 0.0,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="RUN: replace an output that grade did not write. PAIRS: remove judgments of other pairs or judges.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Grade the top of a TREC run, or pairs, with a judge; needs no labels.

    An interrupted run goes on where it stopped. What was judged of a RUN is kept in OUTPUT.store, so that nothing is
    judged twice; delete it when you are done. `relsearch agree` compares the labels with human ones; `relsearch review`
    picks the pairs that people should grade. With human grades as --qrels nothing is judged again: the labels
    of a query's other documents move towards what people found, those of similar documents most. A pair's own human
    grade never changes its judged label.

    PAIRS are Parquet or JSON Lines with the columns query_id, query, doc_id and text. The workers of --on ray read and
    write them, a file at a time.
    """
    from relsearch.core.errors import DataError
    from relsearch.core.files.storage import is_storage
    from relsearch.core.settings.config import CollectionConfig, Config, LabelConfig, RunConfig

    of_pairs = is_storage(source)
    if of_pairs and (collection or qrels or depth):
        raise typer.BadParameter(f"{source} is graded as a whole: leave out --collection, --depth and --qrels")
    if not (of_pairs or collection):
        if not Path(source).exists():
            raise DataError(f"{source}: no such file or folder")
        raise typer.BadParameter("a run has no texts: give --collection, or a folder of pairs in place of the run")
    config = Config(
        collection=CollectionConfig(source=collection or source, scale=scale),
        label=LabelConfig(judge=judge, depth=depth or 20),
        run=RunConfig(on=on or "here", worker_cpus=worker_cpus, worker_gpus=worker_gpus),
    )
    if of_pairs:
        from relsearch.cluster.ray_workers import workers_of
        from relsearch.judge.registry import check_judge, open_judge
        from relsearch.pipeline.standalone.grade_pairs import grade_pairs

        check_judge(config)
        workers = workers_of(config.run)
        counts = grade_pairs(source, output, partial(open_judge, config), workers=workers, force=force)
        _show_grades(counts, {"output": output}, as_json=as_json)
        return
    from relsearch.pipeline.standalone.grade import grade_run

    found = grade_run(source, output, config, qrels=qrels, force=force)
    if qrels and not as_json:
        none = "no human grade below relevant on a judged pair; labels stay the judge's own"
        typer.echo(f"{counted(found.queries, 'query')} calibrated on human grades" if found.queries else none, err=True)
    counts = dict(found.labels.group_by("grade").len().sort("grade").iter_rows())
    _show_grades(counts, {"output": output, "calibrated_queries": found.queries}, as_json=as_json)


def _show_grades(counts: dict[int | None, int], about: dict[str, Any], *, as_json: bool) -> None:
    from relsearch.core.display.text_table import table

    if as_json:
        typer.echo(json.dumps({**about, "grades": counts}))
    else:
        rows = [["none" if grade is None else str(grade), str(count)] for grade, count in counts.items()]
        typer.echo(table(["grade", "pairs"], rows))


@verb(
    "relsearch review judgments.parquet --collection my-collection --export 50 -o review.csv",
    "relsearch review --import review.csv --qrels human.qrels",
)
def review(
    judgments: Annotated[
        Path | None,
        typer.Argument(metavar="JUDGMENTS", help="The .parquet table, or folder of tables, that grade or judge wrote."),
    ] = None,
    export: Annotated[int | None, typer.Option("--export", min=1, metavar="N", help="Write N pairs to grade.")] = None,
    filled: Annotated[Path | None, typer.Option("--import", metavar="FILE", help="Read the graded CSV back.")] = None,
    collection: Annotated[str, typer.Option(help="Export: where texts come from, as in rerank.")] = "",
    run_file: Annotated[
        Path | None, typer.Option("--run", help="Export: TREC run or candidates table that ranks in the judge's place.")
    ] = None,
    qrels: Annotated[
        Path | None, typer.Option(help="Human labels, TREC. Export leaves their pairs out; import adds to the file.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Export: the CSV; default: stdout.")] = None,
    template: Annotated[str, typer.Option(help="Export: how a document is shown.")] = DEFAULT_TEMPLATE,
    characters: Annotated[int, typer.Option(min=20, max=30_000, help="Export: where texts are cut.")] = 1500,
    show_judged: Annotated[
        bool, typer.Option("--show-judged", help="Export: show the judge's grades; assessors lean towards them.")
    ] = False,
    scale: Annotated[str, typer.Option(help="Import: 0-3, 1-4, binary or lowest-highest:relevant.")] = "0-3",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Import: let a new grade replace one in qrels.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Export: replace a file that is there already, and any grades in it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask people for the labels that help most, by a CSV file.

    --export writes pairs. Fill in the column grade in any spreadsheet; rows left empty are skipped. --import reads the
    graded CSV back.

    Pairs come first where the judge is unsure and ranks the document high, spread over the queries; none that the
    collection or --qrels has a label for. With JUDGMENTS, import checks that no spreadsheet changed an id.
    Cells that a spreadsheet would run or rewrite start with an apostrophe, which import takes away.
    """
    from relsearch.core.scale import parse_scale
    from relsearch.pipeline.standalone.review import export_review, import_review

    if filled and qrels and export is None:
        counts = import_review(filled, qrels, judgments=judgments, scale=parse_scale(scale), overwrite=overwrite)
        brief = ", ".join(f"{count} {name}" for name, count in counts.items())
        typer.echo(json.dumps(counts, indent=1) if as_json else f"{qrels}: {brief}")
    elif export and judgments and collection and not filled:
        text, pairs = export_review(
            judgments,
            output,
            count=export,
            collection=collection,
            run=run_file,
            qrels=qrels,
            template=template,
            characters=characters,
            show_judged=show_judged,
            force=force,
        )
        if output is None:
            typer.echo(text, nl=False)
        elif as_json:
            typer.echo(json.dumps({"output": str(output), "pairs": pairs}))
        else:
            more = "" if pairs == export else f", not {export}: no others were judged and have no human label"
            typer.echo(f"{output}: {counted(pairs, 'pair')}{more}")
    else:
        raise typer.BadParameter("give JUDGMENTS, --collection and --export, or --import and --qrels")


@verb(
    "relsearch labels judgments.parquet --format quepid --collection my-collection -o quepid.csv",
    "relsearch labels human.qrels --format rank-eval --collection my-collection --index docs --field text",
    name="labels",
)
def write_labels(
    judgments: Annotated[
        Path,
        typer.Argument(metavar="JUDGMENTS", help="A judgments table (.parquet), a folder of them, or TREC qrels."),
    ],
    format: Annotated[  # noqa: A002 - the option's name
        LabelFormat, typer.Option("--format", help="The tool that reads them.")
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write; default: stdout.")] = None,
    collection: Annotated[
        str, typer.Option(help="Where the queries' texts come from, as in grade; for all but trec and beir.")
    ] = "",
    index: Annotated[str, typer.Option(help="rank-eval: the index that is searched.")] = "",
    field: Annotated[str, typer.Option(help="rank-eval: the field that is searched.")] = "",
    name: Annotated[str, typer.Option(help="opensearch: the name of the judgment list.")] = "relsearch",
    force: ForceOption = False,
) -> None:
    """Write labels for trec_eval, BEIR, Quepid, OpenSearch or _rank_eval.

    A label without a grade is left out; grades stay as they are.
    """
    from relsearch.core.errors import DataError
    from relsearch.core.files.outputs import check_output
    from relsearch.core.files.text_files import encodable, read_text, write_text
    from relsearch.data.collection import load_collection
    from relsearch.data.trec import read_labels

    if format not in ("trec", "beir") and not collection:
        raise typer.BadParameter(f"{format} holds the queries' texts: give --collection")
    if format == "rank-eval" and not (index and field):
        raise typer.BadParameter("rank-eval searches an index: give --index and --field")
    labels = read_labels(judgments, None)
    if labels["grade"].null_count() == labels.height:
        raise DataError(f"{judgments}: holds no grade, so there is nothing to write")
    queries = {query.query_id: query.text for query in load_collection(collection).queries()} if collection else {}
    text = _label_text(labels, format, queries, index=index, field=field, name=name)
    if output is None:
        typer.echo(encodable(text), nl=False)
        return
    check_output(output, inputs=[judgments], ours=lambda path: read_text(path) == text, force=force)
    write_text(output, text)


def _label_text(
    labels: pl.DataFrame, form: LabelFormat, queries: dict[str, str], *, index: str, field: str, name: str
) -> str:
    from relsearch.exporters import labels as formats
    from relsearch.exporters.trec import qrels_text

    if form == "quepid":
        return formats.quepid(labels, queries)
    if form == "opensearch":
        return formats.opensearch(labels, queries, name=name)
    if form == "rank-eval":
        return formats.rank_eval(labels, queries, index=index, field=field)
    return formats.beir_qrels(labels) if form == "beir" else qrels_text(labels)
