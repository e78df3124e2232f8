"""TREC runs as nearly all files hold them, read a block of lines at a time and not a line at a time."""

from __future__ import annotations

import numpy as np
import polars as pl

# Query and tag are by their number: as text they take as much as the rest.
ROWS = {
    "line": pl.UInt32,
    "query": pl.UInt32,
    "tag": pl.UInt32,
    "doc_id": pl.String,
    "rank": pl.Float64,
    "score": pl.Float64,
}
_COLUMNS = {
    "query": pl.String,
    "q0": pl.String,
    "doc_id": pl.String,
    "rank": pl.Float64,
    "score": pl.Float64,
    "tag": pl.String,
}
_ODD = r"[\s\x00-\x1f\x7f-\x9f\ufeff]"  # what no id may hold


class Numbers(dict[str, int]):
    """Texts by their number, in the order in which they came."""

    def __missing__(self, text: str) -> int:
        return self.setdefault(text, len(self))

    def texts(self) -> pl.Series:
        """Return the texts in the order of their numbers."""
        return pl.Series(list(self), dtype=pl.String)

    def encode(self, column: pl.Series) -> pl.Series:
        """Return the number of each text of a column, which new ones get here."""
        together = column.rle().struct  # looked up once for all rows that stand together
        numbers = pl.Series([self[text] for text in together.field("value")], dtype=pl.UInt32)
        return pl.select(pl.lit(numbers).repeat_by(together.field("len")).explode()).to_series()


def plain_rows(block: bytes, first: int, queries: Numbers, tags: Numbers) -> pl.DataFrame | None:
    """Return the rows of whole lines, the first of which has the number `first`; None where one is not plain.

    Plain are six columns with one and the same sign between, a space or a tab, no blank line, and ids and finite
    numbers that are nothing odd. What is not is for a reader that says what is wrong with it.
    """
    separator = "\t" if b"\t" in block[: block.find(b"\n")] else " "
    try:
        table = pl.read_csv(block, has_header=False, separator=separator, quote_char=None, schema=_COLUMNS)
    except pl.exceptions.PolarsError:  # a column too many; no number; not UTF-8
        return None
    if table.null_count().sum_horizontal().item():
        return None
    # Between and behind six columns stand five separators and a line's end; what is more is odd.
    signs = np.count_nonzero(np.frombuffer(block, np.uint8) <= ord(" ")) + (not block.endswith(b"\n"))
    if signs > 6 * table.height or b"\x7f" in block:
        return None
    texts = () if block.isascii() else ("query", "q0", "tag", "doc_id")
    if any(table[name].unique().str.contains(_ODD).any() for name in texts):
        return None
    if not table.select(pl.all_horizontal(pl.col("rank", "score").is_finite().all())).item():
        return None
    return pl.DataFrame(
        {
            "line": pl.int_range(first, first + table.height, eager=True, dtype=pl.UInt32),
            "query": queries.encode(table["query"]),
            "tag": tags.encode(table["tag"]),
            **table.select("doc_id", "rank", "score").to_dict(),
        }
    )
