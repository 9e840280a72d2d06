"""What was read of roll-ups is kept on the machine, and believed only where this project's keys have written it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from restore.history import rollup as history_rollup
from restore.history.update import UpdateOptions
from tests.support.places import through
from tests.support.randomness import SeededChance
from tests.unit.history.model import Told
from vault.age import HybridIdentity
from vault.format.snapshot_record import Record
from vault.repository import rollup_records, rollups
from vault.repository.project import Project
from vault.storage.caching import CachingStore, uncached
from vault.storage.counting import CountingStore

HOURS = 12


@pytest.fixture(autouse=True)
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_rollup, "FEWEST", 4)


@pytest.fixture(scope="module")
def told() -> Told:
    """Twelve hours, in three roll-ups."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(history_rollup, "FEWEST", 4)
        lived = Told()
        for hour in range(HOURS):
            lived.hour({b"reports/a": (f"hour {hour}", 0o644)})
            if hour % 4 == 3:
                history_rollup.roll_up(lived.project, lived.source, UpdateOptions())
    return lived


class Machine:
    """The project as a machine with this cache sees it; `asked` counts what reaches the store."""

    def __init__(self, told: Told, cache: Path) -> None:
        self.asked = CountingStore(told.project.store)
        self.project = through(told.project, CachingStore(self.asked, cache, SeededChance("cache")))

    def rolled(self) -> list[Record]:
        return [record for records in rollups.rolled_up(self.project) for record in records]


def records_file(cache: Path) -> Path:
    [found] = (cache / "history").glob("*.records")
    return found


def test_a_second_command_opens_no_roll_up(told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Machine(told, tmp_path).rolled()
    assert len(first) == HOURS

    def nobody_reads(project: Project, name: str, decode: Callable[..., object]) -> object:
        raise AssertionError(f"{name} is opened again")

    monkeypatch.setattr(rollups, "_read", nobody_reads)
    assert Machine(told, tmp_path).rolled() == first


def test_a_new_roll_up_is_read_and_one_that_is_gone_is_not_believed(told: Told, tmp_path: Path) -> None:
    before = Machine(told, tmp_path).rolled()
    names = sorted(info.name for info in told.project.store.list(told.project.folder("rollups")))
    data = told.project.store.get(names[1])
    told.project.store.delete(names[1])
    try:
        without = Machine(told, tmp_path).rolled()
    finally:
        told.project.store.put(names[1], data)
    assert 0 < len(without) < len(before)
    assert Machine(told, tmp_path).rolled() == before


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "too large", "of others", "not tagged"])
def test_what_is_damaged_or_of_others_counts_as_not_there(
    told: Told, tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Machine(told, tmp_path).rolled()
    file = records_file(tmp_path)
    data = file.read_bytes()
    if damage == "too large":
        monkeypatch.setattr(rollup_records, "LARGEST_FILE", len(data) - 1)
    elif damage == "of others":
        stranger = replace(told.project.capability, catalogue=HybridIdentity.generate(SeededChance("stranger")))
        file.write_bytes(replace(told.project, capability=stranger).seal_catalogue(b"x" * 100))
    elif damage == "not tagged":  # whoever knows the public key can seal
        plain = told.project.open_catalogue(data)
        file.write_bytes(told.project.seal_catalogue(bytes(32) + plain[32:]))
    else:
        file.write_bytes({"cut": data[:-7], "flipped": data[:-1] + bytes([data[-1] ^ 1]), "empty": b""}[damage])
    assert rollup_records.load(Machine(told, tmp_path).project) == {}
    assert Machine(told, tmp_path).rolled() == before


def test_what_another_version_has_written_counts_as_not_there(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Machine(told, tmp_path).rolled()
    monkeypatch.setattr(rollup_records, "_SHAPE", "Record with a field more")
    assert rollup_records.load(Machine(told, tmp_path).project) == {}
    assert Machine(told, tmp_path).rolled() == before


def test_whoever_reads_the_store_itself_gets_nothing_of_it(told: Told, tmp_path: Path) -> None:
    machine = Machine(told, tmp_path)
    machine.rolled()
    below = through(machine.project, uncached(machine.project.store))
    assert rollup_records.load(below) == {}
    asked = machine.asked.snapshot().requests["get"]
    assert len([one for records in rollups.rolled_up(below) for one in records]) == HOURS
    assert machine.asked.snapshot().requests["get"] > asked


def test_a_cache_that_cannot_be_written_harms_nobody(told: Told, tmp_path: Path) -> None:
    (tmp_path / "history").write_bytes(b"in the way")
    assert len(Machine(told, tmp_path).rolled()) == HOURS
    assert len(Machine(told, tmp_path).rolled()) == HOURS
