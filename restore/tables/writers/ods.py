"""Tables as a workbook of OpenDocument (.ods), a sheet for each, written forward and in the same bytes for the same request.

All sheets lie in one part, `content.xml`. The library for it takes 290 s for 200,000 x 15 cells. Dates and times are ISO texts
in attributes here, so they keep their microseconds; numbers are doubles to every program, so they are treated as in XLSX.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import IO, BinaryIO

from restore.tables.guards import UnwritableTable
from restore.tables.loss_report import LossReport
from restore.tables.model import Batch, Column, Table
from restore.tables.workbook.cells import Moment
from restore.tables.workbook.ods_parts import (
    CONTENT,
    CONTENT_END,
    DATE,
    DURATION,
    HEADER,
    MANIFEST,
    MIMETYPE,
    MOMENT,
    STYLES,
    TIME,
    meta,
)
from restore.tables.workbook.ods_text import written_cell
from restore.tables.workbook.sheets import COMPRESSION, ByteSink, Cells, SheetBounds, write_part, write_sheets
from restore.tables.workbook.xml import escaped
from restore.tables.write_options import WriteOptions

_LARGEST = zipfile.ZIP64_LIMIT - 1024**2


def write_ods(
    tables: Sequence[Table], out: BinaryIO, options: WriteOptions, losses: LossReport, bounds: SheetBounds | None = None
) -> None:
    """Write the workbook; what it cannot carry is added to the losses. Raises `UnwritableTable` for too much of it."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION) as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), MIMETYPE, zipfile.ZIP_STORED)
        write_part(archive, "META-INF/manifest.xml", MANIFEST)
        write_part(archive, "meta.xml", meta(options.created.astimezone(UTC)))
        write_part(archive, "styles.xml", STYLES)
        with archive.open("content.xml", "w") as part:
            part.write(CONTENT.encode())
            write_sheets(tables, _OdsSheets(_Bounded(part), options), options, losses, bounds)
            part.write(CONTENT_END.encode())


class _Bounded:
    """A part that stays below 2 GiB, so that it needs no zip64, of which not every program is sure."""

    def __init__(self, part: IO[bytes]) -> None:
        self._part = part
        self._size = 0

    def write(self, data: bytes, /) -> int:
        """The next bytes. Raises `UnwritableTable`."""
        self._size += len(data)
        if self._size > _LARGEST:
            raise UnwritableTable("the tables are larger than an .ods workbook can be", hint="ask for xlsx, csv or parquet")
        return self._part.write(data)


class _OdsSheets:
    """All sheets go into one part. A cell is a whole element."""

    def __init__(self, part: ByteSink, options: WriteOptions) -> None:
        self._part = part
        self._people = options.for_people

    @contextmanager
    def sheet(self, name: str, columns: Sequence[Column], first: Batch | None) -> Iterator[ByteSink]:
        """Begin a sheet, and end it."""
        repeated = f'<table:table-column table:number-columns-repeated="{max(len(columns), 1)}"/>'
        self._part.write(f'<table:table table:name="{escaped(name)}">{repeated}'.encode())
        if not columns:
            self._part.write(b"<table:table-row><table:table-cell/></table:table-row>")
        yield self._part
        self._part.write(b"</table:table>")

    def line(self, number: int, row: Cells) -> str:
        """A row, empty ones too: rows are not numbered."""
        return f"<table:table-row>{''.join([cell or '<table:table-cell/>' for cell in row])}</table:table-row>"

    def header(self, text: str, on_loss: Callable[[str], None]) -> str:
        """A column's name."""
        return self._text(text, on_loss, f' table:style-name="{HEADER}"' if self._people else "")

    def text(self, text: str, on_loss: Callable[[str], None]) -> str:
        """A text, never a formula."""
        return self._text(text, on_loss, "")

    def _text(self, text: str, on_loss: Callable[[str], None], style: str) -> str:
        attributes, paragraphs = written_cell(text, on_loss)
        return f'<table:table-cell{style} office:value-type="string"{attributes}>{paragraphs}</table:table-cell>'

    def number(self, digits: str) -> str:
        """A number."""
        return (
            f'<table:table-cell office:value-type="float" office:value="{digits}"><text:p>{digits}</text:p></table:table-cell>'
        )

    def truth(self, *, true: bool) -> str:
        """A boolean."""
        word = "true" if true else "false"
        return (
            f'<table:table-cell office:value-type="boolean" office:boolean-value="{word}">'
            f"<text:p>{word.upper()}</text:p></table:table-cell>"
        )

    def moment(self, moment: Moment) -> str | None:
        """A date, a time of day, or a duration: a time whose style counts hours beyond 24."""
        if isinstance(moment, date):
            style = MOMENT if isinstance(moment, datetime) else DATE
            return _timed(style, "date", moment.isoformat(), moment.isoformat().replace("T", " "))
        if isinstance(moment, time):
            since = timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second, microseconds=moment.microsecond)
            return _timed(TIME, "time", _duration(since), moment.isoformat())
        if moment < timedelta(0):
            return None
        return _timed(DURATION, "time", _duration(moment), _duration(moment))


def _timed(style: str, kind: str, value: str, shown: str) -> str:
    return (
        f'<table:table-cell table:style-name="{style}" office:value-type="{kind}" office:{kind}-value="{value}">'
        f"<text:p>{shown}</text:p></table:table-cell>"
    )


def _duration(since: timedelta) -> str:
    minutes, seconds = divmod(since.days * 86_400 + since.seconds, 60)
    fraction = f".{since.microseconds:06d}" if since.microseconds else ""
    return f"PT{minutes // 60:02d}H{minutes % 60:02d}M{seconds:02d}{fraction}S"
