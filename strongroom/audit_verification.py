"""Verifying the log of what was done: whether all of it is there, and as it was written.

checked = verify_log(context, audited_projects(context))
checked.sound
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

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
    from vault.repository.audit.verify import ChainReport, Finding, KnownHead
    from vault.storage.contract import Store

MEMORY = ("audit", "heads")
"""What a client remembers of chains that it has found whole: a line a principal, its head and the key that signs it."""

WHOLE = ("audit", "whole")
"""Heads up to which a client has read chains, and found them whole; one that it found otherwise is none of them any more."""


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
    waiting = _unstored_entries(context)
    expected = Expected(
        heads=[*_snapshot_heads(projects), *_remembered_heads(context), *_given_heads(heads), *stamps.heads],
        signing_keys=_signing_keys(context, projects),
        waiting=waiting,
        whole=_verified_heads(context) if only_new else {},
    )
    chains = verify(repository.store, keys, repository.descriptor.repository, expected, each=each, stop=stop)
    _remember(context, chains)
    return VerifiedLog(tuple(chains), stamps, lacking, sum(map(len, waiting.values())))


def verify_chains(context: Context, projects: Sequence[AuditedProject], store: Store) -> list[ChainReport]:
    """As `verify_log`, without time stamps, and nothing is remembered. store: as the repository's, or as it will be. Raises
    `StorageError`."""
    from vault.repository.audit.verify import Expected, verify

    expected = Expected(
        heads=[*_snapshot_heads(projects), *_remembered_heads(context)],
        signing_keys=_signing_keys(context, projects),
        waiting=_unstored_entries(context),
    )
    return verify(store, log_keys(projects), context.repository.descriptor.repository, expected)


def heads(context: Context) -> list[LogHead]:
    """The newest entry of every chain, as the store has them: for people to keep. Nothing is opened. Raises `StorageError`."""
    from vault.repository.audit import entries

    store = context.repository.store
    newest = {one.principal: one for one in entries.listed(store).entries}
    repository = context.repository.descriptor.repository
    return sorted(entries.read(store, one, [], repository).head for one in newest.values())


def _snapshot_heads(projects: Sequence[AuditedProject]) -> Iterator[KnownHead]:
    from vault.repository import snapshots
    from vault.repository.audit.verify import KnownHead

    for one in projects:
        for record in [] if one.project is None else snapshots.committed(one.project, rolled=True).records:
            if record.log is not None:
                yield KnownHead(record.log, f"snapshot {record.id} of project {one.name}")


def _remembered_heads(context: Context) -> Iterator[KnownHead]:
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


def _given_heads(heads: Sequence[LogHead]) -> Iterator[KnownHead]:
    from vault.repository.audit.verify import KnownHead

    return (KnownHead(one, "the head that you gave") for one in heads)


def _head_of(text: str) -> LogHead | None:
    try:
        return LogHead.parse(text)
    except UsageError:
        return None


def _unstored_entries(context: Context) -> dict[str, frozenset[str]]:
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


def _verified_heads(context: Context) -> dict[str, LogHead]:
    found = [_head_of(line) for line in context.memory.lines(*WHOLE)]
    return {one.principal: one for one in found if one is not None}


def _remember(context: Context, chains: Sequence[ChainReport]) -> None:
    """The heads of chains that are whole; what is known of the others stays, but for up to where they are whole."""
    whole = _verified_heads(context)
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
