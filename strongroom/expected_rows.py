"""Reports that are rows: tables of a source that must have a row for every hour, day, … by a column of times.

They are read with every backup, so what is read is bounded. A table whose name says what it is about is asked for that time
only, and not at all once that is long past. One that was last changed before the time that is looked at has no row in it, and
need not be read. Of the others the newest come first; those that are too large, or too many, are named: nobody knows of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from strongroom.settings import resolve
from vault.errors import StrongroomError
from vault.problems import Problem, printable
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from policies.monitoring.expected_files import ExpectedPattern
    from strongroom.settings.projects import ProjectSettings
    from vault.source import contract
    from vault.source.contract import SourceReader

COLUMNS = ["format", "vanished_at", "size", "mtime", "ctime_ns", "period_origin"]
"""Of a manifest, beside those of `policies.monitoring.expected_files`."""

LARGEST = 128 * 1024 * 1024
"""Bytes of a table that is read."""
MOST_BYTES = 512 * 1024 * 1024
MOST_ROWS = 5_000_000
"""Of all tables of one expectation together."""
SHOWN = 3

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RowExpectation(Struct, frozen=True):
    """expected: which tables, how often · column: of times · since: from when on, where a table has no row · now: when the
    snapshot was taken."""

    expected: ExpectedPattern
    column: str
    since: datetime
    now: datetime


class _Listed(Struct, frozen=True):
    """A table as the manifest has it. until: the end of the time that its name tells, None where it tells none."""

    path: bytes
    format: str
    size: int
    changed: datetime
    until: datetime | None


class _Budget(Struct):
    """What may still be read. size: bytes · passed_over: tables that were not."""

    size: int
    rows: int
    passed_over: list[bytes] = field(default_factory=list)

    def allows(self, one: _Listed) -> bool:
        """Whether a table may be read; one that may not is noted."""
        if one.size <= LARGEST and one.size <= self.size and self.rows > 0:
            self.size -= one.size
            return True
        self.passed_over.append(one.path)
        return False


def missing(table: pa.Table, expectation: RowExpectation, project: ProjectSettings, origin: contract.Source) -> Iterator[str]:
    """The rows that are not there in time, by table, and which tables were not looked at. table: of a manifest. They are read
    at the source: a host that backs up cannot read what it stored."""
    from policies.monitoring.expected_files import absent, looked_back
    from policies.retention.calendar import shown

    zone = ZoneInfo(project.zone)
    begins = expectation.now - looked_back(expectation.expected)
    tables = _listed(table, expectation.expected.pattern)
    if not tables:
        yield from absent([], expectation.expected, expectation.since, expectation.now, zone)
        return
    budget = _Budget(MOST_BYTES, MOST_ROWS)
    with closing(origin), origin.reader() as reader:
        for one in tables:
            if one.until is not None and one.until <= begins:
                continue
            if one.changed < begins:
                if begins > expectation.since:
                    yield f"{printable(one.path)}: no row since {shown(one.changed, zone)}, when it was last changed"
                continue
            if not budget.allows(one):
                continue
            try:
                there = _rows(reader, one, expectation.column, project, budget)
            except StrongroomError as error:
                yield f"{printable(one.path)}: {error}"
                continue
            if there is not None:
                labels = absent(there, expectation.expected, expectation.since, expectation.now, zone, until=one.until)
                yield from (f"{printable(one.path)}: {label}" for label in labels)
    if budget.passed_over:
        yield _not_looked_at(budget.passed_over)


def _listed(table: pa.Table, pattern: str) -> list[_Listed]:
    """The tables that an expectation is about, the newest first."""
    import pyarrow.compute as pc

    from classify.period_columns import FOLDER, LAYOUT, NAME

    wanted = pc.and_(pc.equal(table["type"], "file"), pc.is_null(table["vanished_at"]))
    found = table.filter(pc.and_(wanted, pc.match_substring_regex(table["path"], pattern.encode())))
    names = ("path", "format", "size", "mtime", "ctime_ns", "period_end", "period_origin")
    rows = zip(*(found[name].to_pylist() for name in names), strict=True)
    listed = [
        _Listed(
            path,
            str(format_),
            size or 0,
            _changed(max(mtime or 0, (ctime or 0) // 1_000_000_000)),
            end.astimezone(UTC) if origin in (LAYOUT, NAME, FOLDER) else None,
        )
        for path, format_, size, mtime, ctime, end, origin in rows
    ]
    listed.sort(key=lambda one: one.path)
    return sorted(listed, key=lambda one: one.changed, reverse=True)


def _changed(seconds: int) -> datetime:
    """When a table was changed last, by its times of modification and of status: copying programs and exports set the first
    one back. At the ends of the calendar where it is beyond."""
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if seconds > 0 else datetime.min.replace(tzinfo=UTC)


def _not_looked_at(paths: list[bytes]) -> str:
    named = ", ".join(printable(path) for path in paths[:SHOWN])
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    bound = f"at most {MOST_BYTES >> 20} MiB and {MOST_ROWS} rows are read with each backup, {LARGEST >> 20} MiB of a table"
    return f"{counted(len(paths), 'table was', 'tables were')} not looked at ({named}{more}): {bound}"


def _rows(
    reader: SourceReader, one: _Listed, column: str, project: ProjectSettings, budget: _Budget
) -> list[tuple[datetime, datetime]] | None:
    """The quarters of an hour that a table's rows are about; None where it has more than are read. Raises `StrongroomError`
    where it cannot be read."""
    from restore.tables.loss_report import LossReport
    from restore.tables.registry import open_tables
    from restore.tables.row_times import QUARTER, TooManyRows, row_times
    from restore.tables.times import TimeReading

    file = reader.open_large(one.path)
    if isinstance(file, Problem):
        raise StrongroomError(file.message)
    reading = TimeReading(project.zone, resolve.day_first(project))
    try:
        with file:
            tables = open_tables(Path(f"/dev/fd/{file.descriptor}"), one.format, LossReport())
            quarters, rows = row_times(tables, column, reading, most=budget.rows)
    except TooManyRows:
        budget.passed_over.append(one.path)
        return None
    except (OSError, ValueError, ArithmeticError, LookupError, TypeError, RuntimeError) as error:
        raise StrongroomError(f"this table cannot be read: {error}") from error
    budget.rows -= rows
    return [(start, start + timedelta(microseconds=QUARTER)) for quarter in quarters for start in [_moment(quarter)]]


def _moment(quarter: int) -> datetime:
    return _EPOCH + timedelta(microseconds=quarter)
