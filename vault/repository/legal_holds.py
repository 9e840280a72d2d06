"""Holds of a project whose objects the store locks: they become legal holds, which no credentials of a writer get round.

A legal hold is on every pack that a held snapshot needs, and on its record. A pack belongs to many snapshots: the holds that
still bind are asked before one is lifted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vault.format import layout
from vault.format.snapshot_record import Record
from vault.problems import Problem
from vault.repository import snapshots
from vault.repository.client_memory import ClientMemory
from vault.repository.gc import reachability
from vault.repository.object_lock import each, one_problem
from vault.repository.project import Project
from vault.repository.stored_packs import list_packs
from vault.storage.object_locks import Locks

_WHAT = "legal-holds"


def needed(project: Project, records: Sequence[Record]) -> frozenset[str]:
    """The names of all stored objects that these snapshots need, their records among them. Raises `Damaged`."""
    if not records:
        return frozenset()
    packs = reachability.needs(project, records, snapshots.committed(project).moved).reached  # who moved them may have lied
    names = {
        layout.pack_name(project.id, tier, pack) for tier in layout.TIERS for pack in list_packs(project, tier) if pack in packs
    }
    return frozenset(names | {layout.snapshot_name(project.id, one.id) for one in records})


def put(locks: Locks, names: Iterable[str]) -> list[Problem]:
    """Keep these objects until `lift`."""
    return one_problem("no-legal-hold", "could not be put under a legal hold", each(sorted(names), locks.put_legal_hold))


def lift(locks: Locks, names: Iterable[str]) -> list[Problem]:
    """Let go of these objects."""
    return one_problem("legal-hold-stays", "stay under a legal hold", each(sorted(names), locks.lift_legal_hold))


def put_new(project: Project, locks: Locks, names: frozenset[str], holds: Iterable[str], memory: ClientMemory) -> list[Problem]:
    """As `put`, without those that this machine has put there since these very holds (their ids) began to bind: after a release
    it knows nothing any more."""
    line = " ".join(sorted(holds))
    before = memory.lines(_WHAT, project.id)
    known = frozenset(before[1:]) if before[:1] == [line] else frozenset()
    fresh = names - known
    problems = put(locks, fresh)
    if fresh and not problems:
        memory.save_lines(_WHAT, project.id, [line, *sorted(known | names)])
    return problems


def remembered(project: Project, memory: ClientMemory) -> frozenset[str]:
    """The objects that this machine has put under legal holds with `put_new`, since holds changed last."""
    return frozenset(memory.lines(_WHAT, project.id)[1:])
