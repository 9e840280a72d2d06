"""Snapshots that are gone though nobody forgot them.

A snapshot is known to have been there when another names it as a parent, when a note or a roll-up names it, or when this
machine has seen it. One that no listing names is asked for by its name, since a listing may leave something out. What then is
neither there nor forgotten was taken away or lost: every machine says so, and no prune goes on until a person accepts the loss.

Where copies stand behind the store, a snapshot that one of them has is not gone: it is listed from then on (see
`vault.storage.fallback`), and read from there. The newest one is named by no other, and a machine may not have seen it; so once
a day the copies are asked which snapshots they have.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from vault.errors import Damaged, ObjectNotFound, RefusedByRule, StorageError, UsageError
from vault.format import layout
from vault.format.claim import Eviction
from vault.format.forget_note import ForgottenSnapshot
from vault.format.moved_packs import MovedPacks
from vault.format.snapshot_record import Record
from vault.repository import forget_notes, listed_range, rollups, snapshots, stored_packs
from vault.repository.client_memory import ClientMemory
from vault.repository.forget_notes import ForgetNotes
from vault.repository.gc.forget import put_notes, refuse_unfit
from vault.repository.project import Project
from vault.storage.caching import uncached
from vault.storage.fallback import FallbackStore
from vault.wording import counted, quoted

if TYPE_CHECKING:
    from vault.repository.catalog_chunks import MetaReader

PACKS_STAY = timedelta(days=7)
"""How long no pack is deleted after the loss of a snapshot was accepted: until then its record may turn up somewhere."""


COPIES_ASKED_EVERY = timedelta(days=1)
"""How often a reader asks copies for snapshots that the store may have lost: each may be away, and is waited for."""


class AbsentSnapshots(NamedTuple):
    """Ids of snapshots that no listing named. hidden: that stand nevertheless · gone: that do not, and that nobody forgot."""

    hidden: tuple[str, ...]
    gone: tuple[str, ...]


class SnapshotsMissing(Damaged):
    """Snapshots are gone that nobody forgot, so that nobody knows what they need. snapshots: their ids."""

    def __init__(self, project: Project, snapshots: Collection[str]) -> None:
        first = min(snapshots)
        super().__init__(
            f"nothing can be pruned: {counted(len(snapshots), 'snapshot')} of project {project.name} "
            f"{'is' if len(snapshots) == 1 else 'are'} gone, nothing says that somebody forgot {first}, and nobody knows "
            "which packs it needs",
            hint=f"put the object {layout.snapshot_name(project.id, first)} back, from an older version or a copy of the "
            f"repository, or accept the loss: {acceptance(project, first)}",
        )
        self.snapshots = tuple(sorted(snapshots))


def records_gone(project: Project, records: Collection[str]) -> bool:
    """Whether all that was ever committed seems to be gone: no record of a snapshot stands, no backup is under way, and packs
    of the catalogue stand, which are stored right before a commit. records: ids of those that stand, forgotten or not."""
    if records:
        return False
    folders = (project.folder(name) for name in ("meta", "claims"))
    catalogue, under_way = (next(iter(project.store.list(folder)), None) is not None for folder in folders)
    return catalogue and not under_way


RECORDS_GONE = (
    "no record of a snapshot stands, but catalogue packs stand: the records are gone, or a prune of the last snapshots, or the "
    "only backup, was interrupted right before its end"
)


def acceptance(project: Project, snapshot: str) -> str:
    """The command with which a person accepts the loss of a snapshot."""
    return f"`strongroom retention accept-loss {quoted(project.name)} {snapshot} --reason TEXT`"


def absent(
    project: Project,
    listed: Collection[str],
    records: Iterable[Record],
    remembered: Iterable[str],
    notes: ForgetNotes | None = None,
    rolled: Iterable[str] | None = None,
) -> AbsentSnapshots:
    """Which snapshots are known to have been there and are not listed. Raises `StorageError`.

    - `records`: those that are there
    - `remembered`: the ids that this machine has seen
    - `notes`: of forgotten ones, where they were read after the listing: whoever deletes a record has written a note before
    - `rolled`: the ids that roll-ups name; None: these are read
    """
    known = {parent for one in snapshots.outlines(records) for parent in one.parents} | set(remembered)
    with suppress(StorageError):  # they are derived: where they cannot be had, others say the same of most snapshots
        known |= set(rolled) if rolled is not None else {one.id for some in rollups.rolled_up(project) for one in some}
    unlisted = known - set(listed)
    notes = forget_notes.read_all(project) if notes is None else notes
    unlisted |= {parent for one in notes.by_id.values() for parent in one.parents} - set(listed)
    wanted = sorted(one for one in unlisted - notes.by_id.keys() if layout.is_snapshot_id(one))
    hidden = [one for one in wanted if stored_packs.exists(project, layout.snapshot_name(project.id, one))]
    gone = set(wanted) - set(hidden)
    if gone:  # one of them may have been forgotten, and pruned, while this was looked for
        gone -= forget_notes.read_all(project).by_id.keys()
    return AbsentSnapshots(tuple(hidden), tuple(sorted(gone)))


class GoneSnapshots(NamedTuple):
    """ids: of snapshots that are gone and that no note says were forgotten · notes: that were read for it."""

    ids: tuple[str, ...]
    notes: ForgetNotes


def gone(project: Project, memory: ClientMemory) -> list[str]:
    """The snapshots that are gone and that no note says were forgotten: those that this machine has seen, and those that others
    name. All that are there are remembered from now on."""
    return list(look(project, memory).ids)


def look(project: Project, memory: ClientMemory) -> GoneSnapshots:
    """As `gone`, with the notes that were read: each listing is a request that every backup of every hour makes."""
    listed = snapshots.stored_ids(project)
    notes = forget_notes.read_all(project)  # after the listing: whoever deletes a record has written a note before
    records = snapshots.remaining(project, listed, notes, rolled=True).records
    return _missed(project, memory, listed, notes, records)


def look_as_reader(project: Project, memory: ClientMemory) -> list[str]:
    """As `gone`, for who only reads: of thousands of snapshots those that tables cover are not listed (see `listed_range`), nor
    are roll-ups asked for what they name; backups, prunes and checks do both."""
    notes = forget_notes.read_all(project)
    found = listed_range.standing(project, notes.by_id)
    records = snapshots.remaining(project, found.ids, notes, rolled=True, tables=found.tables).records
    return list(_missed(project, memory, found.ids, notes, records, rolled=None if found.tables is None else ()).ids)


def _missed(
    project: Project,
    memory: ClientMemory,
    listed: Sequence[str],
    notes: ForgetNotes,
    records: Iterable[Record],
    rolled: Iterable[str] | None = None,
) -> GoneSnapshots:
    unseen = memory.missing(project.id, listed)
    hidden, found = absent(project, listed, records, unseen, notes, rolled=rolled)
    explained = set(unseen).difference(found)
    if explained:
        memory.drop_snapshots(project.id, explained & notes.by_id.keys())
    if isinstance(project.store, FallbackStore):
        _list_also(project, project.store, memory, {*hidden, *_only_in_copies(project, project.store, memory, listed)})
    return GoneSnapshots(found, notes)


def _list_also(project: Project, store: FallbackStore, memory: ClientMemory, found: Collection[str]) -> None:
    """Use these snapshots, which the store does not list, from now on."""
    forgotten = forget_notes.read_all(project).by_id if found else {}  # one of them may have been, and pruned, meanwhile
    for snapshot in sorted(one for one in found if one not in forgotten):
        with suppress(ObjectNotFound):
            store.list_also(layout.snapshot_name(project.id, snapshot))
            memory.missing(project.id, [snapshot])  # it is remembered


def _only_in_copies(project: Project, store: FallbackStore, memory: ClientMemory, listed: Collection[str]) -> Iterable[str]:
    """The snapshots that copies have and the store does not list, where copies were not asked for long. listed: by the store.
    What copies stored for themselves, and what cannot be read there, is passed over."""
    now = project.services.clock.now()
    with suppress(ValueError, IndexError, TypeError):  # never asked, or nobody knows when
        if abs(now - datetime.fromisoformat(memory.lines("asked-copies", project.id)[0])) < COPIES_ASKED_EVERY:
            return
    for other in store.others():
        there = replace(project, store=other.store)
        with suppress(StorageError):
            more = [one for one in snapshots.stored_ids(there) if one not in listed]
            for record in snapshots.read_records(there, more).records:
                yield record.id
    memory.save_lines("asked-copies", project.id, [now.isoformat()])


def accept(
    project: Project,
    ids: Iterable[str],
    *,
    reason: str,
    who: str,
    remembered: Iterable[str],
    packs_stay: timedelta = PACKS_STAY,
) -> list[ForgottenSnapshot]:
    """Note that these snapshots, which are gone or damaged, are lost: from then on nobody misses them. Gives what was noted.
    packs_stay: so long no prune deletes a pack. Raises `UsageError` for one that nobody knows of, `RefusedByRule` for one whose
    record, manifest and list of packs can be read: then nothing is noted."""
    refuse_unfit(reason)
    wanted = list(dict.fromkeys(ids))
    listed = snapshots.stored_ids(project)
    found = snapshots.read_records(project, listed)
    lost = absent(project, listed, found.records, remembered).gone
    notes = forget_notes.read_all(project)
    for snapshot in wanted:
        if snapshot in notes.by_id:
            raise UsageError(f"snapshot {snapshot} of project {project.name!r} is noted as forgotten already")
        if snapshot not in listed and snapshot not in lost:
            hint = f"those that are missing or damaged: `strongroom check {quoted(project.name)}`"
            raise UsageError(f"nothing says that project {project.name!r} ever had the snapshot {snapshot!r}", hint=hint)
        if snapshot in listed and _is_readable(project, snapshot):
            hint = f"to give it up nevertheless: `strongroom forget {quoted(project.name)} {snapshot} --reason TEXT`"
            raise RefusedByRule(f"snapshot {snapshot} is there and can be read; nothing was noted", hint=hint)
    given_up = [_as_forgotten(project, snapshot, found.records, notes) for snapshot in wanted]
    put_notes(project, given_up, reason, who=who, packs_stay_until=project.services.clock.now() + packs_stay)
    return given_up


def unreadable(project: Project) -> list[str]:
    """The ids of the snapshots that stand and are not forgotten, of which the record, the manifest or the list of packs cannot
    be read in the store itself; those of records of moved packs and evictions that cannot be read are among them."""
    below = replace(project, store=uncached(project.store))
    found = snapshots.committed(below)
    bad = [one.path.decode().rpartition("/")[2] for one in found.damaged]
    reader = _catalogue_reader(below)
    return sorted([one for one in bad if layout.is_snapshot_id(one)] + [one.id for one in found.records if _lacks(reader, one)])


def _is_readable(project: Project, snapshot: str) -> bool:
    below = replace(project, store=uncached(project.store))
    try:
        found = snapshots.read_any(below, snapshot)
    except (Damaged, ObjectNotFound):
        return False
    if isinstance(found, Record):
        return not _lacks(_catalogue_reader(below), found)
    return isinstance(found, MovedPacks | Eviction)


def _catalogue_reader(project: Project) -> MetaReader:
    from vault.repository.gc import reachability  # hardly ever needed, and most commands look for what is missing

    return reachability.catalogue_reader(project)


def _lacks(reader: MetaReader, one: Record) -> bool:
    """Whether the manifest of a snapshot or its list of packs cannot be read."""
    try:
        snapshots.listed_packs(reader, one)
        snapshots.read_manifest(reader, one, columns=["path"])
    except Damaged:
        return True
    return False


def _as_forgotten(project: Project, snapshot: str, records: Iterable[Record], notes: ForgetNotes) -> ForgottenSnapshot:
    """What a note says of a snapshot that is lost: out of its record, where that can be read, or a roll-up, else out of those
    that name it."""
    records = list(records)
    own = next((one for one in records if one.id == snapshot), None)
    if own is not None:
        return ForgottenSnapshot(snapshot, own.source, own.taken_at, own.parents)
    rolled = [one for some in rollups.rolled_up(project) for one in some if one.id == snapshot]
    if rolled:
        return ForgottenSnapshot(snapshot, rolled[0].source, rolled[0].taken_at, rolled[0].parents)
    sources = [one.source for one in records if snapshot in one.parents]
    sources += [one.source for one in notes.by_id.values() if snapshot in one.parents]
    moment = layout.moment_of(snapshot) or project.services.clock.now()
    source = sources[0] if sources else ""
    older = [one for one in records if one.taken_at < moment and one.id not in notes.by_id]
    parents = tuple(one.id for one in snapshots.heads(older, source))  # or an older one would pass for a newest one beside
    return ForgottenSnapshot(snapshot, source, moment, parents)
