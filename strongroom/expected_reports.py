"""What the settings expect of a project's sources, and which of it is not there: for backups, which note and alert it, and for
whoever looks at periods.

    expectations = expectations_of(settings.project("parcelo"))
    missing_reports(expectation, table, since, taken_at, zone, (start, end))

Both ask `policies.monitoring.expected_files`. Where reports are rows of tables (`column`), only a backup can tell: it reads the
source.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec import Struct

from classify.period import micros
from strongroom.settings import durations

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from policies.monitoring.expected_files import ExpectedPattern
    from strongroom.settings.projects import ProjectSettings, SourceSettings


class SourceExpectation(Struct, frozen=True):
    """One expectation of a source. every: hour, day, weekday, week, month, quarter or year · path: which items count, below the
    source · grace: how long after its end an item may come · column: of times, where the rows of tables count."""

    source: str
    kind: str
    every: str
    path: str
    grace: timedelta
    column: str | None = None

    @property
    def pattern(self) -> ExpectedPattern:
        """As `policies.monitoring.expected_files` takes it."""
        from classify.path_patterns import pattern_regex
        from policies.monitoring.expected_files import ExpectedPattern

        return ExpectedPattern(pattern_regex(f"{self.kind}/{self.path.strip('/')}"), self.every, self.grace)


class MissingReports(Struct, frozen=True):
    """What of an expectation did not appear. ends: of the hours, days, … without an item, in order, as microseconds since 1970;
    for years without any report there are a hundred thousand."""

    expectation: SourceExpectation
    ends: array[int]

    def within(self, start: int, end: int) -> array[int]:
        """Those that end within a time, as microseconds: after `start`, and not after `end`."""
        return self.ends[bisect_right(self.ends, start) : bisect_right(self.ends, end)]


def expectations_of(project: ProjectSettings) -> tuple[SourceExpectation, ...]:
    """Of all of its sources."""
    return tuple(one for source in project.sources for one in of_source(source))


def of_source(source: SourceSettings) -> Iterator[SourceExpectation]:
    """Of one source."""
    for one in source.expected:
        yield SourceExpectation(source.name, source.kind, one.every, one.path, durations.read(one.grace), one.column)


def missing_reports(
    expectation: SourceExpectation,
    table: pa.Table,
    since: datetime,
    taken_at: datetime,
    zone: ZoneInfo,
    window: tuple[datetime, datetime],
) -> MissingReports:
    """What should have been there when a snapshot was taken. table: of its items, those that had vanished by then among them ·
    since: from when on reports are expected where none ever came · window: only what ends within it."""
    from policies.monitoring.expected_files import missing_within

    found = missing_within(table, expectation.pattern, since, taken_at, zone, window)
    return MissingReports(expectation, array("q", (micros(one.end) for one in found)))
