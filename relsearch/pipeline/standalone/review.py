"""The two halves of `review`: judged pairs out to people as CSV, their grades back into qrels."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from relsearch.core import tables
from relsearch.core.errors import DataError
from relsearch.core.files.outputs import check_output
from relsearch.core.files.text_files import write_text
from relsearch.core.types import Scale, StrPath
from relsearch.data.collection import Collection, load_collection, texts_of
from relsearch.data.frames import run_table
from relsearch.data.trec import read_qrels
from relsearch.labels.csv_form import read_csv, to_csv
from relsearch.labels.review import merge, pick


def export_review(
    judgments: StrPath,
    output: StrPath | None,
    *,
    count: int,
    collection: StrPath,
    run: StrPath | None,
    qrels: StrPath | None,
    template: str,
    characters: int,
    show_judged: bool,
    force: bool = False,
) -> tuple[str, int]:
    """Return the CSV of the `count` pairs worth most that have no human label in either place, and how many they are.

    It is written to `output` if that is given. A file that is there already is replaced only with `force`, since people
    may have written grades into it.
    """
    if output:
        check_output(output, inputs=[path for path in (judgments, run, qrels) if path], ours=lambda _: True)
        if Path(output).exists() and not force:
            raise DataError(
                f"{output}: there already, maybe with grades in it; import it, name another file, or give --force"
            )
    source = load_collection(collection)
    human = _human(source, qrels)
    picked = pick(_judgments(judgments), human=human, pool=run_table(run) if run else None, count=count)
    queries, documents = texts_of(picked, source, template)
    text = to_csv(picked, queries, documents, characters=characters, show_judged=show_judged)
    if output:
        write_text(output, text)
    return text, picked.height


def import_review(
    filled: StrPath, qrels: StrPath, *, judgments: StrPath | None, scale: Scale, overwrite: bool
) -> dict[str, int]:
    """Write the graded rows into the qrels, all or none; return how many labels were added, changed and so on."""
    found = read_csv(filled, scale, judged=_judgments(judgments) if judgments else None)
    merged = merge(found.labels, qrels, scale, source=filled, overwrite=overwrite)
    write_text(qrels, merged.text)
    return {
        "added": merged.added,
        "changed": merged.changed,
        "there already": merged.same,
        "without grade": found.skipped,
    }


def _judgments(path: StrPath) -> pl.DataFrame:
    if Path(path).suffix != ".parquet" and not Path(path).is_dir():
        raise DataError(f"{path}: not a judgments table; name a .parquet table that `relsearch grade` or `judge` wrote")
    return tables.read(path, tables.JUDGMENTS)


def _human(source: Collection, qrels: StrPath | None) -> pl.DataFrame:
    own = tables.judgments_table(source.qrels() if source.has_qrels() else [])
    return own if qrels is None else pl.concat([own, read_qrels(qrels, None, may_be_empty=True)])
