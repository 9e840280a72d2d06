"""Roll-ups that are joined say what they said before, few of them stay, and power may fail anywhere meanwhile."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from restore.history import rollup as history_rollup
from restore.history import rollup_joining
from restore.history import update as gathering
from restore.history.rollup_joining import StoredRollup, join, joined_rollup, plan
from restore.history.update import UpdateOptions
from tests.support.dying import DyingStore, PowerCut
from tests.support.faulty import FaultyStore
from tests.support.places import copied, through
from tests.unit.history.model import Told, known
from vault.errors import Damaged, StorageDenied
from vault.format import rollup
from vault.format.snapshot_record import Record
from vault.repository import rollups, snapshots
from vault.repository.gc.forget import forget
from vault.repository.project import Project

PATHS = [f"reports/{letter}".encode() for letter in "abcde"]
OPTIONS = UpdateOptions()


@pytest.fixture(autouse=True)
def small_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Roll-ups of two to four snapshots, three of which become one."""
    monkeypatch.setattr(history_rollup, "FEWEST", 2)
    monkeypatch.setattr(rollup_joining, "FEWEST", 2)
    monkeypatch.setattr(rollup_joining, "FAN_IN", 3)
    monkeypatch.setattr(gathering, "MANY", 0)


def lived(hours: int, seed: int, *, source: str = "reports", project: Project | None = None) -> Told:
    told, random = Told(source=source) if project is None else Told(project=project, source=source), Random(seed)
    state: dict[bytes, tuple[str, int]] = {}
    for hour in range(1, hours + 1):
        for path in random.sample(PATHS, 2):
            if random.random() < 0.3:
                state.pop(path, None)
            else:
                state[path] = (random.choice(["one", "two"]), 0o644)
        told.hour(state)
        if hour % 2 == 0:
            history_rollup.roll_up(told.project, told.source, OPTIONS)
    return told


def rollup_names(project: Project) -> list[str]:
    return [info.name for info in project.store.list(project.folder("rollups"))]


def history(told: Told, cache: Path) -> list[dict[str, object]]:
    found = known(told.project, cache)
    assert found.problems == ()
    rows: list[dict[str, object]] = found.ledgers[told.source].rolled_up().rows.to_pylist()
    return rows


def read_from_manifests(told: Told, cache: Path) -> list[dict[str, object]]:
    store = copied(told.project.store)
    for name in rollup_names(told.project):
        store.delete(name)
    return history(replace_project(told, through(told.project, store)), cache)


def replace_project(told: Told, project: Project) -> Told:
    return Told(project=project, source=told.source, states=told.states, records=told.records, items=told.items)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3))])
def test_joined_roll_ups_say_what_the_manifests_say(seed: int, tmp_path: Path) -> None:
    told = lived(14, seed)
    assert len(rollup_names(told.project)) == 7
    assert join(told.project, OPTIONS) == 7
    assert len(rollup_names(told.project)) == 1
    assert history(told, tmp_path / "joined") == read_from_manifests(told, tmp_path / "read")
    assert join(told.project, OPTIONS) == 0


def test_what_was_forgotten_stays_behind_and_what_is_only_gone_does_not(tmp_path: Path) -> None:
    told = lived(12, 4)
    forget(told.project, [one.id for one in told.records[1:4]], reason="thinned")
    lost = told.records[7]
    told.project.store.delete(f"{told.project.folder('snapshots')}/{lost.id}")
    assert join(told.project, OPTIONS) == 6
    [records] = rollups.rolled_up(told.project)
    assert [one.id for one in records] == [one.id for one in told.records if one not in told.records[1:4]]
    assert history(told, tmp_path / "joined") == read_from_manifests(told, tmp_path / "read")


def test_one_of_which_much_is_forgotten_is_written_anew_by_itself(tmp_path: Path) -> None:
    told = lived(12, 5)
    join(told.project, OPTIONS)
    forget(told.project, [one.id for one in told.records[2:7]], reason="thinned")
    assert join(told.project, OPTIONS) == 1
    [records] = rollups.rolled_up(told.project)
    assert len(records) == 7
    assert history(told, tmp_path / "joined") == read_from_manifests(told, tmp_path / "read")


def test_each_source_is_joined_by_itself_and_few_stay_however_long_one_lives(tmp_path: Path) -> None:
    told = lived(8, 6)
    other = lived(6, 7, source="tickets", project=told.project)
    assert join(told.project, OPTIONS) == 7
    assert len(rollup_names(told.project)) == 2
    for hour in range(12):
        told.hour({PATHS[hour % 5]: ("one", 0o644)})
        if hour % 2:
            history_rollup.roll_up(told.project, told.source, OPTIONS)
        join(told.project, OPTIONS)
        assert len(rollup_names(told.project)) <= 1 + 2 * 4
    for one in (told, other):
        assert history(one, tmp_path / one.source) == read_from_manifests(one, tmp_path / f"read {one.source}")


def stored(count: int, *, each: int, size: int = 100, told: Told) -> list[StoredRollup]:
    first: Record = told.records[0]

    def of(number: int) -> StoredRollup:
        moments = [first.taken_at.replace(year=2030 + number, minute=minute) for minute in range(each)]
        records = tuple(replace(first, id=f"{moment:%Y%m%dt%H%M%Sz}-{0:016x}", taken_at=moment) for moment in moments)
        return StoredRollup(f"rollup {number}", records, each, size)

    return [of(number) for number in range(count)]


def test_only_neighbours_of_one_size_are_joined_and_no_more_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    told = lived(1, 8)
    small = stored(6, each=2, told=told)
    names = [[one.name for one in some] for some in plan(small)]
    assert names == [[f"rollup {number}" for number in range(6)]]
    large = stored(6, each=7, told=told)
    assert plan([*small[:2], large[2], *small[3:5]]) == []
    assert plan([*small[:2], small[1]._replace(name="overlapping"), small[2]]) == []
    monkeypatch.setattr(rollup_joining, "LARGEST_JOIN", 350)
    assert [len(some) for some in plan(small)] == [3, 3]
    assert [len(some) for some in plan(small[:5])] == [3]
    assert plan([small[0]._replace(standing=1, size=400)]) == []
    monkeypatch.setattr(rollup_joining, "LARGEST_JOIN", 10**6)
    monkeypatch.setattr(rollup_joining, "LARGEST_HEAD", rollup.head_size(small[0].records) * 2 + 1)
    assert [len(some) for some in plan(small)] == [2, 2]  # as many as their records leave room for


def test_where_nothing_may_be_deleted_nothing_is_joined() -> None:
    told = lived(8, 9)

    class Keeping(FaultyStore):
        """Deletes nothing."""

        def delete(self, name: str) -> None:
            raise StorageDenied(f"you may not delete {name}")

    before = rollup_names(told.project)
    assert join(through(told.project, Keeping(told.project.store)), OPTIONS) == 0
    assert rollup_names(told.project) == before


def test_one_that_does_not_read_back_replaces_nothing() -> None:
    told = lived(8, 10)
    before = rollup_names(told.project)

    class Losing(FaultyStore):
        """Stores something else."""

        def put(self, name: str, data: object, *, sha256: bytes | None = None) -> None:
            super().put(name, bytes(data)[:-1], sha256=sha256)  # type: ignore[call-overload]

    with pytest.raises(Damaged, match="nothing was replaced"):
        join(through(told.project, Losing(told.project.store)), OPTIONS)
    assert set(before) <= set(rollup_names(told.project))


def test_two_that_join_at_once_lose_nothing(tmp_path: Path) -> None:
    told = lived(8, 11)

    class Beside(FaultyStore):
        """Another one joins, and life goes on, before this one writes."""

        done = False

        def put(self, name: str, data: object, *, sha256: bytes | None = None) -> None:
            if not self.done:
                self.done = True
                join(told.project, OPTIONS)
                told.hour({})
                told.hour({})
                history_rollup.roll_up(told.project, told.source, OPTIONS)
            super().put(name, data, sha256=sha256)  # type: ignore[arg-type]

    join(through(told.project, Beside(told.project.store)), OPTIONS)
    assert history(told, tmp_path / "joined") == read_from_manifests(told, tmp_path / "read")
    assert len(rollup_names(told.project)) == 2


def test_power_may_fail_at_every_write_of_joining(tmp_path: Path) -> None:
    told = lived(8, 12)
    forget(told.project, [told.records[2].id], reason="thinned")
    right = read_from_manifests(told, tmp_path / "read")
    whole = DyingStore(copied(told.project.store))
    join(through(told.project, whole), OPTIONS)
    assert whole.writes >= 5  # a probe whether it may delete, the new one, and the old ones
    for lives in range(whole.writes):
        for when in ("before", "after"):
            disk = copied(told.project.store)
            with pytest.raises(PowerCut):
                join(through(told.project, DyingStore(disk, lives=lives, when=when)), OPTIONS)
            project = through(told.project, disk)
            again = replace_project(told, project)
            assert history(again, tmp_path / f"{lives} {when} cut") == right
            join(project, OPTIONS)
            rollups.thin(project, frozenset(snapshots.ids(project)), lambda: None)
            assert len(rollup_names(project)) == 1
            assert history(again, tmp_path / f"{lives} {when} later") == right


def test_nothing_that_is_left_is_no_roll_up() -> None:
    told = lived(4, 13)
    found = list(rollups.read_some(told.project, rollup_names(told.project)).values())
    assert joined_rollup(found, {one.id for one in told.records}).records == ()
