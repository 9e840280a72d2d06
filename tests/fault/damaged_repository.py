"""A repository that has every kind of object, damaged one object at a time: what the table of damage is measured on.

Two projects, acme and zeta, of four snapshots each, of which one is forgotten; what it needed was pruned, and what stayed of
its packs was moved. In both somebody was granted keys and revoked, and the keys were rotated. Beside that every kind of object
that a repository can hold, twice where there can be an older one. All of it was copied to a second store in the end, which only
the settings in `WITH_COPY` name.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace

from restore.history import rollup
from restore.history.update import UpdateOptions
from strongroom import context
from strongroom.context import Context
from tests.support.desk import Desk, Place
from tests.support.randomness import SeededChance
from tests.support.stage import StageClock
from tests.support.timestamp_authority import TimestampAuthority
from tests.support.tree_facts import write_files
from vault.age import HybridIdentity, parse_identities
from vault.format import layout, record_table
from vault.format.claim import Eviction
from vault.format.grant import epoch_id, root_id
from vault.format.moved_packs import MovedPacks
from vault.format.snapshot_record import Record
from vault.repository import claims, grants, head_chunks, holds, record_gathering, snapshots
from vault.repository.audit import entries, stamps
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex
from vault.repository.gc import marks, reachability
from vault.repository.index_segments import load_segment
from vault.repository.key_objects import key_id
from vault.repository.own_claim import OwnClaim
from vault.repository.project import Project
from vault.repository.stored_packs import list_packs

PACK = 20_000
FIRST_DESCRIPTOR = "first.json"
"""A name that Strongroom never gives, under which the descriptor of `init` stays."""

PROJECTS = ("acme", "zeta")
LONG_AGO = timedelta(days=3)
LEAVER = "leaver"
"""Who was granted keys, and is gone."""

STAYER = "auditor"
"""Who was granted keys, and has them."""

WITH_COPY = "with-copy.toml"
"""Settings that name the second copy; `strongroom.toml` does not."""

NAMED_COPY = '\n[copies.offsite]\naddress = "second"\n'
FOLDERS = ("claims", "forgotten", "heads", "holds", "index", "meta", "records", "rollups", "snapshots")


def content(seed: str, size: int = 6000) -> bytes:
    return SeededChance(seed).token(size)


Objects = dict[str, tuple[str, ...]]
"""Names of objects of a project, by the kind of each; where there is an older one of the kind, it comes second."""


class Built(Struct, frozen=True):
    """desk: as it was left · acme, zeta: what each project has."""

    desk: Desk
    acme: Objects
    zeta: Objects


def repository_of(desk: Desk) -> Path:
    return desk.folder / "repository"


def stored(desk: Desk) -> dict[str, bytes]:
    """Every object of the store."""
    folder = repository_of(desk)
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def build(folder: Path, authority: TimestampAuthority) -> Built:
    """Made by the commands that make them, but for what only the death of a command leaves."""
    desk = Desk(folder, Place("repository"))
    desk.init()
    stamping = f'\n[audit]\ntimestamp = "{authority.url}"\ncertificates = "{authority.certificates}"\n'
    desk.settings.write_text(desk.settings.read_text("utf-8") + stamping, "utf-8")
    descriptor = repository_of(desk) / layout.DESCRIPTOR
    (repository_of(desk) / FIRST_DESCRIPTOR).write_bytes(descriptor.read_bytes())
    desk.shrink_packs(PACK)
    for name in PROJECTS:
        write_files(desk.folder / name, {f"day{number}.bin": content(f"{name} {number}") for number in range(6)})
        write_files(desk.folder / name, {"big.bin": content(f"{name} big", 14_000), "old.bin": content(f"{name} old")})
        desk.add(name, f"reports={desk.folder / name}")
    for name in (LEAVER, STAYER):
        other = Desk(folder.parent / f"machine of {name}", Place(str(repository_of(desk))))
        other.call("join", str(repository_of(desk)), "--name", name)
        shutil.copy(other.identity.with_name("identity.txt.pub"), desk.folder / f"{name}.pub")
    found = {}
    for name in PROJECTS:
        found[name] = _lived(desk, name)
        desk.call("audit", "stamp")
    text = desk.settings.read_text("utf-8")
    (desk.folder / WITH_COPY).write_text(text + NAMED_COPY, "utf-8")
    desk.call("copy", "--config", WITH_COPY)
    with desk.surroundings(["opened"]), context.opened(desk.settings) as place:
        logged = {name: _log(place, name) for name in PROJECTS}
    desk.call("check", "--data")  # what this machine remembers
    desk.call("status")
    desk.call("audit", "verify")
    return Built(desk, found["acme"] | logged["acme"], found["zeta"] | logged["zeta"])


def _log(place: Context, name: str) -> Objects:
    """Entries of the log about a project, and the time stamps, which are about all of them."""
    project, store, repository = place.project(name), place.repository.store, place.repository.descriptor.repository
    listing = entries.listed(store)
    read = entries.read_all(store, listing.entries, project.capability.audit_identities, repository)
    mine = [one.stored.name for one in read if one.entry and [it.name for it in one.entry.projects] == [name]]
    middle = len(mine) // 2
    return {
        "log entry": (mine[middle], mine[middle - 1]),
        "newest log entry": (listing.entries[-1].name, listing.entries[-2].name),
        "time stamp": tuple(sorted(map(stamps.name_of, listing.stamps), reverse=True)),
    }


def _lived(desk: Desk, name: str) -> Objects:
    folder = desk.folder / name
    desk.call("keys", "grant", f"{LEAVER}.pub", "--name", LEAVER, "--project", name, "--as", "read", "--yes")
    desk.call("keys", "grant", f"{STAYER}.pub", "--name", STAYER, "--project", name, "--as", "audit", "--yes")
    desk.call("backup", name, "-q")
    desk.call("keys", "revoke", LEAVER, "--project", name, "--yes")
    desk.call("keys", "rotate", name, "--yes")
    write_files(folder, {"big.bin": content(f"{name} bigger", 14_000), "day0.bin": content(f"{name} other 0")})
    desk.call("backup", name, "-q")
    (folder / "old.bin").unlink()
    first, *_ = _ids(desk, name)
    desk.call("forget", name, first, "--reason", "room", "--yes")
    for _ in range(2):
        desk.call("prune", name, "--yes", "-q")
    desk.call("backup", name, "-q")
    with desk.surroundings(["opened"]), context.opened(desk.settings) as place, pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollup, "FEWEST", 2)
        rollup.roll_up(place.project(name), "reports", UpdateOptions())
        patch.setattr(snapshots, "WORTH_TABLES", 1)
        patch.setattr(head_chunks, "WORTH_PACKS", 1)
        row_of = record_table.row_of
        patch.setattr(record_table, "row_of", lambda one: row_of(one) if isinstance(one, Record) else None)
        _once_more(place.project(name))
    write_files(folder, {"day1.bin": content(f"{name} other 1")})
    desk.call("backup", name, "-q")
    desk.call("hold", "add", name, "--path", "reports/none", "--reason", "one")
    desk.call("hold", "add", name, "--path", "reports/nothing", "--reason", "two")
    made = desk.call("hold", "add", name, "--path", "reports/never", "--reason", "three", "--json").document
    desk.call("hold", "release", name, made["hold"], "--reason", "over")
    with desk.surroundings(["opened"]), context.opened(desk.settings) as place:
        project = place.project(name)
        _left_by_the_dead(project)
        return _named(desk, project)


def _once_more(project: Project) -> None:
    """A table of records, and head chunks. Not of records of moved packs: what a repair does without these is on the page."""
    record_gathering.gather(project, record_gathering.Effort(fewest=1, factor=9), lambda: None)
    reader, records = reachability.catalogue_reader(project), snapshots.committed(project).records
    assert head_chunks.refresh(project, reader, records, lambda: None)


def _ids(desk: Desk, name: str) -> list[str]:
    return [one["snapshot"] for one in desk.call("list", name, "--json").document["projects"][0]["snapshots"]]


def _left_by_the_dead(project: Project) -> None:
    """Marks of prunes that died, claims of backups that did, and an eviction."""
    for pack in sorted(list_packs(project, layout.CONTENT_TIER))[:2]:
        marks.write(project, [pack])
    clock = StageClock(project.services.clock.now() - LONG_AGO)
    earlier = replace(project, services=replace(project.services, clock=clock))
    for _ in range(2):
        OwnClaim.put(earlier, "reports")
    for _ in range(2):
        claims.evict(project, OwnClaim.put(earlier, "reports").value.id)


def _named(desk: Desk, project: Project) -> Objects:
    (me,) = parse_identities(desk.identity.read_text())
    assert isinstance(me, HybridIdentity)
    own = layout.key_name(project.id, key_id(me.recipient, project.id))
    names = [info.name for info in project.store.list("")]
    mine = [name for name in names if name.startswith(f"projects/{project.id}/")]
    by_folder = {part: sorted(one for one in mine if one.split("/")[2] == part) for part in FOLDERS}
    records = {name: snapshots.read_any(project, name.rpartition("/")[2]) for name in by_folder["snapshots"]}
    sorts = {sort: [name for name, one in records.items() if isinstance(one, sort)] for sort in (MovedPacks, Eviction)}
    by_time = snapshots.committed(project).records
    living = [layout.snapshot_name(project.id, one.id) for one in by_time]
    where = _packs(project)
    holding = [name for name, rows in _segments(project).items() if where["day1.bin"] in rows]
    others = [name for name in by_folder["index"] if name not in holding]
    plain_marks = [name for name, one in marks.read(project).by_name.items() if one.packs]
    catalogue = _catalogue_packs(project, by_time)
    chain = grants.read(project).chain
    granted = {one.name: layout.grant_name(project.id, one.id) for one in chain.grants.values()}
    (auditor,) = (one.principal.recipient for one in chain.grants.values() if one.name == STAYER)
    every = holds.read_all(project).holds
    released = [layout.hold_name(project.id, one.release.id) for one in every if one.release]
    binding = sorted(layout.hold_name(project.id, one.id) for one in every if not one.release)
    return {
        "descriptor": (layout.DESCRIPTOR, FIRST_DESCRIPTOR),
        "own key": (own,),
        "own key's second place": (layout.second_key_name(project.id, own.rpartition("/")[2].removesuffix(".age")),),
        "key of an auditor": (layout.key_name(project.id, key_id(auditor, project.id)),),
        "root grant": (layout.grant_name(project.id, root_id(project.id)), granted[STAYER]),
        "grant": (granted[STAYER], granted[LEAVER]),
        "revocation": (layout.grant_name(project.id, next(iter(chain.revocations.values())).id),),
        "epoch": (layout.grant_name(project.id, epoch_id(project.id, 2)),),
        "key of the kit": (next(one for one in names if one.startswith(f"keys/{project.id}/") and one != own),),
        "mark": tuple(plain_marks),
        "claim": tuple(by_folder["claims"]),
        "hold": tuple(binding),
        "release": tuple(released),
        "note": tuple(by_folder["forgotten"]),
        "move": tuple(sorts[MovedPacks]),
        "eviction": tuple(sorts[Eviction]),
        "roll-up": tuple(by_folder["rollups"]),
        "record table": tuple(by_folder["records"]),
        "head chunks": tuple(by_folder["heads"]),
        "newest record": (living[-1], living[-2]),
        "older record": (living[-2], living[-3]),
        "index segment": (*holding, *others),
        "pack of what the source has": (where["day1.bin"], where["old.bin"]),
        "pack of what vanished": (where["old.bin"], where["day1.bin"]),
        "newest catalogue pack": (catalogue[-1], catalogue[0]),
        "older catalogue pack": (catalogue[0], catalogue[-1]),
        "copy of settings": tuple(sorted((one for one in names if one.startswith("settings/")), reverse=True)),
    }


def _packs(project: Project) -> dict[str, str]:
    """The pack that the first chunk of each item lies in, by the item's name."""
    index = ChunkIndex.load(project)
    newest = snapshots.heads(snapshots.committed(project).records, "reports")[-1]
    rows = snapshots.read_manifest(MetaReader(project), newest).to_pylist()
    firsts = {row["path"].decode().removeprefix("reports/"): row["chunks"][0]["id"] for row in rows if row["chunks"]}
    lies = {row["chunk"]: row["pack"] for row in index.table.to_pylist()}
    return {name: layout.pack_name(project.id, layout.CONTENT_TIER, lies[chunk]) for name, chunk in firsts.items()}


def _catalogue_packs(project: Project, records: Sequence[Record]) -> list[str]:
    """The packs in which the manifests of these snapshots begin."""
    lies = {row["chunk"]: row["pack"] for row in ChunkIndex.load(project, tier=layout.META_TIER).table.to_pylist()}
    return [layout.pack_name(project.id, layout.META_TIER, lies[one.manifest.chunks[0][0]]) for one in records]


def _segments(project: Project) -> dict[str, set[str]]:
    """The content packs that each index segment names."""
    names = [info.name for info in project.store.list(project.folder("index"))]
    return {
        name: {layout.pack_name(project.id, 0, pack) for pack in load_segment(project, name)["pack"].to_pylist()}
        for name in names
    }
