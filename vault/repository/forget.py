"""Forgetting snapshots: a note says so, and nobody sees them any more. What only they needed goes with a later prune.

A snapshot that is being restored while it is forgotten goes on being readable until a prune has run as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from vault.errors import RefusedByRule, UsageError
from vault.format import layout
from vault.format.housekeeping import MOST_IN_NOTE, Forgotten, Note
from vault.format.record import Record
from vault.repository import snapshots
from vault.repository.project import Project

Held = Callable[[Sequence[Record]], Mapping[str, str]]
"""Asks the holds as they are now: which of these snapshots must stay, by id, and why."""


def nothing_held(_records: Sequence[Record]) -> Mapping[str, str]:
    """Where there are no holds."""
    return {}


def forget(
    project: Project, wanted: Iterable[str], *, reason: str, held: Held = nothing_held, newest_too: bool = False
) -> list[Record]:
    """Forget snapshots; gives their records. reason: in words, for whoever asks later · newest_too: also such as are the newest
    of their source, which a slip of the hand would name too easily.

    Raises `UsageError` where there is no such snapshot, `RefusedByRule` where one must stay: then none is forgotten.
    """
    if not reason.strip():
        raise UsageError("a snapshot is not forgotten without a reason", hint="say why; it stays on record")
    wanted = list(dict.fromkeys(wanted))
    records = snapshots.committed(project).records
    by_id = {one.id: one for one in records}
    for snapshot in wanted:
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
    write_notes(project, chosen, reason)
    return chosen


def write_notes(project: Project, records: Sequence[Record], reason: str, *, who: str = "") -> None:
    """Say that these are forgotten."""
    put_notes(project, [Forgotten(one.id, one.source, one.taken_at, one.parents) for one in records], reason, who=who)


def put_notes(project: Project, gone: Sequence[Forgotten], reason: str, *, who: str = "") -> None:
    """Write as many notes as it takes. who: the person, where it was one."""
    services = project.services
    for start in range(0, len(gone), MOST_IN_NOTE):
        part = tuple(gone[start : start + MOST_IN_NOTE])
        note = Note(layout.new_id(services.chance.token(16)), part, reason, services.host, services.clock.now())
        project.put_record(layout.forgotten_name(project.id, note.id), note.as_json())
