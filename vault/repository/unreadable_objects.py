"""Objects of a project that stand and that nobody can read any more, about which a person decides.

    snapshot    its record, its manifest or its list of packs cannot be read; a record of moved packs or an eviction that cannot
    note        of forgotten snapshots
    mark        of a prune

Whoever knows that they will not come back says so once (`accept`): the loss of the snapshots is noted, and notes and marks are
written anew under their names, without what nobody knows any more. What stood there before is kept on this machine. Holds that
cannot be read are released by their id, and what is derived mends itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple

from msgspec.structs import replace

from vault.errors import Damaged, ObjectNotFound
from vault.format import layout
from vault.format.forget_note import ForgetNote
from vault.format.mark import Mark
from vault.repository import forget_notes, missing_snapshots
from vault.repository.client_memory import ClientMemory
from vault.repository.gc import marks
from vault.repository.gc.forget import refuse_unfit
from vault.repository.project import Project
from vault.storage.caching import uncached

What = Literal["snapshot", "note", "mark"]

_TEXTS: dict[What, str] = {
    "snapshot": "snapshot {id} cannot be read and is given up",
    "note": "the note {id} of forgotten snapshots cannot be read and is written anew",
    "mark": "the mark {id} of a prune cannot be read and is written anew, without packs",
}


class Unreadable(NamedTuple):
    """id: of the snapshot, note or mark."""

    what: What
    id: str

    @property
    def message(self) -> str:
        """In words: what becomes of it once a person accepts that."""
        return _TEXTS[self.what].format(id=self.id)


def look(project: Project) -> list[Unreadable]:
    """Everything of a project that stands and cannot be read in the store itself. Raises `StorageError`."""
    below = replace(project, store=uncached(project.store))
    bad_notes = [one.path.decode().rpartition("/")[2] for one in forget_notes.read_all(below).damaged]
    bad_marks = [name.rpartition("/")[2] for name in marks.read(below).unreadable]
    return [
        *(Unreadable("snapshot", one) for one in missing_snapshots.unreadable(project)),
        *(Unreadable("note", one) for one in sorted(bad_notes)),
        *(Unreadable("mark", one) for one in sorted(bad_marks)),
    ]


def accept(project: Project, memory: ClientMemory, found: Sequence[Unreadable], *, reason: str, who: str) -> None:
    """A person knows that these will not come back. Raises `UsageError` for a reason that is no reason, `StorageError`."""
    refuse_unfit(reason)
    lost = [one.id for one in found if one.what == "snapshot"]
    if lost:
        missing_snapshots.accept(project, lost, reason=reason, who=who, remembered=lost)
        memory.drop_snapshots(project.id, lost)
    for one in found:
        if one.what == "note":
            _write_note(project, memory, one.id, reason, who)
        elif one.what == "mark":
            _write_mark(project, memory, one.id)


def _write_note(project: Project, memory: ClientMemory, note: str, reason: str, who: str) -> None:
    """Over a note that still cannot be read: what it named that is known, others say by now."""
    name = layout.forgotten_name(project.id, note)
    if not _still_unreadable(project, memory, name, lambda value: ForgetNote.from_json(value, note)):
        return
    services = project.services
    said = f"{reason} (in place of a note that could not be read)"
    made = ForgetNote(note, (), said, services.host, services.clock.now(), who)
    project.put_record(name, made.as_json())


def _write_mark(project: Project, memory: ClientMemory, mark: str) -> None:
    name = layout.mark_name(project.id, mark)
    if _still_unreadable(project, memory, name, lambda value: Mark.from_json(value, mark)):
        marks.write_empty(project, mark)


def _still_unreadable(project: Project, memory: ClientMemory, name: str, decode: Callable[[dict[str, Any]], object]) -> bool:
    """Asked once more, right before something is written over it, and what stands there is kept on this machine: bad memory
    looks like bad storage."""
    try:
        decode(project.read_below(name, f"the object {name}"))
    except ObjectNotFound:
        return False
    except Damaged:
        with suppress(ObjectNotFound):
            memory.save_replaced(name, uncached(project.store).get(name))
        return True
    return False
