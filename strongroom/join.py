"""Joining a repository from another machine: settings and an identity, and what to send to whoever grants. Once keys are
granted, the same again says what this machine may do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from strongroom import environment, settings, store_access
from strongroom.new_identity import NewIdentityOptions, PublicHalf, beside, make_identity, write_public_half
from strongroom.settings import writer
from vault.errors import KeyRefused, RefusedByRule
from vault.format.principal import Principal

if TYPE_CHECKING:
    from strongroom.settings.models import RepositorySettings
    from vault.age import HybridIdentity
    from vault.repository.key_objects import Opened


class JoinOptions(Struct, frozen=True, kw_only=True):
    """What to set up.

    repository: where, and how to reach it · settings: the file, written where there is none · identity: the file, made where
    there is none · name: of this machine or person; None: user@host · passphrase: asked for one where a new identity is to be
    encrypted with it
    """

    repository: RepositorySettings
    settings: Path
    identity: Path
    name: str | None = None
    passphrase: Callable[[], str] | None = None


class JoinedProject(Struct, frozen=True):
    """A project that this machine holds keys of. rights: as granted; empty where the project has no grants."""

    project: str
    project_id: str
    capability: str
    rights: tuple[str, ...]


class Joined(Struct, frozen=True):
    """What is set up. repository: its id · half: the public half of this machine's identity · new_settings, new_identity:
    whether they were made now · projects: that are granted to it · refused: why others are not, in words."""

    repository: str
    settings: Path
    half: PublicHalf
    new_settings: bool
    new_identity: bool
    projects: tuple[JoinedProject, ...]
    refused: tuple[str, ...]

    @property
    def granted(self) -> bool:
        """Whether it holds keys of anything."""
        return bool(self.projects)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        projects = [
            {"project": one.project, "project_id": one.project_id, "capability": one.capability, "rights": list(one.rights)}
            for one in self.projects
        ]
        return {
            "repository": self.repository,
            "settings": str(self.settings),
            "new_settings": self.new_settings,
            "new_identity": self.new_identity,
            "public_half": self.half.as_json(),
            "granted": self.granted,
            "projects": projects,
            "refusals": list(self.refused),
        }


def join(options: JoinOptions) -> Joined:
    """Set this machine up. What is there already is used, and the same again goes on.

    Raises `NoRepository`, `RefusedByRule` where the settings name another repository, `KeyRefused` where the identity does not
    open, `StorageError`.
    """
    from vault.repository.repository import Repository
    from vault.storage.address import open_store

    services = environment.services()
    address = store_access.resolve_address(options.repository.address, options.settings.absolute().parent)
    new_settings = not options.settings.exists()
    if not new_settings:
        _refuse_another(options)
    store = open_store(address, store_access.store_options(options.repository, brief=True), services.clock, services.randomness)
    try:
        memory = store_access.client_memory(address, options.repository)
        data = Repository.stored_descriptor(store)
        repository = Repository.open(store, services)
        memory.verify_repository(repository.descriptor.repository)
        new_identity, half, identity = _identity(options)
        if new_settings:
            _write_settings(options)
        whole = Repository(store, repository.descriptor, services, data, memory)
        return _joined(options, whole.descriptor.repository, half, (new_settings, new_identity), whole.open_keys([identity]))
    finally:
        store.close()


def _joined(options: JoinOptions, repository: str, half: PublicHalf, new: tuple[bool, bool], opened: Opened) -> Joined:
    projects = [JoinedProject(one.name, one.project, one.kind, one.rights) for one in opened.capabilities]
    projects += [JoinedProject(one.name, one.project, one.kind, one.rights) for one in opened.auditors]
    refused = [str(one.error) for one in opened.refused.values()] + [str(one) for one in opened.damaged.values()]
    return Joined(repository, options.settings, half, *new, tuple(projects), tuple(refused))


def _refuse_another(options: JoinOptions) -> None:
    found = settings.load(options.settings).repository
    wanted = options.repository
    if (found.address, found.endpoint) != (wanted.address, wanted.endpoint):
        raise RefusedByRule(
            f"{options.settings} names another repository, {found.address}; it was left alone",
            hint="name another file with --config FILE",
        )


def _identity(options: JoinOptions) -> tuple[bool, PublicHalf, HybridIdentity]:
    """Whether it was made, its public half, and itself."""
    from strongroom import identities
    from strongroom.settings.models import IdentitySettings
    from vault.age import HybridIdentity

    new = not options.identity.exists()
    name = options.name or environment.person()
    if new:
        make_identity(
            NewIdentityOptions(file=options.identity, name=name, passphrase=options.passphrase),
            environment.services().randomness,
        )
    found = identities.load(IdentitySettings(file=options.identity), [])
    own = next((one for one in found if isinstance(one, HybridIdentity)), None)
    if own is None:
        raise KeyRefused(
            f"{options.identity} is not post-quantum, and projects are encrypted for such identities alone",
            hint="name another file with --identity FILE; it is made where there is none",
        )
    half = PublicHalf(Principal.of(own), name, options.identity, beside(options.identity))
    if not new:
        write_public_half(half)
    return new, half, own


def _write_settings(options: JoinOptions) -> None:
    from strongroom.settings.models import IdentitySettings

    writer.write(options.settings, options.repository, IdentitySettings(file=options.identity), None)
