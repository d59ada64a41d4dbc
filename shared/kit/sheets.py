"""Writes tables for spreadsheets as CSV (RFC 4180, UTF-8), in which no cell is a formula.

A spreadsheet takes a text that begins with one of a few signs for something to reckon, and that may
send what stands beside it to a stranger.
"""

import csv
import io
from collections.abc import Iterable, Sequence

CSV_MEDIA_TYPE = "text/csv; charset=utf-8"
# As the spreadsheets write them, and as East Asian keyboards do.
_BEGINS_A_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
Cell = str | int | None


def to_csv(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """One line per row. Whole numbers stay numbers; texts that begin a formula get a `'` before."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return out.getvalue()


def _harmless(cell: Cell) -> Cell:
    if isinstance(cell, str) and cell.lstrip(" \u00a0\ufeff").startswith(_BEGINS_A_FORMULA):
        return f"'{cell}"
    return cell
