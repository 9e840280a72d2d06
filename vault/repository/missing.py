"""What was in the store and is gone, though nothing says that it was taken away.

    snapshot    one that this machine has seen, or that another one names as its parent; no note says that it was forgotten
    hold        a hold or a release that this machine has seen: they are never deleted
    note        a snapshot that was known to be forgotten; no note says so any more
    key         a key object that a check of this machine has seen

Who knows that it is no accident, says so once (`acknowledge`): where the store can keep that, it is written there, for
everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from vault.format import layout
from vault.format.hold import Release
from vault.format.housekeeping import Forgotten
from vault.repository import forget, forgotten, holds, snapshots
from vault.repository.client_memory import ClientMemory
from vault.repository.project import Project
from vault.repository.snapshots import Committed
from vault.storage.contract import Store

What = Literal["snapshot", "hold", "note", "key"]

_TEXTS: dict[What, str] = {
    "snapshot": "snapshot {id} was here and is gone, and nothing says that it was forgotten",
    "hold": "the hold or release {id} was here and is gone; holds are never deleted, they end by a release or by their date",
    "note": "the note that snapshot {id} was forgotten was here and is gone",
    "key": "the key object {id} was here and is gone: whoever it was sealed to cannot open the project any more",
}
HINT = (
    "bring the object back from a copy or an older version in the bucket; once you know that all is well, say so with "
    "`strongroom check {project} --acknowledge REASON`"
)


class Missing(NamedTuple):
    """id: of the snapshot or hold; of a key object, its name."""

    what: What
    id: str

    @property
    def message(self) -> str:
        """In words."""
        return _TEXTS[self.what].format(id=self.id)


def look(project: Project, memory: ClientMemory, committed: Committed | None = None) -> list[Missing]:
    """Everything of a project that is missing; what stands is remembered from now on. committed: where the caller has read it,
    the snapshots that others name as their parents are looked for too. Raises `StorageError`."""
    stored = snapshots.stored_ids(project)  # first: what a prune takes away was noted before
    noted = forgotten.read_all(project).by_id
    unseen = memory.missing(project.id, [one for one in stored if one not in noted])
    explained = [one for one in unseen if one in noted]
    if explained:
        memory.forget(project.id, explained)
    gone = set(unseen) - noted.keys()
    if committed is not None:
        gone |= parents(committed, noted, stored)
    held = _holds(project, memory)
    notes = set(memory.missing(project.id, noted, kind="forgotten"))
    return [
        *(Missing("snapshot", one) for one in sorted(gone - notes)),
        *(Missing("hold", one) for one in held),
        *(Missing("note", one) for one in sorted(notes)),
        *(Missing("key", one) for one in keys_gone(project.store, project.id, memory)),
    ]


def acknowledge(project: Project, memory: ClientMemory, missing: Sequence[Missing], *, reason: str, who: str) -> None:
    """A person knows that these are gone. Snapshots get a note, holds a release; the rest is forgotten on this machine."""
    now = project.services.clock.now()
    of = {what: [one.id for one in missing if one.what == what] for what in _TEXTS}
    noted = [
        Forgotten(snapshot, "", layout.moment_of(snapshot) or now, ())
        for snapshot in [*of["snapshot"], *of["note"]]
        if layout.is_snapshot_id(snapshot)
    ]
    forget.put_notes(project, noted, f"{reason} (found missing, acknowledged by {who})")
    for hold in of["hold"]:
        made = Release(layout.new_id(project.services.chance.token(16)), hold, f"{reason} (found missing)", who, now)
        project.put_record(layout.hold_name(project.id, made.id), made.as_json())
    memory.forget(project.id, of["snapshot"])
    memory.remember("keys", project.id, [])  # the next check remembers them as they are now


def remember_keys(project: str, memory: ClientMemory, seen: dict[str, str], whole: Iterable[str]) -> list[str]:
    """Remember the key objects of a project (SHA-256 by name). whole: those that were opened and are right, whatever they were
    before. Gives those that are others than they were, which stay remembered as they were."""
    before = dict(line.split(" ", 1) for line in memory.recall("keys", project) if " " in line)
    right = frozenset(whole)
    changed = sorted(name for name, sha256 in seen.items() if before.get(name, sha256) != sha256 and name not in right)
    now = before | {name: sha256 for name, sha256 in seen.items() if name not in changed}
    if now != before:
        memory.remember("keys", project, [f"{name} {sha256}" for name, sha256 in sorted(now.items())])
    return changed


def keys_gone(store: Store, project: str, memory: ClientMemory) -> list[str]:
    """The key objects of a project that a check of this machine has seen and that are gone."""
    known = [line.split(" ", 1)[0] for line in memory.recall("keys", project)]
    if not known:
        return []
    there = {info.name for info in store.list(layout.keys_folder(project))}
    return sorted(set(known) - there)


def parents(committed: Committed, noted: Iterable[str], stored: Iterable[str]) -> set[str]:
    """The snapshots that others name as their parents, and that neither stand nor were forgotten. noted, stored: those that
    were, and those whose records stand."""
    return {parent for one in committed.records for parent in one.parents} - set(noted) - set(stored)


def _holds(project: Project, memory: ClientMemory) -> list[str]:
    """The holds and releases that were seen, and are gone, and that no release names. What could never be read was none."""
    listed = {info.name.rpartition("/")[2] for info in project.store.list(project.folder("holds"))}
    readable, released = holds.readable(project) if listed else (frozenset(), frozenset())
    known = listed & set(memory.recall("holds", project.id))
    return sorted(set(memory.missing(project.id, readable | known, kind="holds")) - released)
