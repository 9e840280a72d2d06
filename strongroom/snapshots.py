"""The snapshots of a project: when they were taken, what they hold, and which of them are gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from strongroom.context import Context
    from vault.format.snapshot_record import Record
    from vault.problems import Problem
    from vault.repository.project import Project


@dataclass(frozen=True, slots=True)
class ProjectSnapshots:
    """What there is of a project.

    project, project_id: its name and its id · zone: of its periods, in which moments are shown · snapshots: by the moment that
    they were taken · missing: ids of snapshots that were there and are gone though nobody forgot them · damage: records that
    cannot be used.
    """

    project: str
    project_id: str
    zone: ZoneInfo
    snapshots: tuple[Record, ...]
    missing: tuple[str, ...]
    damage: tuple[Problem, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "project": self.project,
            "project_id": self.project_id,
            "snapshots": [_as_json(one) for one in self.snapshots],
            "damage": [problem.as_json() for problem in self.damage],
            "missing": list(self.missing),
        }


def list_snapshots(context: Context, project: Project) -> ProjectSnapshots:
    """Every snapshot that nobody has forgotten. Those that are gone are said as warnings too (see `strongroom.notices`).

    Raises `StorageError`, `Damaged`.
    """
    from vault.repository import snapshots

    missing = context.gone(project)
    committed = snapshots.committed(project)
    return ProjectSnapshots(
        project=project.name,
        project_id=project.id,
        zone=context.zone(project.name),
        snapshots=tuple(committed.records),
        missing=tuple(missing),
        damage=committed.damaged,
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
