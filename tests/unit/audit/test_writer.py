"""Writing the log: one chain from many processes, what waits when the store refuses, and what dead processes have left."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.faulty import FaultyStore, faults
from tests.support.log_chain import ACME, BEAM, DONE, LogMachine, all_entries, verified
from vault.clock import SystemClock
from vault.errors import StorageDenied, TransientStorageError
from vault.format.claim import Process
from vault.format.log_entry import LoggedProject
from vault.repository.audit.own_chain import OwnChain
from vault.storage.counting import CountingStore
from vault.storage.memory import MemoryStore


class Processes:
    """A machine on which this process lives, and those of the numbers that are named have ended."""

    def __init__(self, *dead: int) -> None:
        self._dead = dead

    def own(self) -> Process:
        return process(1)

    def ended(self, found: Process) -> bool:
        return found.number in self._dead


def process(number: int) -> Process:
    return Process("m", "b", "n", number, 0)


def machine(store: object, state: Path, *dead: int) -> LogMachine:
    made = LogMachine(store, state)  # type: ignore[arg-type]
    made.writer._services = replace(made.writer._services, processes=Processes(*dead))
    return made


def test_a_command_costs_one_request_and_nothing_is_asked_of_the_store_after_the_first(tmp_path: Path) -> None:
    store = CountingStore(MemoryStore())
    alpha = LogMachine(store, tmp_path)
    assert alpha.record() is None
    assert store.snapshot().requests == {"list": 1, "put": 1}
    before = store.snapshot()
    for _ in range(5):
        alpha.record()
    assert store.snapshot().since(before).requests == {"put": 5}
    assert all(report.sound and report.entries == 6 for report in verified(store))


def test_an_entry_names_the_one_before_it_and_who_did_what(tmp_path: Path) -> None:
    store = MemoryStore()
    alpha = LogMachine(store, tmp_path)
    for action in ("backup", "restore", "prune"):
        alpha.record(action)
    found = all_entries(store)
    assert [(one.sequence, one.action, one.phase, one.who.user) for one in found] == [
        (1, "backup", "done", "olena"),
        (2, "restore", "done", "olena"),
        (3, "prune", "done", "olena"),
    ]
    assert found[0].before is None and found[1].before != found[2].before


def test_a_new_machine_with_the_same_identity_goes_on_where_the_chain_ends(tmp_path: Path) -> None:
    store = MemoryStore()
    LogMachine(store, tmp_path / "alpha").record()
    beta = LogMachine(store, tmp_path / "beta", host="beta")
    beta.record()
    beta.record()
    (report,) = verified(store)
    assert (report.sound, report.entries, report.hosts) == (True, 3, ["alpha", "beta"])


def test_what_the_store_refuses_waits_and_goes_with_the_next_command(tmp_path: Path) -> None:
    store = FaultyStore(MemoryStore())
    alpha = LogMachine(store, tmp_path)
    alpha.record()
    with faults(store).on("put", raises=StorageDenied("no")) as plan:
        refused = alpha.record("restore")
        assert plan.all_happened
    assert refused is not None and refused.kept and "waits on this machine" in refused.message
    assert len(all_entries(store)) == 1
    assert LogMachine(store, tmp_path).record("prune") is None
    assert [one.action for one in all_entries(store)] == ["backup", "restore", "prune"]
    assert verified(store)[0].sound


def test_an_answer_that_was_lost_makes_no_second_entry(tmp_path: Path) -> None:
    store = FaultyStore(MemoryStore())
    alpha = LogMachine(store, tmp_path)
    with faults(store).on("put", raises=TransientStorageError("reset"), when="after"):
        assert alpha.record() is not None
    alpha.record()
    (report,) = verified(store)
    assert (report.sound, report.entries) == (True, 2)


def test_where_the_place_in_the_chain_is_not_known_the_whole_entry_waits(tmp_path: Path) -> None:
    store = FaultyStore(MemoryStore())
    with faults(store).on("list", raises=TransientStorageError("away")):
        refused = LogMachine(store, tmp_path).record("restore")
    assert refused is not None and refused.kept
    LogMachine(store, tmp_path).record("backup")
    assert sorted(one.action for one in all_entries(store)) == ["backup", "restore"]
    assert {one.outcome and one.outcome.result for one in all_entries(store)} == {"ok"}
    assert verified(store)[0].sound


def test_a_machine_whose_disk_takes_nothing_writes_to_the_store_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    alpha = LogMachine(store, tmp_path)
    alpha.record()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(OwnChain, "_write", full)
        assert alpha.record() is None
        assert alpha.record() is None
    assert alpha.record() is None
    (report,) = verified(store)
    assert (report.sound, report.entries) == (True, 4)


def test_what_can_neither_be_stored_nor_kept_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    store = FaultyStore(MemoryStore())
    monkeypatch.setattr(OwnChain, "_write", full)
    with faults(store).on("put", raises=StorageDenied("no")):
        refused = LogMachine(store, tmp_path).record()
    assert refused is not None and not refused.kept and "neither" in refused.message


def test_a_process_that_died_leaves_an_intent_of_which_nobody_knows_what_came(tmp_path: Path) -> None:
    store = MemoryStore()
    alpha = machine(store, tmp_path)
    alpha.writer.begin(replace(alpha.draft("restore"), process=process(7)))
    alpha.writer.begin(replace(alpha.draft("export"), process=process(8)))
    machine(store, tmp_path, 7).record("backup")
    first, second = all_entries(store)
    assert (first.action, second.action, second.phase) == ("backup", "restore", "intent")
    assert second.outcome is not None and second.outcome.result == "interrupted"
    machine(store, tmp_path, 7, 8).record("backup")
    assert [one.action for one in all_entries(store)] == ["backup", "restore", "backup", "export"]
    assert not OwnChain(tmp_path / alpha.writer.principal).drafts()
    assert verified(store)[0].sound


def test_what_destroys_something_is_in_the_store_before_the_effect(tmp_path: Path) -> None:
    store = MemoryStore()
    alpha = machine(store, tmp_path)
    draft, refused = alpha.writer.intend(alpha.draft("prune"))
    assert refused is None
    (intent,) = all_entries(store)
    assert (intent.phase, intent.outcome) == ("intent", None)
    alpha.writer.end(draft, DONE)
    assert [(one.phase, one.run) for one in all_entries(store)] == [("intent", draft.run), ("outcome", draft.run)]
    killed, _ = alpha.writer.intend(replace(alpha.draft("forget"), process=process(7)))
    machine(store, tmp_path, 7).record("backup")
    assert [(one.action, one.phase) for one in all_entries(store)][2:] == [
        ("forget", "intent"),
        ("backup", "done"),
        ("forget", "outcome"),
    ]
    assert killed.run == all_entries(store)[-1].run


def test_a_crash_between_an_entry_and_its_draft_makes_no_second_entry(tmp_path: Path) -> None:
    store = MemoryStore()
    alpha = machine(store, tmp_path)
    draft = replace(alpha.draft("restore"), process=process(7))
    alpha.writer.begin(draft)
    alpha.writer.end(draft, DONE)
    alpha.writer.begin(draft)  # as if it had never gone
    machine(store, tmp_path, 7).record("backup")
    assert [one.action for one in all_entries(store)] == ["restore", "backup"]


def test_processes_of_one_machine_write_one_chain_without_a_fork(tmp_path: Path) -> None:
    store = MemoryStore()

    def work(number: int) -> None:
        mine = LogMachine(store, tmp_path, host=f"alpha {number}", clock=SystemClock())
        for _ in range(5):
            mine.record()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    (report,) = verified(store)
    assert (report.sound, report.entries) == (True, 20)


def test_a_command_about_many_projects_makes_an_entry_for_every_sixteen_of_them(tmp_path: Path) -> None:
    store = MemoryStore()
    many = [LoggedProject(f"{number:032x}", f"project {number}") for number in range(18)]
    LogMachine(store, tmp_path).record("backup", *many)
    assert [len(one.projects) for one in all_entries(store, many[0], many[17])] == [16, 2]
    assert len(all_entries(store, many[17])) == 1
    assert verified(store)[0].entries == 2


def test_an_auditor_of_one_project_reads_what_is_about_it_and_sees_that_the_rest_is_whole(tmp_path: Path) -> None:
    store = MemoryStore()
    alpha = LogMachine(store, tmp_path)
    for project in (ACME, BEAM, ACME):
        alpha.record("backup", project)
    (report,) = verified(store, projects=[ACME])
    assert (report.sound, report.entries, report.opened) == (True, 3, 2)
    assert [one.sequence for one in all_entries(store, BEAM)] == [2]


def test_an_entry_that_is_too_large_is_said_in_short(tmp_path: Path) -> None:
    store = MemoryStore()
    alpha = LogMachine(store, tmp_path)
    draft = alpha.draft("restore", what={"patterns": ["x" * 400_000]})
    assert alpha.writer.end(draft, DONE) is None
    (entry,) = all_entries(store)
    assert entry.action == "restore" and "too large" in entry.what["left_out"]
