"""Making and opening a repository, and finding the projects that an identity may use."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

from msgspec import Struct
from msgspec.structs import replace

from vault import age
from vault.age import HybridIdentity, HybridRecipient, Identity
from vault.errors import (
    Damaged,
    KeyRefused,
    NoRepository,
    ObjectExists,
    ObjectNotFound,
    RefusedByRule,
    UsageError,
)
from vault.format import layout
from vault.format.capability import Capability
from vault.format.descriptor import EPOCHS, ERASURES, Descriptor
from vault.format.granted_fields import LONGEST_NAME
from vault.format.key_object import AuditCapability
from vault.repository import erasures, granting, grants, key_objects, project_lookup
from vault.repository.client_memory import ClientMemory
from vault.repository.erasures import ErasedProject, ProjectErased
from vault.repository.granting import Holder
from vault.repository.key_objects import KeySource, Opened, RefusedKeys, key_id
from vault.repository.project import Project
from vault.repository.project_lookup import LOST_DESCRIPTOR, NOTHING_KNOWN, Available, Known
from vault.repository.services import Services
from vault.storage.contract import Store


class Repository(Struct, frozen=True):
    """Everything under one storage address.

    - `data`: the descriptor as it is stored
    - `memory`: what this machine knows of it, and its copies of key objects; None where it keeps nothing
    """

    store: Store
    descriptor: Descriptor
    services: Services
    data: bytes = b""
    memory: ClientMemory | None = None

    @classmethod
    def create(cls, store: Store, descriptor: Descriptor, services: Services) -> Repository:
        """Make a repository where none is. Raises `RefusedByRule` where one stands already, or what is left of one."""
        if cls.begun(store, services):
            raise _exists(store)
        data = descriptor.encode()
        try:
            (store.create if descriptor.trust.create_once else store.put)(layout.DESCRIPTOR, data)
        except ObjectExists as error:
            raise _exists(store) from error
        return cls(store, descriptor, services, data)

    @classmethod
    def begun(cls, store: Store, services: Services) -> Repository | None:
        """The repository in `store` that holds nothing yet, as an interrupted `init` leaves it; None where there is none.
        Raises `RefusedByRule` where one is in use, or has lost its descriptor."""
        try:
            repository = cls.open(store, services)
        except NoRepository:
            if in_use(store):
                raise RefusedByRule(
                    f"the descriptor (strongroom.json) of the repository at {store.describe()} is gone, and its keys and "
                    "projects stand: a new one over them would lock them out",
                    hint=LOST_DESCRIPTOR,
                ) from None
            return None
        if in_use(store):
            raise _exists(store)
        return repository

    @classmethod
    def open(cls, store: Store, services: Services) -> Repository:
        """Open the repository in `store`. Raises `NoRepository`, `UnsupportedFormat`, `Damaged`."""
        data = cls.stored_descriptor(store)
        return cls(store, Descriptor.decode(data), services, data)

    @staticmethod
    def stored_descriptor(store: Store) -> bytes:
        """As it is stored. Raises `NoRepository`."""
        try:
            return store.get(layout.DESCRIPTOR)
        except ObjectNotFound as error:
            raise NoRepository(f"there is no repository at {store.describe()}") from error

    @property
    def has_grants(self) -> bool:
        """Whether keys are granted by signed statements here."""
        return EPOCHS in self.descriptor.features

    @property
    def has_erasures(self) -> bool:
        """Whether a project may have been erased here."""
        return ERASURES in self.descriptor.features

    def add_project(
        self,
        name: str,
        holders: Sequence[Holder | HybridRecipient],
        identities: Sequence[Identity],
        known: Known = NOTHING_KNOWN,
    ) -> Project:
        """A new project whose secrets are wrapped to `holders`, each with the rights to read and to audit.

        identities: those whose projects must not have this name already, the creator's first; one that holds nothing yet was
        begun by a run that was interrupted, and is completed. known: as for `available`. Raises `UsageError`, `RefusedByRule`,
        `Damaged` where a project that does not open may have this name.
        """
        if not name or len(name) > LONGEST_NAME or not name.isprintable() or "/" in name or name != name.strip():
            raise UsageError(
                f"invalid project name {name!r}",
                hint="use printable characters without '/', at most 200, no outer spaces",
            )
        opened = self.open_keys(identities)
        capability = next((one for one in opened.capabilities if one.name == name), None)
        if capability is None:
            names = {project: title for title, project in known.items()}
            for project, error in opened.damaged.items():
                if names.get(project, name) == name:
                    raise Damaged(f"project {project} does not open, and may be called {name!r}: {error}", hint=error.hint)
            project = layout.new_id(self.services.randomness.token(16))
            capability = Capability.generate(self.descriptor.repository, project, name, self.services.randomness)
        elif self._holds_anything(capability.project):
            raise RefusedByRule(f"there is a project {name!r} in this repository already", hint="choose another name")
        if not self.has_grants:
            for one in holders:
                self.grant(capability, one if isinstance(one, HybridRecipient) else one.principal.recipient)
            return self.opened_project(capability)
        return self._found(capability, holders, identities)

    def _found(
        self, capability: Capability, holders: Sequence[Holder | HybridRecipient], identities: Sequence[Identity]
    ) -> Project:
        named = [
            Holder.of(f"holder {number}", one) if isinstance(one, HybridRecipient) else one
            for number, one in enumerate(holders, 1)
        ]
        own = {one.recipient: one for one in identities if isinstance(one, HybridIdentity)}
        creator = next((one for one in named if one.principal.recipient in own), None)
        if creator is None:
            raise UsageError("a project is created by one of its holders", hint="name their identity with --identity FILE")
        capability = replace(capability, descriptors=(self.digest,))
        project = self.opened_project(capability)
        root = granting.found(project, creator, own[creator.principal.recipient], named)
        return replace(project, capability=replace(capability, grant=root.reference, rights=root.rights))

    def _holds_anything(self, project: str) -> bool:
        """Beside its keys and grants."""
        kept = (layout.second_keys_folder(project) + "/", layout.project_folder(project, "grants") + "/")
        return any(not info.name.startswith(kept) for info in self.store.list(layout.project_folder(project)))

    @property
    def digest(self) -> bytes:
        """SHA-256 of the descriptor as it is stored (32 bytes)."""
        return hashlib.sha256(self.data).digest()

    def grant(self, capability: Capability, recipient: HybridRecipient) -> None:
        """Wrap a project's secrets to one more principal, in a repository without grants."""
        sealed = age.seal(capability.encode(), [recipient], self.services.randomness)
        self.store.put(layout.key_name(capability.project, key_id(recipient, capability.project)), sealed.data)

    def open_keys(self, identities: Sequence[Identity], *, everywhere: bool = False) -> Opened:
        """Every capability that one of `identities` opens, and the projects whose key objects are damaged. everywhere: also
        where the first place has lost them."""
        listed = key_objects.listed(self.store)
        scopes = {one.scope for one in listed} or self._projects() if everywhere else None
        opened = key_objects.open_all(self._source(), listed, identities, scopes)
        known = set(() if self.memory is None else self.memory.projects().values())
        remembered = {one for one in known | opened.scopes if erasures.remembered(self.memory, one) is not None}
        stated = erasures.scopes(self.store) if self.has_erasures else set[str]()
        return self._without_erased(opened, remembered | (stated & (known | opened.scopes)), identities)

    def open_keys_of(self, project: str, identities: Sequence[Identity]) -> Opened:
        """As `open_keys`, of one project. project: its id."""
        scopes = [project] if self.has_grants else []
        opened = key_objects.open_all(self._source(), key_objects.listed(self.store, project), identities, scopes)
        return self._without_erased(opened, [project], identities)

    def erased(self, project: str, identities: Sequence[Identity]) -> ErasedProject | None:
        """The erasing of a project, where there was one that is believed. project: its id. Raises `StorageError`."""
        return self._erasure(project, identities).erased

    def erased_by_name(self, name: str, identities: Sequence[Identity]) -> ErasedProject | None:
        """As `erased`, for a name that this machine does not know: whatever these identities can read is looked at."""
        if not self.has_erasures:
            return None
        found = (self.erased(one, identities) for one in sorted(erasures.scopes(self.store)))
        return next((one for one in found if one is not None and name in (one.name, one.project)), None)

    def _erasure(self, project: str, identities: Sequence[Identity]) -> erasures.Looked:
        if not self.has_erasures:
            return erasures.Looked(erasures.remembered(self.memory, project))
        return erasures.look(self.store, self.descriptor.repository, project, identities, self.memory)

    def _without_erased(self, opened: Opened, projects: Collection[str], identities: Sequence[Identity]) -> Opened:
        """What of these projects was erased is refused; where that is only said and nothing opens the project, it is
        damaged."""
        for project in sorted(projects):
            erased, doubt = self._erasure(project, identities)
            if erased is not None:
                opened = opened.without(project)
                opened.refused[project] = RefusedKeys(erased.name, ProjectErased(erased))
            elif doubt is not None and project not in opened.usable:
                opened.damaged[project] = Damaged(f"no key object of project {project} is left, and {doubt}", hint=doubt.hint)
        return opened

    def _projects(self) -> set[str]:
        """The ids of all projects that have objects; costs a listing of everything."""
        names = (info.name.split("/") for info in self.store.list(layout.projects_folder()))
        return {parts[1] for parts in names if len(parts) > 2 and layout.is_id(parts[1])}

    def _source(self) -> KeySource:
        copies = self.memory.key_copies if self.memory is not None and self.has_grants else None
        return KeySource(self.store, self.descriptor.repository, self.services.clock.now(), copies, self._revoked)

    def _revoked(self, content: Capability | AuditCapability) -> KeyRefused | None:
        """Why these keys, out of this machine's copy, may not be used any more; None where they may."""
        if content.grant is None:
            return None
        if isinstance(content, AuditCapability):
            chain = grants.read_as_auditor(self.store, content, self.memory).chain
        else:
            chain = grants.read(self.opened_project(content), self.memory).chain
        end = chain.revocations.get(content.grant.id)
        return None if end is None else key_objects.revoked(content.name, content.grant, end.by.name, end.at)

    def project(self, name: str, identities: Sequence[Identity]) -> Project:
        """The project called `name` (or with that id). Raises as `choose`."""
        return self.choose([name], identities)[0]

    def choose(self, names: Sequence[str], identities: Sequence[Identity], known: Known = NOTHING_KNOWN) -> list[Project]:
        """The projects of these names or ids, in that order; all of them where no name is given. known: as for `available`.

        Raises `UsageError` with the nearest name, `KeyRefused`, `Damaged` where a project does not open.
        """
        found = self.available(names, identities, known)
        for refused in found.refused:
            raise refused.error
        return found.projects

    def available(self, names: Sequence[str], identities: Sequence[Identity], known: Known = NOTHING_KNOWN) -> Available:
        """The projects of these names or ids that open, in that order, and those that do not, with the reason.

        known: the ids of projects by their names, as this machine remembers them. For a project that it knows no other's key
        object is opened; it is believed only where what is opened bears the name.
        """
        return project_lookup.available(self, names, identities, known)

    def refuse_changed_descriptor(self, keys: Capability | AuditCapability) -> None:
        """Raises `Damaged` where the descriptor that stands is none of those that these keys name."""
        if keys.descriptors and self.digest not in keys.descriptors:
            raise project_lookup.changed_descriptor(self, keys)

    def opened_project(self, capability: Capability) -> Project:
        """A project whose keys are at hand."""
        return Project(self.store, self.descriptor, capability, self.services)


def in_use(store: Store) -> bool:
    """Whether a store holds keys or projects."""
    return any(next(iter(store.list(folder)), None) for folder in (layout.keys_folder(), layout.projects_folder()))


def _exists(store: Store) -> RefusedByRule:
    return RefusedByRule(
        f"there is a repository at {store.describe()} already",
        hint="choose another address, or use the one that is there, without settings by --repository ADDRESS",
    )
