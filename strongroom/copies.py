"""The copies of a repository that the settings name, and opening their stores.

with opened_copy(context, "offsite") as copy:
    copy.store                             objects by their names, small ones kept in a cache

with stores_of_copies(context) as copies:  those that can be reached; of the others a warning is said
    for copy in copies:
        copy.store.get(name)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from strongroom import cache_folder, notices, store_access
from vault import wording
from vault.errors import NoRepository, RefusedByRule, StorageError, StrongroomError, UsageError
from vault.storage.absent import AbsentStore
from vault.wording import counted

if TYPE_CHECKING:
    from strongroom.context import Context
    from strongroom.settings import Settings
    from vault.repository.project import Project
    from vault.storage.contract import Store


class CopyStore(Struct, frozen=True):
    """The store of a copy.

    name: of the copy · context: the copy in the place of the repository, with its own rules, cache and memory; its keys are
    those of the repository · bare: its store without a cache · begun: whether anything was copied there before
    """

    name: str
    context: Context
    bare: Store
    begun: bool

    @property
    def store(self) -> Store:
        """With a cache."""
        return self.context.repository.store

    @property
    def address(self) -> str:
        """For people."""
        return self.bare.describe()


def names(settings: Settings) -> list[str]:
    """The copies that the settings name. Raises `UsageError` where there is none."""
    found = list(settings.copies)
    if not found:
        raise UsageError(
            "the settings name no copy of the repository", hint="add one: [copies.NAME] with an address, see docs/settings.md"
        )
    return found


@contextmanager
def opened_copy(
    opened: Context, name: str, *, create: bool = False, begun: bool = True, again: bool = False, brief: bool = False
) -> Iterator[CopyStore]:
    """The store of a copy of the repository that is open.

    create: whoever opens it will copy what is missing; a folder is made, too · begun: only where something was copied before ·
    again: also where a copy was, and is gone · brief: for a command that only asks something

    Raises `UsageError` where the settings name no such copy, `NoRepository` where it is not there, or not there any more,
    `RefusedByRule` where another repository is, `KeyRefused`, `StorageError`.
    """
    from vault.copying.small_objects import refuse_another
    from vault.repository import store_trust
    from vault.storage import cache_lock
    from vault.storage.caching import CachingStore

    found, repository = opened.settings.of_copy(name), opened.repository
    _refuse_the_same(opened.settings, found)
    services, described = repository.services, repository.descriptor
    known = store_access.memory_of_settings(found).repository() is not None
    store = store_access.open_store(found, brief=brief, create_missing=create and (again or not known))
    try:
        there = refuse_another(repository, store.patient)
        if there is None and known and not again:
            raise _gone(name, store.patient)
        if there is None and begun and not create:
            where = store.patient.describe()
            raise NoRepository(f"there is no copy {name!r} at {where} yet", hint=f"make it with `strongroom copy {name}`")
        if there is not None:
            store.memory.verify_repository(described.repository)
        cache = cache_folder.chosen(described.repository, store.place, services.randomness, copy=True)
        cached = CachingStore(store.patient, cache, services.randomness)
        believed = store_trust.believed(there or described, store.memory)
        own = replace(
            opened,
            settings=found,
            repository=replace(repository, store=cached, descriptor=believed, memory=store.memory),
            traffic=store.counting,
            memory=store.memory,
            cache=cache,
            first=opened.memory,
            log=opened.traffic,
            refused=[],
            zones={},
        )
        with cache_lock.shared(cache, services.clock):
            yield CopyStore(name, own, store.patient, there is not None)
        cached.close()
    finally:
        store.bare.close()


@contextmanager
def stores_of_copies(opened: Context) -> Iterator[Sequence[CopyStore]]:
    """The stores of all copies that can be reached now. What is wrong with the others is said as a warning."""
    with ExitStack() as stack:
        found = []
        for name in opened.settings.copies:
            try:
                found.append(stack.enter_context(opened_copy(opened, name, brief=True)))
            except StrongroomError as error:
                notices.warn(f"the copy {name!r} is left out: {error}")
        yield found


@contextmanager
def log_of_first(found: Settings) -> Iterator[Store | None]:
    """The store that takes the log of what is done with a copy: the repository's own, as every principal writes one chain. None
    where the settings name no copy in its place. It need not be reached before there is something to write."""
    if found.first is None:
        yield None
        return
    try:
        store = store_access.open_store(found.of_repository(), brief=True)
    except StrongroomError as error:
        yield AbsentStore(StorageError(f"the repository itself is away, which takes the log: {error}", hint=error.hint))
        return
    try:
        yield store.counting
    finally:
        store.bare.close()


def lacking(copy: CopyStore, project: Project, snapshots: Iterable[str]) -> frozenset[str]:
    """Those of some snapshots that a copy lacks, and has not forgotten by itself. snapshots: ids. Raises `StorageError`."""
    from vault.repository import forget_notes
    from vault.repository.snapshots import stored_ids

    there = replace(project, store=copy.store)
    return frozenset(snapshots) - frozenset(stored_ids(there)) - forget_notes.read_all(there).by_id.keys()


def take_over_holds(copy: Context, project: Project) -> None:
    """Before a copy lets go of anything: it gets the holds that the first store has by now. Where that is out of reach, those
    that were copied count; that is said as a warning. copy, project: opened in the place of the repository."""
    from vault.copying.pair import CopyPair
    from vault.copying.small_objects import copy_missing

    try:
        with _in_first_store(copy, project) as first:
            copy_missing(CopyPair(first, project, project.store), [project.folder("holds")])
    except StrongroomError as error:
        notices.warn(f"the holds of the repository itself could not be looked at, those of the copy count: {error}")


def warn_of_lacking(copy: Context, project: Project) -> None:
    """Say how many snapshots of the repository a copy lacks, where that can be asked. copy, project: as for
    `take_over_holds`."""
    from vault.repository import forget_notes, snapshots

    try:
        with _in_first_store(copy, project) as first:
            records = snapshots.committed(first, rolled=True).records
    except StrongroomError as error:
        notices.notice(f"{project.name}: it is not known what the copy lacks: {error}")
        return
    there = {*snapshots.stored_ids(project), *forget_notes.read_all(project).by_id}
    behind = [one for one in records if one.id not in there]
    if behind:
        which = counted(len(behind), "snapshot")
        oldest = wording.moment(behind[0].taken_at)
        notices.warn(f"{project.name}: the copy lacks {which} of the repository, the oldest of {oldest}")


@contextmanager
def _in_first_store(copy: Context, project: Project) -> Iterator[Project]:
    """A project of a copy, in the store that it is a copy of. Raises `StorageError`, `NoRepository`."""
    with first_store(copy) as store:
        yield replace(project, store=store)


@contextmanager
def first_store(copy: Context) -> Iterator[Store]:
    """The store that a copy is one of. copy: opened in the place of the repository. Raises `StorageError`, `NoRepository`."""
    from vault.storage.caching import CachingStore

    store = store_access.open_store(copy.settings.of_repository(), brief=True)
    try:
        randomness = copy.repository.services.randomness
        folder = cache_folder.known(copy.repository.descriptor.repository, store.place)
        yield CachingStore(store.patient, folder, randomness)
    finally:
        store.bare.close()


def _gone(name: str, store: Store) -> NoRepository:
    return NoRepository(
        f"the copy {name!r} was at {store.describe()}, and nothing of it is there",
        hint=f"is the disk mounted, and the address right? To copy everything again: `strongroom copy {name} --again`",
    )


def _refuse_the_same(first: Settings, second: Settings) -> None:
    """Raises `RefusedByRule` where a copy would lie where the repository is, whatever the settings call that."""
    places = {store_access.memory_key(store_access.settings_address(one), one.repository) for one in (first, second)}
    if len(places) == 1:
        hint = "keep the copy at an address of its own"
        raise RefusedByRule(f"the copy {second.copy!r} has the address of the repository", hint=hint)
