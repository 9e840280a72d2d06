"""Contents of items that are lost for good and that a person has given up: a check does not call them damage any more.

Giving up is a note, by the BLAKE3 of the whole content: whatever snapshot has it under whatever path lacks it equally.
Manifests stay as they are, so a content that comes back is whole again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vault.format import layout
from vault.format.forget_note import ForgetNote, GivenUpContent
from vault.repository import forget_notes
from vault.repository.gc.forget import parts, refuse_unfit
from vault.repository.project import Project


def read(project: Project) -> frozenset[bytes]:
    """The BLAKE3 of each content that was given up. Raises `StorageError`."""
    return of_notes(forget_notes.read_notes(project)[0])


def of_notes(notes: Iterable[ForgetNote]) -> frozenset[bytes]:
    """The same, of notes that were read."""
    return frozenset(one.blake3 for note in notes for one in note.contents)


def give_up(project: Project, contents: Sequence[GivenUpContent], *, reason: str, who: str) -> None:
    """A person gives these up. Raises `UsageError` for a reason that is no reason, `StorageError`."""
    refuse_unfit(reason)
    services = project.services
    for part in parts(contents):
        note_id, now = layout.new_id(services.randomness.token(16)), services.clock.now()
        note = ForgetNote(note_id, (), reason, services.host, now, who, contents=part)
        project.put_record(layout.forgotten_name(project.id, note_id), note.as_json())
