"""The snapshots of a project: when they were taken, what they hold, and which of them are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from strongroom.context import Context
    from vault.format.snapshot_record import Record
    from vault.problems import Problem
    from vault.repository.project import Project


class ProjectSnapshots(Struct, frozen=True):
    """What there is of a project.

    project, project_id: its name and its id · zone: of its periods, in which moments are shown · snapshots: by the moment that
    they were taken · missing: ids of snapshots that were there and are gone though nobody forgot them · damage: records that
    cannot be used · left_out: older and newer ones that were not asked for.
    """

    project: str
    project_id: str
    zone: ZoneInfo
    snapshots: tuple[Record, ...]
    missing: tuple[str, ...]
    damage: tuple[Problem, ...]
    left_out: int = 0

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "project": self.project,
            "project_id": self.project_id,
            "snapshots": [_as_json(one) for one in self.snapshots],
            "damage": [problem.as_json() for problem in self.damage],
            "missing": list(self.missing),
            "left_out": self.left_out,
        }


def list_snapshots(
    context: Context, project: Project, *, since: datetime | None = None, until: datetime | None = None, last: int | None = None
) -> ProjectSnapshots:
    """The snapshots that nobody has forgotten. Those that are gone are said as warnings too (see `strongroom.notices`).

    since, until: only those that were taken from then on, and up to then, aware · last: only so many of these, the newest.
    Raises `StorageError`, `Damaged`.
    """
    from vault.repository import snapshots

    missing = context.gone(project)
    committed = snapshots.committed(project)
    records = [
        one
        for one in committed.records
        if (since is None or one.taken_at >= since) and (until is None or one.taken_at <= until)
    ]
    records = records if last is None else records[max(0, len(records) - last) :]
    return ProjectSnapshots(
        project=project.name,
        project_id=project.id,
        zone=context.zone(project.name),
        snapshots=tuple(records),
        missing=tuple(missing),
        damage=committed.damaged,
        left_out=len(committed.records) - len(records),
    )


def _as_json(one: Record) -> dict[str, Any]:
    return {
        "snapshot": one.id,
        "source": one.source,
        "kind": one.kind,
        "taken_at": one.taken_at.isoformat(),
        "finished_at": one.finished_at.isoformat(),
        "host": one.host,
        "parents": list(one.parents),
        **one.counts.as_json(),
        "problem_list": list(one.problems),
    }
