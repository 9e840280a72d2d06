"""What is asked for of tables on their way out: the options as a value, and the conversion that they mean."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from restore.tables.formats import FORMATS
from restore.tables.write_options import Audience, WriteOptions
from vault.errors import UsageError

if TYPE_CHECKING:
    from restore.outputs.conversion import Conversion
    from restore.selection.query import ItemQuery
    from strongroom.context import Context


class TableOptions(Struct, frozen=True, kw_only=True):
    """What is asked for of tables.

    format: to convert to, as `restore.tables.registry` names it; `original` or None for each table's own
    profile: for machines (the default), or safe to open in a spreadsheet
    delimiter: between the columns of a CSV, one character; None for a comma
    bom: begin a CSV with a byte order mark
    rows_in_period: only the rows of the periods that are selected, by time_column or the column that is found
    header: whether the first row of CSV files has names; None to find out
    merge: one table out of all of them
    """

    format: str | None = None
    profile: Audience | None = None
    delimiter: str | None = None
    bom: bool = False
    rows_in_period: bool = False
    time_column: str | None = None
    header: bool | None = None
    sheets: tuple[str, ...] = ()
    merge: bool = False

    @property
    def wanted(self) -> bool:
        """Whether anything is to be converted."""
        return (self.format or "original") != "original" or self.rows_in_period or self.merge

    def check(self, *, periods: bool) -> None:
        """Raises `UsageError` for options that make no sense together. periods: whether any is asked for."""
        if self.format == "original" and (self.rows_in_period or self.merge):
            raise UsageError(
                "--as original excludes --rows-in-period and --merge: it alters nothing",
                hint="leave it out, or name another format",
            )
        if not self.wanted and (self.profile or self.delimiter is not None or self.bom):
            raise UsageError("--profile, --delimiter and --bom need --as: they are about the format", hint="name one with --as")
        if self.rows_in_period and not periods:
            raise UsageError("missing period for --rows-in-period: use --period PERIOD", hint="for example --period 2024-05")
        if self.time_column is not None and not self.rows_in_period:
            raise UsageError("--time-column needs --rows-in-period", hint="add that, or leave it out")
        if self.header is not None and not self.wanted:
            raise UsageError(
                "--header and --no-header need --as, --merge or --rows-in-period",
                hint="name a format with --as, or leave them out",
            )
        if self.sheets and not self.wanted:
            raise UsageError(
                "--sheet needs --as or --merge: nothing is to be converted",
                hint="name a format with --as, or say --merge; or leave --sheet out to have whole workbooks",
            )
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise UsageError(f"invalid --delimiter {self.delimiter!r}", hint="use one character: , ; | or a tab")

    def conversion(self, query: ItemQuery, context: Context, project: str) -> Conversion | None:
        """What `restore.outputs` is to do; None where everything is written as it is."""
        if not self.wanted:
            return None
        from restore.outputs.conversion import Conversion, RowFilter
        from restore.selection import filters
        from restore.tables.times import TimeReading
        from strongroom.sources import headers_of

        zone = context.zone(project)
        profile = self.profile or Audience.EXACT
        people = zone.key if profile is Audience.PEOPLE else None
        options = WriteOptions(profile, people, self.delimiter or ",", self.bom)
        rows = None
        if self.rows_in_period:
            day_first = context.settings.project(project).dates == "day-first"
            reading = TimeReading(zone.key, day_first)
            rows = RowFilter(tuple(filters.periods_of(query, filters.zone_of("", query))), reading, self.time_column)
        target = self.format if self.format != "original" else None
        headers = headers_of(context.settings, project, self.header)
        return Conversion(target or ("csv" if self.merge else None), options, rows, headers, self.sheets)

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return {
            "as": self.format or "original",
            "profile": (self.profile or Audience.EXACT).value,
            "delimiter": self.delimiter or ",",
            "bom": self.bom,
            "rows_in_period": self.rows_in_period,
            "time_column": self.time_column,
            **({} if self.header is None else {"header": self.header}),
            **({"sheets": list(self.sheets)} if self.sheets else {}),
            "merge": self.merge,
        }

    def named(self, format_: str) -> TableOptions:
        """The same, in the format that a file's name tells, where none was asked for. Raises `UsageError` for another one."""
        if self.format not in (None, format_):
            raise UsageError(
                f"--as {self.format} and the file's name, which says {format_}, contradict each other",
                hint="change --as or the file's name",
            )
        return replace(self, format=format_)


def merged_name(project: str, query: ItemQuery, conversion: Conversion | None) -> bytes:
    """A name for the one table that all become, where nobody has named it: project, kinds, periods."""
    target = (conversion.target if conversion else None) or "csv"
    words = [project, *query.kinds, *query.periods]
    stem = "-".join(words).replace("/", "_").replace("\0", "_")
    return os.fsencode(f"{stem[:120]}.{FORMATS[target].endings[0]}")
