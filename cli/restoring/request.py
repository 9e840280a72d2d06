"""The options of a restore as values, and what they mean for tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from cli import output
from restore.planning.conflict_policy import ConflictPolicy
from restore.tables.registry import FORMATS
from restore.tables.write_options import Audience, WriteOptions
from vault.errors import UsageError

if TYPE_CHECKING:
    from restore.outputs.conversion import Conversion
    from restore.selection.query import ItemQuery
    from strongroom.context import Context

As = Enum("As", {**{name: name for name in FORMATS}, "original": "original"})  # type: ignore[misc]  # made from the registry
"""What `--as` takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOptions:
    """What is asked for of tables. format: None where nothing is said."""

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

    def conversion(self, query: ItemQuery, place: Context, project: str) -> Conversion | None:
        """What `restore.outputs` is to do; None where everything is given as it is."""
        from restore.outputs.conversion import Conversion, RowFilter
        from restore.selection import filters
        from restore.tables.times import Reading
        from strongroom.sources import headers_of

        if not self.wanted:
            return None
        zone = place.zone(project)
        profile = self.profile or Audience.EXACT
        people = zone.key if profile is Audience.PEOPLE else None
        options = WriteOptions(profile, people, self.delimiter or ",", self.bom)
        rows = None
        if self.rows_in_period:
            day_first = place.settings.project(project).dates == "day-first"
            reading = Reading(zone.key, day_first)
            rows = RowFilter(tuple(filters.periods_of(query, filters.zone_of("", query))), reading, self.time_column)
        target = self.format if self.format != "original" else None
        headers = headers_of(place.settings, project, self.header)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRequest:
    """How to go about it. existing: None where nothing is said · endpoint, region: of a bucket that is restored to ·
    document: takes the JSON document of one project's restore."""

    to: str = ""
    in_place: bool = False
    existing: ConflictPolicy | None = None
    tables: TableOptions = TableOptions()
    incomplete: bool = False
    dry_run: bool = False
    yes: bool = False
    quiet: bool = False
    as_json: bool = False
    endpoint: str | None = None
    region: str | None = None
    document: Callable[[dict[str, Any]], None] = output.document

    @property
    def policy(self) -> ConflictPolicy:
        """What becomes of what is in the way."""
        return self.existing or (ConflictPolicy.NEWER if self.in_place else ConflictPolicy.REFUSE)

    def check(self, *, periods: bool) -> None:
        """Raises `UsageError` for what makes no sense."""
        if not self.to and not self.in_place:
            raise UsageError(
                "missing destination: use --to PATH or --in-place",
                hint="PATH is a folder or an archive, or - for one file to standard output",
            )
        if self.to and self.in_place:
            raise UsageError("--to and --in-place exclude each other", hint="leave one of them out")
        if self.in_place and self.tables.wanted:
            raise UsageError(
                "--in-place excludes --as, --merge and --rows-in-period: what goes back in place is not converted",
                hint="name another place with --to",
            )
        if (self.endpoint or self.region) and not self.to.lower().startswith("s3:"):
            raise UsageError(
                "--endpoint and --region need --to s3://bucket/prefix", hint="name it with --to s3://bucket/prefix"
            )
        self.tables.check(periods=periods)
