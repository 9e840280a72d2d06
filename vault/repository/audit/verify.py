"""Whether the log is whole: every chain from its first entry to its head, every signature, every hash, no gap and no fork.

A chain says of itself whether something within it is missing, swapped or changed. That its end was cut off, or all of it
written anew, is known by whoever has seen a later head: snapshots' records, this machine, time stamps, people who got a
message.

Entries that are sealed for others count by their names and their bytes: the next entry that can be opened has their hash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from msgspec import Struct, field

from vault.age import Identity
from vault.format.log_entry import LogEntry
from vault.format.log_head import LogHead
from vault.format.ssh_signature import public_line
from vault.progress import Stop, never
from vault.repository.audit import entries
from vault.repository.audit.entries import ReadEntry, StoredEntry
from vault.storage.contract import Store
from vault.wording import counted, moment


class KnownHead(NamedTuple):
    """A head, and where it is known from: `snapshot 2026…`, `this machine`."""

    head: LogHead
    source: str


class Finding(Struct, frozen=True):
    """Something that is not as it must be. what: a short word for programs · entry: its id, empty where it is about none that
    stands."""

    what: str
    principal: str
    entry: str
    message: str

    def as_json(self) -> dict[str, str]:
        """For `--json`."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


class ChainReport(Struct):
    """The chain of one principal.

    - `entries`: that stand · `opened`: of them, those that these keys open · `not_read`: the oldest, of which names alone were
      looked at
    - `signing_key`: that its entries are signed with; None where none could be opened
    - `verified_key`: whether that key is known to be the principal's, and not only the one that was met first
    - `head`: the newest entry; None where none stands
    - `hosts`: that wrote the entries which were opened
    """

    principal: str
    entries: int = 0
    opened: int = 0
    not_read: int = 0
    signing_key: bytes | None = None
    verified_key: bool = False
    first_at: datetime | None = None
    last_at: datetime | None = None
    head: LogHead | None = None
    hosts: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def found(self, what: str, message: str, entry: str = "") -> None:
        """Something is wrong."""
        self.findings.append(Finding(what, self.principal, entry, message))

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "principal": self.principal,
            "length": self.entries,
            "opened": self.opened,
            "not_read": self.not_read,
            "signing_key": None if self.signing_key is None else public_line(self.signing_key),
            "signing_key_known": self.verified_key,
            "first_at": self.first_at and self.first_at.isoformat(),
            "last_at": self.last_at and self.last_at.isoformat(),
            "head": self.head and self.head.as_text(),
            "hosts": self.hosts,
            "sound": self.sound,
            "discrepancies": [one.as_json() for one in self.findings],
        }


class Expected(Struct, frozen=True):
    """What is known beside the log itself.

    - `heads`: each must be in its chain
    - `signing_keys`: of principals, by their ids: entries that are signed with others are refused
    - `whole`: heads, by principals' ids, up to which chains were found whole before and need not be read again: of entries
      before them names alone are looked at, so that a change of these is not seen. Empty to read all
    - `waiting`: ids of entries that this machine has made and the store does not have yet, by principals' ids
    """

    heads: Sequence[KnownHead] = ()
    signing_keys: Mapping[str, bytes] = field(default_factory=dict)
    waiting: Mapping[str, frozenset[str]] = field(default_factory=dict)
    whole: Mapping[str, LogHead] = field(default_factory=dict)


def verify(
    store: Store,
    identities: Sequence[Identity],
    repository: str,
    expected: Expected,
    *,
    principals: Sequence[str] = (),
    each: Callable[[LogEntry], None] = lambda _: None,
    stop: Stop = never,
) -> list[ChainReport]:
    """Every chain, or those of some principals, by their ids. identities: those of projects' logs · repository: its id · each:
    gets every entry that could be opened, in the order of the chain. What is wrong is part of the result. Raises
    `StorageError`."""
    listing = entries.listed(store).entries
    chains: dict[str, list[StoredEntry]] = {one.head.principal: [] for one in expected.heads}
    for one in listing:
        chains.setdefault(one.principal, []).append(one)
    reports = []
    for principal in sorted(chains):
        if principals and principal not in principals:
            continue
        heads = [one for one in expected.heads if one.head.principal == principal]
        listed = chains[principal]
        passed = _passed(listed, expected.whole.get(principal))
        if passed:
            heads.append(KnownHead(expected.whole[principal], "the last verification"))
        read = entries.read_all(store, listed[passed:], identities, repository, stop=stop)
        check = _ChainCheck(ChainReport(principal, not_read=passed), expected, heads, each)
        reports.append(check.run(listed, read))
    return reports


def _passed(listed: Sequence[StoredEntry], whole: LogHead | None) -> int:
    """How many entries need not be read, as they come before one up to which their chain was found whole; none where that one
    is not there."""
    if whole is None or not any(one.sequence == whole.sequence for one in listed):
        return 0
    return sum(one.sequence < whole.sequence for one in listed)


class _ChainCheck:
    """Goes through one chain, number by number."""

    def __init__(
        self, report: ChainReport, expected: Expected, heads: Sequence[KnownHead], each: Callable[[LogEntry], None]
    ) -> None:
        self._report = report
        self._heads = heads
        self._each = each
        self._key = expected.signing_keys.get(report.principal)
        report.verified_key = self._key is not None
        self._waiting = {int(one[:12]) for one in expected.waiting.get(report.principal, ())}
        self._wanted = {one.head.sequence for one in heads}
        self._digests: dict[int, dict[str, str]] = {}

    def run(self, listed: Sequence[StoredEntry], read: Iterable[ReadEntry]) -> ChainReport:
        """The whole report."""
        report, last = self._report, self._by_name(listed[: self._report.not_read])
        before: list[ReadEntry] = []
        report.entries = len(listed)
        for group in _by_number(read):
            number = group[0].stored.sequence
            if number > last + 1:
                self._missing(last + 1, number - 1)
                before = []
            if len(group) > 1:
                self._forked(group)
            for one in group:
                self._entry(one, before, first=number == 1)
            if number in self._wanted:
                self._digests[number] = {one.sha256: one.stored.id for one in group}
            report.head = group[-1].head
            before, last = group, number
        self._heads_stand(last)
        report.signing_key = self._key
        return report

    def _by_name(self, passed: Sequence[StoredEntry]) -> int:
        """Gaps and forks of what is not read. Gives the last number."""
        last = 0
        for number, group in groupby(passed, lambda one: one.sequence):
            if number > last + 1:
                self._missing(last + 1, number - 1)
            several = [ReadEntry(one, "", None) for one in group]
            if len(several) > 1:
                self._forked(several)
            last = number
        return last

    def _entry(self, one: ReadEntry, before: Sequence[ReadEntry], *, first: bool) -> None:
        report, entry = self._report, one.entry
        if one.damage is not None:
            report.found("damaged-entry", str(one.damage), one.stored.id)
            return
        if entry is None:
            return
        report.opened += 1
        report.first_at = min(report.first_at or entry.at, entry.at)
        report.last_at = max(report.last_at or entry.at, entry.at)
        if entry.who.host not in report.hosts:
            report.hosts.append(entry.who.host)
        self._linked(entry, before, first=first)
        self._key = self._key or entry.signing_key
        if entry.signing_key != self._key:
            whose = "of this principal" if report.verified_key else "that the entries before it are signed with"
            report.found("other-signature", f"{_of(entry)} is signed with another key than the one {whose}", entry.id)
            return
        self._each(entry)

    def _linked(self, entry: LogEntry, before: Sequence[ReadEntry], *, first: bool) -> None:
        """Whether it names the entry before it. Beside a gap nobody can tell."""
        if first != (entry.before is None):
            names = "names one before it" if first else "names none before it"
            message = f"{_of(entry)} {names}, and has number {entry.sequence}"
            self._report.found("broken-chain", message, entry.id)
        elif before and entry.before not in {one.sha256 for one in before}:
            message = f"{_of(entry)} follows another entry than {before[0].stored.id}: one of both was changed or exchanged"
            self._report.found("broken-chain", message, entry.id)

    def _missing(self, first: int, last: int) -> None:
        """A gap, but for what waits on this machine."""
        waiting = sum(first <= number <= last for number in self._waiting)
        gone = last - first + 1 - waiting
        if gone:
            what = f"entry {first} is" if first == last else f"{counted(gone, 'entry', 'entries')} of {first} to {last} are"
            self._report.found("missing-entry", f"{what} missing from the chain of {self._report.principal}")

    def _forked(self, group: Sequence[ReadEntry]) -> None:
        whose = [f"{one.stored.id}{_origin(one)}" for one in group]
        self._report.found(
            "forked-chain",
            f"{len(group)} entries of {self._report.principal} have number {group[0].stored.sequence}: {' and '.join(whose)}; "
            "two machines use one identity, an old state of a machine was put back, or somebody else signs with its key",
            group[-1].stored.id,
        )

    def _heads_stand(self, last: int) -> None:
        """Whether every head that is known from elsewhere is in the chain: one finding for all that were cut off."""
        beyond = [one for one in self._heads if one.head.sequence > last and one.head.sequence not in self._waiting]
        if beyond:
            known = max(beyond, key=lambda one: one.head.sequence)
            ends = f"ends with entry {last}" if last else "is gone"
            message = f"the chain of {self._report.principal} was cut short: it {ends}, and {known.source} names entry "
            self._report.found("cut-off", f"{message}{known.head.sequence}")
        for known in self._heads:
            there = self._digests.get(known.head.sequence)
            if there is not None and known.head.sha256 not in there:
                message = f"entry {known.head.sequence} of {self._report.principal} is another one than {known.source} names: "
                said = f"{message}the chain was written anew, or the entry exchanged or changed"
                self._report.found("written-anew", said, min(there.values()))


def _by_number(read: Iterable[ReadEntry]) -> Iterator[list[ReadEntry]]:
    """Entries of one number together; there is more than one where a chain is forked."""
    group: list[ReadEntry] = []
    for one in read:
        if group and group[0].stored.sequence != one.stored.sequence:
            yield group
            group = []
        group.append(one)
    if group:
        yield group


def _of(entry: LogEntry) -> str:
    return f"entry {entry.id} of {entry.principal} ({entry.action}, {moment(entry.at)}, {entry.who.host})"


def _origin(one: ReadEntry) -> str:
    return "" if one.entry is None else f" ({one.entry.who.host}, {moment(one.entry.at)})"
