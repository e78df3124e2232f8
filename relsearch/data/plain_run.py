"""TREC runs as nearly all files hold them, read a block of lines at a time and not a line at a time."""

from __future__ import annotations

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
_COLUMNS = dict.fromkeys(("query", "q0", "doc_id", "rank", "score", "tag"), pl.String)
_NUMBER = r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
_ODD = r"[\s\x00-\x1f\x7f-\x9f\ufeff]"  # what no id may hold
_ODD_BYTES = bytes(sign for sign in (*range(0x21), 0x7F) if sign != ord("\n"))  # of these in ASCII


class Numbers(dict[str, int]):
    """Texts by their number, in the order in which they came."""

    def __missing__(self, text: str) -> int:
        return self.setdefault(text, len(self))

    def texts(self) -> pl.Series:
        """Return the texts in the order of their numbers."""
        return pl.Series(list(self), dtype=pl.String)

    def encode(self, column: pl.Series) -> pl.Series:
        """Return the number of each text of a column, which new ones get here."""
        distinct = column.unique(maintain_order=True)
        return column.replace_strict(distinct, [self[text] for text in distinct], return_dtype=pl.UInt32)


def plain_rows(block: str, first: int, queries: Numbers, tags: Numbers) -> pl.DataFrame | None:
    """Return the rows of whole lines, the first of which has the number `first`; None where one is not plain.

    Plain are six columns with one and the same sign between, a space or a tab, no blank line, and ids and finite
    numbers that are nothing odd. What is not is for a reader that says what is wrong with it.
    """
    separator = "\t" if "\t" in block[: block.find("\n")] else " "
    try:
        content = block.encode()
        table = pl.read_csv(
            content, has_header=False, separator=separator, quote_char=None, schema=_COLUMNS, infer_schema=False
        )
    except (pl.exceptions.PolarsError, UnicodeEncodeError):  # a column too many; half a surrogate pair
        return None
    number = pl.col("rank", "score")
    lines = block.count("\n") + (not block.endswith("\n"))
    if table.height != lines or table.null_count().sum_horizontal().item():
        return None
    if block.isascii():
        odd = len(content.translate(None, _ODD_BYTES.replace(separator.encode(), b""))) < len(content)
    else:
        odd = any(table[name].unique().str.contains(_ODD).any() for name in ("query", "q0", "tag", "doc_id"))
    if odd:
        return None
    if not table.select(pl.all_horizontal(number.str.contains(_NUMBER).all())).item():
        return None
    numbers = table.select(number.cast(pl.Float64))
    if not numbers.select(pl.all_horizontal(pl.all().is_finite().all())).item():
        return None
    return pl.DataFrame(
        {
            "line": pl.int_range(first, first + table.height, eager=True, dtype=pl.UInt32),
            "query": queries.encode(table["query"]),
            "tag": tags.encode(table["tag"]),
            "doc_id": table["doc_id"],
            **numbers.to_dict(),
        }
    )
