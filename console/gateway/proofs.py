"""What auditors are shown: the log with filters, whether it is whole, evidence, holds and their history.

The log of a project tells paths of all of it: whoever may see a part of the project only is not shown it. Of an entry about
several projects nothing is shown of those that its reader may not audit.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from console.access.rights import Action
from console.accounts.account_log import ACTIONS
from console.errors import NotAllowed, TooLarge
from console.gateway import checks
from console.gateway.looks import settle
from console.visit import Visit
from strongroom import audit, audit_export, audit_verification, command_log, evidence, holds, time_parsing
from strongroom.audit import FoundEntry, LogSelection
from strongroom.audit_verification import VerifiedLog
from strongroom.audited_projects import AuditedProject
from strongroom.holds import ProjectHold
from vault.errors import TargetError
from vault.format.log_head import LogHead

MOST_SHOWN = 100
SECONDS = 60.0
"""For one look at a whole log; what takes longer is done on the command line."""

LONGEST_FILTER = 200
LONGEST_HEADS = 20_000
"""Characters: each has about 120."""
RESULTS = ("ok", "problems", "refused", "failed", "interrupted", "running")


class LogQuestion(Struct, frozen=True):
    """Which entries are asked for, as a form has it; "" means no matter which. since, until: moments as people write them ·
    last: so many, the newest."""

    action: str = ""
    user: str = ""
    result: str = ""
    since: str = ""
    until: str = ""
    last: int = MOST_SHOWN


class LogLine(Struct, frozen=True):
    """An entry of the log. projects: names of those that its reader may audit · others: how many more it is about · what,
    counts: (name, value), in words; empty where it is about others too · facts: `what` as it is in the log."""

    at: datetime
    user: str
    host: str
    program: str
    by_daemon: bool
    action: str
    phase: str
    result: str
    why: str
    projects: tuple[str, ...]
    others: int
    what: tuple[tuple[str, str], ...]
    counts: tuple[tuple[str, int], ...]
    sequence: int
    principal: str
    facts: dict[str, Any] = {}


class ShownLog(Struct, frozen=True):
    """lines: the newest first · damage: entries that cannot be used · has_log: whether the project has one · actions: those
    that there are among what is shown · waiting: entries about accounts that are not in the log yet."""

    lines: tuple[LogLine, ...]
    damage: tuple[str, ...]
    has_log: bool
    actions: tuple[str, ...]
    waiting: int = 0


class HoldLine(Struct, frozen=True):
    """A hold. on: in words · binds: whether it still does · released_by, release_reason: "" while nobody did · flagged: ids of
    snapshots because of which the program itself placed it; it ends when they are accepted."""

    id: str
    on: str
    reason: str
    who: str
    placed_at: datetime | None
    until: datetime | None
    binds: bool
    released_by: str = ""
    released_at: datetime | None = None
    release_reason: str = ""
    flagged: tuple[str, ...] = ()


def auditable(visit: Visit) -> list[str]:
    """Names of the projects whose log whoever asks may read in whole. Raises `StorageError`."""
    with checks.acting(visit), visit.console.repositories.lent() as repository:
        names = [one.name for one in repository.projects()]
    return [name for name in names if _may_audit(visit, name)]


def log(visit: Visit, project: str, question: LogQuestion) -> ShownLog:
    """The entries about a project. Raises `NotThere`, `NotAllowed`, `UsageError` for a moment that is none, `KeyRefused`,
    `StorageError`."""
    found, has_log = _entries(visit, project, question, question.last)
    lines = tuple(_line(visit, one) for one in reversed(found.entries))
    actions = tuple(sorted({one.action for one in lines}))
    return ShownLog(lines, tuple(one.message for one in found.damage), has_log, actions)


def may_read_accounts(visit: Visit) -> bool:
    """Whether whoever asks may audit everything: entries about accounts are about no project."""
    return visit.person.may_everywhere(Action.AUDIT, visit.now)


def account_log(visit: Visit, question: LogQuestion) -> ShownLog:
    """Who signed in, who was refused, and what was done with accounts. Raises `NotAllowed`, and as `log`."""
    if not may_read_accounts(visit):
        raise NotAllowed("you may not read the log of accounts", hint="it is for auditors of all projects")
    with checks.acting(visit), visit.console.repositories.lent() as repository:
        audited = [AuditedProject.of_project(one.stored) for one in repository.projects()]
        actions = [one for one in ACTIONS if question.action in ("", one)]
        selection = _selection(visit, question, ZoneInfo(visit.console.zone), actions or [""], question.last)
        found = audit.read_newest(repository.context, audited, selection, stop=_in_time(visit))
    lines = tuple(_line(visit, one) for one in reversed(found.entries))
    damage = tuple(one.message for one in found.damage)
    return ShownLog(lines, damage, any(one.has_log for one in audited), ACTIONS, visit.console.accounts.log.waiting())


def log_file(visit: Visit, project: str, question: LogQuestion, format_: Literal["csv", "jsonl"]) -> BinaryIO:
    """The same as a file, all of it; entries that are about other projects too are in it only where its reader may audit these.
    That it was taken is recorded. Raises as `log`, `TargetError`."""
    found, _ = _entries(visit, project, question, None)
    entries = [one for one in found.entries if not _others(visit, one)]
    with checks.opened(visit, project) as (repository, opened):
        what = {"format": format_, "since": question.since, "until": question.until}
        with command_log.recorded(repository.context, "audit-export", [opened.stored], what) as entry:
            entry.begin()
            entry.count(entries=len(entries))
    out: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 (whoever answers closes it)
    try:
        audit_export.write(entries, format_, out)
    except OSError as error:
        out.close()
        raise TargetError(f"there is no room for the file: {error.strerror}", hint="free some room") from error
    out.seek(0)
    return out


def verified_log(visit: Visit, project: str, heads: str = "", *, only_new: bool = False) -> VerifiedLog:
    """Whether every chain is whole. heads: that somebody was told, with spaces or ends of lines between them · only_new: reads
    what this machine has not found whole before. Raises `NotThere`, `NotAllowed`, `UsageError` for what is no head,
    `KeyRefused`, `NothingFound` without a log, `TooLarge` where it takes too long, `StorageError`."""
    checks.allowed_whole(visit, Action.AUDIT, project)
    known = [LogHead.parse(one) for one in heads[:LONGEST_HEADS].split()]
    with checks.opened(visit, project) as (repository, opened):
        checks.require_log(opened)
        settle(visit.console, repository)
        audited = [AuditedProject.of_project(opened.stored)]
        return audit_verification.verify_log(repository.context, audited, heads=known, only_new=only_new, stop=_in_time(visit))


def evidence_file(visit: Visit, project: str, period: str) -> tuple[str, BinaryIO]:
    """A signed bag for an auditor, as a ZIP file, and its name. period: as people write it. It is recorded. Raises `NotThere`,
    `NotAllowed`, `UsageError` for a period that is none, `StorageError`, `TargetError`."""
    checks.allowed_whole(visit, Action.AUDIT, project)
    with tempfile.TemporaryDirectory(prefix="strongroom-evidence-") as folder:
        file = Path(folder) / "evidence.zip"
        with checks.opened(visit, project) as (repository, opened):
            settle(visit.console, repository)
            found = evidence.collect(repository.context, [opened.stored], period[:LONGEST_FILTER])
            erased = tuple(one for one in found.erasures if _may_audit(visit, one["project"]))
            found = replace(found, erasures=erased)  # of all the repository's projects
            evidence.write(repository.context, [opened.stored], found, file)
        return f"evidence-{project}-{found.period}.zip", file.open("rb")


def project_holds(visit: Visit, project: str) -> tuple[tuple[HoldLine, ...], tuple[str, ...]]:
    """The holds of a project, those that ended too, the newest first; and what could not be read. For auditors and for whoever
    may place holds. Raises `NotThere`, `NotAllowed`, `StorageError`."""
    asked = Action.AUDIT if _may_audit(visit, project) else Action.HOLD
    checks.allowed_whole(visit, asked, project)
    with checks.opened(visit, project) as (_, opened):
        found = holds.list_holds(opened.stored, ended=True)
    lines = tuple(hold_line(one) for one in reversed(found.holds))
    return lines, tuple(one.message for one in found.problems)


def _entries(visit: Visit, project: str, question: LogQuestion, last: int | None) -> tuple[audit.ReadLog, bool]:
    checks.allowed_whole(visit, Action.AUDIT, project)
    with checks.opened(visit, project) as (repository, opened):
        checks.require_log(opened)
        selection = _selection(visit, question, repository.context.zone(project), _one(question.action), last)
        settle(visit.console, repository)
        audited = AuditedProject.of_project(opened.stored)
        read = audit.read_log if last is None else audit.read_newest
        found = read(repository.context, [audited], selection, named=True, stop=_in_time(visit))
    return found, audited.has_log


def _selection(visit: Visit, question: LogQuestion, zone: ZoneInfo, actions: Sequence[str], last: int | None) -> LogSelection:
    """Raises `UsageError` for a moment that is none."""
    return LogSelection(
        actions=actions,
        users=_one(question.user),
        results=_one(question.result),
        since=time_parsing.moment(question.since, zone, visit.now, begin=True) if question.since else None,
        until=time_parsing.moment(question.until, zone, visit.now) if question.until else None,
        last=last,
    )


def _one(text: str) -> Sequence[str]:
    return (text[:LONGEST_FILTER],) if text else ()


def _in_time(visit: Visit) -> Callable[[], None]:
    clock = visit.console.clock
    until = clock.monotonic() + SECONDS

    def stop() -> None:
        if clock.monotonic() > until:
            raise TooLarge("the log is too long to be read for a page", hint="use `strongroom audit` on the command line")

    return stop


def _others(visit: Visit, one: FoundEntry) -> int:
    """Projects that an entry is about, and its reader may not audit."""
    return sum(not _may_audit(visit, each.name) for each in one.entry.projects)


def _may_audit(visit: Visit, project: str) -> bool:
    return visit.person.scope(Action.AUDIT, project, visit.now).is_everything


def _line(visit: Visit, one: FoundEntry) -> LogLine:
    entry, outcome, others = one.entry, one.entry.outcome, _others(visit, one)
    seen = tuple(each.name for each in entry.projects if _may_audit(visit, each.name))
    facts = {} if others else {name: value for name, value in entry.what.items() if value not in (None, "", [], {})}
    return LogLine(
        at=entry.at,
        user=entry.who.user,
        host=entry.who.host,
        program=entry.who.program,
        by_daemon=entry.who.daemon,
        action=entry.action,
        phase=entry.phase,
        result="running" if outcome is None else outcome.result,
        why="" if outcome is None or others else outcome.why,
        projects=seen,
        others=others,
        what=tuple((name, _words(value)) for name, value in facts.items()),
        counts=() if others or outcome is None else tuple(outcome.counts.items()),
        sequence=entry.sequence,
        principal=entry.principal,
        facts=facts,
    )


def _words(value: Any) -> str:  # noqa: ANN401 (what JSON holds)
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_words(own)}" for name, own in value.items() if own not in (None, "", [], {}))
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def hold_line(one: ProjectHold) -> HoldLine:
    """For people."""
    hold, release = one.hold, one.hold.release
    return HoldLine(
        *(hold.id, hold.scope.as_text(), hold.reason, hold.who, hold.placed_at, hold.until, one.binds),
        released_by="" if release is None else release.who,
        released_at=None if release is None else release.released_at,
        release_reason="" if release is None else release.reason,
        flagged=one.flagged,
    )
