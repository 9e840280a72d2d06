"""A record of moved packs is believed by nobody who deletes: what it says is proven from manifests, packs and listings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from msgspec.structs import replace

from tests.support.faulty import FaultyStore
from tests.support.places import back_up, checked, made_on, names, restore, through, tiny_descriptor
from tests.support.randomness import SeededChance
from tests.support.trees import look_at, text, write_tree
from vault import age
from vault.errors import Damaged
from vault.format import layout, strict_json
from vault.format.forget_note import ForgottenSnapshot
from vault.format.frames import Compressor
from vault.format.layout import CONTENT_TIER
from vault.format.moved_packs import MovedPacks
from vault.format.pack import PackBuilder
from vault.repository import missing_snapshots, snapshots
from vault.repository.chunk_index import ChunkIndex
from vault.repository.claims import WaitOptions
from vault.repository.client_memory import ClientMemory
from vault.repository.gc import forget, marks, prune, repack
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.repository.gc.prune_report import PruneReport
from vault.repository.index_segments import rows_of_pack, store_segment
from vault.repository.orphan_packs import rows_from_packs
from vault.repository.project import Project
from vault.repository.store_trust import WriteLost
from vault.repository.stored_packs import list_packs
from vault.storage.contract import Buffer, ObjectInfo, Store
from vault.storage.memory import MemoryStore

REPACKING = PruneOptions(patience=WaitOptions(seconds=0), repack_above=0.5)
FORGED = "21260101t000000z-00000000000000"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "source", {f"file {number}": text(number, 400) for number in range(40)})


@pytest.fixture
def project(folder: Path) -> Project:
    made = made_on(MemoryStore())
    back_up(made, folder)
    return made


def forge(project: Project, packs: Mapping[bytes, tuple[bytes, ...]], number: int = 0) -> None:
    """What whoever has a write capability can put."""
    snapshot = f"{FORGED}{number:02}"
    project.put_record(layout.snapshot_name(project.id, snapshot), MovedPacks(snapshot, dict(packs)).as_json())


def pruned(project: Project, options: PruneOptions = REPACKING) -> PruneReport:
    return apply(project, make_plan(project, options), options)


def content(project: Project) -> list[bytes]:
    return sorted(list_packs(project, CONTENT_TIER))


def assert_whole(project: Project, folder: Path, back: Path) -> None:
    assert checked(project).sound
    restore(project, back)
    assert look_at(back / "reports") == look_at(folder)


def writer(project: Project) -> Project:
    return replace(project, capability=project.capability.without_reading())


def moved_once(project: Project, folder: Path) -> list[bytes]:
    """Packs of which the rest was stored anew, and that still stand."""
    for number in range(40):
        if number % 8:
            write_tree(folder, {f"file {number}": text(f"new {number}", 400)})
    back_up(project, folder)
    forget.forget(project, [snapshots.read_all(project)[0].id], reason="a test")
    moved = [one.pack.sha256 for one in make_plan(project, REPACKING).wasteful]
    assert pruned(project).moved == len(moved)
    return moved


@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize("targets", ["nowhere", "gone", "another", "circle"])
def test_a_forged_record_of_moved_packs_costs_nothing(
    *, project: Project, folder: Path, tmp_path: Path, targets: str, reads: bool
) -> None:
    first, *others = content(project)
    match targets:
        case "nowhere":
            forge(project, dict.fromkeys((first, *others), ()))
        case "gone":
            forge(project, dict.fromkeys((first, *others), (b"g" * 32,)))
        case "another":
            forge(project, dict.fromkeys(others, (first,)))
        case "circle":
            forge(project, {first: (others[0],)}, 1)
            forge(project, {others[0]: (first,)}, 2)
    for _ in range(2):
        report = pruned(project if reads else writer(project))
        assert report.deleted == 0
    assert content(project) == [first, *others]
    assert checked(project).lost == []
    for name in names(project.store, project.folder("snapshots")):
        if FORGED in name:
            project.store.delete(name)
    assert_whole(project, folder, tmp_path / "back")


def test_a_record_that_moves_a_pack_to_itself_is_damaged(project: Project) -> None:
    first, second, *_ = content(project)
    for packs in ({first: (first,)}, {first: (second,), second: (first,)}):
        forge(project, packs)
        with pytest.raises(Damaged, match="moved"):
            snapshots.read_any(project, f"{FORGED}00")


def test_a_forged_pack_that_only_claims_to_hold_the_chunks_is_read_and_not_believed(
    project: Project, folder: Path, tmp_path: Path
) -> None:
    old = content(project)[0]
    (rows,) = rows_from_packs(project, [(CONTENT_TIER, old, list_packs(project, CONTENT_TIER)[old])])
    builder = PackBuilder()
    for chunk, plain in zip(rows["chunk"].to_pylist(), rows["plain"].to_pylist(), strict=True):
        builder.add(chunk, Compressor().frame(bytes(plain)), plain)
    contents = builder.finish()
    sealed = age.seal(builder.plain, [project.capability.content_recipient], project.services.randomness).data
    forged = hashlib.sha256(sealed).digest()
    project.store.put(layout.pack_name(project.id, CONTENT_TIER, forged), sealed)
    store_segment(project, [rows_of_pack(contents, forged, len(sealed), CONTENT_TIER)])
    forge(project, {old: (forged,)})
    assert [one.sha256 for one in make_plan(project, REPACKING).dead] == [old]
    report = pruned(project)
    assert (report.deleted, report.spared) == (0, 1)
    assert old in content(project)
    for name in names(project.store, project.folder("packs")):
        if name.endswith(forged.hex()):
            project.store.delete(name)
    restore(project, tmp_path / "back")
    assert look_at(tmp_path / "back/reports") == look_at(folder)


def test_what_is_stored_anew_of_a_pack_is_what_the_pack_holds_whatever_the_index_says(
    project: Project, folder: Path, tmp_path: Path
) -> None:
    """Index segments that hide what a pack holds, and name content in it that nobody needs."""
    index = ChunkIndex.load(project).table
    packs = content(project)
    hidden = [row for row in index.to_pylist() if row["pack"] not in packs]
    for pack in packs:
        rows = [row for row in index.to_pylist() if row["pack"] == pack]
        hidden += [rows[0], *({**row, "chunk": hashlib.sha256(row["chunk"]).digest()} for row in rows[1:])]
    for name in names(project.store, project.folder("index")):
        project.store.delete(name)
    store_segment(project, [pa.Table.from_pylist(hidden, schema=index.schema)])
    for _ in range(3):
        pruned(project, replace(REPACKING, repack_above=0.1))
    for name in names(project.store, project.folder("index")):
        project.store.delete(name)
    back_up(project, folder)
    assert_whole(project, folder, tmp_path / "back")


def test_packs_that_have_moved_go_only_where_they_can_be_opened(project: Project, folder: Path, tmp_path: Path) -> None:
    moved = moved_once(project, folder)
    blind = make_plan(writer(project), REPACKING)
    assert {one.sha256 for one in blind.unproven} == set(moved) & set(content(project))
    assert blind.as_json()["unproven"]["packs"] == len(blind.unproven) > 0
    apply(writer(project), blind, REPACKING)
    assert set(moved) & set(content(project))
    plan = make_plan(project, REPACKING)
    assert plan.unproven == ()
    assert pruned(project).deleted > 0
    assert not set(moved) & set(content(project))
    assert_whole(project, folder, tmp_path / "back")


def test_many_packs_are_moved_under_several_records_each_of_which_can_be_read(
    project: Project, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repack, "MAX_MOVED_BYTES", 300)
    moved = moved_once(project, folder)
    moves = snapshots.committed(project).moves
    assert len(moves) > 1
    assert {pack for one in moves for pack in one.packs} == set(moved)
    for one in moves:
        entries = [pack for old, new in one.packs.items() for pack in (old, *new)]
        assert len(strict_json.dump(one.as_json()["packs"])) <= repack.BYTES_OF_ENTRY * len(entries) + 2
    assert_whole(project, folder, tmp_path / "back")
    pruned(project)
    assert not set(moved) & set(content(project))
    assert_whole(project, folder, tmp_path / "back again")


def test_when_time_is_up_no_further_pack_is_stored_anew_and_what_was_is_committed(
    project: Project, folder: Path, tmp_path: Path
) -> None:
    for number in range(40):
        if number % 8:
            write_tree(folder, {f"file {number}": text(f"new {number}", 400)})
    back_up(project, folder)
    forget.forget(project, [snapshots.read_all(project)[0].id], reason="a test")
    plan = make_plan(project, REPACKING)
    with pytest.MonkeyPatch.context() as patch:
        looks = iter([False, False, False])
        patch.setattr(prune._Prune, "_out_of_time", lambda _self: next(looks, True))
        report = apply(project, plan, REPACKING)
    assert 0 < report.moved < len(plan.wasteful)
    assert report.left >= len(plan.wasteful) - report.moved
    assert_whole(project, folder, tmp_path / "back")


class LosingStore(FaultyStore):
    """Loses the last new pack once the record of moved packs is written, which a machine with a memory sees listed."""

    def __init__(self, inner: Store, project: Project, memory: ClientMemory) -> None:
        super().__init__(inner)
        self._project, self._memory = replace(project, store=inner), memory
        self._new: list[str] = []

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        super().put(name, data, sha256=sha256)
        if "/packs/" in name:
            self._new.append(name)
        self._lose(name)

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        super().create(name, data, sha256=sha256)
        self._lose(name)

    def _lose(self, name: str) -> None:
        if "/snapshots/" in name:
            self._memory.missing(self._project.id, snapshots.stored_ids(self._project))
            self._project.store.delete(self._new.pop())


@pytest.mark.parametrize("create_once", [True, False])
def test_a_record_of_moved_packs_that_was_taken_back_is_missed_by_nobody(
    *, tmp_path: Path, folder: Path, create_once: bool
) -> None:
    project = made_on(MemoryStore(), tiny_descriptor(create_once=create_once))
    back_up(project, folder)
    for number in range(40):
        if number % 8:
            write_tree(folder, {f"file {number}": text(f"new {number}", 400)})
    back_up(project, folder)
    forget.forget(project, [snapshots.read_all(project)[0].id], reason="a test")
    memory = ClientMemory(tmp_path / "memory", SeededChance("memory"))
    with pytest.raises(WriteLost):
        pruned(through(project, LosingStore(project.store, project, memory)))
    assert missing_snapshots.gone(project, memory) == []
    for _ in range(2):
        assert pruned(project).done
    assert missing_snapshots.gone(project, memory) == []
    assert_whole(project, folder, tmp_path / "back")


def test_a_pack_stays_whose_content_moved_into_one_that_somebody_means_to_delete_or_that_is_damaged(
    project: Project, folder: Path, tmp_path: Path
) -> None:
    moved = moved_once(project, folder)
    new = sorted(frozenset().union(*snapshots.committed(project).moved.values()))
    others = marks.write(project, new)
    assert pruned(project).deleted == 0
    project.store.delete(others)
    kept = {}
    for pack in new:
        name = next(layout.pack_name(project.id, tier, pack) for tier in layout.TIERS if pack in list_packs(project, tier))
        kept[name] = project.store.get(name)
        project.store.put(name, kept[name][:1500] + bytes(200) + kept[name][1700:])
    pruned(project)
    assert set(moved) & set(content(project)), "the old packs are all that is left of it"
    for name, data in kept.items():
        project.store.put(name, data)
    assert pruned(project).done
    assert not set(moved) & set(content(project))
    assert_whole(project, folder, tmp_path / "back")


def test_a_pack_of_which_nothing_is_needed_though_a_list_names_it_is_not_moved_to_nowhere(
    project: Project, folder: Path
) -> None:
    """Such a list is odd, and no reason to write a record that another version could take for a deletion."""
    record = snapshots.read_all(project)[0]
    moved_once(project, folder)
    unneeded = content(project)[0]
    newest = snapshots.read_all(project)[-1]
    again = replace(newest, own_packs=(*newest.own_packs, *record.own_packs, unneeded))
    project.put_record(layout.snapshot_name(project.id, newest.id), again.as_json())
    for _ in range(2):
        pruned(project, replace(REPACKING, repack_above=0.0))
    assert all(new for one in snapshots.committed(project).moves for new in one.packs.values())


@pytest.mark.parametrize("repack_above", [0.5, None])
@pytest.mark.parametrize("reads", [True, False])
def test_packs_that_only_a_lost_record_of_moves_leads_to_stay(
    *, project: Project, folder: Path, tmp_path: Path, reads: bool, repack_above: float | None
) -> None:
    moved = moved_once(project, folder)
    assert pruned(project).deleted >= len(moved)
    for one in snapshots.committed(project).moves:
        project.store.delete(layout.snapshot_name(project.id, one.id))
    before = content(project)
    assert pruned(project if reads else writer(project), replace(REPACKING, repack_above=repack_above)).deleted == 0
    assert content(project) == before
    restore(project, tmp_path / "back")
    assert look_at(tmp_path / "back/reports") == look_at(folder)


def test_moved_packs_stay_beside_a_mark_that_cannot_be_read(project: Project, folder: Path, tmp_path: Path) -> None:
    moved = set(moved_once(project, folder)) & set(content(project))
    mark = layout.mark_name(project.id, "a" * 32)
    project.store.put(mark, b"nothing of the sort")
    pruned(project)
    assert moved and moved <= set(content(project))
    assert names(project.store, project.folder("marks")) == [mark], "only a person can know that its prune has ended"
    project.store.delete(mark)
    assert pruned(project).deleted >= len(moved)
    assert not moved & set(content(project))
    assert_whole(project, folder, tmp_path / "back")


class LeavesOut:
    """A store whose listings do not have some objects yet."""

    def __init__(self, inner: Store, missing: set[str]) -> None:
        self._inner = inner
        self.missing = missing

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        return (one for one in self._inner.list(folder) if one.name not in self.missing)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def test_a_record_is_not_taken_for_the_echo_of_one_that_was_let_go_of(project: Project, folder: Path, tmp_path: Path) -> None:
    """A copy, or another prune, has said anew what a record says, and the plan has not seen the note about the old one."""
    moved = moved_once(project, folder)
    (old,) = snapshots.committed(project).moves
    forge(project, {pack: tuple(targets) for pack, targets in old.packs.items()})
    before = set(names(project.store, project.folder("forgotten")))
    moment = layout.moment_of(old.id)
    assert moment is not None
    forget.put_notes(project, [ForgottenSnapshot(old.id, repack.SOURCE, moment, ())], "said anew")
    store = LeavesOut(project.store, set(names(project.store, project.folder("forgotten"))) - before)
    seen = through(project, store)
    plan = make_plan(seen, REPACKING)
    store.missing.clear()
    apply(seen, plan, REPACKING)
    assert set(moved) <= snapshots.committed(project).moved.keys()
    assert_whole(project, folder, tmp_path / "back")
