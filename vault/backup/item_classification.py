"""The periods and formats of a source's items, as columns of the manifest.

    layout of the settings -> what people write into names -> a time column of the content -> the day of modification

The first that knows decides, and `period_origin` says which it was. What was described once stays as it is until the settings
change: a snapshot's record bears the fingerprint of those that made it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from blake3 import blake3
from msgspec import Struct

from classify import period_columns
from classify.period import Period
from vault.problems import Problem

if TYPE_CHECKING:
    import pyarrow as pa

    from classify.path_layout import PathLayout
    from vault.backup.read_results import ReadResults
    from vault.source.contract import SourceReader

FINGERPRINT_SIZE = 8
_RECOGNITION = "recognition 2"
"""Raised when names are read otherwise than before, so that what was described is described anew."""
_AT_ONCE = 4096
"""Values that are Python objects at once."""
_ROWS = 1 << 16
"""Of a manifest, that are described at once."""
_NO_DAY = Period(0, 1)
"""Stands where no day is asked for."""
_COLUMNS = ("period_start", "period_end", "period_origin")

BEFORE = ["path", *_COLUMNS]
_OF_PATHS = [period_columns.LAYOUT, period_columns.NAME, period_columns.FOLDER]

OfContent = Callable[[int, str], Period | None]
"""Finds the period of a table by its content: called with its open file's descriptor and its format. Raises nothing."""


class ClassifyOptions(Struct, frozen=True):
    """How the periods of a source's items are found.

    - `zone`: of the dates
    - `layouts`: of paths; the first that fits decides
    - `day_first`: 01.02.2024 is the first of February
    - `content`: finds periods in the contents of files whose paths have none
    - `content_key`: names what `content` looks at, for the fingerprint
    """

    zone: ZoneInfo
    layouts: Sequence[PathLayout] = ()
    day_first: bool = True
    content: OfContent | None = None
    content_key: str = ""

    @property
    def fingerprint(self) -> str:
        """Equal for those that describe every item alike."""
        order = "day first" if self.day_first else "month first"
        parts = [_RECOGNITION, self.zone.key, order, self.content_key, *(layout.text for layout in self.layouts)]
        return blake3("\0".join(parts).encode()).hexdigest(FINGERPRINT_SIZE)


UTC_OPTIONS = ClassifyOptions(ZoneInfo("UTC"))
"""For sources whose settings say nothing."""


def with_periods(
    table: pa.Table,
    options: ClassifyOptions,
    of_content: dict[bytes, Period],
    doubtful: list[bytes] | None = None,
    before: pa.Table | None = None,
) -> pa.Table:
    """Rows of a manifest with their periods.

    - `of_content`: periods that were found in contents, by path; those that an earlier run found there stay
    - `doubtful`: takes the paths that can be read as several periods; theirs covers them all
    - `before`: `BEFORE` of rows that were described by the same options; their paths are not read again
    """
    import pyarrow as pa

    if not table.num_rows:
        return table
    finders, days, found = _finders(options), _Days(options.zone), _of_content(table["path"], of_content)
    known = None if before is None or not len(before) else _Before.of(table["path"], before)
    parts = [  # of a million rows, what comes in between took 150 MB
        _columns(
            table.slice(at, _ROWS),
            _named_before(table["path"].slice(at, _ROWS), finders, doubtful, None if known is None else known.slice(at, _ROWS)),
            days,
            None if found is None else found.slice(at, _ROWS),
        )
        for at in range(0, table.num_rows, _ROWS)
    ]
    for name, pieces in zip(_COLUMNS, zip(*parts, strict=True), strict=True):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(place), pa.chunked_array([c for one in pieces for c in one.chunks]))
    return table


def _columns(table: pa.Table, named: Sequence[pa.Array], days: _Days, of_content: _Contents | None) -> list[pa.ChunkedArray]:
    """`_COLUMNS` of some rows. named: those that their paths tell · of_content: their periods, where any has one."""
    import pyarrow.compute as pc

    columns: list[pa.Array | pa.ChunkedArray] = [*named]
    known = pc.and_(pc.equal(pc.fill_null(table["period_origin"], ""), period_columns.CONTENT), pc.is_null(columns[2]))
    columns = [pc.if_else(known, table[name], column) for name, column in zip(_COLUMNS, columns, strict=True)]
    if of_content is not None:
        columns = [_or(column, other) for column, other in zip(columns, of_content.columns(), strict=True)]
    of_mtime = _of_mtime(table, days, columns[2])
    return [_or(column, other) for column, other in zip(columns, of_mtime, strict=True)]


class EarlyPeriods:
    """Periods in the names of what a run reads, found while worker processes read it. Names that can be read in several ways
    are left to `with_periods`, which tells of those that are in the manifest."""

    def __init__(self, options: ClassifyOptions) -> None:
        self._options = options
        self._finders: Sequence[period_columns.PeriodFinder] = ()
        self._waiting: list[bytes] = []
        self._parts: list[pa.Table] = []

    def add(self, paths: Sequence[bytes]) -> None:
        """Some more, to be looked at when there is time. paths: KIND/relative/path."""
        self._waiting += paths

    def find(self) -> None:
        """Look at them. The first time takes 40 ms longer than others: imports."""
        import pyarrow as pa

        if not self._waiting:
            return
        paths, self._waiting = self._waiting, []
        self._finders = self._finders or _finders(self._options)
        doubtful: list[bytes] = []
        found = pa.table([pa.array(paths, pa.binary()), *_named(paths, self._finders, doubtful)], names=BEFORE)
        self._parts.append(_without(found, doubtful))

    def joined(self, before: pa.Table | None) -> pa.Table | None:
        """What was found, and `before` as for `with_periods`."""
        import pyarrow as pa

        if not self._parts:
            return before
        schema = self._parts[0].schema
        return pa.concat_tables([*self._parts, *([] if before is None else [before.cast(schema)])])


def _without(table: pa.Table, paths: list[bytes]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    return table.filter(pc.invert(pc.is_in(table["path"], value_set=pa.array(paths, pa.binary())))) if paths else table


def periods_of_contents(
    reader: SourceReader, paths: pa.ChunkedArray, results: ReadResults, options: ClassifyOptions, stop: Callable[[], None]
) -> dict[bytes, Period]:
    """Periods found in the contents of tables whose paths have none, by path. paths: of the scan."""
    import pyarrow.compute as pc

    if options.content is None or not len(results) or not reader.reopens:
        return {}
    found = results.formats()
    finders, periods = _finders(options), {}
    for at in range(0, len(found), _ROWS):
        some = found.slice(at, _ROWS)
        some = some.filter(pc.is_valid(some["format"]))
        if not len(some):
            continue
        named = paths.take(some["row"])
        mute = pc.is_null(_named(named, finders)[2])
        for path, format_ in zip(named.filter(mute).to_pylist(), some["format"].filter(mute).to_pylist(), strict=True):
            stop()
            file = reader.open_large(path)
            if isinstance(file, Problem):
                continue  # it vanished meanwhile; what was read of it is kept, and its period is that of its modification
            with file:
                period = options.content(file.descriptor, format_)
            if period is not None:
                periods[path] = period
    return periods


def paths_without_period(paths: pa.Array | pa.ChunkedArray, options: ClassifyOptions) -> pa.Array:
    """A boolean for each path: whether it has no period. paths: KIND/relative/path, of one kind."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.is_null(_named(paths, _finders(options))[2]) if len(paths) else pa.array([], pa.bool_())


def _finders(options: ClassifyOptions) -> Sequence[period_columns.PeriodFinder]:
    from classify.period_recognizer import (
        PeriodRecognizer,  # 20 ms of regular expressions, for runs that have something to describe
    )

    return [*options.layouts, PeriodRecognizer(options.zone, day_first=options.day_first)]


def _named(
    paths: pa.Array | pa.ChunkedArray | Sequence[bytes],
    finders: Sequence[period_columns.PeriodFinder],
    doubtful: list[bytes] | None = None,
) -> list[pa.Array]:
    """The periods in paths. A layout is of the part after KIND/."""
    first: bytes = paths[0] if isinstance(paths, Sequence) else paths[0].as_py()
    skip = len(first.partition(b"/")[0]) + 1
    return list(period_columns.columns(paths, finders, skip=skip, doubtful=doubtful))


def _or(column: pa.ChunkedArray, other: pa.Array) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.coalesce(column, other)


class _Contents(NamedTuple):
    """Periods that were found in contents. places: of rows, among them · starts, ends, origins: of the periods."""

    places: pa.Array
    starts: pa.Array
    ends: pa.Array
    origins: pa.Array

    def slice(self, start: int, count: int) -> _Contents:
        """Of some rows."""
        return self._replace(places=self.places.slice(start, count))

    def columns(self) -> tuple[pa.Array, pa.Array, pa.Array]:
        """`_COLUMNS` of the rows."""
        return self.starts.take(self.places), self.ends.take(self.places), self.origins.take(self.places)


def _of_content(paths: pa.ChunkedArray, periods: dict[bytes, Period]) -> _Contents | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not periods:
        return None
    moment = pa.timestamp("us", tz="UTC")
    keys = list(periods)
    return _Contents(
        pc.index_in(paths, value_set=pa.array(keys, pa.binary())).combine_chunks(),
        pa.array([periods[key].start for key in keys], pa.int64()).cast(moment),
        pa.array([periods[key].end for key in keys], pa.int64()).cast(moment),
        pa.array([period_columns.CONTENT] * len(keys), pa.string()),
    )


def _of_mtime(table: pa.Table, days: _Days, known: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, pa.Array, pa.Array]:
    """The day of the last change, for rows without a period. Folders have none, only their files have. known: the
    origins so far."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from vault.format.manifest import FOLDER

    wanted = pc.and_(pc.is_null(known), pc.not_equal(table["type"], FOLDER))
    mtimes = table["mtime"]
    starts, ends = array("q"), array("q")  # flat: each of a million files may have a second of its own
    for at in range(0, len(table), _AT_ONCE):
        pairs = zip(mtimes.slice(at, _AT_ONCE).to_pylist(), wanted.slice(at, _AT_ONCE).to_pylist(), strict=True)
        found = [days.of(second) if want else _NO_DAY for second, want in pairs]
        starts.extend([day.start for day in found])
        ends.extend([day.end for day in found])
    moment = pa.timestamp("us", tz="UTC")
    none = pa.scalar(None, moment)
    columns = [pa.Array.from_buffers(moment, len(table), [None, pa.py_buffer(side)]) for side in (starts, ends)]
    start, end = (pc.if_else(wanted, column, none) for column in columns)
    return start, end, pc.if_else(wanted, pa.scalar(period_columns.MTIME), pa.scalar(None, pa.string()))


class _Days:
    """Days of a zone around moments, quickly for many of one day."""

    def __init__(self, zone: ZoneInfo) -> None:
        from classify.zone_calendar import ZoneCalendar

        self._zone = zone
        self._calendar = ZoneCalendar(zone)
        self._last = _NO_DAY

    def of(self, second: int) -> Period:
        """The day that holds a second since 1970; the first or the last one of the calendar, where it lies outside."""
        from classify import calendar_spans
        from classify.period import EARLIEST, LATEST, SECOND, wall

        day = 24 * 3600 * SECOND
        at = min(max(second * SECOND, EARLIEST + 2 * day), LATEST - 2 * day)
        if not self._last.start <= at < self._last.end:
            there = wall(at, self._zone)
            self._last = self._calendar.period(calendar_spans.day(there.year, there.month, there.day))
        return self._last


class _Before(NamedTuple):
    """What rows were described as before. rows: of `BEFORE` · where: of each path its row; null where it is in none."""

    rows: pa.Table
    where: pa.Array

    @classmethod
    def of(cls, paths: pa.ChunkedArray, before: pa.Table) -> _Before:
        import pyarrow.compute as pc

        return cls(before, pc.index_in(paths, value_set=before["path"].combine_chunks()).combine_chunks())

    def slice(self, start: int, count: int) -> _Before:
        return _Before(self.rows, self.where.slice(start, count))


def _named_before(
    paths: pa.ChunkedArray,
    finders: Sequence[period_columns.PeriodFinder],
    doubtful: list[bytes] | None,
    before: _Before | None,
) -> list[pa.Array]:
    """The periods in paths, those of `before` as they were found then: to read names takes 0.1 ms each, and 50 ms once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if before is None:
        return _named(paths, finders, doubtful)
    found = [before.rows[name].take(before.where).combine_chunks() for name in _COLUMNS]
    named = pc.is_in(found[2], value_set=pa.array(_OF_PATHS))
    found = [pc.if_else(named, column, pa.scalar(None, column.type)) for column in found]
    unknown = pc.is_null(before.where)
    if not pc.any(unknown).as_py():
        return found
    new = _named(paths.filter(unknown), finders, doubtful)
    return [pc.replace_with_mask(column, unknown, other) for column, other in zip(found, new, strict=True)]
