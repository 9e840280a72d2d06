"""May they? And whose name stands in the log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from console.access.rights import Action, Scope
from console.errors import LacksContent, LacksKey, NotAllowed, NotThere
from console.visit import Visit
from strongroom import command_log
from vault.errors import UsageError

if TYPE_CHECKING:
    from console.accounts.accounts import Accounts
    from strongroom.project import Project
    from strongroom.repository import Repository

EVERYTHING = Scope(((frozenset(), ()),))
"""All of a project."""


def allowed(visit: Visit, action: Action, project: str) -> Scope:
    """In what of a project whoever asks may do something.

    Raises `NotThere` where they may not even see the project, in the very words that are used where there is none; `NotAllowed`
    where they may see it, and not do this; `NotSignedIn`."""
    if not visit.person.scope(Action.SEE, project, visit.now) and not visit.person.scope(action, project, visit.now):
        raise no_project()
    scope = visit.person.scope(action, project, visit.now)
    if not scope:
        raise NotAllowed("you may not do this in this project", hint="ask whoever administers the console for the role")
    return scope


def allowed_whole(visit: Visit, action: Action, project: str) -> None:
    """That whoever asks may do something in all of a project, not in a part of it alone. Raises as `allowed`."""
    if not allowed(visit, action, project).is_everything:
        raise NotAllowed(
            "you may do this in a part of the project only, and this is about all of it",
            hint="ask whoever administers the console for the role in the whole project",
        )


def allowed_everywhere(visit: Visit, action: Action) -> Scope:
    """That whoever asks may do something in all of every project, whichever there are. Raises `NotAllowed`, `NotSignedIn`."""
    if not visit.person.may_everywhere(action, visit.now):
        raise NotAllowed(
            "this is about all projects, and you may not do it in each of them",
            hint="ask whoever administers the console for the role in all projects",
        )
    return EVERYTHING


def no_project() -> NotThere:
    """There is no such project, or they may not know."""
    return NotThere("there is no such project", hint="choose one of yours on the first page")


def administering(visit: Visit) -> Accounts:
    """All accounts, for whoever may change those of others and has signed in: a token that was stolen makes no accounts, and no
    other tokens. Raises `NotAllowed`, `NotSignedIn`."""
    if not visit.person.may(Action.ADMINISTER, visit.now):
        raise NotAllowed("you may not see the accounts of others", hint="ask for the role of an administrator")
    if visit.caller.by == "token":
        raise NotAllowed("a token cannot do this", hint="sign in with a browser")
    return visit.console.accounts


@contextmanager
def opened(visit: Visit, name: str) -> Iterator[tuple[Repository, Project]]:
    """A project that whoever asks may see, under their name in the log. Raises `NotThere`, and what opening raises."""
    with acting(visit), visit.console.repositories.lent() as repository:
        try:
            project = repository.project(name)
        except UsageError as error:
            raise no_project() from error
        yield repository, project


@contextmanager
def opened_content(visit: Visit, name: str) -> Iterator[tuple[Repository, Project]]:
    """The same, for what reads content. Raises `LacksContent` where this console cannot."""
    with opened(visit, name) as (repository, project):
        require_content(project)
        yield repository, project


def require_content(project: Project) -> None:
    """Raises `LacksContent` where this console has no key to the content of a project."""
    if not has_content(project):
        raise LacksContent(
            "this console has no key to the content of this project",
            hint="names, sizes and times are here; what you put into the basket comes back by a host that has the key",
        )


def has_content(project: Project) -> bool:
    """Whether this console has the key to the content of a project."""
    return project.stored.capability.content_identity is not None


def reads_content(visit: Visit, name: str) -> bool:
    """The same, of a project by its name, for what is offered at all. Raises as `opened`."""
    with opened(visit, name) as (_, project):
        return has_content(project)


def require_log(project: Project) -> None:
    """Raises `LacksKey` where this console has no key to the log of a project."""
    if project.stored.capability.audit_identity is None:
        raise LacksKey(
            "this console has no key to the log of this project",
            hint="`strongroom audit show` shows it on a machine that may audit the project",
        )


@contextmanager
def acting(visit: Visit) -> Iterator[None]:
    """What is recorded meanwhile has the name of whoever asks."""
    with command_log.acting_as(visit.person.name, "console"):
        yield
