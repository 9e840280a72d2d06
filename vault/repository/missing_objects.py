"""What was in the store and is gone, though nothing says that it was taken away.

    snapshot    see `missing_snapshots`
    hold        a hold or a release that this machine has seen: they are never deleted
    note        a snapshot that was known to be forgotten; no note says so any more
    key         a key object that a check of this machine has seen

Who knows that it is no accident, says so once (`acknowledge`): where the store can keep that, it is written there, for
everybody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Literal, NamedTuple

from vault.format import layout
from vault.format.forget_note import ForgottenSnapshot
from vault.format.hold import Release
from vault.repository import cached_copies, holds, missing_snapshots, snapshots
from vault.repository.client_memory import ClientMemory
from vault.repository.gc.forget import put_notes, refuse_unfit
from vault.repository.project import Project
from vault.storage.contract import Store
from vault.wording import quoted

What = Literal["snapshot", "hold", "note", "key"]

_TEXTS: dict[What, str] = {
    "snapshot": "snapshot {id} was here and is gone, and nothing says that it was forgotten",
    "hold": "the hold or release {id} was here and is gone; holds are never deleted, they end by a release or by their date",
    "note": "the note that snapshot {id} was forgotten was here and is gone",
    "key": "the key object {id} was here and is gone: whoever it was encrypted for cannot open the project any more",
}


class Missing(NamedTuple):
    """id: of the snapshot or hold; of a key object, its name."""

    what: What
    id: str

    @property
    def message(self) -> str:
        """In words."""
        return _TEXTS[self.what].format(id=self.id)


def acknowledgement(project: Project) -> str:
    """What to do about holds, notes and key objects that are missing."""
    return (
        "bring the object back from a copy or an older version in the bucket; once you know that all is well, say so with "
        f"`strongroom check {quoted(project.name)} --acknowledge REASON`"
    )


def look(project: Project, memory: ClientMemory) -> list[Missing]:
    """Everything of a project that is missing; what stands is remembered from now on. A snapshot that was forgotten and whose
    note is gone is told as a note. What this machine's cache has of a record or a note that is gone is saved. Raises
    `StorageError`."""
    gone, noted = missing_snapshots.look(project, memory)
    notes = set(memory.missing(project.id, noted.by_id, kind="forgotten"))
    for one in memory.missing(project.id, noted.ids, kind="notes"):
        cached_copies.save(project, layout.forgotten_name(project.id, one))
    for one in gone:
        cached_copies.save(project, layout.snapshot_name(project.id, one))
    return [
        *(Missing("snapshot", one) for one in gone if one not in notes),
        *(Missing("hold", one) for one in holds_gone(project, memory)),
        *(Missing("note", one) for one in sorted(notes)),
        *(Missing("key", one) for one in _own_keys_gone(project, memory)),
    ]


def acknowledge(
    project: Project, memory: ClientMemory, found: Sequence[Missing], *, reason: str, who: str, keys: bool = True
) -> None:
    """A person knows that these are gone. Snapshots get a note, holds a release; the rest is forgotten on this machine. keys:
    whether key objects are remembered anew as they are now. Raises `UsageError` for a reason that is no reason."""
    refuse_unfit(reason)
    now = project.services.clock.now()
    of = {what: [one.id for one in found if one.what == what] for what in _TEXTS}
    noted = [one for one in of["note"] if layout.is_snapshot_id(one)]
    there = _standing(project, noted)
    lost = [*of["snapshot"], *(one for one in noted if one not in {stands.id for stands in there})]
    if lost:
        missing_snapshots.accept(project, lost, reason=reason, who=who, remembered=lost)
    put_notes(project, there, reason, who=who)
    for hold in of["hold"]:
        made = Release(layout.new_id(project.services.randomness.token(16)), hold, f"{reason} (found missing)", who, now)
        project.put_record(layout.hold_name(project.id, made.id), made.as_json())
    memory.drop_snapshots(project.id, lost)
    if keys:
        memory.save_lines("keys", project.id, [])  # the next check remembers them as they are now


def holds_gone(project: Project, memory: ClientMemory) -> list[str]:
    """The holds and releases that were seen, and are gone, and that no release names. What could never be read was none."""
    listed = {info.name.rpartition("/")[2] for info in project.store.list(project.folder("holds"))}
    readable, released = holds.readable(project) if listed else (frozenset(), frozenset())
    known = listed & set(memory.lines("holds", project.id))
    return sorted(set(memory.missing(project.id, readable | known, kind="holds")) - released)


def remember_keys(project: str, memory: ClientMemory, seen: dict[str, str], whole: Iterable[str]) -> list[str]:
    """Remember the key objects of a project (SHA-256 by name). whole: those that were opened and are right, whatever they were
    before. Gives those that are others than they were, which stay remembered as they were."""
    before = dict(line.split(" ", 1) for line in memory.lines("keys", project) if " " in line)
    right = frozenset(whole)
    changed = sorted(name for name, sha256 in seen.items() if before.get(name, sha256) != sha256 and name not in right)
    now = before | {name: sha256 for name, sha256 in seen.items() if name not in changed}
    if now != before:
        memory.save_lines("keys", project, [f"{name} {sha256}" for name, sha256 in sorted(now.items())])
    return changed


def _own_keys_gone(project: Project, memory: ClientMemory) -> list[str]:
    """Where keys are granted, who holds some is no matter of memory: key objects go with their grants."""
    return [] if project.capability.grant is not None else keys_gone(project.store, project.id, memory)


def keys_gone(store: Store, project: str, memory: ClientMemory) -> list[str]:
    """The key objects of a project that a check of this machine has seen and that are gone."""
    known = [line.split(" ", 1)[0] for line in memory.lines("keys", project)]
    if not known:
        return []
    there = {info.name for info in store.list(layout.keys_folder(project))}
    return sorted(set(known) - there)


def _standing(project: Project, ids: Collection[str]) -> list[ForgottenSnapshot]:
    """What a new note says of forgotten snapshots whose records stand, as no prune has come by since."""
    found = snapshots.read_records(project, [one for one in snapshots.stored_ids(project) if one in frozenset(ids)])
    now = project.services.clock.now()
    records = [ForgottenSnapshot(one.id, one.source, one.taken_at, one.parents) for one in found.records]
    return [*records, *(ForgottenSnapshot(one.id, "", layout.moment_of(one.id) or now, ()) for one in found.moves)]
