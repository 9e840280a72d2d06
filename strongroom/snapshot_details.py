"""Everything about one snapshot: when, of what, what it holds and cost, problems, flags, holds, and what keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from strongroom import held_snapshots, time_parsing
from vault.errors import UsageError
from vault.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from policies.retention.verdict import Reason
    from strongroom.context import Context
    from strongroom.holds import ProjectHold
    from vault.coverage import Coverage
    from vault.format.hold import Hold
    from vault.format.snapshot_record import Record
    from vault.problems import Problem
    from vault.repository.project import Project

LATEST = "latest"
SHORTEST_BEGINNING = 4
"""Characters of an id that may stand for it."""

MOST_NAMED = 5
"""Snapshots that an error names."""


class SnapshotFlag(Struct, frozen=True):
    """That a snapshot was found to be suspicious. why: what is wrong with it · accepted_by, accepted_at, reason: of the person
    who has accepted it; None and empty while nobody has."""

    hold: str
    why: str
    accepted_by: str | None
    accepted_at: datetime | None
    reason: str

    @classmethod
    def of(cls, hold: Hold) -> SnapshotFlag:
        """hold: what froze retention."""
        from policies.monitoring import retention_freeze

        why, ended = retention_freeze.why(hold), hold.release
        if ended is None:
            return cls(hold.id, why, None, None, "")
        return cls(hold.id, why, ended.who, ended.released_at, ended.reason)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "hold": self.hold,
            "why": self.why,
            "accepted_by": self.accepted_by,
            "accepted_at": self.accepted_at and self.accepted_at.isoformat(),
            "reason": self.reason or None,
        }


class SnapshotDetails(Struct, frozen=True):
    """Everything about one snapshot.

    record: what it says of itself · before: the id of the snapshot that it follows; None for the first of its source · newest:
    whether no other of its source follows it · flags: that it is suspicious, accepted or not · holds: those that are on it ·
    kept: whether retention keeps it; None for a project that the settings do not name · reasons: why it does, or why no rule
    wants the snapshot · frozen: why nothing at all is forgotten · zone: in which moments are shown · damage: holds that could
    not be read.
    """

    project: str
    record: Record
    before: str | None
    newest: bool
    flags: tuple[SnapshotFlag, ...]
    holds: tuple[ProjectHold, ...]
    kept: bool | None
    reasons: tuple[Reason, ...]
    frozen: str
    zone: ZoneInfo
    damage: tuple[Problem, ...]

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.record.finished_at - self.record.taken_at).total_seconds()

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        one = self.record
        return {
            "project": self.project,
            "snapshot": one.id,
            "source": one.source,
            "kind": one.kind,
            "taken_at": one.taken_at.isoformat(),
            "finished_at": one.finished_at.isoformat(),
            "seconds": round(self.seconds, 3),
            "host": one.host,
            "writer": one.writer,
            "parents": list(one.parents),
            "before": self.before,
            "is_newest": self.newest,
            **one.counts.as_json(),
            "problem_list": list(one.problems),
            "coverage": None if one.coverage is None else _coverage(one.coverage),
            "flags": [flag.as_json() for flag in self.flags],
            "holds": [hold.as_json() for hold in self.holds],
            "retention": None
            if self.kept is None
            else {
                "kept": self.kept,
                "why": [{"rule": one.rule, "text": one.text} for one in self.reasons],
                "frozen": [self.frozen] if self.frozen else [],
            },
            "damage": [problem.as_json() for problem in self.damage],
        }


def _coverage(coverage: Coverage) -> dict[str, Any]:
    return {
        "source": coverage.source,
        "entities": [{"name": one.name, "fields": list(one.fields)} for one in coverage.entities],
        "gaps": list(coverage.gaps),
        "times": coverage.times,
        "deletions": coverage.deletions,
        "one_moment": coverage.one_moment,
    }


def find_snapshot(context: Context, project: Project, text: str, source: str | None = None) -> Record:
    """The snapshot that is meant. text: `latest`, an id, the beginning of one, or a time (the newest one up to then) · source:
    only of this one. Raises `UsageError` where there is none, or several have that beginning; `StorageError`."""
    from vault.repository import snapshots

    records = [one for one in snapshots.committed(project).records if source in (None, one.source)]
    if not records:
        of_source = f" of source {source!r}" if source else ""
        raise UsageError(f"project {project.name!r} has no snapshot{of_source}", hint=_see(project))
    if text.lower() == LATEST:
        return records[-1]
    begins = [one for one in records if len(text) >= SHORTEST_BEGINNING and one.id.startswith(text.lower())]
    if len(begins) > 1:
        named = ", ".join(one.id for one in begins[:MOST_NAMED]) + (", …" if len(begins) > MOST_NAMED else "")
        raise UsageError(
            f"{len(begins)} snapshots of project {project.name!r} begin with {text!r}", hint=f"write more of it: {named}"
        )
    if begins:
        return begins[0]
    return _at(context, project, records, text)


def _at(context: Context, project: Project, records: Sequence[Record], text: str) -> Record:
    try:
        at = time_parsing.moment(text, context.zone(project.name), project.services.clock.now())
    except UsageError as error:
        hint = f"write latest, an id or its beginning, or a time; {_see(project)}"
        raise UsageError(f"project {project.name!r} has no snapshot {text!r}", hint=hint) from error
    earlier = [one for one in records if one.taken_at <= at]
    if not earlier:
        raise UsageError(f"project {project.name!r} has no snapshot up to {text}", hint=_see(project))
    return earlier[-1]


def _see(project: Project) -> str:
    return f"see `strongroom list {quoted(project.name)}`"


def snapshot_details(context: Context, project: Project, text: str, source: str | None = None) -> SnapshotDetails:
    """Everything about the snapshot that is meant (see `find_snapshot`). Raises `UsageError`, `StorageError`."""
    from policies.monitoring import retention_freeze
    from strongroom.holds import ProjectHold
    from vault.repository import holds, snapshots

    record = find_snapshot(context, project, text, source)
    placed = holds.read_all(project)
    flags = [hold for hold in placed.holds if record.id in retention_freeze.flagged(hold)]
    now = project.services.clock.now()
    binding = [hold for hold in placed.binding(now) if not retention_freeze.flagged(hold)]
    records = snapshots.committed(project).records
    own = [one for one in records if one.source == record.source]
    kept, reasons, frozen = _retention(context, project, record)
    return SnapshotDetails(
        project=project.name,
        record=record,
        before=next((one.id for one in snapshots.earlier(own, record)), None),
        newest=snapshots.heads(own, record.source)[-1].id == record.id,
        flags=tuple(SnapshotFlag.of(hold) for hold in flags),
        holds=tuple(
            ProjectHold(project.name, hold, now) for hold in binding if held_snapshots.covered(project, [record], [hold])
        ),
        kept=kept,
        reasons=reasons,
        frozen=frozen,
        zone=context.zone(project.name),
        damage=tuple(placed.problems),
    )


def _retention(context: Context, project: Project, record: Record) -> tuple[bool | None, tuple[Reason, ...], str]:
    """Whether retention keeps a snapshot, why, and why nothing at all is forgotten."""
    from policies.retention.plan import make_plan
    from strongroom.retention import retention_inputs

    if project.name not in context.settings.projects:
        return None, (), ""
    inputs, _ = retention_inputs(context.settings, project)
    verdict = make_plan(inputs, project.services.clock.now()).verdict
    decided = next((one for one in verdict.decisions if one.snapshot.id == record.id), None)
    if decided is None:
        return None, (), verdict.frozen
    return bool(decided.keep), decided.keep or decided.forget, verdict.frozen
