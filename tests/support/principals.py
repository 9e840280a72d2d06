"""Repositories with grants, and people and hosts that hold keys of them."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from msgspec.structs import replace

from tests.support.places import PROJECT, TickingClock, identity, services, tiny_descriptor
from tests.support.randomness import SeededChance
from vault.clock import Clock
from vault.format.descriptor import EPOCHS, Descriptor
from vault.format.grant import Grant
from vault.format.principal import Principal
from vault.format.rights import Rights
from vault.repository import granting, grants
from vault.repository.client_memory import ClientMemory
from vault.repository.granting import Administrator, Holder
from vault.repository.project import Project
from vault.repository.repository import Repository
from vault.storage.contract import Store

_clock = TickingClock()  # all machines have the same

_openings = count(1)  # no two of them make the same ids

CREATOR = "operator"
"""Whose `identity()` creates the project."""


def granting_descriptor(*, pack: int = 3000, create_once: bool = True) -> Descriptor:
    """A tiny repository in which keys are granted."""
    return replace(tiny_descriptor(pack=pack, create_once=create_once), features=(EPOCHS,))


def founded_on(
    store: Store, descriptor: Descriptor | None = None, clock: Clock | None = None, creator: str = CREATOR
) -> Project:
    """A new repository with grants in `store`, and one project that somebody has created."""
    repository = Repository.create(store, descriptor or granting_descriptor(), services(clock=clock or _clock))
    return repository.add_project(PROJECT, [holder(creator)], [identity(creator)])


def holder(name: str) -> Holder:
    """Somebody, with both public keys."""
    return Holder(name, Principal.of(identity(name)))


def memory_of(folder: Path, name: str = CREATOR) -> ClientMemory:
    """What the machine of somebody remembers."""
    return ClientMemory(folder / f"memory of {name}", SeededChance(f"memory of {name}"))


def repository_of(store: Store, memory: ClientMemory | None = None, *, seed: int | str = "places") -> Repository:
    """The repository as a machine opens it. memory: of that machine."""
    return replace(Repository.open(store, services(seed, _clock)), memory=memory)


def opened_by(name: str, store: Store, memory: ClientMemory | None = None) -> Project:
    """The project as somebody opens it."""
    return repository_of(store, memory, seed=f"machine of {name}, opening {next(_openings)}").project(PROJECT, [identity(name)])


def administrator(project: Project, name: str = CREATOR) -> Administrator:
    """Somebody's right to grant."""
    return granting.administrator(project, grants.read(project).chain, [identity(name)])


def granted(project: Project, name: str, wanted: Rights, *, by: str = CREATOR) -> Grant:
    """Grant somebody rights."""
    chain = grants.read(project).chain
    return granting.give(project, administrator(project, by), chain, holder(name), wanted)


def revoked(project: Project, one: Grant, *, by: str = CREATOR) -> None:
    """End a grant, with its key objects."""
    chain = grants.read(project).chain
    end = granting.revocation(project, administrator(project, by), chain, one, "")
    grants.write(project, end)
    granting.take_away(project, one, end)
