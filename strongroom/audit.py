"""Reading the log of what was done: shown, verified, exported. Whoever may audit a project opens the entries about it.

projects = audited_projects(context)
found = read_log(context, projects, LogSelection(actions=("restore",)))
checked = verify_log(context, projects)
checked.sound
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct

from strongroom import command_log, time_stamps
from strongroom.audited_projects import granted_signing_keys, log_keys, without_log
from vault.age import HybridIdentity
from vault.errors import NothingFound, UsageError
from vault.format.log_head import LogHead
from vault.format.principal import Principal
from vault.progress import Stop, never

if TYPE_CHECKING:
    from strongroom.audited_projects import AuditedProject
    from strongroom.context import Context
    from strongroom.time_stamps import StampReport
    from vault.format.log_entry import LogEntry
    from vault.problems import Problem
    from vault.repository.audit.entries import ReadEntry, StoredEntry
    from vault.repository.audit.verify import ChainReport, Finding, KnownHead
    from vault.storage.contract import Store

MEMORY = ("audit", "heads")
"""What a client remembers of chains that it has found whole: a line a principal, its head and the key that signs it."""


WHOLE = ("audit", "whole")
"""Heads up to which a client has read chains, and found them whole; one that it found otherwise is none of them any more."""

PORTION = 128
"""Entries of a chain that are read at once where only the newest are wanted."""

NEVER, EARLIEST = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)

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


class VerifiedLog(Struct, frozen=True):
    """What a verification came to. chains: one a principal · stamps: time stamps · without_log: as for `ReadLog` ·
    waiting: entries of this machine that the store does not have yet."""

    chains: tuple[ChainReport, ...]
    stamps: StampReport
    without_log: tuple[str, ...]
    waiting: int

    @property
    def findings(self) -> list[Finding]:
        """Everything that is wrong."""
        return [*(one for chain in self.chains for one in chain.findings), *self.stamps.findings]

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "chains": [one.as_json() for one in self.chains],
            **self.stamps.as_json(),
            "projects_without_log": list(self.without_log),
            "entries_waiting": self.waiting,
            "discrepancies": [one.as_json() for one in self.findings],
            "sound": self.sound,
        }


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
    selection, ids = selection or LogSelection(), {one.id for one in projects}
    lacking, unopened = without_log(projects), 0
    found: list[FoundEntry] = []
    damage: list[Problem] = []
    for one in _entries(context, projects, stop):
        if one.damage is not None:
            damage.append(_problem(one))
        elif one.entry is None:
            unopened += 1
        elif _is_about(one.entry, ids, named=named) and selection.takes(one.entry):
            found.append(FoundEntry(one.entry, one.sha256, one.plain))
    found.sort(key=lambda one: (one.entry.at, one.entry.principal, one.entry.sequence))
    chosen = found if selection.last is None else found[max(0, len(found) - selection.last) :]
    return ReadLog(tuple(chosen), unopened, lacking, tuple(damage))


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

    ids, lacking, keys = {one.id for one in projects}, without_log(projects), log_keys(projects)
    store, repository = context.repository.store, context.repository.descriptor.repository
    chains: dict[str, list[StoredEntry]] = {}
    for one in entries.listed(store).entries if keys else ():
        chains.setdefault(one.principal, []).append(one)
    found: list[FoundEntry] = []
    damage: list[Problem] = []
    unopened, bounds = 0, dict.fromkeys(chains, NEVER)
    while wanted := [one for one, left in chains.items() if left and bounds[one] > _oldest_of_use(found, selection)]:
        for principal in wanted:
            portion = [chains[principal].pop() for _ in range(min(PORTION, len(chains[principal])))]
            for read in entries.read_all(store, portion, keys, repository, stop=stop):
                if read.damage is not None:
                    damage.append(_problem(read))
                elif read.entry is None:
                    unopened += 1
                else:
                    bounds[principal] = _written(read.entry)
                    if _is_about(read.entry, ids, named=named) and selection.takes(read.entry):
                        found.append(FoundEntry(read.entry, read.sha256, read.plain))
    found.sort(key=lambda one: (one.entry.at, one.entry.principal, one.entry.sequence))
    chosen = found if selection.last is None else found[max(0, len(found) - selection.last) :]
    return ReadLog(tuple(chosen), unopened, lacking, tuple(damage))


def _oldest_of_use(found: Sequence[FoundEntry], selection: LogSelection) -> datetime:
    """An entry that began before then is not asked for, or there are newer ones enough."""
    moments = sorted((one.entry.at for one in found), reverse=True)
    enough = moments[selection.last - 1] if selection.last is not None and len(moments) >= selection.last > 0 else EARLIEST
    return max(enough, selection.since or EARLIEST)


def _written(entry: LogEntry) -> datetime:
    """When an entry was written: those before it in its chain were written, and so had begun, before."""
    ended = None if entry.outcome is None else entry.outcome.ended_at
    return max(entry.at, ended or entry.at)


def _entries(context: Context, projects: Sequence[AuditedProject], stop: Stop) -> Iterator[ReadEntry]:
    from vault.repository.audit import entries

    keys, repository = log_keys(projects), context.repository
    if not keys:
        return
    listed = entries.listed(repository.store).entries
    yield from entries.read_all(repository.store, listed, keys, repository.descriptor.repository, stop=stop)


def _is_about(entry: LogEntry, ids: set[str], *, named: bool) -> bool:
    return any(one.id in ids for one in entry.projects) or not (named or entry.projects)


def _problem(one: ReadEntry) -> Problem:
    from vault.problems import Problem

    return Problem(one.stored.name.encode(), "damaged-entry", str(one.damage))


def verify_log(
    context: Context,
    projects: Sequence[AuditedProject],
    *,
    heads: Sequence[LogHead] = (),
    only_new: bool = False,
    each: Callable[[LogEntry], None] = lambda _: None,
    stop: Stop = never,
) -> VerifiedLog:
    """Whether every chain is whole: signatures, hashes, gaps, forks, and every head that is known from snapshots, time stamps,
    this machine and people. heads: that somebody was told · only_new: read what this machine has not found whole before; that
    an older entry was changed since is not seen then · each: gets every entry that could be opened.

    What is wrong is part of the result; heads of chains that are whole are remembered. Raises `KeyRefused` where no log may be
    read, `NothingFound` where there is none, `StorageError`.
    """
    from vault.repository.audit.verify import Expected, verify

    keys, lacking = log_keys(projects), without_log(projects)
    if not keys:
        raise NothingFound(
            "there is no log to verify", hint="`strongroom keys upgrade` gives a log to projects of earlier versions"
        )
    repository = context.repository
    stamps = time_stamps.verify_stamps(context, keys)
    waiting = _waiting(context)
    expected = Expected(
        heads=[*_heads_of_snapshots(projects), *_remembered(context), *_of_people(heads), *stamps.heads],
        signing_keys=_signing_keys(context, projects),
        waiting=waiting,
        whole=_found_whole(context) if only_new else {},
    )
    chains = verify(repository.store, keys, repository.descriptor.repository, expected, each=each, stop=stop)
    _remember(context, chains)
    return VerifiedLog(tuple(chains), stamps, lacking, sum(map(len, waiting.values())))


def verify_chains(context: Context, projects: Sequence[AuditedProject], store: Store) -> list[ChainReport]:
    """As `verify_log`, without time stamps, and nothing is remembered. store: as the repository's, or as it will be. Raises
    `StorageError`."""
    from vault.repository.audit.verify import Expected, verify

    expected = Expected(
        heads=[*_heads_of_snapshots(projects), *_remembered(context)],
        signing_keys=_signing_keys(context, projects),
        waiting=_waiting(context),
    )
    return verify(store, log_keys(projects), context.repository.descriptor.repository, expected)


def heads(context: Context) -> list[LogHead]:
    """The newest entry of every chain, as the store has them: for people to keep. Nothing is opened. Raises `StorageError`."""
    from vault.repository.audit import entries

    store = context.repository.store
    newest = {one.principal: one for one in entries.listed(store).entries}
    repository = context.repository.descriptor.repository
    return sorted(entries.read(store, one, [], repository).head for one in newest.values())


def _heads_of_snapshots(projects: Sequence[AuditedProject]) -> Iterator[KnownHead]:
    from vault.repository import snapshots
    from vault.repository.audit.verify import KnownHead

    for one in projects:
        for record in [] if one.project is None else snapshots.committed(one.project, rolled=True).records:
            if record.log is not None:
                yield KnownHead(record.log, f"snapshot {record.id} of project {one.name}")


def _remembered(context: Context) -> Iterator[KnownHead]:
    """What this machine has verified before, and what it has written."""
    from vault.repository.audit.verify import KnownHead

    for line in context.memory.lines(*MEMORY):
        head = _head_of(line.partition(" ")[0])
        if head is not None:
            yield KnownHead(head, "this machine")
    writer = command_log.writer_of(context, context.traffic)
    own = [] if writer is None else [one for one in writer.chain.entries() if one.stored]
    if writer is not None and own:
        yield KnownHead(LogHead(writer.principal, own[-1].sequence, own[-1].sha256), "this machine")


def _of_people(heads: Sequence[LogHead]) -> Iterator[KnownHead]:
    from vault.repository.audit.verify import KnownHead

    return (KnownHead(one, "the head that you gave") for one in heads)


def _head_of(text: str) -> LogHead | None:
    try:
        return LogHead.parse(text)
    except UsageError:
        return None


def _waiting(context: Context) -> dict[str, frozenset[str]]:
    """Entries of this machine that the store does not have yet."""
    from vault.repository.audit.own_chain import OwnChain

    folder, found = context.memory.folder / command_log.FOLDER, {}
    for place in folder.iterdir() if folder.is_dir() else ():
        found[place.name] = frozenset(one.id for one in OwnChain(place).entries() if not one.stored)
    return {principal: ids for principal, ids in found.items() if ids}


def _signing_keys(context: Context, projects: Sequence[AuditedProject]) -> dict[str, bytes]:
    """Of principals that are known here: whoever was granted keys, one's own identities, and those whose chains were verified
    before."""
    repository = context.repository.descriptor.repository
    keys = {principal: key for principal, (_, key) in granted_signing_keys(context, projects).items()}
    for line in context.memory.lines(*MEMORY):
        text, _, key = line.partition(" ")
        head = _head_of(text)
        if head is not None and len(key) == 64:
            keys[head.principal] = bytes.fromhex(key)
    for identity in context.identities:
        if isinstance(identity, HybridIdentity):
            own = Principal.of(identity)
            keys[own.id(repository)] = own.signing_key or b""
    return keys


def known_signers(context: Context, projects: Sequence[AuditedProject] = ()) -> dict[bytes, str]:
    """Names of principals by the keys with which they sign, as far as this machine knows: as grants name them, else their ids,
    and oneself."""
    named = {key: name for name, key in granted_signing_keys(context, projects).values()}
    own = {Principal.of(one).signing_key or b"" for one in context.identities if isinstance(one, HybridIdentity)}
    keys = {key: f"principal {principal}" for principal, key in _signing_keys(context, ()).items()}
    return keys | named | dict.fromkeys(own, "this identity")


def _found_whole(context: Context) -> dict[str, LogHead]:
    found = [_head_of(line) for line in context.memory.lines(*WHOLE)]
    return {one.principal: one for one in found if one is not None}


def _remember(context: Context, chains: Sequence[ChainReport]) -> None:
    """The heads of chains that are whole; what is known of the others stays, but for up to where they are whole."""
    whole = _found_whole(context)
    for one in chains:
        whole.pop(one.principal, None)
        if one.sound and one.head is not None:
            whole[one.principal] = one.head
    context.memory.save_lines(*WHOLE, sorted(one.as_text() for one in whole.values()))
    known = {line.split("/")[0]: line for line in context.memory.lines(*MEMORY)}
    for one in chains:
        if one.sound and one.head is not None and one.signing_key is not None:
            known[one.principal] = f"{one.head.as_text()} {one.signing_key.hex()}"
    context.memory.save_lines(*MEMORY, sorted(known.values()))


def last_seen(context: Context, projects: Sequence[AuditedProject]) -> dict[str, datetime]:
    """When each principal was at work last, by its id in the repository, as far as the newest entries tell that these projects'
    logs open. Raises `KeyRefused`, `StorageError`."""
    from vault.repository.audit import entries

    keys, repository = log_keys(projects), context.repository
    chains: dict[str, list[StoredEntry]] = {}
    for one in entries.listed(repository.store).entries:
        chains.setdefault(one.principal, []).append(one)
    seen: dict[str, datetime] = {}
    for principal, chain in chains.items():
        for one in reversed(chain[-LOOKED_INTO:]):
            read = entries.read(repository.store, one, keys, repository.descriptor.repository)
            if read.entry is not None:
                seen[principal] = read.entry.at
                break
    return seen
