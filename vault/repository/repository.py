"""Making and opening a repository, and finding the projects that an identity may use."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blake3 import blake3

from vault import age
from vault.age import HybridIdentity, HybridRecipient, Identity
from vault.errors import Damaged, KeyRefused, NoRepository, ObjectExists, ObjectNotFound, RefusedByRule, UsageError
from vault.format import layout
from vault.format.capability import LARGEST_KEY_OBJECT, LONGEST_NAME, Capability
from vault.format.descriptor import Descriptor
from vault.repository.project import Project
from vault.repository.services import Services
from vault.storage.contract import Store


@dataclass(frozen=True, slots=True)
class Repository:
    """Everything under one storage address."""

    store: Store
    descriptor: Descriptor
    services: Services

    @classmethod
    def create(cls, store: Store, descriptor: Descriptor, services: Services) -> Repository:
        """Make a repository where none is. Raises `RefusedByRule` where one stands already."""
        if cls.begun(store, services):
            raise _exists(store)
        try:
            (store.create if descriptor.trust.create_once else store.put)(layout.DESCRIPTOR, descriptor.encode())
        except ObjectExists as error:
            raise _exists(store) from error
        return cls(store, descriptor, services)

    @classmethod
    def begun(cls, store: Store, services: Services) -> Repository | None:
        """The repository in `store` that holds nothing yet, as an interrupted `init` leaves it; None where there is none.
        Raises `RefusedByRule` where one is in use."""
        try:
            repository = cls.open(store, services)
        except NoRepository:
            return None
        if any(next(iter(store.list(folder)), None) for folder in (layout.keys_folder(), layout.projects_folder())):
            raise _exists(store)
        return repository

    @classmethod
    def open(cls, store: Store, services: Services) -> Repository:
        """Open the repository in `store`. Raises `NoRepository`, `UnsupportedFormat`, `Damaged`."""
        try:
            data = store.get(layout.DESCRIPTOR)
        except ObjectNotFound as error:
            raise NoRepository(f"there is no repository at {store.describe()}") from error
        return cls(store, Descriptor.decode(data), services)

    def add_project(self, name: str, recipients: Sequence[HybridRecipient], identities: Sequence[Identity]) -> Project:
        """A new project whose secrets are wrapped to `recipients`, each with the right to read.

        identities: those whose projects must not have this name already; one that holds nothing yet was begun by a run that
        was interrupted, and is completed. Raises `UsageError`, `RefusedByRule`.
        """
        if not name or len(name) > LONGEST_NAME or not name.isprintable() or "/" in name or name != name.strip():
            raise UsageError(
                f"{name!r} cannot be a project's name",
                hint="use printable characters without '/', at most 200, no outer spaces",
            )
        capability = next((one for one in self.capabilities(identities) if one.name == name), None)
        if capability is None:
            project = layout.new_id(self.services.chance.token(16))
            capability = Capability.generate(self.descriptor.repository, project, name, self.services.chance)
        elif self._holds_anything(capability.project):
            raise RefusedByRule(f"there is a project {name!r} in this repository already", hint="choose another name")
        for recipient in recipients:
            self.grant(capability, recipient)
        return Project(self.store, self.descriptor, capability, self.services)

    def _holds_anything(self, project: str) -> bool:
        return next(iter(self.store.list(layout.project_folder(project))), None) is not None

    def grant(self, capability: Capability, recipient: HybridRecipient) -> None:
        """Wrap a project's secrets to one more principal."""
        sealed = age.seal(capability.encode(), [recipient], self.services.chance)
        self.store.put(layout.key_name(capability.project, key_id(recipient, capability.project)), sealed.data)

    def capabilities(self, identities: Sequence[Identity]) -> list[Capability]:
        """Every capability that one of `identities` opens; for a project that several open, the one that may read.

        Raises `Damaged` where an object that should open does not hold what it must.
        """
        found: dict[str, Capability] = {}
        for scope, name in self._key_objects(identities):
            capability = self._open_key(name, scope, identities)
            if capability and (scope not in found or capability.content_identity):
                found[scope] = capability
        return sorted(found.values(), key=lambda capability: capability.name)

    def project(self, name: str, identities: Sequence[Identity]) -> Project:
        """The project called `name` (or with that id). Raises `UsageError` with the nearest name, or `KeyRefused`."""
        return self.choose([name], identities)[0]

    def choose(self, names: Sequence[str], identities: Sequence[Identity]) -> list[Project]:
        """The projects of these names or ids, in that order; all of them where no name is given."""
        capabilities = self.capabilities(identities)
        if not capabilities and next(iter(self.store.list(layout.keys_folder())), None) is not None:
            raise KeyRefused("none of the given identities opens a project of this repository")
        by_name = {capability.name: capability for capability in capabilities}
        by_name |= {capability.project: capability for capability in capabilities}
        for name in names:
            if name not in by_name:
                raise _no_such_project(name, [capability.name for capability in capabilities])
        chosen = [by_name[name] for name in names] if names else capabilities
        return [Project(self.store, self.descriptor, capability, self.services) for capability in chosen]

    def _key_objects(self, identities: Sequence[Identity]) -> Iterator[tuple[str, str]]:
        """Scope and name of the key objects that one of `identities` may open.

        A key object's id tells whose it is to those who know the recipient, so that others' need not be fetched.
        """
        for info in self.store.list(layout.keys_folder()):
            parts = info.name.split("/")
            if len(parts) != 3 or not layout.is_id(parts[1]) or info.size > LARGEST_KEY_OBJECT:
                continue
            scope, leaf = parts[1], parts[2].removesuffix(".age")
            mine = {key_id(identity.recipient, scope) for identity in identities if isinstance(identity, HybridIdentity)}
            others = any(not isinstance(identity, HybridIdentity) for identity in identities)
            if leaf in mine or others:
                yield scope, info.name

    def _open_key(self, name: str, scope: str, identities: Sequence[Identity]) -> Capability | None:
        try:
            capability = Capability.decode(age.open_sealed(self.store.get(name), identities))
        except (age.NoMatchingIdentity, ObjectNotFound):
            return None
        if capability.project != scope or capability.repository != self.descriptor.repository:
            raise Damaged(f"the key object {name} belongs to another project or repository")
        return capability


def key_id(recipient: HybridRecipient, scope: str) -> str:
    """The id of a principal's key object: 32 hex digits that only those who know the recipient can link to it."""
    return blake3(f"{recipient.encode()} {scope}".encode()).hexdigest(length=16)


def _no_such_project(name: str, known: list[str]) -> UsageError:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        hint = f"did you mean {close[0]!r}?"
    else:
        hint = f"there are: {', '.join(known)}" if known else "add one with `strongroom project add NAME --source KIND=PATH`"
    return UsageError(f"there is no project {name!r} in this repository", hint=hint)


def _exists(store: Store) -> RefusedByRule:
    return RefusedByRule(
        f"there is a repository at {store.describe()} already", hint="choose another address, or use the one that is there"
    )
