"""Sources of the settings as a backup takes them, with how to tell what their items are about."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from strongroom.settings import resolve
from vault.errors import StrongroomError

if TYPE_CHECKING:
    from classify.period import Period
    from restore.tables.readers.csv_header import Header, Headers
    from strongroom.settings.effective import Settings
    from strongroom.settings.projects import ProjectSettings, SourceSettings
    from strongroom.source_kinds.context import SourceContext
    from vault.backup.item_classification import ClassifyOptions, OfContent
    from vault.backup.run import Source
    from vault.backup.scan_ahead import ScanAhead
    from vault.backup.table_profiles import Profiler
    from vault.source import contract
    from vault.source.contract import ScanColumn
    from vault.source.folder import FolderSource


_COLUMNS: dict[str, ScanColumn] = {"inode": "inode", "ctime": "ctime_ns"}


def backup_source(project: ProjectSettings, source: SourceSettings, context: SourceContext | None = None) -> Source:
    """A source of a project. context: None for that of a test. Raises `SettingsError` where a secret that it needs cannot be
    had."""
    from vault.backup.run import Source

    return Source(source.name, source.kind, origin(source, context), _classify_options(project, source), _profiler())


def context_of(settings: Settings, project: str) -> SourceContext:
    """What sources of a project get from this machine."""
    from strongroom import environment, local_state, own_paths
    from strongroom.source_kinds.context import SourceContext

    services = environment.services()
    folder = settings.file.absolute().parent
    state = local_state.of_sources(settings, project)
    own = own_paths.paths(settings)
    return SourceContext(folder, own, settings.zone(project), services.clock, services.randomness, state)


class BegunScan(NamedTuple):
    """A scan that goes on beside this process. settings: those of its source, the very object."""

    settings: SourceSettings
    scan: ScanAhead


@contextmanager
def scanning_ahead(settings: Settings, projects: Sequence[str], source: str | None) -> Iterator[BegunScan | None]:
    """Begin to look at the folder that is backed up first, before anything else of a backup is imported; None where that is no
    folder, a command comes before it, or nothing can be done beside this process. projects: empty for all of the settings ·
    source: only the one of that name. What is wrong with it is a problem when its turn comes."""
    begun = None
    with suppress(StrongroomError):
        begun = _begun(settings, projects, source)
    try:
        yield begun
    finally:
        if begun is not None:
            begun.scan.close()


def _begun(settings: Settings, projects: Sequence[str], name: str | None) -> BegunScan | None:
    from vault.backup import scan_ahead

    project = next(iter(projects or settings.projects), "")
    found = next((one for one in settings.projects.get(project, ()) if name in (None, one.name)), None)
    if found is None or found.url is not None or settings.project(project).hooks.before:
        return None
    if found.hooks is not None and found.hooks.before:
        return None
    context = context_of(settings, project)
    scan = scan_ahead.begin(_folder(found, context), context.clock)
    return None if scan is None else BegunScan(found, scan)


def origin(source: SourceSettings, context: SourceContext | None = None) -> contract.Source:
    """Where the items of a source come from. Raises `SettingsError` as `backup_source` does."""
    from strongroom.source_kinds import registry
    from strongroom.source_kinds.context import SourceContext

    context = context or SourceContext()
    if source.url is not None:
        return registry.kind_of(source.url).make(source, context)
    return _folder(source, context)


def _folder(source: SourceSettings, context: SourceContext) -> FolderSource:
    from vault.source.folder import FolderSource
    from vault.source.patterns import Rules
    from vault.source.scan import ScanBounds

    rules = Rules(include=source.include, exclude=source.exclude)
    bounds = ScanBounds(context.own, source.one_file_system)
    ignored = frozenset(_COLUMNS[name] for name in source.ignore_changes_of)
    return FolderSource(os.fsencode(source.folder), source.kind.encode(), rules, bounds, ignored)


def headers_of(settings: Settings, project: str, said: bool | None) -> Headers:  # noqa: FBT001 (an option's three states)
    """What the first rows of a project's CSV files are. said: by an option, of all of them."""
    from restore.tables.readers.csv_header import Headers

    return Headers(said, {source.name: source.header for source in settings.projects.get(project, ())})


def _profiler() -> Profiler:
    """Looks into tables, for backups to say what became of their rows."""
    from restore.tables.formats import TABLE_FORMATS
    from vault.backup.table_profiles import Profiler, TableProfile

    def profile(descriptor: int, format_: str) -> TableProfile:
        from restore.tables.profile import table_profile

        return table_profile(Path(f"/dev/fd/{descriptor}"), format_)

    return Profiler(TABLE_FORMATS, profile)


def _classify_options(project: ProjectSettings, source: SourceSettings) -> ClassifyOptions:
    from vault.backup.item_classification import ClassifyOptions

    column = source.time_column
    return ClassifyOptions(
        zone=ZoneInfo(project.zone),
        layouts=resolve.layouts(project, source),
        day_first=resolve.day_first(project),
        content=None
        if column is None
        else of_time_column(column, project.zone, day_first=resolve.day_first(project), header=source.header),
        content_key=_content_key(source),
    )


def _content_key(source: SourceSettings) -> str:
    """What the period of a content depends on; another one has contents looked into anew."""
    if source.time_column is None:
        return ""
    header = "" if source.header is None else f", header {source.header}"
    return f"time column {source.time_column}{header}"


def of_time_column(column: str, zone: str, *, day_first: bool, header: Header = None) -> OfContent:
    """Asks tables for the period that their column of times covers. header: what the first rows of CSV files are."""

    def period(descriptor: int, format_: str) -> Period | None:
        from classify.period import Period
        from restore.tables.formats import is_table
        from restore.tables.guards import reading
        from restore.tables.loss_report import LossReport
        from restore.tables.registry import open_tables
        from restore.tables.time_span import time_span
        from restore.tables.times import TimeReading

        if not is_table(format_):
            return None
        try:
            with reading(format_):
                tables = open_tables(Path(f"/dev/fd/{descriptor}"), format_, LossReport(), header)
                span = time_span(tables, column, TimeReading(zone, day_first))
                return None if span is None else Period(span[0], span[1] + 1)
        except StrongroomError:
            return None  # a table that cannot be read tells no period, and is backed up as it is

    return period
