"""Everything about one project: its sources, schedule and retention, what is stored of it, its keys and holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from strongroom.settings import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from strongroom.context import Context
    from strongroom.holds import ProjectHold
    from strongroom.settings.projects import Expectation, JobSettings, SourceSettings
    from vault.format.snapshot_record import Record
    from vault.problems import Problem
    from vault.repository.project import Project


class SourceDetails(Struct, frozen=True):
    """A source. path: of its folder, url: of another one; None where the settings do not name it · expected: what must appear
    in it, in words · snapshots: how many there are · first, last: the oldest one and the newest · expectations: the same as the
    settings have it."""

    name: str
    kind: str
    path: str | None
    url: str | None
    expected: tuple[str, ...]
    snapshots: int
    first: Record | None
    last: Record | None
    expectations: tuple[Expectation, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        last = self.last
        return {
            "source": self.name,
            "kind": self.kind,
            "path": self.path,
            "url": self.url,
            "expected": list(self.expected),
            "snapshots": self.snapshots,
            "first_taken_at": self.first and self.first.taken_at.isoformat(),
            "last_taken_at": last and last.taken_at.isoformat(),
            "last_snapshot": last and last.id,
            "items": last and last.counts.items,
            "bytes": last and last.counts.bytes,
        }


class ProjectDetails(Struct, frozen=True):
    """Everything about one project.

    project_id: under which its objects lie · stored_name: its name in the repository, where the settings give it another one ·
    capability: `read` or `write` · keys: how many key objects it has, each of one person or kit · zone: of its periods ·
    schedule: of each job, in words · keep: the rules of retention, in words · rpo_seconds:
    how old a backup may be · listed: whether the settings name it · stored_bytes, packs: what lies in the store of it ·
    holds: those that bind · frozen: why retention is · damage: what could not be read.
    """

    project: str
    project_id: str
    stored_name: str | None
    capability: str
    keys: int
    zone: str
    listed: bool
    sources: tuple[SourceDetails, ...]
    schedule: Mapping[str, str]
    keep: Mapping[str, Any]
    rpo_seconds: float | None
    stored_bytes: int
    packs: int
    holds: tuple[ProjectHold, ...]
    frozen: tuple[str, ...]
    damage: tuple[Problem, ...]

    @property
    def snapshots(self) -> int:
        """How many there are of all sources."""
        return sum(one.snapshots for one in self.sources)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "project": self.project,
            "project_id": self.project_id,
            "stored_name": self.stored_name,
            "capability": self.capability,
            "key_objects": self.keys,
            "zone": self.zone,
            "in_settings": self.listed,
            "sources": [one.as_json() for one in self.sources],
            "schedules": dict(self.schedule),
            "keep": dict(self.keep),
            "rpo_seconds": self.rpo_seconds,
            "snapshots": self.snapshots,
            "stored_bytes": self.stored_bytes,
            "packs": self.packs,
            "holds": [one.as_json() for one in self.holds],
            "frozen": list(self.frozen),
            "damage": [one.as_json() for one in self.damage],
        }


def project_details(context: Context, project: Project) -> ProjectDetails:
    """Everything about one. Raises `StorageError`."""
    from policies.monitoring import retention_freeze
    from strongroom.holds import ProjectHold
    from vault.format.layout import TIERS
    from vault.repository import holds, key_objects, snapshots
    from vault.repository.stored_packs import list_packs

    own = context.settings.project(project.name)
    listed = project.name in context.settings.projects
    committed = snapshots.committed(project, rolled=True)
    placed = holds.read_all(project)
    now = project.services.clock.now()
    frozen = retention_freeze.freezing(placed.holds, now)
    packs = [size for tier in TIERS for size in list_packs(project, tier).values()]
    rpo = resolve.rpo(own) if listed else None
    return ProjectDetails(
        project=project.name,
        project_id=project.id,
        stored_name=_stored_name(context, project),
        capability=project.capability.kind,
        keys=len(key_objects.listed(project.store, project.id)),
        zone=context.zone(project.name).key,
        listed=listed,
        sources=tuple(_sources(own.sources, committed.records)),
        schedule={one.name: _when(resolve.job_of(own.schedule, one.name)) for one in resolve.scheduled(own)} if listed else {},
        keep=resolve.keep(own.keep).as_json() if listed else {},
        rpo_seconds=None if rpo is None else rpo.total_seconds(),
        stored_bytes=sum(packs),
        packs=len(packs),
        holds=tuple(ProjectHold(project.name, hold, now) for hold in placed.binding(now) if not retention_freeze.flagged(hold)),
        frozen=tuple(retention_freeze.why(hold) for hold in frozen),
        damage=(*committed.damaged, *placed.problems),
    )


def _stored_name(context: Context, project: Project) -> str | None:
    """Where it is not the name in the settings."""
    if context.settings.project_id(project.name) is None:
        return None
    opened = context.repository.open_keys(context.identities).capabilities
    name = next((one.name for one in opened if one.project == project.id), project.name)
    return None if name == project.name else name


def _sources(named: Sequence[SourceSettings], records: Sequence[Record]) -> list[SourceDetails]:
    by_name = {one.name: one for one in named}
    found = []
    for name in sorted({*by_name, *(record.source for record in records)}):
        own, settings = [record for record in records if record.source == name], by_name.get(name)
        found.append(
            SourceDetails(
                name=name,
                kind=settings.kind if settings is not None else own[-1].kind,
                path=None if settings is None or settings.path is None else str(settings.path),
                url=None if settings is None else settings.url,
                expected=tuple(_expectation(one) for one in settings.expected) if settings is not None else (),
                expectations=tuple(settings.expected) if settings is not None else (),
                snapshots=len(own),
                first=own[0] if own else None,
                last=own[-1] if own else None,
            )
        )
    return found


def _expectation(one: Expectation) -> str:
    column = f", a row by `{one.column}`" if one.column is not None else ""
    return f"{one.path}: one each {one.every}{column}, {one.grace} after its end at the latest"


def _when(job: JobSettings) -> str:
    return job.every or f"cron {job.cron}"
