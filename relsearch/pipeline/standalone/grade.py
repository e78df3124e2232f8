"""Grade the pairs of a TREC run with any judge, without a pipeline around it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import polars as pl

from relsearch.cluster.ray_workers import workers_of
from relsearch.core import tables
from relsearch.core.errors import DataError
from relsearch.core.extras import TORCH, check_packages
from relsearch.core.files.outputs import check_ending, check_output
from relsearch.core.query_pool import pools_of_run
from relsearch.core.settings.config import Config
from relsearch.core.types import StrPath
from relsearch.data.collection import load_collection, texts_of
from relsearch.data.trec import read_qrels, read_run
from relsearch.encoders.encoder import vectors_by_id
from relsearch.exporters.trec import write_qrels
from relsearch.judge.registry import check_judge, open_judge
from relsearch.judge.store.judgment_store import judge_all
from relsearch.judge.store.missing import on_workers
from relsearch.labels.query_calibration import CalibratedLabels, calibrate


def grade_run(
    run: StrPath, output: StrPath, config: Config, *, qrels: StrPath | None = None, force: bool = False
) -> CalibratedLabels:
    """Judge the run's pairs down to `[label] depth`, write them to `output`, and return the judgments table.

    Human grades of some of the pairs, in `qrels`, calibrate the labels of their queries. A .parquet output keeps
    distributions, any other is TREC qrels. The store beside it lets a cut run go on. `[run]` says where the judge
    works. Raise DataError where a file is in the way that `grade` did not write, unless `force` is set.
    """
    check_judge(config)
    workers = workers_of(config.run)
    if qrels is not None:  # likeness to documents with human grades is by the dense encoder
        check_packages("grade --qrels", "train", TORCH)
    output = Path(output)
    store = output.with_name(output.name + ".store")
    check_output(output, inputs=[run, *([qrels] if qrels else [])], ours=partial(_graded, store=store), force=force)
    check_ending(output, "TREC qrels (.qrels)", table=True)
    human = tables.judgments_table([]) if qrels is None else read_qrels(qrels, config.scale)
    first = read_run(run).filter(pl.col("rank") <= config.label.depth).sort("query_id", "rank")
    queries, texts = _texts(first, config)
    vectors = vectors_by_id(config.judge_encoder, texts, keep=store / "vectors")
    judge = on_workers(partial(open_judge, config, keep=store / "vectors"), workers)
    judged = judge_all(judge, pools_of_run(first, queries, texts), store, total=first.height)
    found = calibrate(judged, human, config.scale, vectors)
    if output.suffix == ".parquet":
        tables.write(found.labels, output, tables.JUDGMENTS)
    else:
        write_qrels(found.labels, output)
    return found


def _graded(output: Path, *, store: Path) -> bool:
    """Whether an output is of an earlier run: a table of a judge's labels, or qrels beside their store."""
    if output.suffix != ".parquet":
        return store.is_dir()
    try:
        return set(tables.read(output, tables.JUDGMENTS)["source"]) <= {"judge"}
    except DataError:
        return False


def _texts(first: pl.DataFrame, config: Config) -> tuple[Mapping[str, str], Mapping[str, str]]:
    source = load_collection(config.collection.source)
    queries, texts = texts_of(first, source, config.collection.template)
    for name, known, asked in (("query", queries, first["query_id"]), ("document", texts, first["doc_id"])):
        if absent := [each for each in asked.unique() if each not in known]:
            raise DataError(
                f"{name} {min(absent)!r} is in the run but not in {config.collection.source}; give the collection that "
                "the run was made on"
            )
    return queries, texts
