"""The library's front door: a repository, its projects, and what can be done with them.

    with open_repository("strongroom.toml") as repository:
        project = repository.project("parcelo")
        for done in project.backup():
            print(done.source, done.problems)
        project.restore(project.plan_restore(project.select(periods=["2024-05"]), to="back"))

Every method calls one function of this package, with the repository that is open. Values go in and come out; what takes long
tells a `progress` listener how far it is, and asks a `stop` callable (a `CancelToken` is one) whether it shall go on. What is
to be said beside a result goes to the logger `strongroom`. Errors are of one tree, `vault.errors.StrongroomError`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

from strongroom.project import Project
from vault.errors import Interrupted

if TYPE_CHECKING:
    from types import TracebackType

    from strongroom.checks import RepositoryCheck
    from strongroom.context import Context
    from strongroom.copy_repository import CopiedProject, CopyLimits
    from strongroom.status import RepositoryStatus

__all__ = ["CancelToken", "Project", "Repository", "open_repository"]


class CancelToken:
    """Ends a long work from another thread: hand it in as `stop`, and call `cancel`."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """End the work soon; what was stored is kept."""
        self._cancelled.set()

    def __call__(self) -> None:
        """Raises `Interrupted` once it was cancelled."""
        if self._cancelled.is_set():
            raise Interrupted("cancelled")


class Repository:
    """An open repository. Made by `open_repository`; a context manager that closes it."""

    def __init__(self, context: Context, stack: ExitStack) -> None:
        self._context = context
        self._stack = stack

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, traceback)

    def close(self) -> None:
        """Close it; nothing can be asked of it any more."""
        self._stack.close()

    @property
    def context(self) -> Context:
        """What the functions of this package take: settings, store, identities."""
        return self._context

    def project(self, name: str) -> Project:
        """A project by its name. Raises `UsageError` with the nearest name, `KeyRefused`."""
        return Project(self._context, self._context.project(name))

    def projects(self) -> list[Project]:
        """All projects that the identities open. Raises `KeyRefused`, `StorageError`."""
        return [Project(self._context, one) for one in self._context.available([])]

    def status(self, *projects: str) -> RepositoryStatus:
        """How everything is: a verdict in words, what is wrong and what to do, every source. projects: only these.

        Raises `UsageError` where one is neither here nor in the settings, `KeyRefused`, `Damaged`, `StorageError`."""
        from strongroom.status import repository_status

        return repository_status(self._context, projects)

    def copy(self, name: str, *projects: str, limits: CopyLimits | None = None) -> list[CopiedProject]:
        """Bring a copy that the settings name up to date; what goes wrong with one project is part of its result, and does not
        stop the others. projects: only these; else all that open · limits: how far a run goes, and who hears of it.

        Raises `UsageError`, `NoRepository` where a copy was there and is gone, `RefusedByRule` where another repository is,
        `StorageError`, `Interrupted`."""
        from strongroom.copies import opened_copy
        from strongroom.copy_repository import copy_project

        with opened_copy(self._context, name, create=True) as copy:
            return [copy_project(self._context, copy, one, limits) for one in self._context.projects(projects)]

    def check(self) -> RepositoryCheck:
        """Whether what belongs to no single project is there and whole: the descriptor, key objects, copies of settings.
        Raises `StorageError`."""
        from strongroom.checks import check_repository

        return check_repository(self._context, self._context.available([]))


def open_repository(
    settings: Path | str | None = None,
    *,
    address: str | None = None,
    copy: str | None = None,
    identity: Path | str | Sequence[Path | str] | None = None,
) -> Repository:
    """Open a repository by its settings file, or by its address alone.

    settings: the file; None for the usual ones (see `strongroom.settings.find`) · address: in its place, a folder or
    `s3://bucket/prefix?endpoint=URL&region=NAME` · copy: the name of a copy that the settings name, in the place of the
    repository · identity: files in place of the settings' own; needed with an address,
    unless the usual identity opens it.

    Raises `SettingsError`, `UsageError`, `NoRepository`, `KeyRefused`, `Damaged`, `StorageError`.
    """
    from strongroom.context import opened

    files = [identity] if isinstance(identity, Path | str) else list(identity or ())
    with ExitStack() as stack:
        context = stack.enter_context(
            opened(
                None if settings is None else Path(settings),
                [Path(one) for one in files] or None,
                commits=True,
                address=address,
                copy=copy,
            )
        )
        return Repository(context, stack.pop_all())
