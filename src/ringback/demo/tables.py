"""What the demo makes of a CSV file: a summary of its columns, growing as the rows are read.

Every piece of the file sends one part: the summary so far, and the offset it stands at. So the
newest part is both what a page shows and where the next attempt goes on.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any, BinaryIO

from pydantic import BaseModel

from ringback.demo.pace import pause
from ringback.demo.tally import Tally
from ringback.errors import TaskFailed
from ringback.tasks.operation import BlockingOperation

PIECES = 16
"""Parts a table is summed up in, about."""
LEAST_PIECE = 4 * 1024
MOST_PIECE = 8 * 1024 * 1024
"""Bytes between two parts: a killed worker loses no more work than this."""
PROGRESS_EVERY = 2000
"""Rows between two reports of progress."""
MAX_COLUMNS = 60
VALUES = 1000
"""Different values remembered over all columns, so that a part fits a message of 256 KiB."""
TOP = 6
"""Most frequent values of a column in the result."""
DELIMITERS = ",;\t|"
MAX_LINE = 1024 * 1024
"""Bytes of a line: a file without any is no table."""


class Table(BaseModel):
    """The result."""

    kind: str = "table"
    name: str
    bytes: int
    rows: int
    ragged: int
    """Rows with more or fewer cells than the header."""
    columns: list[dict[str, Any]]
    """For each what ``Tally.save`` gives."""


def summarize(
    op: BlockingOperation, file: BinaryIO, name: str, size: int, pace: float = 0.0
) -> Table:
    """Read a table and sum up its columns; each piece waits ``pace`` seconds."""
    reader = Reader(file)
    if op.earlier_parts:
        saved = op.earlier_parts[-1]
        rows, ragged = saved["rows"], saved["ragged"]
        tallies = [Tally.restore(column) for column in saved["columns"]]
        reader.resume(saved["delimiter"], saved["offset"])
    else:
        rows = ragged = 0
        tallies = [Tally(name) for name in reader.header()]
    room = min(100, max(10, VALUES // len(tallies)))
    piece = min(MOST_PIECE, max(LEAST_PIECE, size // PIECES))
    send_at = reader.offset + piece
    for cells in reader.records():
        rows += 1
        ragged += len(cells) != len(tallies)
        cells += [""] * (len(tallies) - len(cells))
        for tally, cell in zip(tallies, cells, strict=False):
            tally.add(cell, room)
        if rows % PROGRESS_EVERY == 0:
            op.progress(reader.offset / max(size, reader.offset), f"{rows:,} rows")
        if reader.offset >= send_at and reader.offset < size:
            pause(op, pace)
            op.progress(reader.offset / size, f"{rows:,} rows")
            op.send(
                {
                    "step": "columns",
                    "rows": rows,
                    "ragged": ragged,
                    "offset": reader.offset,
                    "delimiter": reader.delimiter,
                    "columns": [tally.save() for tally in tallies],
                }
            )
            send_at = reader.offset + piece
    pause(op, pace)
    return Table(
        name=name,
        bytes=size,
        rows=rows,
        ragged=ragged,
        columns=[tally.save(TOP) for tally in tallies],
    )


class Reader:
    """Records of a CSV file, and the offset in bytes after the last one given."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.offset = 0
        self.delimiter = ","

    def header(self) -> list[str]:
        """The names of the columns, from the first line that is not empty; sets the delimiter."""
        start = self._file.read(3)
        if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise TaskFailed("The file is UTF-16. Save it as CSV UTF-8.")
        self.offset = 3 if start == b"\xef\xbb\xbf" else 0  # a byte order mark is no text
        self._file.seek(self.offset)
        line = "\n"
        while line in ("\n", "\r\n"):
            line = _text(self._file.readline(MAX_LINE))
        self._file.seek(self.offset)
        self.delimiter = max(DELIMITERS, key=line.count)
        first = next(self.records(), [])
        names = [name.strip()[:80] or f"column {at}" for at, name in enumerate(first, 1)]
        if not names:
            raise TaskFailed("The file holds no table: it is empty.")
        if len(names) > MAX_COLUMNS:
            raise TaskFailed(
                f"The table has {len(names)} columns; at most {MAX_COLUMNS} are summed up here."
            )
        return names

    def resume(self, delimiter: str, offset: int) -> None:
        """Go on behind the record that ended at ``offset``."""
        self.delimiter, self.offset = delimiter, offset
        self._file.seek(offset)

    def records(self) -> Iterator[list[str]]:
        """The rows from here on; empty lines are none."""
        rows = csv.reader(self._lines(), delimiter=self.delimiter)
        try:
            for cells in rows:
                if cells:
                    yield cells
        except csv.Error as error:
            raise TaskFailed(
                f"What stands before byte {self.offset} is no CSV: {error}."
            ) from error

    def _lines(self) -> Iterator[str]:
        # csv takes a line only when it needs one, so the offset is that of the record's end.
        while line := self._file.readline(MAX_LINE):
            self.offset += len(line)
            if b"\0" in line:
                raise TaskFailed("The file holds binary data, so it is no CSV.")
            yield _text(line)


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", "replace")  # what spreadsheets on Windows write
