"""What the console keeps in memory of projects: their items, and how their promises are kept; so that a page costs
milliseconds.

Whether the store has other snapshots is asked again after a moment, beside the pages: who comes meanwhile is given what was
known. Only what nobody has read yet, or what is old, has to be waited for.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from strongroom.project_items import ProjectItems, expectations, load_project_items, stored_version
from vault.clock import Clock, SystemClock
from vault.errors import NothingFound, StrongroomError, UsageError

if TYPE_CHECKING:
    from console.repositories import RepositoryPool
    from strongroom.project import Project
    from strongroom.project_status import ProjectStatus
    from strongroom.repository import Repository

FRESH_FOR = 3.0
"""Seconds in which the store is not asked again."""

STATUS_FOR = 30.0
"""Seconds in which nobody asks again how a project's promises are kept, unless there are other snapshots."""

OLDEST = 60.0
"""Seconds after which what was known is shown to nobody before the store was asked."""

LARGEST = 96 << 20
"""Bytes of memory that all projects may take together, nearly: one with a thousand snapshots of 20,000 items takes 32 MB."""

Opened = Callable[[], AbstractContextManager["tuple[Repository, Project]"]]
"""Lends a project of the repository."""

_log = logging.getLogger("strongroom.console")


class _Kept(Struct):
    """lock: of whoever reads · items: None while nobody has read them · asked_at: when the store was asked, on the monotonic
    clock · status, status_at: how promises are kept, None where nobody could tell, and since when that is known · version: of
    the settings by which all of that was read · waits: whether it is to be read beside the pages."""

    lock: threading.Lock
    items: ProjectItems | None = None
    asked_at: float = 0.0
    status: ProjectStatus | None = None
    status_at: float = 0.0
    version: object = None
    waits: bool = False


class KnownItems:
    """See this module's text. fresh_for: seconds, 0 to ask the store for every page · version: of the settings, as a value that
    changes with them: what was read by others is read again."""

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        fresh_for: float = FRESH_FOR,
        largest: int = LARGEST,
        version: Callable[[], object] = lambda: None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._fresh_for = fresh_for
        self._largest = largest
        self._version = version
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._names: tuple[str, ...] = ()
        self._named_at: float | None = None
        self._named_by: object = None
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="known-items")

    def of(self, name: str, opened: Opened) -> ProjectItems:
        """What is known of a project. opened: lends it, where it must be read; only one is asked for at a time. Raises what
        lending it raises, `StorageError`."""
        known = self.at_once(name, opened)
        return self._read(name, opened) if known is None else known

    def at_once(self, name: str, opened: Opened) -> ProjectItems | None:
        """The same if it need not be waited for. Where it is time to ask the store again, that is done beside this."""
        version = self._version()
        with self._lock:
            kept = self._kept.get(name)
            if kept is None or kept.items is None or kept.version != version or not self._fresh_for:
                return None
            self._kept.move_to_end(name)
            age = self._clock.monotonic() - kept.asked_at
            if age >= OLDEST and not kept.lock.locked():
                return None
            if age >= self._fresh_for and not kept.waits:
                kept.waits = True
                self._beside.submit(self._refresh, name, kept, opened)
            return kept.items

    def soon(self, name: str, opened: Opened) -> ProjectItems | None:
        """The same, or None where nobody has read them yet, or by other settings: that is begun beside this."""
        found = self.at_once(name, opened)
        if found is not None or not self._fresh_for:
            return found or self._read(name, opened)
        with self._lock:
            kept = self._kept.setdefault(name, _Kept(threading.Lock()))
            if not kept.waits:
                kept.waits = True
                self._beside.submit(self._refresh, name, kept, opened)
            return kept.items if kept.version == self._version() else None

    def status(self, name: str) -> ProjectStatus | None:
        """How the promises of a project are kept, as far as that was read; None where nobody could tell."""
        with self._lock:
            kept = self._kept.get(name)
            return None if kept is None else kept.status

    def names(self, repositories: RepositoryPool) -> tuple[str, ...]:
        """All projects of the repository. Raises `StorageError`."""
        version = self._version()
        with self._lock:
            fresh = self._named_at is not None and self._clock.monotonic() - self._named_at < self._fresh_for
            if fresh and self._named_by == version:
                return self._names
        with repositories.lent() as repository:
            names = tuple(sorted(one.name for one in repository.projects()))
        with self._lock:
            self._names, self._named_at, self._named_by = names, self._clock.monotonic(), version
        return names

    def warm_up(self, repositories: RepositoryPool) -> None:
        """Begin to read all projects before anybody asks for them."""
        if self._fresh_for:
            self._beside.submit(self._read_all, repositories)

    def close(self) -> None:
        """End what is read beside the pages."""
        self._beside.shutdown(wait=True, cancel_futures=True)

    def _refresh(self, name: str, kept: _Kept, opened: Opened) -> None:
        try:
            self._read(name, opened)
        except (UsageError, NothingFound):  # it was erased, or has another name now
            with self._lock:
                self._kept.pop(name, None)
        except StrongroomError as error:
            _log.warning("project %s could not be read anew: %s", name, error)
        finally:
            kept.waits = False

    def _read_all(self, repositories: RepositoryPool) -> None:
        try:
            names = self.names(repositories)
        except StrongroomError as error:
            _log.warning("nothing was read before the first page: %s", error)
            return
        for name in names:
            self._refresh(name, _Kept(threading.Lock()), partial(_lent, repositories, name))

    def _read(self, name: str, opened: Opened) -> ProjectItems:
        with self._lock:
            kept = self._kept.get(name) or _Kept(threading.Lock())
            self._kept[name] = kept
        try:
            with kept.lock:
                version = self._version()
                others = kept.version != version
                if kept.items is None or others or self._clock.monotonic() - kept.asked_at >= self._fresh_for:
                    with opened() as (_, project):
                        if others:
                            kept.status_at = 0.0
                        if kept.items is None or not _is_current(kept.items, project):
                            items = load_project_items(project.context, project.stored)
                            items.ever()
                            kept.items, kept.status_at = items, 0.0
                        self._ask_status(kept, project)
                    kept.asked_at, kept.version = self._clock.monotonic(), version
                return kept.items
        finally:
            self._tidy(name, kept)

    def _ask_status(self, kept: _Kept, project: Project) -> None:
        now = self._clock.monotonic()
        if kept.status_at and now - kept.status_at < min(STATUS_FOR, self._fresh_for * STATUS_FOR):
            return
        try:
            kept.status = project.status()
        except StrongroomError as error:
            _log.warning("nobody can tell how the promises of project %s are kept: %s", project.name, error)
            kept.status = None
        kept.status_at = now

    def _tidy(self, name: str, kept: _Kept) -> None:
        """A name under which there is nothing is not kept, nor more than there is room for; the last one is."""
        with self._lock:
            if kept.items is None and self._kept.get(name) is kept and not kept.lock.locked():
                del self._kept[name]
            sizes = {one: held.items.size for one, held in self._kept.items() if held.items is not None}
            while len(sizes) > 1 and sum(sizes.values()) > self._largest:
                oldest = next(iter(sizes))
                del sizes[oldest], self._kept[oldest]


def _is_current(items: ProjectItems, project: Project) -> bool:
    context, name = project.context, project.name
    known = items.zone, items.expectations
    return known == (context.zone(name), expectations(context, name)) and items.version == stored_version(project.stored)


@contextmanager
def _lent(repositories: RepositoryPool, name: str) -> Iterator[tuple[Repository, Project]]:
    with repositories.lent() as repository:
        yield repository, repository.project(name)
