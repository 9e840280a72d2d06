"""Power fails while the log is written, after each write to the store and after each to this machine's disk: no entry is lost,
none is there twice, and the chain is whole once the machine is on again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace

from tests.support.dying import DyingStore, PowerCut, moments
from tests.support.log_chain import DONE, LogMachine, all_entries, verified
from vault.format.claim import Process
from vault.repository.audit.own_chain import OwnChain
from vault.storage.contract import Store
from vault.storage.memory import MemoryStore

COMMANDS = ("backup", "prune", "restore")
STORE_WRITES = 4
"""A backup, the intent and the outcome of a prune, a restore."""


class Boots:
    """A machine whose earlier processes have all ended."""

    def __init__(self, boot: int) -> None:
        self._boot = boot

    def own(self) -> Process:
        return Process("m", str(self._boot), "n", 1, 0)

    def ended(self, found: Process) -> bool:
        return found.boot != str(self._boot)


def on(store: Store, state: Path, boot: int) -> LogMachine:
    machine = LogMachine(store, state)
    machine.writer._services = replace(machine.writer._services, processes=Boots(boot))
    return machine


def work(machine: LogMachine, begun: list[str]) -> None:
    for action in COMMANDS:
        draft = replace(machine.draft(action), process=machine.writer._services.processes.own())
        if action == "prune":
            draft, _ = machine.writer.intend(draft)
        else:
            machine.writer.begin(draft)
        begun.append(action)
        machine.writer.end(draft, DONE)


def check(store: MemoryStore, state: Path, begun: list[str]) -> None:
    """The machine is on again, and works."""
    assert on(store, state, 2).record("drill") is None
    found = all_entries(store)
    assert all(report.sound for report in verified(store))
    ends = Counter(one.run for one in found if one.outcome is not None)
    assert set(ends.values()) == {1}, "each command has one end"
    ended = [one.action for one in found if one.outcome is not None]
    assert sorted(ended) in (sorted([*begun, "drill"]), sorted([*begun, *COMMANDS[len(begun) : len(begun) + 1], "drill"]))
    assert not OwnChain(state / on(store, state, 3).writer.principal).drafts()
    assert on(store, state, 4).record("backup") is None
    assert all(report.sound for report in verified(store))


def test_the_work_of_these_tests_has_as_many_writes_as_they_go_through(tmp_path: Path) -> None:
    store = DyingStore(MemoryStore())
    work(on(store, tmp_path, 1), [])
    assert store.writes == STORE_WRITES


@pytest.mark.parametrize(("lives", "when"), moments(STORE_WRITES))
def test_power_fails_at_a_write_to_the_store(lives: int, when: Literal["before", "after"], tmp_path: Path) -> None:
    store, begun = MemoryStore(), list[str]()
    with pytest.raises(PowerCut):
        work(on(DyingStore(store, lives=lives, when=when), tmp_path, 1), begun)
    check(store, tmp_path, begun)


@contextmanager
def disk_dies(lives: int, when: str) -> Iterator[list[int]]:
    """At a write of this machine's own files; gives how many there were."""
    writes, plain = [0], OwnChain._write

    def dying(self: OwnChain, name: str, data: bytes | bytearray) -> None:
        if writes[0] < lives:
            writes[0] += 1
            plain(self, name, data)
            return
        if when == "after":
            plain(self, name, data)
        raise PowerCut

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OwnChain, "_write", dying)
        yield writes


def test_power_fails_at_each_write_to_the_machines_own_disk(tmp_path: Path) -> None:
    with disk_dies(1000, "before") as writes:
        work(on(MemoryStore(), tmp_path / "counted", 1), [])
    assert writes[0] >= 7
    for lives in range(writes[0]):
        for when in ("before", "after"):
            store, begun, state = MemoryStore(), list[str](), tmp_path / f"{lives} {when}"
            with disk_dies(lives, when), pytest.raises(PowerCut):
                work(on(store, state, 1), begun)
            check(store, state, begun)
