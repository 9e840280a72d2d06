"""Evidence for an auditor who has nothing but a file: what was promised of projects in a period, and what was kept of it.

found = collect(context, ["parcelo"], "2026-Q4")
write(context, found, Path("evidence.zip"))

Backups against the promised RPO with every gap, drills, checks, holds, what retention says, what was forgotten and by whom,
locks as the store reports them, who holds keys, and the log, verified. What was promised is what the settings promise now.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from strongroom import audit, audit_verification, command_log, key_holders
from strongroom.audited_projects import AuditedProject
from strongroom.export import bag_signer
from strongroom.settings import resolve
from vault.errors import KeyRefused, NothingFound, StorageError, UsageError

if TYPE_CHECKING:
    from strongroom.audit import FoundEntry
    from strongroom.audit_verification import VerifiedLog
    from strongroom.context import Context
    from vault.problems import Problem
    from vault.repository.project import Project

MOST_LOCKS = 200
"""Objects of a project whose locks are asked for."""


class BackupFact(Struct, frozen=True):
    """A snapshot of the period. finished_at, host, files, bytes, problems: None where it was forgotten: its record may be
    gone."""

    snapshot: str
    taken_at: datetime
    forgotten: bool
    finished_at: datetime | None = None
    host: str | None = None
    files: int | None = None
    bytes: int | None = None
    problems: int | None = None


class Gap(Struct, frozen=True):
    """A time without a backup that was longer than promised."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> int:
        """How long."""
        return int((self.end - self.start).total_seconds())


class SourceEvidence(Struct, frozen=True):
    """The backups of a source in the period. rpo: that is promised; None where none is · start: of the part of the period in
    which it was backed up."""

    source: str
    rpo: timedelta | None
    start: datetime
    backups: tuple[BackupFact, ...]
    gaps: tuple[Gap, ...]


class LockFact(Struct, frozen=True):
    """What the store says of an object. mode, until: None where it is not locked."""

    name: str
    mode: str | None
    until: datetime | None
    legal_hold: bool


class ProjectEvidence(Struct, frozen=True):
    """What there is to say of one project. locks: None where the store has no Object Lock · keys: None where nobody can say ·
    holds, forgotten: as rows of tables · retention: the verdict, in lines."""

    project: str
    project_id: str
    sources: tuple[SourceEvidence, ...]
    holds: tuple[dict[str, Any], ...]
    forgotten: tuple[dict[str, Any], ...]
    retention: tuple[str, ...]
    locks: tuple[LockFact, ...] | None
    keys: tuple[dict[str, Any], ...] | None
    problems: tuple[Problem, ...]


class Evidence(Struct, frozen=True):
    """Everything. entries: of the log, that began in the period · verified: the whole log; None where there is none, or it may
    not be read · erasures: projects that were erased in the period, as rows of a table."""

    period: str
    start: datetime
    end: datetime
    made_at: datetime
    made_by: str
    projects: tuple[ProjectEvidence, ...]
    entries: tuple[FoundEntry, ...]
    verified: VerifiedLog | None
    erasures: tuple[dict[str, Any], ...] = ()

    def of_action(self, *actions: str) -> list[FoundEntry]:
        """The entries of these, that ended."""
        return [one for one in self.entries if one.entry.action in actions and one.entry.outcome is not None]


class EvidenceBag(Struct, frozen=True):
    """What was written. problems: what could not be read, and a time stamp that is missing."""

    path: Path
    evidence: Evidence
    files: int
    problems: tuple[Problem, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        found = self.evidence
        gaps = [gap for project in found.projects for source in project.sources for gap in source.gaps]
        return {
            "bag": str(self.path),
            "from_at": found.start.isoformat(),
            "until_at": found.end.isoformat(),
            "projects": [one.project for one in found.projects],
            "files": self.files,
            "backups": sum(len(source.backups) for one in found.projects for source in one.sources),
            "backup_gaps": len(gaps),
            "longest_gap_seconds": max((gap.seconds for gap in gaps), default=0),
            "erasures": len(found.erasures),
            "log_entries": len(found.entries),
            "log_sound": None if found.verified is None else found.verified.sound,
            "problem_list": [one.as_json() for one in self.problems],
        }


def collect(context: Context, projects: Sequence[Project], period: str) -> Evidence:
    """What there is to say. period: as `--period` takes it. Raises `UsageError` for one without both ends, or that has not
    begun; `StorageError`."""
    from classify import period_grammar

    now = context.repository.services.clock.now()
    start, end = period_grammar.parse(period, context.zone(projects[0].name), now).moments()
    if start.year <= 1 or end.year >= 9999:
        hint = "write 2026-Q4, 2026-11, or 2026-10-01..2026-11-30"
        raise UsageError(f"the period {period!r} has no beginning or no end", hint=hint)
    if start >= now:
        raise UsageError(f"the period {period!r} has not begun", hint="name one that has, such as last-quarter")
    until = min(end, now)
    audited = [AuditedProject.of_project(one) for one in projects]
    try:
        verified = audit_verification.verify_log(context, audited)
        entries = audit.read_log(context, audited, audit.LogSelection(since=start, until=until), named=True).entries
    except (NothingFound, KeyRefused):
        verified, entries = None, ()
    return Evidence(
        period=period,
        start=start,
        end=until,
        made_at=now,
        made_by=command_log.person(),
        projects=tuple(_project(context, one, start, until) for one in projects),
        entries=entries,
        verified=verified,
        erasures=tuple(_erasures(context, start, until)),
    )


def write(context: Context, projects: Sequence[Project], found: Evidence, path: Path) -> EvidenceBag:
    """A signed bag, as a new ZIP file. Raises `TargetError`."""
    from restore.export.file_bag import write_zip
    from strongroom import evidence_files

    signer = bag_signer(context)
    payload = evidence_files.payload(found, signer)
    info = [
        ("Bagging-Date", found.made_at.date().isoformat()),
        ("External-Description", f"Evidence of {', '.join(one.project for one in found.projects)}, {found.period}"),
        ("Bag-Software-Agent", context.repository.services.writer),
        ("Strongroom-Asked-By", found.made_by),
    ]
    with command_log.recorded(context, "evidence", projects, {"period": found.period, "to": str(path)}) as entry:
        entry.begin()
        problems = write_zip(path, payload, info, signer)
        entry.count(files=len(payload))
        entry.problems(len(problems))
    of_projects = [problem for one in found.projects for problem in one.problems]
    return EvidenceBag(path, found, len(payload), (*of_projects, *problems))


def _project(context: Context, project: Project, start: datetime, end: datetime) -> ProjectEvidence:
    from strongroom.forget import forget_log
    from strongroom.holds import list_holds
    from vault.repository import snapshots

    committed, notes, holds = snapshots.committed(project, rolled=True), forget_log(project), list_holds(project, ended=True)
    gone = [(note, one) for note in notes.notes for one in note.snapshots]
    facts: dict[str, list[BackupFact]] = {}
    for record in committed.records:
        counts = record.counts
        fact = BackupFact(
            snapshot=record.id,
            taken_at=record.taken_at,
            forgotten=False,
            finished_at=record.finished_at,
            host=record.host,
            files=counts.files,
            bytes=counts.bytes,
            problems=counts.problems,
        )
        facts.setdefault(record.source, []).append(fact)
    named = {source.name for source in context.settings.project(project.name).sources}
    for _, one in gone:
        if one.source in named | facts.keys():
            facts.setdefault(one.source, []).append(BackupFact(one.id, one.taken_at, forgotten=True))
    return ProjectEvidence(
        project=project.name,
        project_id=project.id,
        sources=tuple(
            _source(context, project, name, facts.get(name, []), start, end) for name in sorted(named | facts.keys())
        ),
        holds=tuple(_hold(one.as_json()) for one in holds.holds),
        forgotten=tuple(
            {"forgotten_at": note.forgotten_at, "who": note.who or note.host, "reason": note.reason, "snapshot": one.id}
            | {"source": one.source, "taken_at": one.taken_at}
            for note, one in gone
            if start <= note.forgotten_at < end
        ),
        retention=_retention(context, project),
        locks=_locks(project, [one.id for one in committed.records if start <= one.taken_at < end]),
        keys=_keys(context, project),
        problems=(*committed.damaged, *notes.damage, *holds.problems),
    )


def _erasures(context: Context, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    """Projects of the repository that were erased in the period, by the statements that these identities can read."""
    from vault.repository import erasures

    repository, memory = context.repository, context.memory
    for project in sorted(erasures.scopes(repository.store)) if repository.has_erasures else ():
        ids = (repository.descriptor.repository, project)
        found = erasures.stored(repository.store, *ids, context.identities, memory)[0]
        if found is None or not start <= found.destruction.at < end:
            continue
        asked, agreed, begun, done = found.request, found.approval, found.destruction, found.completion
        yield {
            "project": begun.name,
            "project_id": project,
            "erasure": begun.id,
            "reason": asked.reason,
            "asked_by": asked.by.name,
            "asked_at": asked.at,
            "approved_by": None if agreed is None else agreed.by.name,
            "approved_at": None if agreed is None else agreed.at,
            "erased_by": begun.by.name,
            "erased_at": begun.at,
            "completed_at": None if done is None else done.at,
            "snapshots": asked.contents.snapshots,
            "key_objects": None if done is None else done.key_objects,
            "objects": None if done is None else done.objects,
            "bytes": None if done is None else done.bytes,
            "not_deleted": None if done is None else done.left,
        }


def _source(
    context: Context, project: Project, name: str, facts: list[BackupFact], start: datetime, end: datetime
) -> SourceEvidence:
    """Backups of the period, and every time without one that was longer than the RPO."""
    ordered = sorted(facts, key=lambda one: one.taken_at)
    rpo = resolve.rpo(context.settings.project(project.name))
    within = tuple(one for one in ordered if start <= one.taken_at < end)
    before = [one.taken_at for one in ordered if one.taken_at < start]
    first = before[-1] if before else within[0].taken_at if within else end
    moments = [*before[-1:], *(one.taken_at for one in within), end]
    gaps: tuple[Gap, ...] = ()
    if rpo is not None and len(moments) > 1:
        gaps = tuple(Gap(max(one, start), two) for one, two in pairwise(moments) if two - one > rpo)
    elif rpo is not None:  # it was never backed up
        gaps = (Gap(start, end),)
    return SourceEvidence(name, rpo, max(first, start), within, gaps)


def _hold(value: dict[str, Any]) -> dict[str, Any]:
    names = ("hold", "kind", "path", "snapshot", "reason", "who", "placed_at", "until", "binds")
    released = value.get("released") or {}
    ended = {"released_at": released.get("released_at"), "released_by": released.get("who")}
    period = value.get("period") or {}
    return {name: value.get(name) for name in names} | {"period": period.get("text")} | ended


def _retention(context: Context, project: Project) -> tuple[str, ...]:
    from strongroom.retention import plan_retention

    if project.name not in context.settings.projects:
        return ("the settings do not name this project: nothing of it is forgotten",)
    return tuple(plan_retention(context, project).plan.lines())


def _locks(project: Project, snapshots: Sequence[str]) -> tuple[LockFact, ...] | None:
    from vault.format import layout
    from vault.repository.object_lock import lasting
    from vault.storage.object_locks import locks_of

    locks = locks_of(project.store)
    if locks is None or not locks.available():
        return None
    newest = [layout.snapshot_name(project.id, one) for one in sorted(snapshots)[-MOST_LOCKS // 2 :]]
    return tuple(_lock(locks, name) for name in [*lasting(project.store, project.id)[: MOST_LOCKS // 2], *newest])


def _lock(locks: Any, name: str) -> LockFact:  # noqa: ANN401 (the `Locks` of a store)
    try:
        state = locks.kept(name)
    except StorageError:
        return LockFact(name, None, None, legal_hold=False)
    kept = state.retention
    return LockFact(name, kept and kept.mode, kept and kept.until, state.legal_hold)


def _keys(context: Context, project: Project) -> tuple[dict[str, Any], ...] | None:
    try:
        return tuple(_key_rows(context, project))
    except KeyRefused:
        return None


def _key_rows(context: Context, project: Project) -> Iterator[dict[str, Any]]:
    for listed in key_holders.list_holders(context, [project.name], ended=True):
        for one in listed.holders:
            value = one.as_json()
            names = ("name", "fingerprint", "by", "at", "until", "state", "revoked_by", "revoked_at", "last_seen")
            yield {"rights": ", ".join(value["rights"])} | {name: value[name] for name in names}
