"""The snapshots that were forgotten, as the notes in the store say.

Forgetting is writing a note. From then on nobody sees the snapshot; its record stays until a prune that began after the
note has waited for every writer that may still refer to it. Notes stay for ever: a client that misses a snapshot finds it
there, and what a forgotten snapshot had superseded stays superseded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from vault.errors import Damaged, ObjectNotFound
from vault.format import layout
from vault.format.forget_note import ForgetNote, ForgottenSnapshot
from vault.problems import Problem
from vault.repository.project import Project
from vault.storage.caching import is_kept
from vault.threads import parallel_map
from vault.wording import quoted

READERS = 8
"""Notes that are fetched at once: each waits for a round trip."""


class ForgetNotes(NamedTuple):
    """What the notes say.

    - `by_id`: the forgotten snapshots
    - `damaged`: notes that cannot be read; the snapshots in them count as not forgotten
    - `lost`: ids of snapshots that were lost, which a person has accepted
    - `packs_stay_until`: no pack may be deleted before that, since nobody knows which packs the lost snapshots need
    - `ids`: of the notes themselves, readable or not
    - `items`: vanished items that a person has given up
    """

    by_id: Mapping[str, ForgottenSnapshot]
    damaged: tuple[Problem, ...]
    lost: frozenset[str] = frozenset()
    packs_stay_until: datetime | None = None
    ids: frozenset[str] = frozenset()
    items: frozenset[bytes] = frozenset()

    def parents_of(self, parents: Iterable[str]) -> tuple[str, ...]:
        """The parents, and for each that was forgotten also the snapshots that it superseded, and so on."""
        found: dict[str, None] = {}
        waiting = list(parents)[::-1]
        while waiting:
            parent = waiting.pop()
            if parent not in found:
                found[parent] = None
                gone = self.by_id.get(parent)
                waiting += gone.parents[::-1] if gone else ()
        return tuple(found)


def read_all(project: Project) -> ForgetNotes:
    """Read every note. Raises `StorageError`."""
    return merge(*read_notes(project))


def merge(notes: Iterable[ForgetNote], damaged: Iterable[Problem]) -> ForgetNotes:
    """Several notes as one value."""
    notes, damaged = list(notes), tuple(damaged)
    accepted = [note for note in notes if note.packs_stay_until is not None]
    return ForgetNotes(
        {one.id: one for note in notes for one in note.snapshots},
        damaged,
        frozenset(one.id for note in accepted for one in note.snapshots),
        max((note.packs_stay_until for note in accepted if note.packs_stay_until is not None), default=None),
        frozenset([*(note.id for note in notes), *(one.path.decode().rpartition("/")[2] for one in damaged)]),
        frozenset(one.item for note in notes for one in note.items),
    )


def read_notes(project: Project) -> tuple[list[ForgetNote], list[Problem]]:
    """Every note, oldest first, and a problem for each that cannot be read."""
    names = [info.name for info in project.store.list(project.folder("forgotten"))]
    wanted = [name for name in names if layout.is_id(name.rpartition("/")[2])]
    found = parallel_map(
        wanted,
        lambda name: _note_or_problem(project, name),
        most=READERS,
        name="forgotten",
        at_hand=lambda name: is_kept(project.store, name),
    )
    notes = sorted((one for one in found if isinstance(one, ForgetNote)), key=lambda one: (one.forgotten_at, one.id))
    return notes, [one for one in found if isinstance(one, Problem)]


def _note_or_problem(project: Project, name: str) -> ForgetNote | Problem | None:
    leaf = name.rpartition("/")[2]
    try:
        return ForgetNote.from_json(project.read_record(name, f"the note {leaf} of forgotten snapshots"), leaf)
    except ObjectNotFound:
        return None  # deleted since the listing
    except Damaged as error:
        message = f"a note of forgotten snapshots cannot be used: {error}; {repair_hint(project)}"
        return Problem(name.encode(), "damaged-note", message)


def repair_hint(project: Project) -> str:
    """What to do about a small object that cannot be read."""
    return (
        "put an older version of the object back, or have it written anew, with what is known: "
        f"`strongroom check {quoted(project.name)} --acknowledge REASON`"
    )
