"""Making and opening a repository, and finding the projects that an identity may use."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct

from vault import age
from vault.age import HybridRecipient, Identity
from vault.errors import (
    Damaged,
    KeyRefused,
    NoRepository,
    ObjectExists,
    ObjectNotFound,
    RefusedByRule,
    StrongroomError,
    UsageError,
)
from vault.format import layout
from vault.format.capability import LONGEST_NAME, Capability
from vault.format.descriptor import Descriptor
from vault.repository import key_objects
from vault.repository.key_objects import Opened, key_id
from vault.repository.project import Project
from vault.repository.services import Services
from vault.storage.contract import Store

LOST_DESCRIPTOR = (
    "put strongroom.json back from a copy of the repository, or from a machine that has used it: its state folder "
    "(~/.local/state/strongroom) holds a copy in a folder of each repository"
)

Known = Mapping[str, str]
"""Ids of projects, by their names."""

NOTHING_KNOWN: Known = MappingProxyType({})


class Refused(NamedTuple):
    """A project that does not open. name: its id, where the name is not known."""

    name: str
    error: StrongroomError


class Available(NamedTuple):
    """projects: those that open · refused: the others."""

    projects: list[Project]
    refused: list[Refused]


class Repository(Struct, frozen=True):
    """Everything under one storage address."""

    store: Store
    descriptor: Descriptor
    services: Services

    @classmethod
    def create(cls, store: Store, descriptor: Descriptor, services: Services) -> Repository:
        """Make a repository where none is. Raises `RefusedByRule` where one stands already, or what is left of one."""
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
        return cls(store, Descriptor.decode(cls.stored_descriptor(store)), services)

    @staticmethod
    def stored_descriptor(store: Store) -> bytes:
        """As it is stored. Raises `NoRepository`."""
        try:
            return store.get(layout.DESCRIPTOR)
        except ObjectNotFound as error:
            raise NoRepository(f"there is no repository at {store.describe()}") from error

    def add_project(
        self, name: str, recipients: Sequence[HybridRecipient], identities: Sequence[Identity], known: Known = NOTHING_KNOWN
    ) -> Project:
        """A new project whose secrets are wrapped to `recipients`, each with the right to read.

        identities: those whose projects must not have this name already; one that holds nothing yet was begun by a run that
        was interrupted, and is completed. known: as for `available`. Raises `UsageError`, `RefusedByRule`, `Damaged` where a
        project that does not open may have this name.
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
        for recipient in recipients:
            self.grant(capability, recipient)
        return Project(self.store, self.descriptor, capability, self.services)

    def _holds_anything(self, project: str) -> bool:
        return next(iter(self.store.list(layout.project_folder(project))), None) is not None

    def grant(self, capability: Capability, recipient: HybridRecipient) -> None:
        """Wrap a project's secrets to one more principal."""
        sealed = age.seal(capability.encode(), [recipient], self.services.randomness)
        self.store.put(layout.key_name(capability.project, key_id(recipient, capability.project)), sealed.data)

    def open_keys(self, identities: Sequence[Identity]) -> Opened:
        """Every capability that one of `identities` opens, and the projects whose key objects are damaged."""
        return key_objects.open_all(self.store, key_objects.listed(self.store), identities, self.descriptor.repository)

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
        if names:
            remembered = [self._remembered(name, identities, known) for name in names]
            if all(remembered):
                return Available([self._project(one) for one in remembered if one], [])
        opened = self.open_keys(identities)
        if (
            not opened.capabilities
            and not opened.damaged
            and next(iter(self.store.list(layout.keys_folder())), None) is not None
        ):
            raise KeyRefused("none of the given identities opens a project of this repository")
        by_name = {one.name: one for one in opened.capabilities} | {one.project: one for one in opened.capabilities}
        title = {project: name for name, project in known.items()}
        if not names:
            refused = [Refused(title.get(project, project), error) for project, error in opened.damaged.items()]
            return Available([self._project(one) for one in opened.capabilities], refused)
        refused = [self._why_not(name, opened, known) for name in names if name not in by_name]
        return Available([self._project(by_name[name]) for name in names if name in by_name], refused)

    def _remembered(self, name: str, identities: Sequence[Identity], known: Known) -> Capability | None:
        """The keys of a project whose id is known, if they are as remembered."""
        scope = name if layout.is_id(name) else known.get(name)
        if scope is None:
            return None
        opened = key_objects.open_all(self.store, key_objects.listed(self.store, scope), identities, self.descriptor.repository)
        return next((one for one in opened.capabilities if name in (one.name, one.project)), None)

    def _why_not(self, name: str, opened: Opened, known: Known) -> Refused:
        damaged = opened.damaged.get(known.get(name, name))
        if damaged is None and opened.damaged and known.get(name) is None:
            # the name of a project lies sealed in its key object: it may be one of those
            damaged = next(iter(opened.damaged.values()))
        if damaged is not None:
            return Refused(name, Damaged(f"project {name!r} cannot be opened: {damaged}", hint=damaged.hint))
        if name in known:
            message = f"no key object of project {name!r} ({known[name]}) that this identity opens is left in the repository"
            return Refused(name, Damaged(message, hint=key_objects.HINT))
        return Refused(name, _no_such_project(name, [one.name for one in opened.capabilities]))

    def _project(self, capability: Capability) -> Project:
        return Project(self.store, self.descriptor, capability, self.services)


def in_use(store: Store) -> bool:
    """Whether a store holds keys or projects."""
    return any(next(iter(store.list(folder)), None) for folder in (layout.keys_folder(), layout.projects_folder()))


def _no_such_project(name: str, known: list[str]) -> UsageError:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        hint = f"did you mean {close[0]!r}?"
    else:
        hint = f"there are: {', '.join(known)}" if known else "add one with `strongroom project add NAME --source KIND=PATH`"
    return UsageError(f"there is no project {name!r} in this repository", hint=hint)


def _exists(store: Store) -> RefusedByRule:
    return RefusedByRule(
        f"there is a repository at {store.describe()} already",
        hint="choose another address, or use the one that is there, without settings by --repository ADDRESS",
    )
