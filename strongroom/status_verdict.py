"""What a status comes to: a verdict of one or two sentences, and what is wrong, with what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from strongroom.project_status import (
    AHEAD,
    FAILED,
    LATE,
    NEVER,
    NOT_STORED,
    PROBLEMS,
    WHOLE_PROJECT,
    ProjectStatus,
    SourceStatus,
)
from vault.wording import counted, quoted, rough_duration

if TYPE_CHECKING:
    from policies.monitoring.alerts import Alert, Severity
    from strongroom.project_status import LastDrill

Level = Literal["ok", "warning", "critical"]

NAMED = 3
"""Sources that a sentence names; of more it says how many."""

_ONE = {
    LATE: "is late",
    FAILED: "failed at its last backup",
    NEVER: "was never backed up",
    PROBLEMS: "has files that could not be read",
    AHEAD: "is dated in the future",
}
_MANY = {
    LATE: "are late",
    FAILED: "failed at their last backup",
    NEVER: "were never backed up",
    PROBLEMS: "have files that could not be read",
    AHEAD: "are dated in the future",
}


class StatusProblem(Struct, frozen=True):
    """Something that is wrong. title: whose it is, for people · hint: what to do."""

    severity: Severity
    title: str
    message: str
    hint: str


def problems_of(
    projects: Sequence[ProjectStatus], not_stored: Sequence[SourceStatus], alerts: Sequence[Alert]
) -> tuple[StatusProblem, ...]:
    """All that is wrong, what is critical first. not_stored: a row of each project that the settings name and the repository
    does not have · alerts: of all projects, and of the daemon."""
    found = [StatusProblem(one.severity, one.title, one.message, one.hint) for one in alerts]
    covered = {(one.project, one.subject) for one in alerts}
    rows = [row for one in projects for row in one.sources] + list(not_stored)
    found += [_problem(row) for row in rows if not row.is_well and not row.gone and (row.project, row.source) not in covered]
    return tuple(sorted(found, key=lambda one: one.severity != "critical"))


def _problem(row: SourceStatus) -> StatusProblem:
    again = f"run `strongroom backup {quoted(row.project)} --source {quoted(row.source)}` and read what it says"
    why = f": {row.failed.message}" if row.failed is not None else ""
    if row.state == NOT_STORED:
        hint = "`strongroom project list` shows the projects that the repository has; correct the name in the settings"
        return StatusProblem("critical", row.title, "the settings name this project, and the repository does not have it", hint)
    if row.source == WHOLE_PROJECT:
        hint = f"run `strongroom check {quoted(row.project)}`: it says what that costs, and what to do"
        return StatusProblem("critical", row.title, f"{row.state}: {', '.join(row.damaged[:NAMED])}", hint)
    if row.state == NEVER:
        return StatusProblem("critical", row.title, f"it was never backed up{why}", again)
    if row.state == FAILED:
        return StatusProblem("warning", row.title, f"the last backup failed{why}", again)
    if row.state == PROBLEMS:
        shown = f"`strongroom snapshot show {quoted(row.project)} {row.snapshot}` names them"
        message = f"the newest snapshot was taken with {counted(row.problems, 'problem')}"
        return StatusProblem("warning", row.title, message, shown)
    if row.state == AHEAD:
        hint = f"set the clocks right, then {again}"
        return StatusProblem("critical", row.title, "the newest snapshot is dated in the future: its age is not known", hint)
    return StatusProblem("warning", row.title, row.state, again)


class DrillStatus(Struct, frozen=True):
    """The newest restore drill of a project; None where none was made."""

    project: str
    drill: LastDrill | None


class Verdict(Struct, frozen=True):
    """What a manager is told.

    level: the worst of all problems · asked: whether the repository was reached; if not, this is what this machine knows ·
    backed_up, not_backed_up: the sources that the settings name · oldest: the source whose newest snapshot is the oldest ·
    restore_tests: of each project · problems, critical: how many there are · at: when this was found.
    """

    level: Level
    asked: bool
    backed_up: tuple[SourceStatus, ...]
    not_backed_up: tuple[SourceStatus, ...]
    oldest: SourceStatus | None
    restore_tests: tuple[DrillStatus, ...]
    problems: int
    critical: int
    at: datetime

    @property
    def sources(self) -> int:
        """How many sources the settings name."""
        return len(self.backed_up) + len(self.not_backed_up)

    @property
    def text(self) -> str:
        """One sentence about backups and restore tests, one about what is wrong."""
        known = "; ".join(part for part in (self._of_backups(), self._of_age(), self._of_drills()) if part)
        if not self.asked:
            known = f"the repository was not reached; as far as this machine knows, {known}"
        sentences = f"{known[0].upper()}{known[1:]}."
        if self.problems:
            need = "needs" if self.problems == 1 else "need"
            worst = f", {self.critical} of them critical" if self.critical and self.problems > 1 else ""
            worst = " and is critical" if self.critical and self.problems == 1 else worst
            sentences += f" {counted(self.problems, 'problem')} {need} attention{worst}."
        return sentences

    def _of_backups(self) -> str:
        if not self.sources:
            return "nothing is backed up: the settings name no source"
        if not self.not_backed_up:
            return "the only source is backed up" if self.sources == 1 else f"all {self.sources} sources are backed up"
        why = ", ".join(self._trouble())
        if self.sources == 1:
            return f"the only source is not backed up as intended: {why}"
        return (
            f"{len(self.backed_up) or 'none'} of {self.sources} sources {_be(len(self.backed_up))} backed up as intended: {why}"
        )

    def _trouble(self) -> Iterator[str]:
        """What is wrong with sources, by name where they are few."""
        if len(self.not_backed_up) <= NAMED:
            yield from (f"{row.title} {_ONE.get(row.state, f'is {row.state}')}" for row in self.not_backed_up)
            return
        for state in dict.fromkeys(row.state for row in self.not_backed_up):
            count = sum(row.state == state for row in self.not_backed_up)
            yield f"{count} {(_ONE if count == 1 else _MANY).get(state, f'{_be(count)} {state}')}"

    def _of_age(self) -> str:
        if self.oldest is None or self.oldest.age is None:
            return ""
        which = "the backup" if self.sources == 1 else "the oldest backup"
        if self.oldest.age < timedelta():
            return f"{which} is dated in the future"
        return f"{which} is {rough_duration(self.oldest.age.total_seconds())} old"

    def _of_drills(self) -> str:
        made = [(one.project, one.drill) for one in self.restore_tests if one.drill is not None]
        if not made:
            return "no restore was tested yet" if self.restore_tests else ""
        failed = [one for one in made if not one[1].passed]
        project, drill = max(failed or made, key=lambda one: one[1].at)
        ago = rough_duration(max(0.0, (self.at - drill.at).total_seconds()))
        whose = f" of {project}" if failed and len(self.restore_tests) > 1 else ""
        said = f"the last restore test{whose}, {ago} ago, {'FAILED' if failed else 'passed'}"
        untested = [one.project for one in self.restore_tests if one.drill is None]
        if not untested:
            return said
        whose = ", ".join(untested) if len(untested) <= NAMED else counted(len(untested), "project")
        return f"{said}; no restore of {whose} was tested yet"

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        drills = {one.project: one.drill for one in self.restore_tests}
        return {
            "level": self.level,
            "text": self.text,
            "repository_reached": self.asked,
            "sources_total": self.sources,
            "sources_backed_up": len(self.backed_up),
            "oldest_taken_at": self.oldest and self.oldest.taken_at and self.oldest.taken_at.isoformat(),
            "restore_tests_passed": sum(one is not None and one.passed for one in drills.values()),
            "restore_tests_failed": sum(one is not None and not one.passed for one in drills.values()),
            "problems": self.problems,
            "critical": self.critical,
        }


def verdict_of(
    projects: Sequence[ProjectStatus],
    not_stored: Sequence[SourceStatus],
    problems: Sequence[StatusProblem],
    *,
    asked: bool,
    now: datetime,
) -> Verdict:
    """What all of it comes to."""
    wanted = [row for one in projects for row in one.sources if row.is_wanted]
    good = tuple(row for row in wanted if row.is_well and row.taken_at is not None)
    bad = (*(row for row in wanted if row not in good), *not_stored)
    dated = [(row.taken_at, row) for row in wanted if row.taken_at is not None]
    critical = sum(one.severity == "critical" for one in problems)
    return Verdict(
        level="critical" if critical else "warning" if problems else "ok",
        asked=asked,
        backed_up=good,
        not_backed_up=bad,
        oldest=min(dated, key=lambda one: one[0])[1] if dated else None,
        restore_tests=tuple(DrillStatus(one.project, one.drill) for one in projects if _is_listed(one.sources)),
        problems=len(problems),
        critical=critical,
        at=now,
    )


def _is_listed(rows: Iterable[SourceStatus]) -> bool:
    """Whether the settings name a source of the project."""
    return any(row.is_wanted for row in rows)


def _be(count: int) -> str:
    return "is" if count <= 1 else "are"
