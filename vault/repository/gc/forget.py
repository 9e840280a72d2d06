"""Forgetting snapshots: a note says so, and nobody sees them any more. What only they needed goes with a later prune.

A snapshot that is being restored while it is forgotten goes on being readable until a prune has run as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from msgspec.structs import replace

from vault.errors import RefusedByRule, UsageError
from vault.format import layout, strict_json
from vault.format.forget_note import (
    MAX_NOTE_BYTES,
    MAX_REASON_LENGTH,
    MAX_SNAPSHOTS_IN_NOTE,
    ForgetNote,
    ForgottenSnapshot,
    GivenUpContent,
    GivenUpItem,
)
from vault.format.snapshot_record import Record
from vault.repository import forget_notes, snapshots
from vault.repository.project import Project

Entry = TypeVar("Entry", ForgottenSnapshot, GivenUpItem, GivenUpContent)

Held = Callable[[Sequence[Record]], Mapping[str, str]]
"""Asks the holds as they are now: which of these snapshots must stay, by id, and why."""


def nothing_held(_records: Sequence[Record]) -> Mapping[str, str]:
    """Where there are no holds."""
    return {}


def forget(
    project: Project,
    wanted: Iterable[str],
    *,
    reason: str,
    who: str = "",
    held: Held = nothing_held,
    newest_too: bool = False,
    unless_done: bool = False,
) -> list[Record]:
    """Forget snapshots; gives their records as they are stored. reason: in words, for whoever asks later · who: the person ·
    newest_too: also such as are the newest of their source, which a slip of the hand would name too easily · unless_done: those
    that somebody has forgotten meanwhile are left out.

    Raises `UsageError` where there is no such snapshot, `RefusedByRule` where one must stay: then none is forgotten.
    """
    refuse_unfit(reason)
    wanted = list(dict.fromkeys(wanted))
    written, damaged = forget_notes.read_notes(project)
    notes = forget_notes.merge(written, damaged)
    done = {one.id: note for note in written for one in note.snapshots}
    # a note names the parents that the record does, not theirs in turn: notes would grow with the square of the history
    stored = snapshots.read_records(project, [one for one in snapshots.stored_ids(project) if one not in done]).records
    records = [replace(one, parents=notes.parents_of(one.parents)) for one in stored]
    by_id = {one.id: one for one in stored}
    if unless_done:
        wanted = [snapshot for snapshot in wanted if snapshot not in done]
    for snapshot in wanted:
        if snapshot in done:
            note = done[snapshot]
            when = f"{note.forgotten_at:%Y-%m-%d %H:%M} UTC by {note.who or note.host}"
            raise UsageError(f"snapshot {snapshot} of project {project.name!r} was forgotten on {when}: {note.reason}")
        if snapshot not in by_id:
            hint = f"see them: `strongroom list {project.name}`"
            raise UsageError(f"project {project.name!r} has no snapshot {snapshot!r}", hint=hint)
    chosen = [by_id[snapshot] for snapshot in wanted]
    newest = {one.id for source in {one.source for one in chosen} for one in snapshots.heads(records, source)}
    reasons = held(chosen)
    for one in chosen:
        if one.id in reasons:
            raise RefusedByRule(
                f"snapshot {one.id} is held: {reasons[one.id]}", hint="release the hold first, or leave the snapshot out"
            )
        if one.id in newest and not newest_too:
            raise RefusedByRule(f"snapshot {one.id} is the newest of its source {one.source!r}; nothing was forgotten")
    write_notes(project, chosen, reason, who=who)
    return chosen


def refuse_unfit(reason: str) -> None:
    """Raises `UsageError` where this is no reason that a note can keep."""
    if not reason.strip():
        raise UsageError("a snapshot is not forgotten without a reason", hint="say why; it stays on record")
    if len(reason) > MAX_REASON_LENGTH or any("\ud800" <= char <= "\udfff" for char in reason):
        raise UsageError(f"a reason must be at most {MAX_REASON_LENGTH} characters of text", hint="say it in fewer words")


def write_notes(project: Project, records: Sequence[Record], reason: str, *, who: str = "") -> None:
    """Say that these are forgotten."""
    put_notes(project, [ForgottenSnapshot(one.id, one.source, one.taken_at, one.parents) for one in records], reason, who=who)


def put_notes(
    project: Project, gone: Sequence[ForgottenSnapshot], reason: str, *, who: str = "", packs_stay_until: datetime | None = None
) -> None:
    """Write as many notes as it takes. who: the person, where it was one · packs_stay_until: of `ForgetNote`."""
    services = project.services
    for part in parts(gone):
        note_id, now = layout.new_id(services.randomness.token(16)), services.clock.now()
        note = ForgetNote(note_id, part, reason, services.host, now, who, packs_stay_until)
        project.put_record(layout.forgotten_name(project.id, note.id), note.as_json())


def parts(gone: Sequence[Entry]) -> Iterator[tuple[Entry, ...]]:
    """As many in each as one note holds."""
    part: list[Entry] = []
    room = MAX_NOTE_BYTES
    for one in gone:
        size = len(strict_json.dump(one.as_json()))
        if part and (size > room or len(part) == MAX_SNAPSHOTS_IN_NOTE):
            yield tuple(part)
            part, room = [], MAX_NOTE_BYTES
        part.append(one)
        room -= size
    if part:
        yield tuple(part)
