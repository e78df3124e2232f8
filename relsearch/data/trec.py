"""Read TREC runs, qrels and topics, and BEIR's qrels; a broken line says file, line and reason."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import NamedTuple

import polars as pl

from relsearch.core.display.wording import counted
from relsearch.core.errors import DataError
from relsearch.core.files.text_files import block_lines, fail, line_blocks, lines, parse_json
from relsearch.core.ids import id_fault, shown
from relsearch.core.tables import CANDIDATES, JUDGMENTS, check_filled, judgments_table, read
from relsearch.core.types import Judgment, Query, Scale, StrPath
from relsearch.data.plain_run import ROWS, Numbers, plain_rows

# trec_eval's white space; str.split() splits at more signs, which make no columns elsewhere.
_COLUMN = re.compile(r"[^ \t\f\v]+")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_LARGEST_GRADE = 2**31 - 1  # tables hold grades in 32 bits
_QUERY_KEYS = ("query_id", "query-id", "qid", "query")
_DOC_KEYS = ("doc_id", "corpus-id", "corpus_id", "docid", "document")
_GRADE_KEYS = ("relevance", "grade", "score", "label")
_PAIR = ["query_id", "doc_id"]
_LABELS = "qrels have lines such as: q1 0 d7 2"
_QUERIES = 500  # that are sorted at once: of a whole run it takes hundreds of MB


class Label(NamedTuple):
    """One line of qrels, and where it stands."""

    path: Path
    line: int
    query_id: str
    doc_id: str
    grade: int


def read_run(path: StrPath) -> pl.DataFrame:
    """Return a run as a candidates table: score descending, then the file's rank, then doc_id; ranks anew from 1.

    Raise DataError for a line that is none of a run, and for a file without any.
    """
    queries, tags = Numbers(), Numbers()
    blocks = [pl.DataFrame(schema=ROWS)]
    for first, block in line_blocks(path):
        plain = plain_rows(block, first, queries, tags)
        blocks.append(_checked_rows(path, first, block, queries, tags) if plain is None else plain)
    table = check_filled(path, pl.concat(blocks), "a run has lines such as: q1 Q0 d7 1 12.3 bm25")
    blocks.clear()
    if not table["query"].is_sorted():
        table = table.sort("query", maintain_order=True)
    starts = table["query"].search_sorted(pl.Series(range(0, len(queries), _QUERIES), dtype=pl.UInt32)).to_list()
    names = queries.texts(), tags.texts()
    parts = (table[start:end] for start, end in pairwise([*starts, table.height]))
    return pl.concat(_in_order(path, part, *names) for part in parts)


def _checked_rows(path: StrPath, first: int, block: bytes, queries: Numbers, tags: Numbers) -> pl.DataFrame:
    """The rows of whole lines; raise DataError for the first that is no line of a run."""
    rows = []
    for number, line in block_lines(path, first, block):
        if not line.strip():
            continue
        parts = columns(line.rstrip("\n"))
        if len(parts) != 6:
            fail(path, number, _miscounted(line, "a run line is: query Q0 document rank score tag"))
        query_id, _, doc_id, rank, score, tag = parts
        _check_ids(path, number, query_id, doc_id)
        numbers = _number(path, number, "rank", rank), _number(path, number, "score", score)
        rows.append((number, queries[query_id], tags[tag], doc_id, *numbers))
    return pl.DataFrame(rows, schema=ROWS, orient="row")


def _in_order(path: StrPath, part: pl.DataFrame, queries: pl.Series, tags: pl.Series) -> pl.DataFrame:
    named = part.with_columns(query_id=queries.gather(part["query"]), searcher=tags.gather(part["tag"]))
    counts = named.group_by("query").agg(pl.len(), documents=pl.col("doc_id").n_unique())
    if (counts["documents"] < counts["len"]).any():
        again = named.filter(~pl.col("doc_id").is_first_distinct().over("query"))
        number, query_id, doc_id = again.select("line", "query_id", "doc_id").row(0)
        fail(path, number, f"document {doc_id!r} appears twice for query {query_id!r}")
    if not _is_ordered(named):
        named = named.sort("query", "score", "rank", "doc_id", descending=[False, True, False, False])
    ranked = named.with_columns(rank=pl.int_range(1, pl.len() + 1).over("query"))
    return ranked.select(pl.col(name).cast(kind) for name, kind in CANDIDATES.items())


def _is_ordered(part: pl.DataFrame) -> bool:
    """Whether the rows, whose queries stand together, are by descending score already, and no two of them tie."""
    query, score = pl.col("query"), pl.col("score")
    return bool(part.select(((query != query.shift(1)) | (score < score.shift(1))).all()).item())


def read_qrels(path: StrPath, scale: Scale | None, *, may_be_empty: bool = False) -> pl.DataFrame:
    """Return qrels, in any form that `labels_of` reads, as a judgments table of human labels.

    Grades below the scale's lowest (TREC's -1 and -2: spam, not judged relevant) count as the lowest, as
    trec_eval takes them for not relevant; without a scale, negative grades become 0. Raise DataError for a file without
    any label, unless it `may_be_empty`, as one that labels are yet to be written to.
    """
    labels = judgments_table(once(labels_of(path, scale)))
    return labels if may_be_empty else check_filled(path, labels, _LABELS)


def read_labels(path: StrPath, scale: Scale | None) -> pl.DataFrame:
    """Return a judgments table, from a .parquet file or a folder of them as it is, from any other as read_qrels does.

    A pair that a table has twice is kept once, with a grade if it has one. Raise DataError where it has two different
    grades, or where a grade of a .parquet file is outside the scale.
    """
    if Path(path).suffix != ".parquet" and not Path(path).is_dir():
        return read_qrels(path, scale)
    labels = _pairs_once(path, check_filled(path, read(path, JUDGMENTS), _LABELS))
    grades = labels["grade"].drop_nulls()
    if scale and (outside := sorted(set(grades) - set(scale.grades))):
        raise DataError(
            f"{path}: grade {outside[0]} is outside scale {scale.lowest}-{scale.highest}; give another scale"
        )
    return labels


def _pairs_once(path: StrPath, labels: pl.DataFrame) -> pl.DataFrame:
    """The labels with each pair's first that has a grade, or its first; raise DataError where two grades differ."""
    repeated = labels.select(_PAIR).is_duplicated()
    if not repeated.any():
        return labels
    grades = labels.filter(repeated).group_by(_PAIR, maintain_order=True).agg(pl.col("grade").drop_nulls().unique())
    if differing := grades.filter(pl.col("grade").list.len() > 1).rows():
        query_id, doc_id, (one, other, *_) = differing[0]
        raise DataError(
            f"{path}: document {doc_id!r} of query {query_id!r} has two different grades, {min(one, other)} and "
            f"{max(one, other)}; keep one"
        )
    rows = labels.with_row_index("row").sort(pl.col("grade").is_null(), "row")
    return rows.unique(_PAIR, keep="first").sort("row").drop("row")


def labels_of(path: StrPath, scale: Scale | None) -> Iterator[Label]:
    """Yield the labels of a qrels file, with grades as read_qrels takes them; the first line tells which form it has.

    TREC: query, 0, document, grade. BEIR: query, document, grade between tabs, under a header or not. JSON lines:
    objects with query_id, doc_id and relevance, or as BEIR calls them.
    """
    numbered = lines(path)  # once: a pipe cannot be read again
    first = next(numbered, None)
    if first is None:
        return
    text = first[1]
    if text.lstrip().startswith("{") and not _WHOLE.fullmatch(columns(text)[-1]):  # an id may begin with a brace
        read = _json_row
    else:
        read = _beir_row if text.count("\t") == 2 and len(columns(text)) != 4 else _trec_row
    for number, line in chain([first], numbered):
        query_id, doc_id, grade = read(path, number, line)
        if number == first[0] and read is _beir_row and query_id.lower() in _QUERY_KEYS and not _WHOLE.fullmatch(grade):
            continue  # the header
        _check_ids(path, number, query_id, doc_id)
        yield Label(Path(path), number, query_id, doc_id, _grade(path, number, grade, scale))


def _trec_row(path: StrPath, number: int, line: str) -> tuple[str, str, str]:
    parts = columns(line)
    if len(parts) != 4:
        fail(path, number, _miscounted(line, "a qrels line is: query 0 document grade"))
    return parts[0], parts[2], parts[3]


def _miscounted(line: str, wanted: str) -> str:
    """What is wrong with a line of other columns than are wanted, and what it may be instead."""
    count = len(columns(line.rstrip("\r\n")))
    said = f"{counted(count, 'column')}; {wanted}"
    if count == 6:
        return f"{said}; this is a run's, and qrels come before runs"
    if count == 4:
        return f"{said}; this is a qrels line, and qrels come before runs"
    if re.fullmatch(r"[^,;]+([,;])[^,;]+\1[^,;]+", line.strip()):
        return (
            f"{said}; of a CSV with query_id, doc_id and grade, `relsearch review --import CSV --qrels NEW` makes qrels"
        )
    return said


def _beir_row(path: StrPath, number: int, line: str) -> tuple[str, str, str]:
    cells = line.split("\t")
    if '"' in line:
        try:
            [cells] = csv.reader([line], delimiter="\t", strict=True)
        except csv.Error as exc:
            fail(path, number, f"not CSV: {exc}; are its quotes closed?")
    if len(cells) != 3:
        fail(path, number, "a BEIR qrels line is: query id, tab, document id, tab, whole number")
    return cells[0], cells[1], cells[2].strip()


def _json_row(path: StrPath, number: int, line: str) -> tuple[str, str, str]:
    try:
        row = parse_json(line)
    except ValueError as exc:
        fail(path, number, str(exc))
    keys = (_QUERY_KEYS, _DOC_KEYS, _GRADE_KEYS)
    given = row if isinstance(row, dict) else {}
    found = [next((given[name] for name in names if name in given), None) for names in keys]
    if not all(isinstance(value, str | int) and not isinstance(value, bool) for value in found):
        fail(path, number, "expected an object with query_id, doc_id and relevance, a whole number")
    return str(found[0]), str(found[1]), str(found[2])


def once(labels: Iterable[Label]) -> list[Judgment]:
    """Return each pair's label once; raise DataError naming both places where two have different grades."""
    first: dict[tuple[str, str], Label] = {}
    for label in labels:
        known = first.setdefault((label.query_id, label.doc_id), label)
        if known.grade != label.grade:
            where = f"line {known.line}" if known.path == label.path else f"{known.path}:{known.line}"
            reason = f"has two different grades, {label.grade} here and {known.grade} in {where}; keep one"
            fail(label.path, label.line, f"document {label.doc_id!r} of query {label.query_id!r} {reason}")
    return [Judgment(label.query_id, label.doc_id, label.grade, "human") for label in first.values()]


def columns(line: str) -> list[str]:
    """Return the columns of a line of a run or of qrels."""
    return _COLUMN.findall(line)


def read_topics(path: StrPath) -> list[Query]:
    """Return queries from lines `id<TAB>text`, or from TREC `<top>` blocks (number and title)."""
    numbered = list(lines(path))
    if numbered and numbered[0][1].lstrip().lower().startswith("<top>"):
        found = _topic_blocks(path, numbered)
    else:
        found = _topic_lines(path, numbered)
    queries: dict[str, Query] = {}
    for number, query in found:
        if fault := id_fault(query.query_id):
            fail(path, number, f"query id {shown(query.query_id)} {fault}")
        if query.query_id in queries:
            fail(path, number, f"query id {query.query_id!r} appears twice")
        queries[query.query_id] = query
    return list(queries.values())


def _topic_lines(path: StrPath, numbered: Iterable[tuple[int, str]]) -> Iterator[tuple[int, Query]]:
    for number, line in numbered:
        query_id, tab, text = line.partition("\t")
        if not tab or not query_id.strip() or not text.strip():
            fail(path, number, "a topics line is: query id, tab, text")
        yield number, Query(query_id.strip(), text.strip())


def _topic_blocks(path: StrPath, numbered: list[tuple[int, str]]) -> Iterator[tuple[int, Query]]:
    """Each topic with the number of the line that its block begins in."""
    text = "\n".join(line for _, line in numbered)
    for block in re.finditer(r"<top>(.*?)</top>", text, re.DOTALL | re.IGNORECASE):
        number = numbered[text.count("\n", 0, block.start())][0]
        query_id = re.search(r"<num>\s*(?:Number:)?\s*([^\s<]+)", block[1], re.IGNORECASE)
        title = re.search(r"<title>\s*(?:Topic:)?\s*([^<]+)", block[1], re.IGNORECASE)
        if query_id is None or title is None or not title[1].strip():
            fail(path, number, "this topic has no <num> or no <title>")
        yield number, Query(query_id[1], " ".join(title[1].split()))


def _check_ids(path: StrPath, number: int, query_id: str, doc_id: str) -> None:
    for kind, text in (("query", query_id), ("document", doc_id)):
        if fault := id_fault(text):
            fail(path, number, f"{kind} id {shown(text)} {fault}")


def _grade(path: StrPath, number: int, text: str, scale: Scale | None) -> int:
    if not _WHOLE.fullmatch(text):
        fail(path, number, f"grade {shown(text)} is not a whole number")
    highest = _LARGEST_GRADE if scale is None else scale.highest
    # The length first: Python turns no text of thousands of digits into a number.
    if len(text) > 20 or int(text) > highest:
        if scale is None:
            fail(path, number, f"grade {shown(text)} is too large for a grade")
        span = f"{scale.lowest}-{scale.highest}"
        fail(path, number, f"grade {text} is outside scale {span}; set [collection] scale, or give another scale")
    return max(int(text), 0 if scale is None else scale.lowest)


def _number(path: StrPath, number: int, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = None
    if value is None or "_" in text or not text.isascii():  # which Python reads, and no other tool
        fail(path, number, f"{name} {shown(text)} is not a number")
    if not math.isfinite(value):
        fail(path, number, f"{name} {shown(text)} is not finite")
    return value
