"""Reports that are rows: tables of a source that must have a row for every hour, day, … by a column of times."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cli.settings import meaning
from vault.errors import StrongroomError
from vault.problems import Problem, printable

if TYPE_CHECKING:
    import pyarrow as pa

    from cli.settings.projects import ProjectSettings, SourceSettings
    from policies.promises.expected import Expected
    from vault.source.reading import Reader

COLUMNS = ["format", "vanished_at"]
"""Of a manifest, beside those of `policies.promises.expected`."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Asked:
    """expected: which tables, how often · column: of times · since: from when on, where a table has no row · now: when the
    snapshot was taken."""

    expected: Expected
    column: str
    since: datetime
    now: datetime


def missing(table: pa.Table, asked: Asked, project: ProjectSettings, source: SourceSettings) -> Iterator[str]:
    """The rows that are not there in time, by table. table: of a manifest. They are read in the source's folder: a host that
    backs up cannot read what it stored."""
    import pyarrow.compute as pc

    from policies.promises.expected import absent
    from vault.source.reading import Reader

    zone = ZoneInfo(project.zone)
    wanted = pc.and_(pc.equal(table["type"], "file"), pc.is_null(table["vanished_at"]))
    named = pc.match_substring_regex(table["path"], asked.expected.pattern.encode())
    found = table.filter(pc.and_(wanted, named))
    if not len(found):
        yield from absent([], asked.expected, asked.since, asked.now, zone)
        return
    with Reader(os.fsencode(source.path), source.kind.encode()) as reader:
        for path, format_ in zip(found["path"].to_pylist(), found["format"].to_pylist(), strict=True):
            try:
                there = _rows(reader, path, str(format_), asked.column, project)
            except StrongroomError as error:
                yield f"{printable(path)}: {error}"
                continue
            labels = absent(there, asked.expected, asked.since, asked.now, zone)
            yield from (f"{printable(path)}: {label}" for label in labels)


def _rows(reader: Reader, path: bytes, format_: str, column: str, project: ProjectSettings) -> list[tuple[datetime, datetime]]:
    """The quarters of an hour that a table's rows are about. Raises `StrongroomError` where it cannot be read."""
    from restore.tables.losses import Losses
    from restore.tables.registry import open_tables
    from restore.tables.row_times import QUARTER, row_times
    from restore.tables.times import Reading

    file = reader.open_large(path)
    if isinstance(file, Problem):
        raise StrongroomError(file.message)
    reading = Reading(project.zone, meaning.day_first(project))
    try:
        with file:
            tables = open_tables(Path(f"/dev/fd/{file.descriptor}"), format_, Losses())
            quarters = row_times(tables, column, reading)
    except (OSError, ValueError, ArithmeticError, LookupError, TypeError, RuntimeError) as error:
        raise StrongroomError(f"this table cannot be read: {error}") from error
    return [(start, start + timedelta(microseconds=QUARTER)) for one in quarters for start in [_moment(one)]]


def _moment(quarter: int) -> datetime:
    return _EPOCH + timedelta(microseconds=quarter)
