"""One project of an open repository: its verbs as methods, each of which calls one function of this package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from msgspec import Struct

from vault.progress import NoProgress, Progress, Stop, never

if TYPE_CHECKING:
    from datetime import datetime

    from strongroom.backup import SourceBackup
    from strongroom.checks import ProjectCheck
    from strongroom.context import Context
    from strongroom.destinations import Destination
    from strongroom.diff import DiffOptions, ProjectDifference
    from strongroom.export import ExportResult, PlannedExport
    from strongroom.history import HistoryOptions, ItemHistories
    from strongroom.items import FoundItems, ItemListing
    from strongroom.project_details import ProjectDetails
    from strongroom.project_items import ProjectItems
    from strongroom.project_status import ProjectStatus
    from strongroom.publish import PublicationResult, PublishOptions
    from strongroom.query import QueryResult
    from strongroom.records import RecordHistories
    from strongroom.repair import PlannedRepair, RepairLimits, RepairResult
    from strongroom.restore_drill import RecordedDrill
    from strongroom.restore_options import RestoreOptions
    from strongroom.restore_plan import PlannedRestore
    from strongroom.restore_proposal import Proposal
    from strongroom.restore_result import RestoreResult
    from strongroom.restore_test import RestoreTestOptions, RestoreTestResult
    from strongroom.selection import ItemParts, SelectedItems, SelectionOptions
    from strongroom.snapshot_details import SnapshotDetails
    from strongroom.snapshot_review import AcceptedSnapshots, FlaggedSnapshot
    from strongroom.snapshots import ProjectSnapshots
    from strongroom.table_options import TableOptions
    from vault.repository.project import Project as StoredProject


class Project(Struct, frozen=True):
    """One client's data. Made by `Repository.project`."""

    context: Context
    stored: StoredProject

    @property
    def name(self) -> str:
        """Its name."""
        return self.stored.name

    def backup(
        self,
        source: str | None = None,
        *,
        allow_empty: bool = False,
        stop: Stop = never,
        progress: Progress | None = None,
    ) -> list[SourceBackup]:
        """A snapshot of each source that the settings name, or of one. A source that fails does not stop the others: see
        `SourceBackup.error`.

        source: only this one · allow_empty: a source that is empty now is meant to be. Raises `UsageError`, `SettingsError`,
        `Interrupted`.
        """
        from strongroom.backup import BackupRunOptions, back_up, sources_of

        options = BackupRunOptions(allow_empty, progress or NoProgress(), stop=stop)
        work = list(sources_of(self.context, [self.name], source))
        return [back_up(self.context, project, one, options) for project, one in work]

    def details(self) -> ProjectDetails:
        """Everything about it: sources, schedule, retention, what is stored, keys, holds. Raises `StorageError`."""
        from strongroom.project_details import project_details

        return project_details(self.context, self.stored)

    def snapshots(
        self, *, since: datetime | None = None, until: datetime | None = None, last: int | None = None
    ) -> ProjectSnapshots:
        """The snapshots that nobody has forgotten. since, until: only those that were taken from then on, and up to then, aware
        · last: only so many of these, the newest. Raises `StorageError`, `Damaged`."""
        from strongroom.snapshots import list_snapshots

        return list_snapshots(self.context, self.stored, since=since, until=until, last=last)

    def snapshot(self, snapshot: str, source: str | None = None) -> SnapshotDetails:
        """Everything about one. snapshot: `latest`, an id, its beginning, or a time: the newest one up to then · source: only
        of this one. Raises `UsageError`, `StorageError`."""
        from strongroom.snapshot_details import snapshot_details

        return snapshot_details(self.context, self.stored, snapshot, source)

    def flagged_snapshots(self, *snapshots: str) -> tuple[FlaggedSnapshot, ...]:
        """Those that were found suspicious and that nobody has accepted, with what each changed. snapshots: only these. Raises
        `UsageError` where there is none, `StorageError`."""
        from strongroom.snapshot_review import flagged_snapshots

        return flagged_snapshots(self.context, self.stored, snapshots)

    def accept_snapshots(self, flagged: Sequence[FlaggedSnapshot], *, reason: str) -> AcceptedSnapshots:
        """Accept flagged snapshots: retention goes on once none is left. reason: why all is well; it stays in the repository.
        Raises `UsageError`, `StorageError`."""
        from strongroom.snapshot_review import accept_snapshots

        return accept_snapshots(self.context, self.stored, flagged, reason=reason)

    def select(
        self,
        options: SelectionOptions | None = None,
        *,
        sources_apart: bool = False,
        stop: Stop = never,
        **parts: Unpack[ItemParts],
    ) -> SelectedItems:
        """Items of a moment. parts: fields of `SelectionOptions`, in place of `options`: `patterns=["reports/**"]`,
        `periods=["2024-05"]`, `at="3 days ago"`, … · sources_apart: for a restore in place, where each source has a folder of
        its own, so that two of them may have one path.

        Raises `NothingFound`, `UsageError`, `AmbiguousSource`, `KeyRefused`, `Damaged`, `StorageError`.
        """
        from strongroom.selection import SelectionOptions, select

        return select(self.context, self.stored, options or SelectionOptions(**parts), sources_apart=sources_apart, stop=stop)

    def items(self, **parts: Unpack[ItemParts]) -> ItemListing:
        """Items of a moment, without looking for what restoring them needs. Raises as `select`."""
        from strongroom.items import list_items
        from strongroom.selection import SelectionOptions

        return list_items(self.context, self.stored, SelectionOptions(**parts).query(self.context, self.stored))

    def propose_restore(self, selected: SelectedItems, options: RestoreOptions | None = None) -> Proposal:
        """Where a restore should go: back in place where the files are gone there, else a new folder. selected: with
        `sources_apart`. Raises as `strongroom.restore_proposal.propose`."""
        from strongroom.restore_proposal import propose

        return propose(self.context, selected, options)

    def plan_restore(
        self, selected: SelectedItems, to: Destination | Path | str, options: RestoreOptions | None = None
    ) -> PlannedRestore:
        """What a restore would do; nothing is written. to: a folder, an archive (`back.zip`), `s3://bucket/prefix`, or a value
        of `strongroom.destinations`, `InPlace()` among them.

        Raises `UsageError`, `RefusedByRule`, `TargetError`, `StorageError`.
        """
        from strongroom.destinations import Stdout, parse
        from strongroom.restore_options import RestoreOptions
        from strongroom.restore_plan import plan_restore
        from vault.errors import UsageError

        options = options or RestoreOptions()
        destination = parse(str(to), tables=options.tables.wanted) if isinstance(to, Path | str) else to
        if isinstance(destination, Stdout):
            raise UsageError("a stream cannot be planned", hint="call `strongroom.restore.stream` with an open file")
        return plan_restore(self.context, selected, destination, options)

    def restore(self, planned: PlannedRestore, *, stop: Stop = never, progress: Progress | None = None) -> RestoreResult:
        """Do what a plan says. Raises what the plan refuses, `TargetError`, `Busy`, `StorageError`."""
        from strongroom.restore import restore

        return restore(planned, stop=stop, progress=progress)

    def plan_export(
        self, selected: SelectedItems, path: Path | str, *, tables: TableOptions | None = None, reason: str = ""
    ) -> PlannedExport:
        """What an export would do: a BagIt bag as a folder or a new FILE.zip. Raises as `strongroom.export.plan_export`."""
        from strongroom.export import plan_export

        return plan_export(self.context, selected, Path(path), tables=tables, reason=reason)

    def export(self, planned: PlannedExport, *, stop: Stop = never, progress: Progress | None = None) -> ExportResult:
        """Write the bag. Raises `TargetError`, `Busy`, `StorageError`."""
        from strongroom.export import export

        return export(planned, stop=stop, progress=progress)

    def publish(
        self,
        selected: SelectedItems,
        to: str,
        options: PublishOptions | None = None,
        *,
        stop: Stop = never,
        progress: Progress | None = None,
    ) -> PublicationResult:
        """Bring a folder or `s3://bucket/prefix` up to date with what is selected. Raises as `strongroom.publish.publish` and
        `plan_publication` there."""
        from strongroom.publish import PublishOptions, parse_place, plan_publication, publish

        planned = plan_publication(self.context, selected, parse_place(to), options or PublishOptions())
        return publish(planned, stop=stop, progress=progress)

    def query(self, sql: str, *, most: int = 10_000, sheets: Sequence[str] = (), **parts: Unpack[ItemParts]) -> QueryResult:
        """The answer to one question in SQL to the tables among the items (see `select` for the parts). most: rows.

        Raises `UsageError` with DuckDB's words, `NothingFound`, `Damaged`, `StorageError`.
        """
        from strongroom.query import open_tables
        from strongroom.selection import SelectionOptions

        items = SelectionOptions(**parts).query(self.context, self.stored)
        with open_tables(self.context, self.stored, items, sheets=sheets) as tables:
            return tables.read(sql, most=most)

    def all_items(self) -> ProjectItems:
        """All items over all snapshots, in memory: for programs that stay and are asked often. Raises `StorageError`."""
        from strongroom.project_items import load_project_items

        return load_project_items(self.context, self.stored)

    def find(self, options: HistoryOptions | None = None, **parts: Unpack[ItemParts]) -> FoundItems:
        """Items over all snapshots. parts: as for `select`; with `deleted` only those that the source no longer has.

        Raises `NothingFound`, `UsageError`, `StorageError`.
        """
        from strongroom.history import HistoryOptions
        from strongroom.items import find_items
        from strongroom.selection import SelectionOptions

        selection = SelectionOptions(**parts)
        query = selection.query(self.context, self.stored)
        return find_items(self.context, self.stored, query, options or HistoryOptions(), deleted=selection.deleted)

    def history(self, options: HistoryOptions | None = None, *, most: int = 20, **parts: Unpack[ItemParts]) -> ItemHistories:
        """What happened to items, and when. most: items. Raises `NothingFound`, `UsageError`, `StorageError`."""
        from strongroom.history import HistoryOptions, item_history
        from strongroom.selection import SelectionOptions

        query = SelectionOptions(**parts).query(self.context, self.stored)
        return item_history(self.context, self.stored, query, options or HistoryOptions(), most=most)

    def record(
        self, record_id: str, options: HistoryOptions | None = None, *, key: str = "", **parts: Unpack[ItemParts]
    ) -> RecordHistories:
        """What happened to one record, field by field. record_id: as text · key: the field that has it; "" to find out. Raises
        as `strongroom.records.record_history`."""
        from strongroom.history import HistoryOptions
        from strongroom.records import RecordId, record_history
        from strongroom.selection import SelectionOptions

        query = SelectionOptions(**parts).query(self.context, self.stored)
        return record_history(self.context, self.stored, query, RecordId(record_id, key), options or HistoryOptions())

    def diff(self, options: DiffOptions, **parts: Unpack[ItemParts]) -> ProjectDifference:
        """What differs between two moments, or between one and the live folders. Raises as `strongroom.diff.compare`."""
        from strongroom.diff import compare
        from strongroom.selection import SelectionOptions

        return compare(self.context, self.stored, SelectionOptions(**parts).query(self.context, self.stored), options)

    def status(self) -> ProjectStatus:
        """How its sources and promises are. Raises `StorageError`."""
        from strongroom.status import project_status

        return project_status(self.context, self.stored)

    def check(
        self, *, data: float = 0.0, stop: Stop = never, progress: Progress | None = None, read_data: str = ""
    ) -> ProjectCheck:
        """Whether everything that a snapshot needs is there, and whole. Damage is part of the result.

        read_data: how much stored data is read, as `check --read-data` has it: `all`, `10%`, `5GiB`, `rolling` · data: the same
        as a share, 0 to 1. Raises `UsageError`, `StorageError`.
        """
        from strongroom.checks import check_project
        from strongroom.rolling_check import ReadData

        share = ReadData(share=min(data, 1.0)) if data > 0 else None
        read = ReadData.parse(read_data) if read_data else share
        return check_project(self.context, self.stored, read=read, stop=stop, progress=progress)

    def plan_repair(
        self, limits: RepairLimits | None = None, *, stop: Stop = never, progress: Progress | None = None
    ) -> PlannedRepair:
        """What a repair would mend, from where, and what nobody has. Nothing is changed. Raises `StorageError`."""
        from strongroom.repair import plan_repair

        return plan_repair(self.context, self.stored, limits, stop=stop, progress=progress)

    def repair(self, planned: PlannedRepair, *, progress: Progress | None = None) -> RepairResult:
        """Do what a plan says. Raises `Busy`, `Damaged`, `StorageError`, `TargetError`."""
        from strongroom.repair import apply_repair

        return apply_repair(self.context, self.stored, planned, progress=progress)

    def drill(self, *, stop: Stop = never, progress: Progress | None = None) -> RecordedDrill:
        """Restore a sample to a scratch folder, compare it, and keep a record. Raises `Interrupted`."""
        from strongroom.restore_drill import record_drill

        below = self.context.uncached()
        return record_drill(below, below.project(self.name), stop=stop, progress=progress)

    def test_restore(self, options: RestoreTestOptions | None = None) -> RestoreTestResult:
        """Back up the sources to a throw-away repository, restore them, and compare every byte. This repository is not touched.
        What differs is part of the result. Raises `TargetError` where there is too little room, `Interrupted`."""
        from strongroom.restore_test import run_restore_test

        return run_restore_test(self.context.settings, [self.name], options)
