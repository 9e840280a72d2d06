"""Holds: what nobody may forget, prune or erase, with who said so, when and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from strongroom import command_log, object_lock
from vault.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from strongroom.context import Context
    from vault.format.hold import HeldPeriod, Hold, Scope
    from vault.problems import Problem
    from vault.repository.project import Project


class ProjectHold(Struct, frozen=True):
    """A hold, as it was at a moment. problems: objects that it is on, or was on, whose locks in the store could not be set or
    lifted."""

    project: str
    hold: Hold
    at: datetime
    problems: tuple[Problem, ...] = ()

    @property
    def binds(self) -> bool:
        """Whether it has neither been released nor run out."""
        return self.hold.binds(self.at)

    @property
    def flagged(self) -> tuple[str, ...]:
        """Ids of the snapshots that wait for acceptance, of a hold that was placed because of them: accepting them ends it
        (see `strongroom.snapshot_review`). Empty for all other holds."""
        from policies.monitoring import retention_freeze

        return retention_freeze.flagged(self.hold)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        released = self.hold.release
        return (
            {"project": self.project}
            | self.hold.as_json()
            | {
                "hold": self.hold.id,
                "binds": self.binds,
                "released": None if released is None else released.as_json(),
            }
        )


class PlacedHold(Struct, frozen=True):
    """A hold that was just placed. items, bytes: of the newest snapshots that it is on, folders aside."""

    placed: ProjectHold
    items: int
    bytes: int

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        named = self.placed.as_json()
        return {"project": named.pop("project"), "items": self.items, "bytes": self.bytes} | named


class ProjectHolds(Struct, frozen=True):
    """The holds of a project, oldest first. problems: holds that cannot be read; each is taken to be on everything."""

    project: str
    holds: tuple[ProjectHold, ...]
    problems: tuple[Problem, ...]


def add_hold(context: Context, project: Project, scope: Scope, *, reason: str, until: datetime | None = None) -> PlacedHold:
    """Place a hold. It binds retention, prune and erasing for everybody who writes to the repository. scope: what it is on ·
    reason: in words; it stays in the repository · until: when it ends, aware; None: by a release.

    Raises `UsageError` where it makes no sense, `StorageError`, `Damaged`.
    """
    from vault.repository import holds

    now = project.services.clock.now()
    what = {"on": scope.as_text(), "reason": reason, "until": until}
    with command_log.recorded(context, "hold-add", [project], what) as entry:
        items, size = _touched(project, scope)
        entry.begin()
        hold = holds.place(project, scope, reason=reason, who=command_log.person(), until=until)
        problems = object_lock.hold_placed(context, project, hold)
        entry.note(hold=hold.id)
        entry.count(items=items, bytes=size)
        entry.problems(len(problems))
    return PlacedHold(ProjectHold(project.name, hold, now, problems), items, size)


def release_hold(context: Context, project: Project, hold: str, *, reason: str) -> ProjectHold:
    """End a hold. That it was there, and who let go, stays on record. hold: its id, or the beginning of it · reason: in words.

    Raises `UsageError` where no hold has it that still binds, or several have; `StorageError`.
    """
    from vault.repository import holds

    ids = [one.id for one in holds.read_all(project).holds if one.id.startswith(hold)]
    if len(ids) > 1:
        raise UsageError(f"{hold!r} is the beginning of {len(ids)} holds", hint=f"they are: {', '.join(ids)}")
    chosen = ids[0] if ids else hold
    with command_log.recorded(context, "hold-release", [project], {"hold": chosen, "reason": reason}) as entry:
        entry.begin(destructive=True)
        ended = holds.release(project, chosen, reason=reason, who=command_log.person())
        problems = object_lock.hold_released(context, project, ended)
        entry.note(on=ended.scope.as_text())
        entry.problems(len(problems))
    return ProjectHold(project.name, ended, project.services.clock.now(), problems)


def list_holds(project: Project, *, ended: bool = False) -> ProjectHolds:
    """The holds that bind. ended: those that do not any more, too. Raises `StorageError`."""
    from vault.repository import holds

    placed = holds.read_all(project)
    now = project.services.clock.now()
    found = (ProjectHold(project.name, hold, now) for hold in placed.holds)
    return ProjectHolds(project.name, tuple(one for one in found if ended or one.binds), placed.problems)


def held_period(text: str, zone: ZoneInfo, now: datetime) -> HeldPeriod:
    """A period as people write it, for the scope of a hold. zone: in which it is meant · now: what `last-month` counts from.
    Raises `UsageError`."""
    from classify import period_grammar
    from classify.period import EARLIEST, LATEST
    from vault.format.hold import HeldPeriod

    period = period_grammar.parse(text, zone, now)
    start, end = period.moments()
    return HeldPeriod(text, None if period.start == EARLIEST else start, None if period.end == LATEST else end)


def _touched(project: Project, scope: Scope) -> tuple[int, int]:
    """Items of the newest snapshots that a scope is on, folders aside, and their bytes."""
    import pyarrow.compute as pc

    from classify.path_patterns import pattern_regex
    from policies.retention.holds import COLUMNS, items_held
    from vault.format.hold import Hold
    from vault.format.manifest import FOLDER
    from vault.repository import snapshots
    from vault.repository.catalog_chunks import MetaReader
    from vault.repository.chunk_index import ChunkIndex
    from vault.repository.orphan_packs import repaired_index

    if scope.path is not None:
        pattern_regex(scope.path)  # what is no pattern would hold everything, which nobody means who writes one
    committed = snapshots.committed(project)
    reader = MetaReader(project, repaired_index(project, ChunkIndex.load(project)))
    probe = Hold("", scope, "", "", None)
    items = size = 0
    for record in snapshots.at(committed.records, None):
        table = snapshots.read_manifest(reader, record, columns=[*COLUMNS, "type", "size"])
        held = table.filter(items_held(table, probe, pattern_regex))
        held = held.filter(pc.not_equal(held["type"], FOLDER))
        items += held.num_rows
        size += pc.sum(held["size"]).as_py() or 0
    return items, size
