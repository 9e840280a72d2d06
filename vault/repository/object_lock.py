"""Object Lock for a project: what is uploaded is locked, and what a new snapshot refers to stays locked for as long.

    at upload   packs, index segments, records of snapshots, notes, holds, key objects and grants are locked for the days that
                the settings say
    extended    the locks of older packs that a new snapshot refers to, and of what stays for ever (the descriptor, key objects,
                grants, notes and holds), once a tenth of these days has gone by; only ever longer
    never       claims and marks, which are rewritten and deleted; an index segment is not extended: packs say the same;
                roll-ups, which are derived from manifests

Nothing is overwritten or deleted for it. This machine remembers until when it saw each pack locked, so that an hourly backup
asks about none but the new ones; what it has forgotten it asks again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from vault.errors import ObjectNotFound, StorageError, TransientStorageError
from vault.format import layout
from vault.problems import Problem
from vault.repository.client_memory import ClientMemory
from vault.repository.project import Project
from vault.storage.contract import Store
from vault.storage.object_locks import NO_OBJECT_LOCK, Mode, Retention, locks_of

if TYPE_CHECKING:
    from vault.repository.gc.prune_plan import Locked

FOLDERS = ("packs", "meta", "index", "snapshots", "forgotten", "holds", "grants", "keys")
"""Of a project: what is locked at upload."""

SLACK = 0.1
"""Share of the days that may go by before a lock is extended."""

AT_ONCE = 8
"""Requests under way."""

_WHAT = "locks"


class ObjectLock:
    """Keeps a project's objects locked. mode, days: of the settings · memory: of this machine."""

    def __init__(self, project: Project, mode: Mode, days: int, memory: ClientMemory) -> None:
        """Raises `StorageError` where the store has no locks."""
        locks = locks_of(project.store)
        if locks is None:
            raise StorageError(
                f"the settings want the objects of project {project.name!r} locked, and {project.store.describe()} "
                "has no Object Lock",
                hint=NO_OBJECT_LOCK,
            )
        self._project = project
        self._mode = mode
        self._length = timedelta(days=days)
        self._memory = memory
        self._locks = locks

    def begin(self) -> None:
        """From now on uploads are locked. Raises `StorageError` where the bucket has no Object Lock."""
        if self._locks.available() is False:
            raise StorageError(
                f"the settings want the objects of project {self._project.name!r} locked, and the bucket of "
                f"{self._project.store.describe()} has no Object Lock",
                hint=NO_OBJECT_LOCK,
            )
        folders = [layout.keys_folder(self._project.id), *map(self._project.folder, FOLDERS)]
        for folder in folders:
            self._locks.lock_uploads(folder, lambda: Retention(self._mode, self._goal()))

    def extend_lasting(self) -> list[Problem]:
        """As `extend`, what no run writes anew: without it nobody could open what is locked."""
        return self.extend(lasting(self._project.store, self._project.id))

    def extend(self, names: Iterable[str]) -> list[Problem]:
        """Lock objects that stand for as long as new ones, where much less remains. What cannot be locked is a problem."""
        now = self._project.services.clock.now()
        enough = now + self._length * (1 - SLACK)
        known = self._remembered(now)
        due = [name for name in names if name not in known or known[name] < enough]
        with ThreadPoolExecutor(min(AT_ONCE, len(due)) or 1, thread_name_prefix="locks") as pool:
            outcomes = list(pool.map(lambda name: self._extend(name, enough), due))
        known |= {name: one for name, one in zip(due, outcomes, strict=True) if isinstance(one, datetime)}
        if due:
            self._memory.save_lines(
                _WHAT, self._project.id, [f"{name} {until.isoformat()}" for name, until in sorted(known.items())]
            )
        failed = [(name, one) for name, one in zip(due, outcomes, strict=True) if isinstance(one, StorageError)]
        return one_problem("not-locked", "could not be locked for longer", failed)

    def _extend(self, name: str, enough: datetime) -> datetime | StorageError:
        """Until when it is locked now, or why not."""
        try:
            before = self._locks.kept(name).retention
            if before is not None and before.until >= enough:
                return before.until
            compliant = before is not None and before.mode == "compliance"  # that mode can never be left
            goal = self._goal()
            self._locks.retain(name, Retention("compliance" if compliant else self._mode, goal))
        except TransientStorageError:
            raise
        except StorageError as error:
            return error
        return goal

    def _goal(self) -> datetime:
        return self._project.services.clock.now() + self._length

    def _remembered(self, now: datetime) -> dict[str, datetime]:
        """Objects that are locked, and until when, as far as this machine knows."""
        found: dict[str, datetime] = {}
        for line in self._memory.lines(_WHAT, self._project.id):
            name, _, text = line.partition(" ")
            try:
                until = datetime.fromisoformat(text)
            except ValueError:
                continue  # not written by us: it is asked again
            if until.tzinfo is not None and until > now:
                found[name] = until
        return found


def lasting(store: Store, project: str) -> list[str]:
    """The names of what must stay as long as a project does: the descriptor, its key objects and grants, notes and holds."""
    parts = ("keys", "grants", "forgotten", "holds")
    folders = [layout.keys_folder(project), *(layout.project_folder(project, part) for part in parts)]
    return [layout.DESCRIPTOR, *sorted(info.name for folder in folders for info in store.list(folder))]


def unlocked(store: Store, names: Iterable[str], now: datetime) -> list[str]:
    """Those of these objects that could be deleted now, as far as the store says. All of them where it has no locks."""
    names, locks = list(names), locks_of(store)
    if locks is None or locks.available() is False:
        return names

    def free(name: str) -> bool:
        try:
            return locks.kept(name).at(now) is None
        except ObjectNotFound:
            return False

    with ThreadPoolExecutor(min(AT_ONCE, len(names)) or 1, thread_name_prefix="locks") as pool:
        return [name for name, one in zip(names, pool.map(free, names), strict=True) if one]


def pack_names(project: Project, packs: Iterable[bytes], meta: frozenset[bytes]) -> list[str]:
    """The names of packs. meta: those of them that are of the catalogue."""
    return sorted(
        layout.pack_name(project.id, layout.META_TIER if pack in meta else layout.CONTENT_TIER, pack) for pack in packs
    )


def locked(project: Project) -> Locked:
    """Until when the store keeps an object, as prune asks it; also where a bucket locks by itself."""
    from vault.repository.gc.prune_plan import nothing_locked

    locks = locks_of(project.store)
    if locks is None or locks.available() is False:
        return nothing_locked

    def until(name: str) -> datetime | None:
        try:
            return locks.kept(name).at(project.services.clock.now())
        except ObjectNotFound:
            return None

    return until


def one_problem(what: str, text: str, failed: list[tuple[str, StorageError]]) -> list[Problem]:
    """One problem for all objects with which something went wrong."""
    if not failed:
        return []
    name, error = failed[0]
    return [Problem(name.encode(), what, f"{len(failed)} stored objects {text}; the first one: {error}")]


def each(names: Iterable[str], action: Callable[[str], None]) -> list[tuple[str, StorageError]]:
    """Do something with each object, several at once; gives what went wrong. Raises `TransientStorageError`."""

    def attempt(name: str) -> StorageError | None:
        try:
            action(name)
        except TransientStorageError:
            raise
        except StorageError as error:
            return error
        return None

    names = list(names)
    with ThreadPoolExecutor(min(AT_ONCE, len(names)) or 1, thread_name_prefix="locks") as pool:
        return [(name, error) for name, error in zip(names, pool.map(attempt, names), strict=True) if error is not None]
