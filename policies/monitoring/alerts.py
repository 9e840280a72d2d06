"""Which promises are broken? A pure function of what is known of a project, and now.

    rpo        no success of a source for longer than was promised
    missing    reports that should have appeared, and did not
    problems   runs of a source that fail, or meet problems, again and again
    frozen     a flagged snapshot waits for a person
    damage     a check found something damaged or gone
    checked    stored data was not read for longer than was promised
    drill      the last drill failed, or none succeeded when one was due
    copy       a copy has been without what the repository has for longer than was promised
    job        retention, prune, or another job, fails again and again
    daemon     the daemon itself cannot do a part of its work (see `policies.daemon.alert_monitor`)

An alert has a key that stays the same for as long as it fires, whatever its words say meanwhile, tells what to do, and is
critical or a warning by what it means for the data: it is critical where no backup is made, where what is stored is damaged,
gone or could not be restored, and where a snapshot looks as if the source had been wiped or encrypted.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from vault.wording import counted

Severity = Literal["critical", "warning"]

SHOWN = 5
"""Of several things that are named in one sentence."""

COPY, PUBLISH = "copy", "publish"

COMMANDS = {"retention": "retention apply", "check": "check --read-data=rolling"}
"""What a job is on the command line, where that is not its name."""

_FLAGGED = re.compile(r"(?P<flagged>[0-9a-z-]+) of [^\n]*? \(after (?P<before>[0-9a-z-]+)\): ")

CLOCKS_DIFFER = timedelta(hours=1)
"""What was done by another clock may be dated so far ahead of this one."""

SLACK = timedelta(days=1)
"""A check that comes by night may be so much late before anybody is notified."""


class FailedRuns(Struct, frozen=True):
    """Runs of a job that ended badly, one after another, up to the newest. message: of the newest · failed: so many of
    the newest did no part of their work."""

    runs: int = 0
    message: str = ""
    failed: int = 0


class SourceState(Struct, frozen=True):
    """rpo: None where nothing is promised · known_since: when the source was first seen, where it has no success yet · last:
    its newest success · missing: the periods of reports that did not appear, in words · max_failures: so many are too many."""

    name: str
    rpo: timedelta | None
    known_since: datetime
    last: datetime | None
    missing: tuple[str, ...] = ()
    trouble: FailedRuns = FailedRuns()
    max_failures: int = 3


class CheckState(Struct, frozen=True):
    """within: everything is to be read in that time · oldest: when the pack was read, or first seen, that waits the longest ·
    damage: what is damaged, in words."""

    within: timedelta
    oldest: datetime | None = None
    damage: tuple[str, ...] = ()


class DrillState(Struct, frozen=True):
    """last: the newest that succeeded · due: when one must have succeeded at the latest · trouble: what the newest met."""

    last: datetime | None
    due: datetime
    trouble: str = ""


class CopyState(Struct, frozen=True):
    """A copy of the repository. within: None where nothing is promised · known_since: when it was first seen, where it was
    never complete · until: it has everything that the repository had then · trouble: what the newest run met."""

    name: str
    within: timedelta | None
    known_since: datetime
    until: datetime | None
    trouble: str = ""


class ProjectState(Struct, frozen=True):
    """checks, drills: None where the settings want none and none was ever made · frozen: why retention is · jobs: other jobs
    in trouble, by name · copies: each that the settings name."""

    project: str
    sources: tuple[SourceState, ...] = ()
    checks: CheckState | None = None
    drills: DrillState | None = None
    frozen: tuple[str, ...] = ()
    jobs: tuple[tuple[str, FailedRuns], ...] = ()
    copies: tuple[CopyState, ...] = ()


class Alert(Struct, frozen=True):
    """A broken promise. project: empty where it is about the daemon itself · subject: a source's or job's name, or empty ·
    hint: what to do · cause: what the newest run said, where it is about runs · severity: see above."""

    project: str
    promise: str
    subject: str
    message: str
    hint: str
    cause: str = ""
    severity: Severity = "warning"

    @property
    def key(self) -> tuple[str, str, str]:
        """Which one it is."""
        return self.project, self.promise, self.subject

    @property
    def title(self) -> str:
        """Whose it is, for people."""
        return "/".join(part for part in (self.project, self.subject) if part)

    def as_json(self) -> dict[str, str]:
        """For `--json`, webhooks and logs."""
        return {name: getattr(self, name) for name in self.__struct_fields__ if name != "cause"}


def evaluate(state: ProjectState, now: datetime) -> tuple[Alert, ...]:
    """Every promise to a project that is broken at `now`."""
    return (
        *_of_sources(state, now),
        *_frozen(state),
        *_checks(state, now),
        *_drills(state, now),
        *_copies(state, now),
        *_jobs(state),
    )


def _of_sources(state: ProjectState, now: datetime) -> Iterator[Alert]:
    for source in state.sources:
        by_hand = f"run `strongroom backup {_quoted(state)} --source {shlex.quote(source.name)}` and read what it says"
        since = source.last or source.known_since
        if source.rpo is not None and now - since > source.rpo:
            what = "no success" if source.last else "no success at all"
            why = f"; the last run said: {source.trouble.message}" if source.trouble.message else ""
            message = f"{what} for {span(now - since)}, and {span(source.rpo)} are promised{why}"
            yield Alert(state.project, "rpo", source.name, message, by_hand, source.trouble.message, "critical")
        elif source.rpo is not None and since - now > CLOCKS_DIFFER:
            message = f"the newest success is dated {span(since - now)} in the future: its age is not known"
            hint = f"set the clocks right, then {by_hand}"
            yield Alert(state.project, "rpo", source.name, message, hint, source.trouble.message, "critical")
        if source.trouble.runs >= source.max_failures:
            message = f"{counted(source.trouble.runs, 'run')} in a row met problems; the last one: {source.trouble.message}"
            severity: Severity = "critical" if source.trouble.failed >= source.max_failures else "warning"
            yield Alert(state.project, "problems", source.name, message, by_hand, source.trouble.message, severity)
        if source.missing:
            message = f"{counted(len(source.missing), 'report')} did not appear: {_named(source.missing)}"
            hint = "ask whoever makes the reports; they count as soon as a backup finds them"
            yield Alert(state.project, "missing", source.name, message, hint)


def _frozen(state: ProjectState) -> Iterator[Alert]:
    if state.frozen:
        hint = (
            f"`strongroom snapshot accept {_quoted(state)} --reason '…'` shows what changed, and asks; every item: "
            f"`strongroom diff {_quoted(state)} {_between(state.frozen[0])}`"
        )
        yield Alert(state.project, "frozen", "", f"retention is frozen: {_named(state.frozen)}", hint, severity="critical")


def _between(why: str) -> str:
    """The options that show what a flagged snapshot did. why: `freeze.why` of it."""
    found = _FLAGGED.match(why)
    return f"--since {found['before']} --until {found['flagged']}" if found else "--since '2 days ago'"


def _checks(state: ProjectState, now: datetime) -> Iterator[Alert]:
    checks = state.checks
    if checks is None:
        return
    if checks.damage:
        message = f"the last check has found damage: {_named(checks.damage)}"
        hint = f"run `strongroom check {_quoted(state)} --read-data` to see what it costs, and whether it still stands"
        yield Alert(state.project, "damage", "", message, hint, severity="critical")
    if checks.oldest is not None and now - checks.oldest > checks.within + SLACK:
        message = f"some stored data was not read for {span(now - checks.oldest)}, and {span(checks.within)} are promised"
        yield Alert(state.project, "checked", "", message, f"run `strongroom check {_quoted(state)} --read-data=rolling`")


def _drills(state: ProjectState, now: datetime) -> Iterator[Alert]:
    drills = state.drills
    if drills is None:
        return
    hint = f"run `strongroom drill {_quoted(state)}` and read what it says"
    if drills.trouble:
        yield Alert(state.project, "drill", "", f"the last drill failed: {drills.trouble}", hint, severity="critical")
    elif now > drills.due:
        ago = "none has succeeded yet" if drills.last is None else f"the last success was {span(now - drills.last)} ago"
        yield Alert(state.project, "drill", "", f"a drill is overdue: {ago}", hint)


def _copies(state: ProjectState, now: datetime) -> Iterator[Alert]:
    for copy in state.copies:
        since = copy.until or copy.known_since
        if copy.within is None or now - since <= copy.within:
            continue
        what = "lacks whatever was backed up in the last" if copy.until else "was never complete, in"
        why = f"; the last run said: {copy.trouble}" if copy.trouble else ""
        message = f"the copy {what} {span(now - since)}, and {span(copy.within)} are promised{why}"
        hint = f"run {_by_hand(state, f'{COPY} {copy.name}')} and read what it says"
        yield Alert(state.project, COPY, copy.name, message, hint, copy.trouble)


def _jobs(state: ProjectState) -> Iterator[Alert]:
    for name, trouble in state.jobs:
        message = f"failed {counted(trouble.runs, 'time')} in a row; the last time: {trouble.message}"
        hint = f"run {_by_hand(state, name)} and read what it says"
        yield Alert(state.project, "job", name, message, hint, trouble.message)


def _by_hand(state: ProjectState, job: str) -> str:
    """The command that does a job. job: its name."""
    kind, _, copy = job.partition(" ")
    if kind == COPY:
        return f"`strongroom copy {shlex.quote(copy)} --project {_quoted(state)}`"
    if kind == PUBLISH:
        return f"`strongroom publish {_quoted(state)} --name {shlex.quote(copy)}`"
    which = _quoted(state) if not copy else f"{_quoted(state)} --from {shlex.quote(copy)}"
    return f"`strongroom {COMMANDS.get(kind, kind)} {which}`"


def _quoted(state: ProjectState) -> str:
    """The project's name, for a command line."""
    return shlex.quote(state.project)


def span(length: timedelta) -> str:
    """For people: 35 min, 3 h 20 min, 5 days."""
    minutes = max(0, int(length.total_seconds())) // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{hours // 24} days"


def _named(things: Sequence[str]) -> str:
    more = f", and {len(things) - SHOWN} more" if len(things) > SHOWN else ""
    return ", ".join(things[:SHOWN]) + more
