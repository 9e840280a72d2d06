"""Which projects open, by their names or ids, and why the others do not."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from vault.age import Identity
from vault.errors import Damaged, KeyRefused, StrongroomError, UsageError
from vault.format import layout
from vault.format.capability import Capability
from vault.format.key_object import AuditCapability
from vault.problems import Problem
from vault.repository import key_objects
from vault.repository.erasures import ProjectErased
from vault.repository.key_objects import Opened
from vault.repository.project import Project
from vault.wording import counted

if TYPE_CHECKING:
    from vault.repository.repository import Repository

Known = Mapping[str, str]
"""Ids of projects, by their names."""

NOTHING_KNOWN: Known = MappingProxyType({})

LOST_DESCRIPTOR = (
    "put strongroom.json back from a copy of the repository, or from a machine that has used it: its state folder "
    "(~/.local/state/strongroom) holds a copy in a folder of each repository"
)


class Refused(NamedTuple):
    """A project that does not open. name: its id, where the name is not known."""

    name: str
    error: StrongroomError


class Available(NamedTuple):
    """projects: those that open · refused: the others · problems: key objects in whose place another copy was used."""

    projects: list[Project]
    refused: list[Refused]
    problems: list[Problem]


def available(repository: Repository, names: Sequence[str], identities: Sequence[Identity], known: Known) -> Available:
    """See `Repository.available`."""
    if names:
        remembered = [_remembered(repository, name, identities, known) for name in names]
        found = [one for one in remembered if one is not None]
        if len(found) == len(remembered):
            return _usable(repository, [one for one, _ in found], [], [problem for _, some in found for problem in some])
    opened = repository.open_keys(identities)
    if repository.has_grants and (_nothing(opened) or any(not _is_named(name, opened, known) for name in names)):
        opened = repository.open_keys(identities, everywhere=True)
    if _nothing(opened) and next(iter(repository.store.list(layout.keys_folder())), None) is not None:
        raise KeyRefused("none of the given identities opens a project of this repository")
    by_name = {one.name: one for one in opened.capabilities} | {one.project: one for one in opened.capabilities}
    if not names:
        if not opened.capabilities and opened.auditors:
            raise _log_only(opened.auditors[0])
        title = {project: name for name, project in known.items()}
        refused = [Refused(title.get(project, project), error) for project, error in opened.damaged.items()]
        refused += [Refused(one.name, one.error) for one in opened.refused.values() if not isinstance(one.error, ProjectErased)]
        return _usable(repository, opened.capabilities, refused, opened.problems)
    refused = [_why_not(repository, name, opened, identities, known) for name in names if name not in by_name]
    return _usable(repository, [by_name[name] for name in names if name in by_name], refused, opened.problems)


def _usable(
    repository: Repository, capabilities: Sequence[Capability], refused: list[Refused], problems: list[Problem]
) -> Available:
    """Those whose keys name the descriptor that stands are projects."""
    projects = []
    for one in capabilities:
        if one.descriptors and repository.digest not in one.descriptors:
            refused.append(Refused(one.name, changed_descriptor(repository, one)))
            continue
        if one.descriptors and repository.memory is not None:
            repository.memory.save_descriptor(repository.data, proven=True)
        projects.append(repository.opened_project(one))
    return Available(projects, refused, problems)


def changed_descriptor(repository: Repository, capability: Capability | AuditCapability) -> Damaged:
    """The error where the descriptor that stands is none of those that these keys name."""
    copy = None if repository.memory is None else repository.memory.descriptor_copy()
    right = copy is not None and hashlib.sha256(copy.read_bytes()).digest() in capability.descriptors
    return Damaged(
        f"the descriptor (strongroom.json) was changed: it is not the one that the keys of project {capability.name!r} name",
        hint=f"this machine has the right one in {copy}: put it back as strongroom.json" if right else LOST_DESCRIPTOR,
    )


def _is_named(name: str, opened: Opened, known: Known) -> bool:
    """Whether anything is known of a project of that name, or with that id."""
    every = {one.name for one in opened.refused.values()} | opened.refused.keys() | opened.damaged.keys()
    every |= {text for one in opened.auditors for text in (one.name, one.project)}
    every |= {text for one in opened.capabilities for text in (one.name, one.project)}
    return name in every or known.get(name) in every


def _nothing(opened: Opened) -> bool:
    return not (opened.capabilities or opened.auditors or opened.damaged or opened.refused)


def _remembered(
    repository: Repository, name: str, identities: Sequence[Identity], known: Known
) -> tuple[Capability, list[Problem]] | None:
    """The keys of a project whose id is known, if they are as remembered."""
    scope = name if layout.is_id(name) else known.get(name)
    if scope is None:
        return None
    opened = repository.open_keys_of(scope, identities)
    found = next((one for one in opened.capabilities if name in (one.name, one.project)), None)
    return None if found is None else (found, opened.problems)


def _why_not(repository: Repository, name: str, opened: Opened, identities: Sequence[Identity], known: Known) -> Refused:
    scope = known.get(name, name)
    refused: list[StrongroomError] = [
        one.error for project, one in opened.refused.items() if name == one.name or project == scope
    ]
    refused += [_log_only(one) for one in opened.auditors if name == one.name or one.project == scope]
    if refused:
        return Refused(name, refused[0])
    damaged = opened.damaged.get(scope)
    erased = None if damaged is not None else repository.erased_by_name(name, identities)
    if erased is not None:
        return Refused(name, ProjectErased(erased, name))
    if damaged is None and opened.damaged and known.get(name) is None:
        # the name of a project lies sealed in its key object: it may be one of those
        damaged = next(iter(opened.damaged.values()))
    if damaged is not None:
        return Refused(name, Damaged(f"project {name!r} cannot be opened: {damaged}", hint=damaged.hint))
    if name in known:
        message = f"no key object of project {name!r} ({known[name]}) that this identity opens is left in the repository"
        return Refused(name, Damaged(message, hint=key_objects.HINT))
    error = no_such_project(name, [one.name for one in opened.capabilities])
    closed = {one.scope for one in key_objects.listed(repository.store)} - _opening(opened)
    return Refused(name, _closed_project(name, len(closed), error) if closed else error)


def _opening(opened: Opened) -> set[str]:
    """Ids of projects of which something opens, or is known to be damaged or refused."""
    granted = {one.project for one in opened.capabilities} | {one.project for one in opened.auditors}
    return granted | opened.damaged.keys() | opened.refused.keys()


def _closed_project(name: str, closed: int, unknown: UsageError) -> KeyRefused:
    """What projects are called is known to nobody who has no keys of theirs: it may be one of them. closed: how many there
    are · unknown: the error if there were none."""
    like = unknown.hint if unknown.hint and unknown.hint.startswith("did you mean") else None
    return KeyRefused(
        f"no project that this identity opens is called {name!r}; {counted(closed, 'project')} of this repository "
        f"{'does' if closed == 1 else 'do'} not open to it, and may have that name",
        hint=like
        or "who may grant there gives keys with `strongroom keys grant FILE --name NAME --project PROJECT --as write`",
    )


def _log_only(one: AuditCapability) -> KeyRefused:
    return KeyRefused(
        f"this identity may read the log of project {one.name!r}, and nothing else of it",
        hint="the right to see names is granted with `strongroom keys grant FILE --name NAME --project PROJECT --as audit "
        "--catalogue`",
    )


def no_such_project(name: str, known: list[str]) -> UsageError:
    """The error about a name that no project has. known: those that there are."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        hint = f"did you mean {close[0]!r}?"
    else:
        hint = f"there are: {', '.join(known)}" if known else "add one with `strongroom project add NAME --source KIND=PATH`"
    return UsageError(f"there is no project {name!r} in this repository", hint=hint)
