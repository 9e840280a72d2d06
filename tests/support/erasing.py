"""Projects that are erased, in tests: two people who may, and each step by itself."""

from __future__ import annotations

from datetime import timedelta

from tests.support.places import identity
from tests.support.principals import CREATOR, founded_on, granted, holder, opened_by, repository_of
from vault.format.descriptor import ERASURES
from vault.format.erasure import Completion, Destruction, ErasureApproval, ErasureRequest, ProjectContents, Statement
from vault.format.erasure_chain import Erasure
from vault.repository import descriptor_change, destruction, erasure_rules, erasures
from vault.repository.client_memory import ClientMemory
from vault.repository.destruction import Destroyed
from vault.repository.erasure_rules import ErasureState
from vault.repository.key_objects import key_id
from vault.repository.project import Project
from vault.storage.contract import Store

OTHER = "anna"
"""Who approves."""

WEEK = timedelta(days=7)


def shared_on(store: Store) -> Project:
    """A repository in `store` with one project, that two people administer, and a host that may only write."""
    made = founded_on(store)
    granted(made, OTHER, ("read", "audit"))
    granted(made, "host", ("write",))
    return made


def with_feature(store: Store, name: str = CREATOR) -> None:
    """Name the feature in the descriptor, as somebody does before the first request."""
    descriptor_change.introduce(repository_of(store), [identity(name)], ERASURES)


def state(name: str, store: Store, memory: ClientMemory | None = None) -> ErasureState:
    """Where the project stands, as somebody finds it."""
    return erasure_rules.state_of(opened_by(name, store, memory), [identity(name)], memory)


def written(found: ErasureState, statement: Statement) -> None:
    erasures.write(found.project.store, statement, found.recipients, found.project.services.randomness)


def ask(store: Store, name: str = CREATOR, *, approvals: int = 2, within: timedelta = WEEK) -> ErasureRequest:
    """Somebody asks."""
    with_feature(store, name)
    found = state(name, store)
    contents: ProjectContents = erasure_rules.contents_of(found.project)
    made = erasure_rules.make_request(found, reason="contract ended", approvals=approvals, within=within, contents=contents)
    written(found, made)
    return made


def approve(store: Store, name: str = OTHER) -> ErasureApproval:
    """Somebody else agrees."""
    found = state(name, store)
    made = erasure_rules.make_approval(found)
    written(found, made)
    return made


def begin(store: Store, name: str = CREATOR) -> Destruction:
    """It is stated that it begins."""
    found = state(name, store)
    erasure_rules.refuse(found.project)
    made = erasure_rules.make_destruction(found)
    written(found, made)
    return made


def believed(store: Store, name: str, memory: ClientMemory | None = None) -> Erasure | None:
    """What somebody believes of it."""
    repository = repository_of(store, memory)
    project = next(iter(erasures.scopes(store)), "")
    return erasures.stored(store, repository.descriptor.repository, project, [identity(name)], memory)[0]


def go_on(store: Store, name: str = CREATOR) -> tuple[Destroyed, Completion | None]:
    """Somebody destroys what was stated to be, as far as it is not, and completes it."""
    found = believed(store, name)
    if found is None:
        raise LookupError("nothing was stated")
    own = identity(name)
    done = destruction.destroy(store, found.destruction.project, [own])
    end = destruction.complete(store, found, done, own, repository_of(store).services, "")
    return done, end


def erase(store: Store) -> None:
    """All of it, by whoever has created the project, and the second person; what was cut off goes on."""
    if believed(store, CREATOR) is None:
        found = state(CREATOR, store)
        if found.request is None:
            ask(store)
        if state(CREATOR, store).approval is None:
            approve(store)
        begin(store)
    go_on(store)


def second_project(store: Store, name: str = "beta") -> Project:
    """Another project of the same repository and creator."""
    return repository_of(store, seed=f"founding {name}").add_project(name, [holder(CREATOR)], [identity(CREATOR)])


def key_of(name: str, project: str) -> str:
    """The id of somebody's key object. project: its id."""
    return key_id(identity(name).recipient, project)
