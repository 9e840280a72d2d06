"""What a prune reads before it decides anything: records, notes, holds, and listings of packs. Each is listed twice: a listing
is no picture of one moment, and may leave something out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, TypeVar

from vault.errors import Busy, Damaged
from vault.format.layout import TIERS
from vault.problems import printable
from vault.repository import forget_notes, key_rotation, missing_snapshots, snapshots
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.project import Project
from vault.repository.snapshots import Committed
from vault.repository.stored_packs import list_packs
from vault.wording import quoted

T = TypeVar("T")

MAX_READINGS = 3
"""Times that the records are read because what is needed could not be found out."""

Packs = dict[tuple[int, bytes], int]
"""Stored bytes of packs, by tier and SHA-256."""


class PruneInputs(NamedTuple):
    """The snapshots in the store.

    - `gone`: ids of forgotten snapshots that no hold covers
    - `live`: the records of the others
    - `held`: forgotten snapshots that a hold covers, and its reason
    """

    gone: frozenset[str]
    live: Committed
    held: tuple[tuple[str, str], ...]


def read_inputs(project: Project, known_forgotten: frozenset[str], options: PruneOptions) -> PruneInputs:
    """The records, and the holds as they are now. known_forgotten: the snapshots that count as forgotten.

    Of two records, the second of which was written before the first was deleted, one listing may miss both. A record that no
    listing names though it must exist is asked for by name. Raises `Damaged` where a record cannot be read, `SnapshotsMissing`
    where one is gone: nobody knows what it needs, so nothing may be deleted; `Busy` where the keys were rotated meanwhile.
    """
    ids = dict.fromkeys([*snapshots.stored_ids(project), *snapshots.stored_ids(project)])
    found = snapshots.read_records(project, list(ids))
    while (absent := missing_snapshots.absent(project, ids, found.records, options.remembered - known_forgotten)).hidden:
        ids |= dict.fromkeys(absent.hidden)
        found = snapshots.read_records(project, list(ids))
    if absent.gone:
        raise missing_snapshots.SnapshotsMissing(project, absent.gone)
    problems = [problem for problem in found.damaged if problem.path.decode().rpartition("/")[2] not in known_forgotten]
    if problems:
        key_rotation.refuse_outdated(project)
        which = printable(problems[0].path)
        raise Damaged(
            f"nothing can be pruned, as it cannot be read what {which} needs: {problems[0].message}",
            hint=f"`strongroom check {quoted(project.name)}` says what else is damaged; put an older version of the object "
            f"back, or accept the loss: {missing_snapshots.acceptance(project, which.rpartition('/')[2])}",
        )
    lost = forget_notes.read_all(project).lost  # nobody can say what is in them, and a person has accepted that
    reasons = options.held([one for one in found.records if one.id in known_forgotten - lost])
    gone = known_forgotten - reasons.keys()
    live = found._replace(records=[one for one in found.records if one.id not in gone])
    return PruneInputs(gone, live, tuple(sorted(reasons.items())))


def read_until_consistent(
    project: Project, known_forgotten: frozenset[str], options: PruneOptions, find: Callable[[PruneInputs], T]
) -> tuple[PruneInputs, T]:
    """Read the inputs, and `find` something in them. Where that fails both are done again: another prune may have deleted the
    record of a snapshot that was carried forward since. Raises `Damaged`, and `Busy` where a snapshot was forgotten meanwhile:
    its writer may have taken it back after its packs were deleted."""
    for _ in range(MAX_READINGS - 1):
        try:
            inputs = read_inputs(project, known_forgotten, options)
            return inputs, find(inputs)
        except Damaged:
            continue
    try:
        inputs = read_inputs(project, known_forgotten, options)
        return inputs, find(inputs)
    except Damaged as error:
        key_rotation.refuse_outdated(project)
        since = read_notes_twice(project).by_id.keys() - known_forgotten
        if not since:
            raise
        raise Busy(
            f"snapshot {min(since)} was forgotten while this prune was at work, and what is needed cannot be read: {error}",
            hint="run the prune again: it then counts as forgotten",
        ) from error


def read_notes_twice(project: Project) -> forget_notes.ForgetNotes:
    """The notes of two listings: one listing may leave a note out whose snapshots are deleted already."""
    listed = [forget_notes.read_notes(project) for _ in range(2)]
    damaged = {problem.path: problem for _, problems in listed for problem in problems}
    return forget_notes.merge((note for notes, _ in listed for note in notes), damaged.values())


def list_packs_twice(project: Project) -> Packs:
    """The packs of both tiers that one of two listings names."""
    listed = (list_packs(project, tier) for _ in range(2) for tier in TIERS)
    return {(tier, pack): size for tier, found in zip([*TIERS, *TIERS], listed, strict=True) for pack, size in found.items()}


def packs_stay_until(project: Project, notes: forget_notes.ForgetNotes) -> datetime | None:
    """Until when no pack may be deleted since the loss of snapshots was accepted; None where that is over, or none was."""
    until = notes.packs_stay_until
    return until if until is not None and until > project.services.clock.now() else None
