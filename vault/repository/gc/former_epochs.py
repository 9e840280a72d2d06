"""What former epochs of a project's keys have sealed, and storing it anew under the current one: then whoever kept the keys of
before, and still gets at the store, opens nothing of it.

    packs           what is needed of them is stored again as a repacking does (`repack`); they go with a later prune
    small objects   index segments, roll-ups, tables of records, head chunks, records, notes and holds are sealed anew under
                    their own names: what they say and their tags stay the same

Grants stay as they were written: former holders know them. Of which epoch something is, its header tells, one request each;
what a machine has seen of the current epoch it remembers.

Whoever has opened the keys before the rotation goes on with them to the end of its run, and shows that by its claim or its
mark: while one of these is of a former epoch, what former keys open may become more. Marks stay for long; no run lasts for more
than a day, so what is older is sealed anew like other small objects.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from vault import age
from vault.errors import Damaged, ObjectNotFound
from vault.format import layout
from vault.format.layout import CONTENT_TIER
from vault.progress import NoProgress, Progress, Stop, never
from vault.repository import claims, stored_packs
from vault.repository.client_memory import ClientMemory
from vault.repository.gc import marks
from vault.repository.gc.prune_plan import StoredPack
from vault.repository.project import Project
from vault.storage.caching import uncached
from vault.storage.contract import Store

FOLDERS = ("index", "rollups", "records", "heads", "snapshots", "forgotten", "holds")
"""Of small objects."""

READERS = 8
"""Headers that are fetched at once."""

HEADER = 4096
"""Bytes that surely hold a header for one recipient."""

MEMORY = "sealed"
"""List in a machine's memory: the epoch, then what is known to be sealed in it."""


class FormerObjects(NamedTuple):
    """Names of small objects. former: sealed in a former epoch · unreadable: whose header opens with no key · under_way: claims
    and marks of runs that have opened the keys of a former epoch, and may be at work."""

    former: tuple[str, ...]
    unreadable: tuple[str, ...]
    under_way: tuple[str, ...] = ()


class KnownCurrent:
    """What this machine knows to be sealed in the current epoch."""

    def __init__(self, project: Project, memory: ClientMemory | None) -> None:
        self._project = project
        self._memory = memory
        self._epoch = str(project.capability.epoch)
        lines = [] if memory is None else memory.lines(MEMORY, project.id)
        self._known = set(lines[1:]) if lines[:1] == [self._epoch] else set()

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def add(self, names: Iterable[str]) -> None:
        """These are."""
        self._known.update(names)

    def save(self) -> None:
        """For the next run."""
        if self._memory is not None:
            self._memory.save_lines(MEMORY, self._project.id, [self._epoch, *sorted(self._known)])


def former_packs(
    project: Project,
    stored: Sequence[StoredPack],
    known: KnownCurrent,
    stop: Stop = never,
    progress: Progress | None = None,
) -> frozenset[bytes]:
    """The packs that a former epoch has sealed, and whose header opens. Raises `StorageError`, `KeyRefused` where content
    cannot be read."""
    names = {layout.pack_name(project.id, one.tier, one.sha256): one for one in stored}
    asked = [name for name, one in names.items() if one.sha256.hex() not in known]
    progress = progress or NoProgress()
    progress.phase("looking which packs former keys have encrypted", items=len(asked))

    def look(name: str) -> bool | None:
        stop()
        one = names[name]
        found = _is_former(project, project.store, name, content=one.tier == CONTENT_TIER)
        progress.advance(items=1, size=0)
        return found

    found = _each(asked, look)
    known.add(names[name].sha256.hex() for name, former in found.items() if former is False)
    known.save()
    return frozenset(names[name].sha256 for name, former in found.items() if former)


def former_objects(project: Project, known: KnownCurrent, stop: Stop = never) -> FormerObjects:
    """The small objects that a former epoch has sealed. Raises `StorageError`."""
    asked = [name for name in _small_objects(project) if name not in known]
    below = uncached(project.store)  # what is kept here may be of the former epoch still

    def look(name: str) -> bool | None:
        stop()
        return _is_former(project, below, name, content=False)

    found = _each(asked, look)
    known.add(name for name, former in found.items() if former is False)
    known.save()
    former = tuple(name for name in asked if found[name])
    old, under_way = _runs(project, look)
    return FormerObjects(former + old, tuple(name for name in asked if found[name] is None), under_way)


def _runs(project: Project, look: Callable[[str], bool | None]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Marks of a former epoch whose run is over, and claims and marks of runs that may be at work."""
    names = [info.name for folder in ("claims", "marks") for info in project.store.list(project.folder(folder))]
    former = [name for name, is_former in _each(sorted(names), look).items() if is_former]
    found = marks.read(project).by_name if former else {}
    before = project.services.clock.now() - claims.STALE_AFTER
    old = tuple(name for name in former if name in found and found[name].started_at < before)
    return old, tuple(name for name in former if name not in old)


def seal_anew(project: Project, names: Collection[str], known: KnownCurrent, stop: Stop = never) -> int:
    """Seal small objects in the current epoch, under their names; gives how many. The records of runs that have just committed
    wait for the next time: their writers compare them with what they wrote. Raises `StorageError`."""
    busy = {layout.snapshot_name(project.id, one) for one in claims.list_ids(project)}
    below = uncached(project.store)
    done = 0
    for name in names:
        stop()
        if name in busy:
            continue
        try:
            plain = project.open_catalogue(below.get(name))
            sealed = project.seal_catalogue(plain)
            if not stored_packs.exists(project, name):  # deleted by somebody meanwhile
                continue
        except (ObjectNotFound, Damaged):
            continue  # gone, or for `check` to tell
        project.store.put(name, sealed)
        known.add([name])
        done += 1
    known.save()
    return done


def _small_objects(project: Project) -> list[str]:
    names = (info.name for folder in FOLDERS for info in project.store.list(project.folder(folder)))
    return sorted(name for name in names if layout.is_ours(name))


def _is_former(project: Project, store: Store, name: str, *, content: bool) -> bool | None:
    """Whether a former epoch has sealed an object; None where it is gone, or no key opens its header."""
    capability = project.capability
    identities = capability.content_identities() if content else capability.catalogue_identities
    try:
        front = store.get_range(name, 0, HEADER)
        for identity in identities:
            try:
                age.read_header(front, [identity])
            except age.NoMatchingIdentity:
                continue
            return identity is not identities[0]
    except (ObjectNotFound, Damaged):
        return None
    return None


def _each(names: Sequence[str], look: Callable[[str], bool | None]) -> dict[str, bool | None]:
    with ThreadPoolExecutor(min(READERS, len(names)) or 1, thread_name_prefix="epochs") as pool:
        return dict(zip(names, pool.map(look, names), strict=True))
