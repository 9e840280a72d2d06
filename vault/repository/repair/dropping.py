"""Giving up what cannot be had anywhere, so that everything else is sound. A person has asked for it, and said why.

    contents     of items that are lost: a note names them; manifests stay as they are, and the rest of the packs in which they
                 lay is mended
    vanished     items of the newest snapshots whose content is lost: the next backup carries them on no more
    snapshots    that are gone or cannot be read: a note says so, and no pack is deleted for seven days
    notes, marks that cannot be read are written anew; holds that are gone are released

A hold that cannot be read goes on binding: who lets go of it does so by its name.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from vault.errors import KeyRefused
from vault.format.forget_note import GivenUpContent
from vault.problems import printable
from vault.repository import grants, lost_items, missing_objects, object_proof, unreadable_objects
from vault.repository.client_memory import ClientMemory
from vault.repository.gc.forget import refuse_unfit
from vault.repository.project import Project
from vault.repository.repair import planner, repair
from vault.repository.repair.bad_objects import keep_replaced
from vault.repository.repair.plan import RepairPlan, RepairReport, Unrepaired
from vault.repository.repair.planner import RepairOptions
from vault.storage.caching import uncached
from vault.wording import counted


class DropReport(Struct, frozen=True):
    """dropped: what was given up, in words · report: of the repair of the rest."""

    dropped: tuple[str, ...]
    report: RepairReport


def drop(
    project: Project, memory: ClientMemory, plan: RepairPlan, options: RepairOptions, *, reason: str, who: str
) -> DropReport:
    """Repair what can be, and give up what the plan says is lost. Raises `UsageError` for a reason that is no reason,
    `KeyRefused` where content would be given up by who cannot look for it, `StorageError`, `Interrupted`."""
    refuse_unfit(reason)
    if not plan.reads and (plan.lost or any(one.folder == "packs" for one in plan.unrepaired)):
        raise KeyRefused(
            f"content of project {project.name!r} is not given up by an identity that may not read it: more of it may be there",
            hint="run the repair with an identity that has a read capability, for example the recovery kit",
        )
    dropped = _drop_contents(project, memory, plan, options, reason, who)
    report = repair.apply(project, memory, planner.make_plan(project, memory, options), options)
    objects = [one for one in report.left.unrepaired if one.drop and one.object in {one.object for one in plan.unrepaired}]
    dropped += _drop_objects(project, memory, objects, reason, who)
    if objects:
        done = repair.apply(project, memory, planner.make_plan(project, memory, options), options)
        report = RepairReport((*report.done, *done.done), (*report.failed, *done.failed), report.packs | done.packs, done.left)
    return DropReport(tuple(dropped), report)


def _drop_contents(
    project: Project, memory: ClientMemory, plan: RepairPlan, options: RepairOptions, reason: str, who: str
) -> list[str]:
    if not plan.lost:
        return []
    damage = planner.find(project, memory, options).damage
    vanished = lost_items.look(project, damage.bad)
    contents = {one.blake3: GivenUpContent(one.blake3, one.source, printable(one.path)) for one in plan.lost}
    lost_items.give_up_contents(project, list(contents.values()), reason=reason, who=who)
    known = {printable(one.path) for one in plan.lost}
    lost_items.accept(project, [one for one in vanished if one.path in known], reason=reason, who=who)
    return [_content_in_words(one.path, one.snapshots) for one in plan.lost]


def _content_in_words(path: bytes, snapshots: int) -> str:
    return f"the content of {printable(path)} in {counted(snapshots, 'snapshot')} is lost, and is given up"


def _drop_objects(project: Project, memory: ClientMemory, objects: Collection[Unrepaired], reason: str, who: str) -> list[str]:
    """Objects that are gone or cannot be read."""
    leaves = {one.object.rpartition("/")[2] for one in objects}
    notes = any(one.folder == "forgotten" for one in objects)
    gone = [
        one
        for one in missing_objects.look(project, memory)
        if (one.what == "note" and notes) or (one.what in ("snapshot", "hold") and one.id in leaves)
    ]
    unreadable = [one for one in unreadable_objects.look(project) if one.id in leaves]
    if gone:
        missing_objects.acknowledge(project, memory, gone, reason=reason, who=who, keys=False)
    unreadable_objects.accept(project, memory, unreadable, reason=reason, who=who)
    lost = [one for one in objects if one.folder == "grants"]
    _drop_grants(project, memory, lost)
    return [*(one.message for one in gone), *(one.message for one in unreadable), *(one.message for one in lost)]


def _drop_grants(project: Project, memory: ClientMemory, lost: Sequence[Unrepaired]) -> None:
    """Statements about who holds keys that nobody can read: they go, and this machine no longer misses them. That somebody was
    revoked by one, it goes on remembering."""
    names = {one.object for one in lost}
    for name in names:
        if not object_proof.stands_whole(project, uncached(project.store), name) and keep_replaced(project, memory, name):
            project.store.delete(name)
    leaves = {name.rpartition("/")[2] for name in names}
    memory.save_lines(grants.SEEN, project.id, sorted(set(memory.lines(grants.SEEN, project.id)) - leaves))
