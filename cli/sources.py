"""Sources of the settings as the folders that a backup takes, with how to tell what their items are about."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cli.settings import meaning
from vault.errors import StrongroomError

if TYPE_CHECKING:
    from cli.settings.projects import ProjectSettings, SourceSettings
    from vault.about.period import Period
    from vault.backup.describing import Manner, OfContent
    from vault.backup.profiles import Profiler
    from vault.backup.run import Source


def folder(project: ProjectSettings, source: SourceSettings) -> Source:
    """A source of a project."""
    from vault.backup.run import Source
    from vault.source.patterns import Rules

    rules = Rules(include=source.include, exclude=source.exclude)
    return Source(source.name, source.kind, os.fsencode(source.path), rules, _manner(project, source), _profiler())


def _profiler() -> Profiler:
    """Looks into tables, for backups to say what became of their rows."""
    from restore.tables.profile import TABLE_FORMATS, table_profile
    from vault.backup.profiles import Profiler

    return Profiler(TABLE_FORMATS, lambda descriptor, format_: table_profile(Path(f"/dev/fd/{descriptor}"), format_))


def _manner(project: ProjectSettings, source: SourceSettings) -> Manner:
    from vault.backup.describing import Manner

    column = source.time_column
    return Manner(
        zone=ZoneInfo(project.zone),
        layouts=meaning.layouts(project, source),
        day_first=meaning.day_first(project),
        content=None if column is None else of_time_column(column, project.zone, day_first=meaning.day_first(project)),
        content_key="" if column is None else f"time column {column}",
    )


def of_time_column(column: str, zone: str, *, day_first: bool) -> OfContent:
    """Asks tables for the period that their column of times covers."""

    def period(descriptor: int, format_: str) -> Period | None:
        from restore.tables.losses import Losses
        from restore.tables.registry import is_table, open_tables
        from restore.tables.time_span import time_span
        from restore.tables.times import Reading
        from vault.about.period import Period

        if not is_table(format_):
            return None
        try:
            tables = open_tables(Path(f"/dev/fd/{descriptor}"), format_, Losses())
            span = time_span(tables, column, Reading(zone, day_first))
            return None if span is None else Period(span[0], span[1] + 1)
        except (StrongroomError, OSError, ValueError, ArithmeticError, LookupError, TypeError, RuntimeError):
            return None  # a table that cannot be read tells no period, and is backed up as it is

    return period
