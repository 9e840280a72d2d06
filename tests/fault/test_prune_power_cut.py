"""Power may fail at any write of forgetting, pruning, repacking and tidying: the repository stays sound, and the next prune
ends what was begun."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from restore.history import rollup_joining
from restore.history.ledger import Ledger
from restore.history.update import PendingSnapshots, UpdateOptions, read_into
from restore.selection.select import ItemQuery
from tests.support.dying import DyingStore, PowerCut, effects_at
from tests.support.hourly import HourlyReports
from tests.support.places import back_up, checked, copied, made_on, restore, through, tiny_descriptor
from tests.support.trees import look_at, text, write_tree
from tests.support.watchdog import no_hang
from vault.format.layout import TIERS
from vault.repository import head_chunks, record_gathering, rollups, snapshots
from vault.repository.claims import WaitOptions
from vault.repository.gc import forget, marks, move_records
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.repository.project import Project
from vault.repository.stored_packs import list_packs
from vault.storage.memory import MemoryStore

NO_PATIENCE = WaitOptions(seconds=0, stale_after=timedelta(0), grace=timedelta(0))
"""A dead run's claim is evicted at once."""

PRUNE = PruneOptions(patience=NO_PATIENCE, repack_above=None)
REPACK = replace(PRUNE, repack_above=0.4)
JOIN = replace(PRUNE, join=True)
COMPACT = replace(PRUNE, most_segments=1)
SHALLOW = 4
"""Only every so many writes are died at, in the default run."""

Act = Callable[[Project], None]


def forget_old(project: Project) -> None:
    """All but the newest snapshot."""
    old = snapshots.read_all(project)[:-1]
    forget.forget(project, [one.id for one in old], reason="a test")


def prune(options: PruneOptions) -> Act:
    def act(project: Project) -> None:
        apply(project, make_plan(project, options), options)

    return act


def forget_and_prune(project: Project) -> None:
    forget_old(project)
    prune(PRUNE)(project)


def repack_twice(project: Project) -> None:
    """What was stored anew is needed, then what it was taken from goes."""
    prune(REPACK)(project)
    prune(REPACK)(project)


ACTS: dict[str, tuple[Act | None, Act]] = {
    "forget": (None, forget_old),
    "prune": (forget_old, prune(PRUNE)),
    "forget and prune": (None, forget_and_prune),
    "repack": (forget_old, repack_twice),
    "compaction": (None, prune(COMPACT)),
}
"""What goes before, and what dies."""


def history(tmp_path: Path, *, create_once: bool) -> tuple[Project, Path]:
    project = made_on(MemoryStore(), tiny_descriptor(create_once=create_once))
    folder = tmp_path / "source"
    for number in range(3):
        changing = {f"part {part}": text(f"{part} {number if part % 3 else 0}", 300) for part in range(24)}
        back_up(project, write_tree(folder, {"kept": text("kept", 3000), "going": text(number, 9000)} | changing))
    return project, folder


@pytest.mark.parametrize("act", ACTS)
def test_housekeeping_survives_a_power_cut(tmp_path: Path, act: str) -> None:
    cut_everywhere(tmp_path, act, create_once=True, stride=SHALLOW)


@pytest.mark.slow
@pytest.mark.parametrize("create_once", [True, False])
@pytest.mark.parametrize("act", ACTS)
def test_housekeeping_survives_a_power_cut_at_every_single_write(*, tmp_path: Path, act: str, create_once: bool) -> None:
    cut_everywhere(tmp_path, act, create_once=create_once, stride=1)


def test_housekeeping_that_gathers_records_survives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every_record_is_gathered(monkeypatch)
    cut_everywhere(tmp_path, "compaction", create_once=True, stride=SHALLOW)


@pytest.mark.slow
@pytest.mark.parametrize("create_once", [True, False])
@pytest.mark.parametrize("act", ACTS)
def test_housekeeping_that_gathers_records_survives_a_power_cut_at_every_single_write(
    *, tmp_path: Path, act: str, create_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    every_record_is_gathered(monkeypatch)
    cut_everywhere(tmp_path, act, create_once=create_once, stride=1)


def roll_up_each(project: Project) -> None:
    """A roll-up of each snapshot, as if hundreds had passed."""
    for one in snapshots.read_all(project):
        ledgers = {one.source: Ledger()}
        list(read_into(project, ledgers, PendingSnapshots([one], []), UpdateOptions()))
        rollups.write(project, ledgers[one.source].rolled_up())


def prune_and_join_rollups(project: Project) -> None:
    """As `strongroom prune` does."""
    prune(COMPACT)(project)
    rollup_joining.join(project, UpdateOptions())


@pytest.mark.slow
@pytest.mark.parametrize("create_once", [True, False])
def test_joining_roll_ups_survives_a_power_cut_at_every_single_write(
    *, tmp_path: Path, create_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    every_record_is_gathered(monkeypatch)
    monkeypatch.setattr(rollup_joining, "FAN_IN", 2)
    monkeypatch.setitem(ACTS, "roll-ups", (roll_up_each, prune_and_join_rollups))
    cut_everywhere(tmp_path, "roll-ups", create_once=create_once, stride=1)


def every_record_is_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few there are; and head chunks are written of few packs."""
    monkeypatch.setattr(head_chunks, "WORTH_PACKS", 1)
    monkeypatch.setattr(snapshots, "WORTH_TABLES", 1)
    monkeypatch.setattr(record_gathering, "OF_PRUNES", record_gathering.Effort(fewest=1, factor=9))


def cut_everywhere(tmp_path: Path, what: str, *, create_once: bool, stride: int) -> None:
    project, folder = history(tmp_path, create_once=create_once)
    before, act = ACTS[what]
    if before is not None:
        before(project)
    counting = DyingStore(copied(project.store))
    act(through(project, counting, seed="counting"))
    assert counting.writes >= 1
    for lives in sorted({*range(0, counting.writes, stride), counting.writes - 1}):
        for when in effects_at(lives, counting.writes, stride):
            disk = copied(project.store)
            dying = DyingStore(disk, lives=lives, when=when)
            with no_hang(), pytest.raises(PowerCut):
                act(through(project, dying, seed=f"{lives} {when}"))
            look_after(through(project, disk, seed="next"), folder, tmp_path / f"back {lives} {when}")


def look_after(project: Project, folder: Path, back: Path) -> None:
    """Sound, the newest snapshot is whole, a backup goes on; and one more prune leaves nothing but what is needed."""
    assert checked(project).sound
    restore(project, back / "at once")
    assert look_at(back / "at once/reports") == look_at(folder)
    records = snapshots.read_all(project)
    restore(project, back / "oldest", ItemQuery(at=records[0].taken_at))
    back_up(project, folder)
    assert checked(project).sound
    for _ in range(2):
        prune(PRUNE)(project)
    found = checked(project)
    assert (found.sound, found.orphans) == (True, 0)
    assert make_plan(project, PRUNE).dead == ()
    assert list(project.store.list(project.folder("claims"))) == []
    there = {pack for tier in TIERS for pack in list_packs(project, tier)}
    assert all(
        packs & there for packs in marks.read_by_name(project).values()
    )  # such a mark stays, and keeps nobody from anything
    restore(project, back / "later")
    assert look_at(back / "later/reports") == look_at(folder)


HOURS = 9


@pytest.fixture(scope="module", params=[True, False])
def lived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> HourlyReports:
    """Hours whose packs are joined next, on a store that creates once and on one that does not; twice, so that records of
    moved packs are joined as well."""
    life = HourlyReports(tmp_path_factory.mktemp("lived"), create_once=request.param)
    life.pass_hours(HOURS)
    return life


def join_and_delete(project: Project) -> None:
    """What was joined is needed, then what it was taken from goes."""
    for _ in range(2):
        prune(JOIN)(project)


def test_joining_survives_a_power_cut(lived: HourlyReports, tmp_path: Path) -> None:
    join_and_die(lived, tmp_path, stride=6 * SHALLOW + 1)


@pytest.mark.slow
def test_joining_survives_a_power_cut_at_every_single_write(lived: HourlyReports, tmp_path: Path) -> None:
    join_and_die(lived, tmp_path, stride=1)


def join_and_die(lived: HourlyReports, home: Path, *, stride: int) -> None:
    """Afterwards everything is there, life goes on, and the next prunes end what was begun."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(move_records, "MOST_SMALL", 1)
        counting = DyingStore(copied(lived.disk))
        join_and_delete(through(lived.project, counting, seed="counting"))
        assert counting.writes > 2 * HOURS
        for lives in sorted({*range(0, counting.writes, stride), counting.writes - 1}):
            for when in effects_at(lives, counting.writes, stride):
                life = lived.copied(home / f"{lives} {when}")
                dying = DyingStore(life.disk, lives=lives, when=when)
                with no_hang(), pytest.raises(PowerCut):
                    join_and_delete(through(life.project, dying, seed=f"{lives} {when}"))
                life.judge(orphans=None)
                life.hours += 26  # the mark of the dead prune keeps nobody any more
                life.pass_hours(1)
                for _ in range(3):
                    prune(JOIN)(life.project)
                life.judge()
                assert max(life.packs()) <= 4
                assert life.count("index") <= 8
                if life.count("claims"):  # of the dead prune: it goes once a prune has something to do again
                    life.pass_hours(8)
                    prune(JOIN)(life.project)
                    life.judge(orphans=None)
                assert list(life.disk.list(life.project.folder("claims"))) == []
