"""Suspicious snapshots, and the freeze that they bring, in a whole repository in memory."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from policies.promises import flags, freeze
from policies.promises.flags import Limits, Rewritten
from policies.retention.facts import described
from policies.retention.judge import judge
from policies.retention.rules import Keep
from policies.retention.span import Span
from tests.support.chance import SeededChance
from tests.support.faulty import FaultyStore, faults
from tests.support.places import FAR_AHEAD, TickingClock, back_up, made_on, through
from vault.errors import TransientStorageError, UsageError
from vault.format.record import Counts, Record
from vault.repository import holds, snapshots
from vault.repository.project import Project
from vault.storage.memory import MemoryStore

LIMITS = Limits()


def counts(*, items: int = 100, changed: int = 0, vanished: int = 0) -> Counts:
    return Counts(items, items, 0, 0, changed, 0, vanished, 0, 0, 0)


@pytest.fixture
def project() -> Project:
    return made_on(MemoryStore(), clock=TickingClock())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number:02}.csv").write_text(f"hour,calls\n{number},{number * 7}\n" * 5)
    return folder


def taken(project: Project, folder: Path) -> tuple[Record, list[str]]:
    record = back_up(project, folder).record
    return record, freeze.watch(project, record, LIMITS)


def frozen(project: Project) -> list[str]:
    return [freeze.why(one) for one in freeze.freezing(holds.read_all(project).holds, project.services.clock.now())]


def told(*, vanished: int = 0, changed: int = 0, formed: int = 0, lost: int = 0, items: int = 100) -> list[str]:
    before = counts(items=items)
    found = Rewritten(changed, formed, lost)
    return [*flags.of_vanished(before, counts(vanished=vanished), LIMITS), *flags.of_rewritten(before, found, LIMITS)]


def test_a_share_from_the_limit_on_is_flagged() -> None:
    assert told(vanished=29) == told(changed=49) == []
    assert told(vanished=30) == ["30 of 100 items vanished"]
    assert told(changed=50) == ["50 of 100 items were rewritten"]
    assert told(vanished=90, changed=90) == ["90 of 100 items vanished", "90 of 100 items were rewritten"]


def test_of_few_items_no_share_is_reckoned() -> None:
    assert told(items=4, vanished=4) == told(items=10, vanished=4, changed=4) == []


def test_files_that_lost_their_form_are_told_only_when_they_are_many() -> None:
    assert told(formed=40, lost=9) == told(formed=100, lost=40) == []
    assert told(formed=20, lost=10) == ["10 of 20 rewritten files look encrypted: they have no format any more"]


def test_files_that_were_only_touched_are_not_rewritten(project: Project, folder: Path) -> None:
    taken(project, folder)
    for file in folder.iterdir():
        os.utime(file, (1, 1))
    record, found = taken(project, folder)
    assert record.counts.changed >= 20 and found == [] and frozen(project) == []


def test_an_ordinary_day_freezes_nothing(project: Project, folder: Path) -> None:
    assert taken(project, folder)[1] == []
    (folder / "00.csv").write_text("hour,calls\n1,2\n" * 9)
    (folder / "01.csv").unlink()
    assert taken(project, folder)[1] == [] and frozen(project) == []


def test_a_mass_deletion_freezes_retention_on_every_machine_until_a_person_accepts(project: Project, folder: Path) -> None:
    taken(project, folder)
    for number in range(12):
        (folder / f"{number:02}.csv").unlink()
    record, told = taken(project, folder)
    elsewhere = through(project, project.store, seed="elsewhere")
    assert told == ["12 of 21 items vanished"]
    assert frozen(elsewhere) == [f"{record.id} of files: 12 of 21 items vanished"]
    (released,) = freeze.accept(elsewhere, reason="we moved them", who="olena@desk")
    assert released.release is not None and (released.release.who, released.release.reason) == ("olena@desk", "we moved them")
    assert frozen(project) == []
    with pytest.raises(UsageError, match="is not frozen"):
        freeze.accept(project, reason="again", who="olena@desk")


def test_snapshots_with_problems_are_watched_as_well(project: Project, folder: Path) -> None:
    taken(project, folder)
    for number in range(12):
        (folder / f"{number:02}.csv").unlink()
    record = replace(back_up(project, folder).record, problems=({"path": "x", "what": "unreadable", "message": "no"},))
    assert freeze.watch(project, record, LIMITS) == ["12 of 21 items vanished"]


def test_what_was_accepted_is_not_flagged_again_by_later_backups(project: Project, folder: Path) -> None:
    taken(project, folder)
    for number in range(12):
        (folder / f"{number:02}.csv").unlink()
    taken(project, folder)
    freeze.accept(project, reason="we moved them", who="olena@desk")
    (folder / "new.csv").write_text("a,b\n")
    assert taken(project, folder)[1] == [] and frozen(project) == []


def test_a_run_that_died_before_its_flag_leaves_it_to_the_next(project: Project, folder: Path) -> None:
    taken(project, folder)
    for number in range(12):
        (folder / f"{number:02}.csv").unlink()
    died = back_up(project, folder).record
    assert frozen(project) == []
    _, told = taken(project, folder)
    assert told == [] and frozen(project) == [f"{died.id} of files: 12 of 21 items vanished"]


def test_a_flag_that_cannot_be_stored_is_an_error_and_the_snapshot_stays(project: Project, folder: Path) -> None:
    taken(project, folder)
    for number in range(12):
        (folder / f"{number:02}.csv").unlink()
    record = back_up(project, folder).record
    store = FaultyStore(project.store)
    with faults(store).on("put", raises=TransientStorageError("reset")) as plan, pytest.raises(TransientStorageError):
        freeze.watch(through(project, store), record, LIMITS)
    assert plan.all_happened
    assert record in snapshots.committed(project).records


def test_rewriting_by_ransomware_is_told_by_the_forms_that_are_lost(project: Project, folder: Path) -> None:
    for number in range(20, 60):
        (folder / f"{number:02}.csv").write_text(f"hour,calls\n{number},{number * 7}\n" * 5)
    taken(project, folder)
    chance = SeededChance("ransom")
    for number in range(12):
        (folder / f"{number:02}.csv").write_bytes(chance.token(300))
    assert taken(project, folder)[1] == ["12 of 12 rewritten files look encrypted: they have no format any more"]


def test_rewriting_most_files_is_flagged_whatever_their_form(project: Project, folder: Path) -> None:
    taken(project, folder)
    for number in range(11):
        (folder / f"{number:02}.csv").write_text(f"hour,calls\n{number},2\n" * 20)
    record, found = taken(project, folder)
    assert found == ["11 of 21 items were rewritten"] and frozen(project) == [f"{record.id} of files: {found[0]}"]


def test_the_same_rewriting_in_a_form_is_not(project: Project, folder: Path) -> None:
    for number in range(20, 60):
        (folder / f"{number:02}.csv").write_text(f"hour,calls\n{number},{number * 7}\n" * 5)
    taken(project, folder)
    for number in range(12):
        (folder / f"{number:02}.csv").write_text("hour,calls\n1,2\n" * 20)
    assert taken(project, folder)[1] == []


def test_while_a_flag_stands_retention_forgets_nothing(project: Project, folder: Path) -> None:
    for number in range(12):
        (folder / "00.csv").write_text(f"hour,calls\n{number},9\n" * 7)
        taken(project, folder)
    for number in range(12):
        (folder / f"{number:02}.csv").unlink()
    taken(project, folder)
    late = FAR_AHEAD + timedelta(days=1000)
    facts = described(snapshots.committed(project).records, flagged={}, matches={})

    def forgotten() -> int:
        found = holds.read_all(project).holds
        return len(judge(facts, Keep(last=1, within=Span(0, "day")), found, late, ZoneInfo("UTC")).forgotten)

    assert forgotten() == 0
    freeze.accept(project, reason="meant", who="olena@desk")
    assert forgotten() == 12
