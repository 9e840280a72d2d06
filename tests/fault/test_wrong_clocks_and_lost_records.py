"""What a stranger may find: claims and snapshots of a clock that was wrong, and a store in which all records are gone."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from policies.monitoring.alerts import ProjectState, SourceState, evaluate
from tests.support.places import back_up, checked, made_on, names, restore, through, tiny_descriptor
from tests.support.stage import StageClock
from tests.support.trees import contents, text, write_tree
from vault.errors import RefusedByRule
from vault.format import layout
from vault.repository import snapshots
from vault.repository.check import Depth, check
from vault.repository.chunk_index import ChunkIndex
from vault.repository.claims import WaitOptions
from vault.repository.gc import forget
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.repository.gc.prune_report import PruneReport
from vault.repository.index_segments import store_segments
from vault.repository.own_claim import OwnClaim
from vault.repository.project import Project
from vault.storage.memory import MemoryStore

OPTIONS = PruneOptions(patience=WaitOptions(seconds=0))
YEAR = timedelta(days=365)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "source", {f"f{number}": text(str(number), 500) for number in range(6)})


def lived(store: MemoryStore, folder: Path) -> Project:
    """Three snapshots, the first of which is forgotten."""
    project = made_on(store, tiny_descriptor(pack=2000))
    for number in range(3):
        write_tree(folder, {"changing": text(f"changing {number}", 1500)})
        back_up(project, folder)
    first, *_ = snapshots.read_all(project)
    forget.forget(project, [first.id], reason="a test")
    return project


def pruned(project: Project) -> PruneReport:
    return apply(project, make_plan(project, OPTIONS), OPTIONS)


@pytest.mark.parametrize("ahead", [YEAR, -YEAR])
def test_a_dead_claim_of_a_clock_that_was_wrong_keeps_no_prune_waiting_until_its_day(folder: Path, ahead: timedelta) -> None:
    project = lived(MemoryStore(), folder)
    clock = StageClock(project.services.clock.now() + ahead)
    OwnClaim.put(replace(project, services=replace(project.services, clock=clock)), "reports")
    report = pruned(project)
    assert report.waiting == []
    assert report.forgotten == 1
    assert names(project.store, project.folder("claims")) == []
    assert checked(project).sound


@pytest.mark.parametrize("parts", [("snapshots",), ("snapshots", "forgotten")])
def test_where_all_records_are_gone_nothing_is_pruned_and_no_check_calls_it_sound(
    folder: Path, tmp_path: Path, parts: tuple[str, ...]
) -> None:
    """A copy that lacks a folder, or a listing that lies, on a machine that has never seen the repository."""
    store = MemoryStore()
    project = lived(store, folder)
    safe = {name: store.get(name) for part in parts for name in names(store, project.folder(part))}
    for name in safe:
        store.delete(name)
    stranger = through(project, store, seed="stranger")
    packs = names(store, project.folder("packs"))
    assert [text for text in checked(stranger).damage if "no record of a snapshot stands" in text]
    with pytest.raises(RefusedByRule, match="no record of a snapshot stands"):
        make_plan(stranger, OPTIONS)
    for name, data in safe.items():
        store.put(name, data)
    assert names(store, project.folder("packs")) == packs
    assert pruned(stranger).forgotten == 1
    assert not restore(stranger, tmp_path / "back").problems
    assert contents(tmp_path / "back").keys() >= {"reports/changing"}


def test_all_snapshots_may_be_forgotten_and_pruned_also_by_a_prune_that_goes_on_after_another(folder: Path) -> None:
    store = MemoryStore()
    project = lived(store, folder)
    forget.forget(project, [one.id for one in snapshots.read_all(project)], reason="the project ended", newest_too=True)
    for name in names(store, project.folder("snapshots")):
        store.delete(name)  # a prune went so far
    with pytest.raises(RefusedByRule) as refused:
        make_plan(project, OPTIONS)
    assert "`strongroom prune acme --allow-empty`" in (refused.value.hint or "")
    meant = replace(OPTIONS, allow_empty=True)
    assert apply(project, make_plan(project, meant), meant).deleted > 0
    assert [name for part in ("packs", "meta") for name in names(store, project.folder(part))] == []
    assert checked(project).sound


def test_a_segment_that_names_packs_in_the_wrong_tier_is_damage_and_no_error_of_the_store(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    store = MemoryStore()
    project = lived(store, folder)
    rows = ChunkIndex.load(project).table
    old = names(store, project.folder("index"))
    column = rows.schema.get_field_index("tier")
    other = pc.subtract(pa.scalar(1, pa.uint8()), rows["tier"]).cast(pa.uint8())
    store_segments(project, rows.set_column(column, rows.schema.field(column), other))
    for name in old:
        store.delete(name)
    assert not check(through(project, store, seed="stranger"), Depth(data=1.0)).sound


def test_where_the_records_never_come_back_the_next_backup_ends_that(folder: Path, tmp_path: Path) -> None:
    store = MemoryStore()
    project = lived(store, folder)
    for part in ("snapshots", "forgotten"):
        for name in names(store, project.folder(part)):
            store.delete(name)
    stranger = through(project, store, seed="stranger")
    back_up(stranger, folder)
    pruned(stranger)
    assert checked(stranger).sound
    restore(stranger, tmp_path / "back")
    assert {path.removeprefix("reports/"): data for path, data in contents(tmp_path / "back").items()} == contents(folder)


def test_a_project_of_which_nothing_was_ever_committed_is_pruned_like_any_other(folder: Path) -> None:
    project = made_on(MemoryStore(), tiny_descriptor(pack=2000))
    project.store.put(layout.pack_name(project.id, layout.CONTENT_TIER, bytes(32)), b"of a run that died")
    assert pruned(project).deleted == 1


def test_a_success_from_the_future_keeps_no_promise() -> None:
    now = made_on(MemoryStore()).services.clock.now()
    hour = timedelta(hours=1)

    def alerts(last: timedelta) -> list[str]:
        source = SourceState("reports", rpo=hour, known_since=now, last=now + last)
        return [one.message for one in evaluate(ProjectState("acme", (source,)), now)]

    assert alerts(timedelta(0)) == alerts(timedelta(minutes=50)) == []
    (message,) = alerts(YEAR)
    assert "365 days in the future" in message
