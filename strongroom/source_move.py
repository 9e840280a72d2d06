"""A source whose folder has moved: the settings get the new path, and its history goes on, since items are known by the source
and their path below its folder. What the next backup will find there is counted first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from strongroom import environment, local_state, own_paths, sources
from strongroom import settings as settings_module
from strongroom.settings import toml_edits
from vault.errors import RefusedByRule, SourceError, UsageError
from vault.progress import Stop, never
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from strongroom.context import Context
    from strongroom.settings.projects import SourceSettings
    from vault.format.snapshot_record import Record
    from vault.problems import Problem
    from vault.repository.project import Project


class PlannedMove(Struct, frozen=True):
    """What moving a source would do. before, after: the folder's path · snapshot: the newest one, which the new folder was
    compared with; None where there is none · files: of that snapshot · found: how many of these the new folder has under the
    same names · same_size: how many of them have the size that was stored · missing: the others · new: files that were not
    stored · problems: what could not be looked at there · text: of the settings file then · by_hand: what to change there,
    where no command can."""

    project: str
    source: str
    before: Path
    after: Path
    snapshot: str | None
    files: int
    found: int
    same_size: int
    new: int
    problems: tuple[Problem, ...]
    text: str | None
    by_hand: str

    @property
    def missing(self) -> int:
        """Files that the next backup would find to have vanished."""
        return self.files - self.found

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "project": self.project,
            "source": self.source,
            "before": str(self.before),
            "after": str(self.after),
            "snapshot": self.snapshot,
            "files": self.files,
            "files_found": self.found,
            "same_size": self.same_size,
            "files_missing": self.missing,
            "files_new": self.new,
            "problem_list": [one.as_json() for one in self.problems],
            "by_hand": self.by_hand or None,
        }


def plan_move(context: Context, project: Project, name: str, path: Path, *, stop: Stop = never) -> PlannedMove:
    """What it would do; nothing is changed. path: of the new folder.

    Raises `UsageError` where the settings have no such source or it is no folder, `SourceError` where the folder is not there,
    `RefusedByRule` where it cannot be a source or has none of the files that are stored, `StorageError`, `Damaged`.
    """
    read = context.settings
    own = read.project(project.name)
    number = next((number for number, one in enumerate(own.sources) if one.name == name), None)
    if number is None:
        known = ", ".join(one.name for one in own.sources) or "none"
        raise UsageError(f"the settings name no source {name!r} of project {project.name!r}", hint=f"there are: {known}")
    before = own.sources[number]
    folder_before = before.folder
    folder = environment.without_steps_up(path.expanduser().absolute())
    moved = _at(context, before, folder)
    scanned = sources.backup_source(own, moved, sources.context_of(read, project.name)).scan(stop)
    record = _newest(project, name)
    stored = None if record is None else _stored(project, record)
    text, by_hand = None, ""
    if not toml_edits.is_writable(read.file):
        by_hand = f"in {read.file}, set `path` of source {name!r} of project {project.name!r} to {str(folder)!r}"
    else:
        try:
            text = toml_edits.moved_source(read.text, project.name, number, str(folder))
        except toml_edits.ByHand as error:
            by_hand = error.hint or str(error)
    counts = _compared(stored, scanned.table)
    planned = PlannedMove(
        project.name,
        name,
        folder_before,
        folder,
        None if record is None else record.id,
        *counts,
        tuple(scanned.problems),
        text,
        by_hand,
    )
    if planned.files and not planned.found:
        raise RefusedByRule(
            f"{folder} has none of the {counted(planned.files, 'file')} of {project.name}/{name}: the next backup would find "
            "that all of them have vanished",
            hint="is it the right folder, and is it mounted? Other data needs a source of its own",
        )
    return planned


def _at(context: Context, source: SourceSettings, folder: Path) -> SourceSettings:
    """The source with another folder. Raises `SourceError`, `RefusedByRule`."""
    if not folder.is_dir():
        raise SourceError(f"the source {folder} is not a folder", hint="is it mounted, and is the path right?")
    moved = source.model_copy(update={"path": folder})
    for _, fault in own_paths.faults(context.settings, [moved]):
        raise RefusedByRule(f"the source {fault.what}", hint=fault.hint)
    return moved


def _newest(project: Project, source: str) -> Record | None:
    from vault.repository import snapshots

    records = [one for one in snapshots.committed(project).records if one.source == source]
    return snapshots.heads(records, source)[-1] if records else None


def _stored(project: Project, record: Record) -> pa.Table:
    """The files that the source had, with their sizes."""
    import pyarrow.compute as pc

    from strongroom.snapshot_changes import catalogue_reader
    from vault.repository import snapshots

    table = snapshots.read_manifest(catalogue_reader(project), record, columns=["path", "type", "size", "vanished_at"])
    return table.filter(pc.is_null(table["vanished_at"]))


def _compared(stored: pa.Table | None, scanned: pa.Table) -> tuple[int, int, int, int]:
    """Files that are stored, that are found under the same names, that have the same size too, and that are new."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from vault.format import manifest
    from vault.source import scan_columns

    is_file = pc.equal(scanned["type"], pa.scalar(scan_columns.FILE, pa.uint8()))
    there = scanned.select(["path", "size"]).filter(is_file)
    if stored is None:
        return 0, 0, 0, there.num_rows
    files = stored.select(["path", "size"]).filter(pc.equal(stored["type"], manifest.FILE))
    both = files.join(there.rename_columns(["path", "found_size"]), "path", join_type="inner")
    same = pc.sum(pc.equal(both["size"], both["found_size"])).as_py() or 0
    return files.num_rows, both.num_rows, same, there.num_rows - both.num_rows


def move_source(context: Context, planned: PlannedMove) -> None:
    """Write the new path into the settings. Raises `RefusedByRule` where that must be done by hand, `UsageError` where the file
    cannot be written."""
    from strongroom import settings_copy

    read = context.settings
    if planned.text is None:
        raise RefusedByRule(f"{read.file} cannot be changed by this command", hint=planned.by_hand)
    toml_edits.replace(read.file, read.text, planned.text)
    capabilities = settings_copy.opened(context.repository, context.identities, context.memory)
    settings_copy.of_context(context, capabilities, settings_module.load(read.file))


def daemon_runs(context: Context) -> bool:
    """Whether a daemon of this machine must read the settings anew."""
    from policies.daemon import heartbeat

    now = context.repository.services.clock.now()
    return heartbeat.read(local_state.folder(context.settings) / local_state.RUN_HISTORY, now).state in ("running", "stuck")
