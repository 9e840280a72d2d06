"""Reading the log of what was done. Whoever may audit a project opens the entries about it.

found = read_log(context, audited_projects(context), LogSelection(actions=("restore",)))
found.entries
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct

from strongroom.audited_projects import log_keys, without_log
from vault.progress import Stop, never

if TYPE_CHECKING:
    from strongroom.audited_projects import AuditedProject
    from strongroom.context import Context
    from vault.format.log_entry import LogEntry
    from vault.problems import Problem
    from vault.repository.audit.entries import ReadEntry, StoredEntry

PORTION = 128
"""Entries of a chain that are read at once where only the newest are wanted."""

LATEST, EARLIEST = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)

LOOKED_INTO = 16
"""Newest entries of a chain that are read to tell when its principal was at work: some are about other projects."""


class LogSelection(Struct, frozen=True):
    """Which entries are asked for; empty means no matter which.

    actions, users, hosts, results: one of these each · principals: ids, or their beginnings · since, until: when it began,
    aware; up to, but not including · last: only so many, the newest; None for all
    """

    actions: Sequence[str] = ()
    users: Sequence[str] = ()
    hosts: Sequence[str] = ()
    results: Sequence[str] = ()
    principals: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    last: int | None = None

    def takes(self, entry: LogEntry) -> bool:
        """Whether an entry is asked for."""
        result = "running" if entry.outcome is None else entry.outcome.result
        return (
            entry.action in (self.actions or (entry.action,))
            and entry.who.user in (self.users or (entry.who.user,))
            and entry.who.host in (self.hosts or (entry.who.host,))
            and result in (self.results or (result,))
            and any(entry.principal.startswith(one) for one in self.principals or ("",))
            and (self.since is None or entry.at >= self.since)
            and (self.until is None or entry.at < self.until)
        )


class FoundEntry(NamedTuple):
    """An entry, as it was read. sha256: of its stored bytes · signed: its first line, which is signed, and the signature."""

    entry: LogEntry
    sha256: str
    signed: bytes

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        entry, outcome = self.entry, self.entry.outcome
        ended = None if outcome is None else outcome.ended_at
        return {
            "entry": entry.id,
            "principal": entry.principal,
            "sequence": entry.sequence,
            "began_at": entry.at.isoformat(),
            "ended_at": None if ended is None else ended.isoformat(),
            "action": entry.action,
            "phase": entry.phase,
            "run": entry.run,
            "user": entry.who.user,
            "host": entry.who.host,
            "program": entry.who.program,
            "by_daemon": entry.who.daemon,
            "projects": [one.name for one in entry.projects],
            "project_ids": [one.id for one in entry.projects],
            "request": entry.what,
            "result": None if outcome is None else outcome.result,
            "exit_code": None if outcome is None else outcome.exit_code,
            "counts": {} if outcome is None else outcome.counts,
            "work": [] if outcome is None else list(outcome.parts),
            "why": "" if outcome is None else outcome.why,
            "previous": entry.before,
            "sha256": self.sha256,
            "signing_key": entry.signing_key.hex(),
        }


class ReadLog(Struct, frozen=True):
    """What was found. entries: by the moment they began · unopened: how many are sealed for others · without_log: names of
    projects that have no log yet · damage: entries that cannot be used."""

    entries: tuple[FoundEntry, ...]
    unopened: int
    without_log: tuple[str, ...]
    damage: tuple[Problem, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "entries": [one.as_json() for one in self.entries],
            "unopened": self.unopened,
            "projects_without_log": list(self.without_log),
            "damage": [one.as_json() for one in self.damage],
        }


class _Collected:
    """What of the entries that were read is asked for. ids: of projects · named: only these are meant; else what is about no
    project, too."""

    def __init__(self, projects: Sequence[AuditedProject], selection: LogSelection, *, named: bool) -> None:
        self.selection = selection
        self.found: list[FoundEntry] = []
        self._ids = {one.id for one in projects}
        self._without_log = without_log(projects)
        self._named = named
        self._damage: list[Problem] = []
        self._unopened = 0

    def add(self, read: ReadEntry) -> None:
        from vault.problems import Problem

        if read.damage is not None:
            self._damage.append(Problem(read.stored.name.encode(), "damaged-entry", str(read.damage)))
        elif read.entry is None:
            self._unopened += 1
        elif self._is_about(read.entry) and self.selection.takes(read.entry):
            self.found.append(FoundEntry(read.entry, read.sha256, read.plain))

    def _is_about(self, entry: LogEntry) -> bool:
        return any(one.id in self._ids for one in entry.projects) or not (self._named or entry.projects)

    def oldest_of_use(self) -> datetime:
        """An entry that began before then is not asked for, or there are newer ones enough."""
        moments, last = sorted((one.entry.at for one in self.found), reverse=True), self.selection.last
        enough = moments[last - 1] if last is not None and len(moments) >= last > 0 else EARLIEST
        return max(enough, self.selection.since or EARLIEST)

    def result(self) -> ReadLog:
        found, last = self.found, self.selection.last
        found.sort(key=lambda one: (one.entry.at, one.entry.principal, one.entry.sequence))
        chosen = found if last is None else found[max(0, len(found) - last) :]
        return ReadLog(tuple(chosen), self._unopened, self._without_log, tuple(self._damage))


def read_log(
    context: Context,
    projects: Sequence[AuditedProject],
    selection: LogSelection | None = None,
    *,
    named: bool = False,
    stop: Stop = never,
) -> ReadLog:
    """The entries about some projects. named: only these are meant; else what is about no project, too. Damaged entries are
    part of the result. Raises `KeyRefused` where no log may be read, `StorageError`."""
    from vault.repository.audit import entries

    collected = _Collected(projects, selection or LogSelection(), named=named)
    keys, repository = log_keys(projects), context.repository
    if keys:
        listed = entries.listed(repository.store).entries
        for one in entries.read_all(repository.store, listed, keys, repository.descriptor.repository, stop=stop):
            collected.add(one)
    return collected.result()


def read_newest(
    context: Context,
    projects: Sequence[AuditedProject],
    selection: LogSelection,
    *,
    named: bool = False,
    stop: Stop = never,
) -> ReadLog:
    """As `read_log`, of which only the newest entries are wanted (`selection.last`): chains are read from their ends on, and no
    further than an entry may stand that is newer than the oldest one found. What is unopened or damaged is said of those that
    were looked at. Raises as `read_log`."""
    from vault.repository.audit import entries

    collected, keys = _Collected(projects, selection, named=named), log_keys(projects)
    store, repository = context.repository.store, context.repository.descriptor.repository
    chains = _chains(context) if keys else {}
    bounds = dict.fromkeys(chains, LATEST)
    while wanted := [one for one, left in chains.items() if left and bounds[one] > collected.oldest_of_use()]:
        for principal in wanted:
            portion = [chains[principal].pop() for _ in range(min(PORTION, len(chains[principal])))]
            for read in entries.read_all(store, portion, keys, repository, stop=stop):
                collected.add(read)
                if read.damage is None and read.entry is not None:
                    bounds[principal] = _written(read.entry)
    return collected.result()


def _chains(context: Context) -> dict[str, list[StoredEntry]]:
    """The stored entries of each principal, the newest last."""
    from vault.repository.audit import entries

    chains: dict[str, list[StoredEntry]] = {}
    for one in entries.listed(context.repository.store).entries:
        chains.setdefault(one.principal, []).append(one)
    return chains


def _written(entry: LogEntry) -> datetime:
    """When an entry was written: those before it in its chain were written, and so had begun, before."""
    ended = None if entry.outcome is None else entry.outcome.ended_at
    return max(entry.at, ended or entry.at)


def last_seen(context: Context, projects: Sequence[AuditedProject]) -> dict[str, datetime]:
    """When each principal was at work last, by its id in the repository, as far as the newest entries tell that these projects'
    logs open. Raises `KeyRefused`, `StorageError`."""
    from vault.repository.audit import entries

    keys, repository = log_keys(projects), context.repository
    seen: dict[str, datetime] = {}
    for principal, chain in _chains(context).items():
        for one in reversed(chain[-LOOKED_INTO:]):
            read = entries.read(repository.store, one, keys, repository.descriptor.repository)
            if read.entry is not None:
                seen[principal] = read.entry.at
                break
    return seen
