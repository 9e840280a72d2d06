"""Object Lock as the settings of a project want it: for backups, for prune, and for holds, which become legal holds."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from strongroom import held_snapshots
from vault.storage.object_locks import locks_of

if TYPE_CHECKING:
    from strongroom.context import Context
    from vault.format.hold import Hold
    from vault.format.snapshot_record import Record
    from vault.problems import Problem
    from vault.repository.object_lock import ObjectLock
    from vault.repository.project import Project


def of(context: Context, project: Project) -> ObjectLock | None:
    """What keeps a project's objects locked; None where nobody asked for it. Raises `StorageError` where the store cannot."""
    lock = context.settings.project(project.name).lock
    if lock.mode == "none" or lock.days is None:
        return None
    from vault.repository.object_lock import ObjectLock

    return ObjectLock(project, lock.mode, lock.days, context.memory)


def begun(context: Context, project: Project) -> None:
    """What a command writes of a project from now on is locked, where the settings ask for it. Raises `StorageError`."""
    locks = of(context, project)
    if locks is not None:
        locks.begin()


def unlocked(context: Context, project: Project, *, packs: bool) -> list[str]:
    """Objects that the settings want locked and that could be deleted: what lasts as long as the project, and the records of
    its newest snapshots. packs: what these need as well. Raises `StorageError`."""
    from vault.errors import Damaged
    from vault.format import layout
    from vault.repository import legal_holds, object_lock, snapshots

    if context.settings.project(project.name).lock.mode == "none":
        return []
    newest = snapshots.at(snapshots.committed(project, rolled=True).records, None)
    names = {layout.snapshot_name(project.id, one.id) for one in newest}
    if packs:
        with suppress(Damaged):  # a check says what is damaged
            names |= legal_holds.needed(project, newest)
    names |= set(object_lock.lasting(project.store, project.id))
    return object_lock.unlocked(project.store, sorted(names), project.services.clock.now())


def snapshot_held(context: Context, project: Project, record: Record) -> tuple[Problem, ...]:
    """A snapshot was committed: where holds are on it, its objects are put under legal holds. Gives what could not be."""
    locks = locks_of(project.store)
    if locks is None or of(context, project) is None:
        return ()
    from vault.repository import holds, legal_holds

    binding = _of_people(holds.read_all(project).holds, project)
    if not held_snapshots.covered(project, [record], binding):
        return ()
    names = legal_holds.needed(project, [record])
    return tuple(legal_holds.put_new(project, locks, names, [hold.id for hold in binding], context.memory))


def copied(context: Context, project: Project) -> tuple[Problem, ...]:
    """Snapshots were copied: where the copy's settings ask for it, what the newest ones need stays locked for as long, what
    holds are on is put under legal holds, and what none is on any more is let go. context, project: of the copy. Gives what
    could not be."""
    from vault.repository import holds, legal_holds, snapshots

    locks, keeper = locks_of(project.store), of(context, project)
    if locks is None or keeper is None:
        return ()
    records = snapshots.committed(project).records
    newest = legal_holds.needed(project, snapshots.at(records, None))
    binding = _of_people(holds.read_all(project).holds, project)
    held = legal_holds.needed(project, held_snapshots.covered(project, records, binding) if binding else [])
    over = legal_holds.remembered(project, context.memory) - held
    problems = [*keeper.extend_lasting(), *keeper.extend(sorted(newest)), *legal_holds.lift(locks, over)]
    return (*problems, *legal_holds.put_new(project, locks, held, [hold.id for hold in binding], context.memory))


def hold_placed(context: Context, project: Project, hold: Hold) -> tuple[Problem, ...]:
    """A hold was placed: the objects of the snapshots that it is on are put under legal holds. Gives what could not be."""
    from vault.format import layout
    from vault.repository import legal_holds, snapshots

    locks, keeper = locks_of(project.store), of(context, project)
    if locks is None or keeper is None:
        return ()
    itself = keeper.extend([layout.hold_name(project.id, hold.id)])
    records = held_snapshots.covered(project, snapshots.committed(project).records, [hold])
    return (*itself, *legal_holds.put(locks, legal_holds.needed(project, records)))


def hold_released(context: Context, project: Project, hold: Hold) -> tuple[Problem, ...]:
    """A hold was released: the legal holds are lifted that no other hold needs. Gives what could not be."""
    from vault.repository import holds, legal_holds, snapshots

    locks = locks_of(project.store)
    if locks is None or of(context, project) is None:
        return ()
    records = snapshots.committed(project).records
    others = _of_people(holds.read_all(project).holds, project)
    free = legal_holds.needed(project, held_snapshots.covered(project, records, [hold]))
    stay = legal_holds.needed(project, held_snapshots.covered(project, records, others))
    return tuple(legal_holds.lift(locks, free - stay))


def _of_people(found: tuple[Hold, ...], project: Project) -> list[Hold]:
    """The holds that bind, but for the flags of suspicious snapshots, which freeze retention until somebody looks, and what
    cannot be read: whoever scribbles into the store shall not make thousands of legal holds."""
    from policies.monitoring import retention_freeze

    now = project.services.clock.now()
    flags = {hold.id for hold in retention_freeze.freezing(found, now)}
    return [hold for hold in found if hold.binds(now) and hold.id not in flags and hold.placed_at is not None]
