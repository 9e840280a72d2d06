"""Suspicious snapshots, and the freeze that they bring, in a whole repository in memory."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from policies.monitoring import anomalies, retention_freeze
from policies.monitoring.anomalies import AnomalyLimits
from policies.monitoring.baseline import PastSnapshot
from policies.retention.calendar_span import CalendarSpan
from policies.retention.rules import Keep
from policies.retention.snapshot_facts import described
from policies.retention.verdict import decide
from tests.support.faulty import FaultyStore, faults
from tests.support.places import FAR_AHEAD, TickingClock, back_up, made_on, through
from tests.support.randomness import SeededChance
from vault.errors import Damaged, TransientStorageError, UsageError
from vault.format.changes import Changes, VanishedGroup
from vault.format.snapshot_record import Record
from vault.repository import holds, snapshots
from vault.repository.project import Project
from vault.storage.memory import MemoryStore

LIMITS = AnomalyLimits()
UTC = ZoneInfo("UTC")


GONE = (
    "12 of 20 files vanished (60 %), as reports/00.csv, reports/01.csv, reports/02.csv; "
    "nothing of the sort is usual on such a day"
)


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
    return record, list(retention_freeze.watch(project, record, LIMITS, UTC).reasons)


def frozen(project: Project) -> list[str]:
    return [
        retention_freeze.why(one)
        for one in retention_freeze.freezing(holds.read_all(project).holds, project.services.clock.now())
    ]


def told(**numbers: Any) -> list[str]:
    """What is said of a snapshot of a source that has been known for a month, and did nothing of the sort before."""
    changes = replace(Changes(files=100, since=FAR_AHEAD - timedelta(days=30)), **numbers)
    return list(anomalies.find_anomalies(PastSnapshot(FAR_AHEAD, changes), [], LIMITS, UTC).reasons)


NEVER = "nothing of the sort is usual on such a day"


def test_a_share_or_a_number_from_the_limit_on_is_flagged() -> None:
    assert told(vanished=29) == told(went=49) == told(files=1000, vanished=49) == []
    assert told(vanished=30) == [f"30 of 100 files vanished (30 %); {NEVER}"]
    assert told(files=1000, vanished=50) == [f"50 of 1000 files vanished (5 %); {NEVER}"]
    assert told(went=50) == ["50 of 100 files were rewritten as a whole; nothing of the sort is usual at this time"]
    assert len(told(vanished=90, went=90)) == 2


def test_of_few_files_no_number_is_reckoned() -> None:
    assert told(files=4, vanished=4) == told(files=10, vanished=4, went=4, emptied=4, columns=4, unreadable=4, unformed=4) == []


def test_files_that_lost_their_form_are_told_only_when_they_are_many() -> None:
    assert told(formed=40, unformed=9) == []
    encrypted = [f"10 rewritten files look encrypted: they have no format any more; {NEVER}"]
    assert told(formed=100, unformed=10) == told(formed=10, unformed=10) == encrypted
    assert told(files=8, formed=5, unformed=5) != [] and told(unreadable=5) == [f"5 tables cannot be opened any more; {NEVER}"]


def test_what_a_source_does_every_week_is_usual_and_once_is_not() -> None:
    def said(weeks: int, **numbers: Any) -> int:
        since = FAR_AHEAD - timedelta(days=60)
        now = PastSnapshot(FAR_AHEAD, replace(Changes(files=1000, since=since), **numbers))
        past = [replace(now, taken_at=FAR_AHEAD - timedelta(weeks=back)) for back in range(weeks, 0, -1)]
        return len(anomalies.find_anomalies(now, past, LIMITS, UTC).reasons)

    for numbers in ({"vanished": 100}, {"went": 600}, {"emptied": 200}, {"columns": 40}):
        assert [said(weeks, **numbers) for weeks in range(4)] == [1, 1, 0, 0]


def test_an_unusual_hour_is_told_though_the_same_is_usual_at_another() -> None:
    since = FAR_AHEAD - timedelta(days=60)
    changes = Changes(files=100, went=80, since=since)
    quiet = replace(changes, went=0)
    days = [FAR_AHEAD - timedelta(days=back) for back in range(28, 0, -1)]
    past = [one for day in days for one in (PastSnapshot(day, quiet), PastSnapshot(day + timedelta(hours=9), changes))]
    (why,) = anomalies.find_anomalies(PastSnapshot(FAR_AHEAD, changes), past, LIMITS, UTC).reasons
    assert why == "80 of 100 files were rewritten as a whole; nothing of the sort is usual at this time"
    assert anomalies.find_anomalies(PastSnapshot(FAR_AHEAD + timedelta(hours=9), changes), past, LIMITS, UTC).reasons == ()


def test_what_was_flagged_becomes_usual_only_when_a_person_accepts_it() -> None:
    changes = Changes(files=1000, vanished=100, since=FAR_AHEAD - timedelta(days=60))
    now = PastSnapshot(FAR_AHEAD, changes)
    past = [PastSnapshot(FAR_AHEAD - timedelta(weeks=back), changes, flagged=True) for back in (3, 2, 1)]
    assert len(anomalies.find_anomalies(now, past, LIMITS, UTC).reasons) == 1
    once = [*past[:2], replace(past[2], flagged=False, accepted=True)]
    assert len(anomalies.find_anomalies(now, once, LIMITS, UTC).reasons) == 1
    accepted = [past[0], *(replace(one, flagged=False, accepted=True) for one in past[1:])]
    assert anomalies.find_anomalies(now, accepted, LIMITS, UTC).reasons == ()


def test_rewriting_in_a_new_source_is_told_quietly_and_a_deletion_is_told_at_once() -> None:
    new = Changes(files=100, went=80, vanished=60, since=FAR_AHEAD - timedelta(days=3))
    verdict = anomalies.find_anomalies(PastSnapshot(FAR_AHEAD, new), [], LIMITS, UTC)
    assert len(verdict.reasons) == 1 and "60 of 100 files vanished" in verdict.reasons[0]
    assert len(verdict.quiet) == 1 and "still being learned, until 2126-01-12" in verdict.quiet[0]


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
    assert told == [GONE]
    assert frozen(elsewhere) == [f"{record.id} of files (after {record.parents[0]}): {GONE}"]
    (released,) = retention_freeze.accept(elsewhere, reason="we moved them", who="olena@desk")
    assert released.release is not None and (released.release.who, released.release.reason) == ("olena@desk", "we moved them")
    assert frozen(project) == []
    with pytest.raises(UsageError, match="is not frozen"):
        retention_freeze.accept(project, reason="again", who="olena@desk")


def test_snapshots_with_problems_are_watched_as_well(project: Project, folder: Path) -> None:
    taken(project, folder)
    for number in range(12):
        (folder / f"{number:02}.csv").unlink()
    record = replace(back_up(project, folder).record, problems=({"path": "x", "what": "unreadable", "message": "no"},))
    assert list(retention_freeze.watch(project, record, LIMITS, UTC).reasons) == [GONE]


def test_what_was_accepted_is_not_flagged_again_by_later_backups(project: Project, folder: Path) -> None:
    taken(project, folder)
    for number in range(12):
        (folder / f"{number:02}.csv").unlink()
    taken(project, folder)
    retention_freeze.accept(project, reason="we moved them", who="olena@desk")
    (folder / "new.csv").write_text("a,b\n")
    assert taken(project, folder)[1] == [] and frozen(project) == []


def test_a_run_that_died_before_its_flag_leaves_it_to_the_next(project: Project, folder: Path) -> None:
    taken(project, folder)
    for number in range(12):
        (folder / f"{number:02}.csv").unlink()
    died = back_up(project, folder).record
    assert frozen(project) == []
    _, told = taken(project, folder)
    assert told == [] and frozen(project) == [f"{died.id} of files (after {died.parents[0]}): {GONE}"]


def test_a_flag_that_cannot_be_stored_is_an_error_and_the_snapshot_stays(project: Project, folder: Path) -> None:
    taken(project, folder)
    for number in range(12):
        (folder / f"{number:02}.csv").unlink()
    record = back_up(project, folder).record
    store = FaultyStore(project.store)
    with faults(store).on("put", raises=TransientStorageError("reset")) as plan, pytest.raises(TransientStorageError):
        retention_freeze.watch(through(project, store), record, LIMITS, UTC)
    assert plan.all_happened
    assert record in snapshots.committed(project).records


def test_rewriting_by_ransomware_is_told_by_the_forms_that_are_lost(project: Project, folder: Path) -> None:
    for number in range(20, 60):
        (folder / f"{number:02}.csv").write_text(f"hour,calls\n{number},{number * 7}\n" * 5)
    taken(project, folder)
    randomness = SeededChance("ransom")
    for number in range(12):
        (folder / f"{number:02}.csv").write_bytes(randomness.token(300))
    (why,) = taken(project, folder)[1]
    assert why.startswith("12 rewritten files look encrypted: they have no format any more, as reports/00.csv, reports/01.csv")


def test_rewriting_most_files_of_a_new_source_is_told_and_freezes_nothing(project: Project, folder: Path) -> None:
    taken(project, folder)
    for number in range(11):
        (folder / f"{number:02}.csv").write_text(f"hour,calls\n{number},2\n" * 20)
    record = back_up(project, folder).record
    verdict = retention_freeze.watch(project, record, LIMITS, UTC)
    assert verdict.reasons == () and frozen(project) == []
    assert verdict.quiet[0].startswith("11 of 20 files were rewritten as a whole, as reports/00.csv")


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
        return len(decide(facts, Keep(last=1, within=CalendarSpan(0, "day")), found, late, UTC).forgotten)

    assert forgotten() == 0
    retention_freeze.accept(project, reason="meant", who="olena@desk")
    assert forgotten() == 12


def test_what_an_older_client_wrote_is_judged_by_its_number_of_vanished_items(project: Project, folder: Path) -> None:
    taken(project, folder)
    for number in range(12):
        (folder / f"{number:02}.csv").unlink()
    record = replace(back_up(project, folder).record, changes=None)
    (why,) = retention_freeze.watch(project, record, LIMITS, UTC).reasons
    assert why.startswith("12 of 20 files vanished")


def test_changes_are_read_back_as_they_were_written_and_nonsense_is_damage() -> None:
    whole = Changes(9, 8, 7, folders=(VanishedGroup("reports/a", 3),), examples={"went": ("reports/x",)}, since=FAR_AHEAD)
    assert Changes.from_json(whole.as_json(), "it") == whole and Changes().as_json() == {}
    for nonsense in ({"went": -1}, {"folders": [["a"]]}, {"periods": 3}, {"examples": [1]}, {"since": "today"}):
        with pytest.raises(Damaged):
            Changes.from_json(nonsense, "it")
