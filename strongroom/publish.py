"""Publications: a folder or bucket that is kept at the state of a project, in a form that others read.

planned = plan_publication(context, selected, Folder(Path("/srv/bi")), tables=TableOptions(format="parquet"))
planned.changes()                                what it would do
result = publish(planned)

Only what changed is written, each file as a whole; what is no longer selected is deleted; files of others are left alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from restore.local_fs.syscalls import is_folder
from restore.publishing import run
from restore.publishing.changes import PublicationOptions
from restore.publishing.folder_place import FolderPlace
from restore.publishing.run import PublicationRequest
from restore.tables.deleted_column import DeletedColumns
from strongroom import command_log, local_state, notices
from strongroom.destinations import Bucket, Folder, expanded, opened_bucket, refuse_own
from strongroom.source_kinds import registry
from strongroom.table_options import TableOptions
from vault.errors import RefusedByRule, UsageError
from vault.problems import printable
from vault.progress import Stop, never
from vault.storage.address import BucketAddress, parse_address
from vault.storage.fallback import problems_of
from vault.wording import counted

if TYPE_CHECKING:
    from restore.outputs.conversion import DeletedRows
    from restore.publishing.changes import PublicationChanges
    from restore.publishing.place import PublicationPlace
    from restore.publishing.run import PublicationReport
    from strongroom.context import Context
    from strongroom.selection import SelectedItems
    from vault.errors import StrongroomError
    from vault.problems import Problem
    from vault.progress import Progress

DELETED_COLUMNS = DeletedColumns("strongroom_deleted_at", "strongroom_last_seen_at")
"""Columns that rows of deleted items and records have, and all others too: when the source no longer had them, and when they
were last seen."""


class PublishOptions(Struct, frozen=True, kw_only=True):
    """How to publish.

    tables: what to convert; files as they are by default
    keep_removed: files of what is no longer selected stay
    adopt: files of others under the same names are replaced, and belong to the publication from then on
    switch: another selection that was published to the same place gives way
    name: of the publication in the settings; "" for none
    """

    tables: TableOptions = TableOptions()
    keep_removed: bool = False
    adopt: bool = False
    switch: bool = False
    name: str = ""


class PlannedPublication(Struct, frozen=True):
    """What is to be published, and where."""

    context: Context
    selected: SelectedItems
    destination: Folder | Bucket
    options: PublishOptions
    request: PublicationRequest

    @property
    def where(self) -> str:
        """The place, for people."""
        return self.destination.text

    def changes(self) -> PublicationChanges:
        """What publishing would do now; nothing is written. Raises `TargetError` where something else is published there,
        `StorageError`."""
        with _opened(self.context, self.selected, self.destination) as place:
            return run.compare(self.request, place).changes

    def as_json(self, found: PublicationChanges) -> dict[str, Any]:
        """For `--json`. found: what it would do."""
        return {
            "project": self.selected.project.name,
            "publication": self.options.name or None,
            "to": self.where,
            "as": self.options.tables.format or "original",
            "snapshots": [one.id for one in self.selected.selection.records],
            "new": found.new,
            "changed": found.changed,
            "unchanged": found.unchanged,
            "bytes_to_convert": found.size,
            "files_to_remove": len(found.removed),
            "files_left": found.left,
            "problems": len(found.problems),
            "problem_list": [one.as_json() for one in found.problems],
        }


class PublicationResult(Struct, frozen=True):
    """What a publication did."""

    planned: PlannedPublication
    report: PublicationReport

    @property
    def problems(self) -> list[Problem]:
        """What is not there as it should be. Empty after a whole success."""
        return self.report.problems

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        planned, report = self.planned, self.report
        return {
            "project": planned.selected.project.name,
            "publication": planned.options.name or None,
            "to": planned.where,
            "as": planned.options.tables.format or "original",
            "snapshots": [one.id for one in planned.selected.selection.records],
            "new": report.new,
            "changed": report.changed,
            "unchanged": report.unchanged,
            "files_written": report.files,
            "bytes_written": report.bytes,
            "files_removed": report.removed,
            "files_left": report.left,
            "seconds": report.seconds,
            "problems": len(report.problems),
            "problem_list": [one.as_json() for one in report.problems],
        }


def parse_place(text: str, *, endpoint: str | None = None, region: str | None = None) -> Folder | Bucket:
    """The place that a text means: a folder, or `s3://bucket/prefix`. Raises `UsageError`."""
    if text.lower().startswith("s3:"):
        address = parse_address(text)
        if not isinstance(address, BucketAddress):
            raise UsageError(f"invalid address of a bucket: {text}", hint="write s3://bucket/prefix")
        return Bucket(address, endpoint, region)
    if endpoint or region:
        raise UsageError("--endpoint and --region need --to s3://bucket/prefix", hint="name it with --to s3://bucket/prefix")
    if text == "-" or (registry.scheme_of(text) and not is_folder(Path(text))):
        raise UsageError(f"nothing is published to {text}", hint="name a folder or s3://bucket/prefix with --to")
    return Folder(expanded(text))


def plan_publication(
    context: Context, selected: SelectedItems, destination: Folder | Bucket, options: PublishOptions
) -> PlannedPublication:
    """What is to be published; nothing is written, and the place is not looked at.

    Raises `UsageError` for options that make no sense together, `RefusedByRule` where the place is Strongroom's own or one that
    is backed up.
    """
    tables, with_deleted = options.tables, selected.options.with_deleted
    tables.check(periods=bool(selected.query.periods))
    if with_deleted and not tables.wanted:
        raise UsageError(
            "--include-deleted needs --as: rows of deleted items are told apart by a column",
            hint="name a format with --as, such as --as parquet",
        )
    _refuse(context, selected, destination)
    conversion = tables.conversion(selected.query, context, selected.project.name)
    if conversion is not None and with_deleted:
        conversion = replace(conversion, deleted_columns=DELETED_COLUMNS, deleted_rows=_deleted_rows(context, selected))
    not_files = selected.selection.table.num_rows - run.only_files(selected.selection.table).num_rows
    links = not_files - _folders(selected)
    if links:
        notices.notice(f"{counted(links, 'link is', 'links are')} left out: only files are published")
    request = PublicationRequest(
        selection=selected.selection,
        conversion=conversion,
        asked=_asked(selected, tables),
        options=PublicationOptions(
            keep_removed=options.keep_removed, adopt=options.adopt, nothing_goes=bool(selected.selection.damage)
        ),
        zone=selected.zone,
        switch=options.switch,
    )
    return PlannedPublication(context, selected, destination, options, request)


def publish(planned: PlannedPublication, *, stop: Stop = never, progress: Progress | None = None) -> PublicationResult:
    """Do it. What cannot be had or read is a problem of the result, and what was published of it before stays.

    stop: called often; what it raises ends the run, and the next one goes on from there · progress: hears how far it is. Raises
    `TargetError`, `Busy`, `StorageError`.
    """
    from restore.outputs.scratch_dir import scratch_dir

    project = planned.selected.project
    what = {
        "selection": planned.selected.options.as_json(),
        "publication": planned.options.name,
        "to": planned.where,
        "tables": planned.options.tables.as_json(),
        "keep_removed": planned.options.keep_removed,
        "adopt": planned.options.adopt,
        "snapshots": [one.id for one in planned.selected.selection.records],
    }
    with command_log.recorded(planned.context, "publish", [project], what) as entry:
        entry.begin()
        with _opened(planned.context, planned.selected, planned.destination) as place, scratch_dir() as scratch:
            report = run.publish(planned.request, place, scratch, stop, progress)
        report.problems = list(dict.fromkeys([*report.problems, *problems_of(project.store, project.id)]))
        entry.count(files=report.files, bytes=report.bytes, removed=report.removed)
        entry.problems(len(report.problems))
    first = report.problems[0] if report.problems else None
    note_run(planned, None if first is None else f"{printable(first.path)}: {first.message}")
    return PublicationResult(planned, report)


def note_run(planned: PlannedPublication, error: StrongroomError | str | None) -> None:
    """How a run of a publication of the settings ended: for `status`, and for the alerts that a clean run ends."""
    if planned.options.name:
        local_state.note_run(planned.context.settings, planned.selected.project.name, f"publish {planned.options.name}", error)


@contextmanager
def _opened(context: Context, selected: SelectedItems, destination: Folder | Bucket) -> Iterator[PublicationPlace]:
    if isinstance(destination, Folder):
        yield FolderPlace(os.fsencode(destination.path.absolute()))
        return
    from restore.publishing.bucket_place import BucketPlace

    with opened_bucket(context, selected.project, destination) as objects:
        yield BucketPlace(objects, selected.project.services.randomness.token(8).hex())


def _refuse(context: Context, selected: SelectedItems, destination: Folder | Bucket) -> None:
    """Raises `RefusedByRule`."""
    refuse_own(context.settings, destination)
    if not isinstance(destination, Folder):
        return
    place = destination.path.absolute().resolve()
    for name, project in context.settings.document.projects.items():
        for source in project.sources:
            if source.path is not None and source.path.resolve() in (place, *place.parents):
                raise RefusedByRule(
                    f"{destination.text} lies in the source {source.name!r} of project {name!r} ({source.path})",
                    hint="what is published there would be backed up again, and published; name another folder",
                )


def _deleted_rows(context: Context, selected: SelectedItems) -> DeletedRows:
    """What is gone of the selected items, as the history of the project knows it."""
    from restore.history.records.deleted_rows import RecordsOfHistory
    from restore.history.records.gone_records import GoneRecordsReader
    from strongroom.history import HistoryOptions, load_history
    from strongroom.records import stated_key

    known = load_history(context, selected.project, HistoryOptions(), source=selected.query.source)
    reader = GoneRecordsReader(
        known, selected.selection.index, selected.query.at, lambda source, path: stated_key(known.ledgers[source], path)
    )
    return RecordsOfHistory(reader, selected.selection.table)


def _folders(selected: SelectedItems) -> int:
    import pyarrow.compute as pc

    from vault.format import manifest

    return pc.sum(pc.equal(selected.selection.table["type"], manifest.FOLDER)).as_py() or 0


def _asked(selected: SelectedItems, tables: TableOptions) -> dict[str, Any]:
    """What makes one publication another one; the moment does not."""
    asked = {name: value for name, value in selected.options.as_json().items() if name not in ("at", "before")}
    return asked | {name: value for name, value in tables.as_json().items() if value}
