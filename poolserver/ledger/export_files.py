"""Writes exported tables: CSV, or Parquet where pyarrow is installed."""

import csv
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import IO, Any

from poolserver.ledger.database import Database
from poolserver.ledger.export import Column, Days, Export, Row
from poolserver.ledger.records import LedgerError

TOLD_EACH = 1000
"""Rows: some ten times a second."""
ROWS_AT_ONCE = 50_000
"""Of a group of rows in Parquet: what is held in memory, some 50 MB."""


class ExportError(LedgerError):
    """The table cannot be written; the text says why."""


def export_table(
    database: Database,
    export: Export,
    days: Days,
    kind: str,
    path: Path | None,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a table as ``csv`` or ``parquet`` to a file, or (CSV) to standard output. Blocking.

    The file is whole or as it was before. ``on_progress`` is told how many rows are written now
    and then, and 0 for how many there will be, which nobody knows.

    Raises:
        ExportError: ``kind`` cannot be had.
        StoreError: the database cannot be read.
        OSError: the file cannot be written.
    """
    try:
        with closing(database.reader()) as connection, connection.transaction():
            rows = export.rows(connection, days)
            if on_progress is not None:
                rows = _counted(rows, on_progress)
            if path is None:
                write_csv(export, rows, sys.stdout)
                return
            part = path.with_name(f"{path.name}.part")
            if kind == "parquet":
                write_parquet(export, rows, part)
            else:
                with part.open("w", encoding="utf-8", newline="") as file:
                    write_csv(export, rows, file)
            part.replace(path)
    except database.errors as error:
        raise database.error(error) from error


def _counted(rows: Iterable[Row], on_progress: Callable[[int, int], None]) -> Iterator[Row]:
    for number, row in enumerate(rows, 1):
        yield row
        if number % TOLD_EACH == 0:
            on_progress(number, 0)


def write_csv(export: Export, rows: Iterable[Row], file: IO[str]) -> None:
    """The names of the columns, then a line a row; what there is none of is empty."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(column.name for column in export.columns)
    writer.writerows(rows)


def write_parquet(export: Export, rows: Iterable[Row], path: Path) -> None:
    """A file of groups of rows.

    Raises:
        ExportError: pyarrow is not installed.
        OSError: the file cannot be written.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise ExportError(
            'Parquet needs pyarrow: pip install "poolserver[parquet]", or export CSV'
        ) from error
    schema = pa.schema([(column.name, _type(pa, column)) for column in export.columns])
    integers = [column.kind == "integer" for column in export.columns]
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in _groups(rows):
            columns = [
                [None if cell is None else int(cell) for cell in cells] if is_integer else cells
                for cells, is_integer in zip(zip(*group, strict=True), integers, strict=True)
            ]
            writer.write_table(pa.table(columns, schema=schema))


def _type(pa: Any, column: Column) -> Any:
    return pa.int64() if column.kind == "integer" else pa.string()


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rest = iter(rows)
    while group := list(islice(rest, ROWS_AT_ONCE)):
        yield group
