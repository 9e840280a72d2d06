"""A sealed copy of this machine's settings in the repository: written anew by whoever finds that the last one is another."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from blake3 import blake3
from msgspec import Struct

from strongroom import holders, notices
from vault.age import HybridIdentity, HybridRecipient
from vault.errors import Damaged, Interrupted, KeyRefused, StrongroomError
from vault.problems import printable
from vault.repository import key_trust, settings_copies
from vault.repository.settings_copies import Written

if TYPE_CHECKING:
    from strongroom.context import Context
    from strongroom.settings import Settings
    from vault.age import Identity
    from vault.format.capability import Capability
    from vault.repository.client_memory import ClientMemory
    from vault.repository.repository import Repository


class WrittenCopy(Struct, frozen=True):
    """What became of the copy. name: of the object, None where there is none · written: just now · problem: why these settings
    have none."""

    name: str | None = None
    written: bool = False
    problem: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"name": self.name, "written": self.written, "problem": self.problem}


class _Remembered(NamedTuple):
    """A copy as this machine wrote or found it. digest: of the settings' text · readers: digests of the public keys that were
    thought of · vouching: projects whose keys it is tagged with."""

    written: Written
    digest: str
    readers: frozenset[str]
    vouching: frozenset[str]

    def line(self) -> str:
        parts = [*self.written, self.digest, ",".join(sorted(self.readers)), ",".join(sorted(self.vouching))]
        return " ".join(part or "-" for part in parts)

    @classmethod
    def of_line(cls, line: str) -> _Remembered | None:
        parts = ["" if part == "-" else part for part in line.split(" ")]
        if len(parts) != 5:
            return None
        return cls(Written(parts[0], parts[1]), parts[2], _apart(parts[3]), _apart(parts[4]))


def of_context(context: Context, capabilities: Sequence[Capability], settings: Settings | None = None) -> WrittenCopy:
    """`keep`, and what is wrong as a notice. capabilities: of the projects that were opened · settings: as they are now, where
    the command has changed them."""
    holder = Holder(context.repository, context.identities, context.memory)
    return noticed(holder, settings or context.settings, capabilities)


def noticed(holder: Holder, settings: Settings, capabilities: Sequence[Capability]) -> WrittenCopy:
    """`Holder.keep`; that there is no copy is a notice, and nothing that fails a command."""
    try:
        kept = holder.keep(settings, capabilities)
    except Interrupted:
        raise
    except StrongroomError as error:
        kept = WrittenCopy(problem=str(error))
    if kept.problem is not None:
        notices.warn(f"the repository has no copy of these settings: {kept.problem}")
    return kept


class Holder(Struct, frozen=True):
    """Where the copy lies, and who keeps it."""

    repository: Repository
    identities: Sequence[Identity]
    memory: ClientMemory

    def keep(self, settings: Settings, capabilities: Sequence[Capability]) -> WrittenCopy:
        """See that the newest copy of these settings is as they are now. One request where it is. capabilities: of the projects
        that this command has opened. Raises `StorageError`, `Unstorable`, `UsageError`."""
        recovery = recovery_of(settings)
        recipients = [*recovery, *(own_of(self.identities) if may_all_read(capabilities) else ())]
        if not recipients:
            return WrittenCopy(problem="they name no recovery recipient that it could be sealed to")
        file = printable(os.fsencode(settings.file.absolute()))
        anchor = min(recovery or recipients, key=HybridRecipient.encode)
        origin = settings_copies.origin_of(anchor, self.repository.services.host, file)
        wanted = _Remembered(
            Written("", ""), _digest(settings.text), _readers(recipients), frozenset(one.project for one in capabilities)
        )
        known = self._recalled().get(origin)
        if known is not None and _covers(known, wanted) and settings_copies.stands(self.repository.store, known.written):
            return WrittenCopy(known.written.name)
        found = self._found(origin, settings, recipients, capabilities)
        if found is not None:
            self._remember(origin, wanted._replace(written=found))
            return WrittenCopy(found.name)
        return self._write(origin, file, settings, recovery)

    def _found(
        self, origin: str, settings: Settings, recipients: Sequence[HybridRecipient], capabilities: Sequence[Capability]
    ) -> Written | None:
        """The newest copy in the store, where it says the same: this machine has forgotten it."""
        store, repository = self.repository.store, self.repository.descriptor.repository
        newest = settings_copies.newest(settings_copies.listed(store, origin)).get(origin)
        if newest is None:
            return None
        try:
            decoded, data = settings_copies.read(store, newest, self.identities, tag_keys(capabilities), repository)
        except Damaged as error:
            notices.warn(f"{error}; it is written anew")
            return None
        if decoded is None or decoded.copy.text != settings.text:
            return None
        if not {one.encode() for one in recipients} <= set(decoded.copy.recipients):
            return None
        if not {one.project for one in capabilities} <= decoded.vouched:
            return None
        return Written(newest.name, hashlib.sha256(data).hexdigest())

    def _write(self, origin: str, file: str, settings: Settings, recovery: Sequence[HybridRecipient]) -> WrittenCopy:
        capabilities = opened(self.repository, self.identities, self.memory)
        own = own_of(self.identities)
        sealed_to = [*recovery, *(own if may_all_read(capabilities) else ())]
        if not sealed_to:
            return WrittenCopy(problem="they name no recovery recipient that it could be sealed to")
        unique = list({one.encode(): one for one in sealed_to}.values())
        keys = tag_keys(capabilities)
        written = settings_copies.write(self.repository, origin, file, settings.text, unique, keys)
        thought_of = _readers([*recovery, *own])
        self._remember(origin, _Remembered(written, _digest(settings.text), thought_of, frozenset(keys)))
        return WrittenCopy(written.name, written=True)

    def _recalled(self) -> dict[str, _Remembered]:
        found = (_Remembered.of_line(line) for line in self.memory.lines(*settings_copies.MEMORY))
        return {one.written.name.split("/")[1]: one for one in found if one is not None and one.written.name.count("/") == 2}

    def _remember(self, origin: str, one: _Remembered) -> None:
        self.memory.save_lines(*settings_copies.MEMORY, [each.line() for each in ({**self._recalled(), origin: one}).values()])


def opened(repository: Repository, identities: Sequence[Identity], memory: ClientMemory) -> list[Capability]:
    """The keys of all projects that open and are as this machine knows them."""
    found = []
    for capability in repository.open_keys(identities).capabilities:
        try:
            key_trust.verify(repository.opened_project(capability), memory)
        except KeyRefused:
            continue
        found.append(capability)
    return found


def tag_keys(capabilities: Iterable[Capability]) -> Mapping[str, bytes]:
    """The keys that copies are tagged with, by project."""
    return {one.project: one.tag_key for one in capabilities}


def recovery_of(settings: Settings) -> list[HybridRecipient]:
    """The recovery kits of the settings."""
    return [one.recipient for one in holders.recovery_kits(settings)]


def own_of(identities: Sequence[Identity]) -> list[HybridRecipient]:
    """What the identities at hand would open."""
    return [one.recipient for one in identities if isinstance(one, HybridIdentity)]


def may_all_read(capabilities: Sequence[Capability]) -> bool:
    """Whether these are an owner's keys: settings name all projects, which is not for those who may only write into one."""
    return all(one.content_identity is not None for one in capabilities)


def _covers(known: _Remembered, wanted: _Remembered) -> bool:
    return known.digest == wanted.digest and wanted.readers <= known.readers and wanted.vouching <= known.vouching


def _readers(recipients: Iterable[HybridRecipient]) -> frozenset[str]:
    return frozenset(_digest(one.encode()) for one in recipients)


def _digest(text: str) -> str:
    return blake3(text.encode("utf-8", "surrogatepass")).hexdigest(length=16)


def _apart(text: str) -> frozenset[str]:
    return frozenset(text.split(",")) if text else frozenset()
