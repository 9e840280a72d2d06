"""A contact centre's rhythms raise no alert, and none of its catastrophes is missed: real workbooks, real backups."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from policies.monitoring import anomalies
from policies.monitoring.anomalies import AnomalyLimits
from policies.monitoring.baseline import PastSnapshot
from tests.support import rhythms
from tests.support.rhythms import CATASTROPHES, HOUR, KYIV, START, Centre
from vault.format.changes import Changes, VanishedGroup

DAYS = 30
SHIFT = (9, 12, 17, 19)
"""Hours of a day at which a snapshot is taken; the rows are of all hours since the one before."""
WORKBOOKS = anomalies.MANY_EMPTIED
"""In a month of real backups: as many as a catastrophe must concern, however many other files there are."""


def test_a_row_an_hour_in_every_workbook_is_no_rewriting(tmp_path: Path) -> None:
    centre = Centre(tmp_path / "source")
    centre.back_up()
    for _ in range(3):
        centre.hour()
        assert centre.back_up() == anomalies.Anomalies()
        found = centre.changes
        assert (found.rewritten, found.looked, found.went, found.emptied, found.columns) == (12, 12, 0, 0, 0)
    assert not centre.frozen


def test_an_archive_that_is_moved_by_hand_is_not_lost(tmp_path: Path) -> None:
    centre = rhythms.with_archives(tmp_path / "source", workbooks=1)
    centre.back_up()
    (centre.root / "archive").mkdir()
    for month in ("2126-09", "2126-10", "2126-11", "2126-12"):
        shutil.move(centre.root / month, centre.root / "archive" / month)
    centre.hour()
    assert centre.back_up() == anomalies.Anomalies()
    assert (centre.changes.moved, centre.changes.vanished) == (96, 0)


@pytest.mark.parametrize("catastrophe", CATASTROPHES, ids=lambda one: one.__name__)
def test_a_catastrophe_is_told_and_freezes_retention(tmp_path: Path, catastrophe: Callable[[Centre], None]) -> None:
    centre = rhythms.with_archives(tmp_path / "source")
    centre.back_up()
    centre.hour()
    centre.back_up()
    centre.clock.moment += HOUR
    catastrophe(centre)
    said = centre.back_up().reasons
    assert any(CATASTROPHES[catastrophe] in why for why in said), said
    assert centre.frozen
    centre.accept()
    centre.hour()
    assert not [why for why in centre.back_up().reasons if "vanished" in why] and not centre.frozen


def test_files_that_are_emptied_one_by_one_are_told_within_the_day(tmp_path: Path) -> None:
    centre = Centre(tmp_path / "source")
    centre.back_up()
    said: list[str] = []
    for number in centre.rows:
        centre.clock.moment += HOUR
        centre.rows[number].clear()
        centre.write(number)
        said += centre.back_up().reasons
    assert any("within a day 5 of 12 files were emptied" in why for why in said), said


def test_a_folder_that_is_emptied_file_by_file_is_told_when_the_last_one_goes(tmp_path: Path) -> None:
    centre = rhythms.with_archives(tmp_path / "source", workbooks=1)
    centre.back_up()
    files = sorted((centre.root / "2127-01").iterdir())
    said: list[str] = []
    for some in (files[:12], files[12:23], files[23:]):
        centre.clock.moment += timedelta(hours=30)
        for file in some:
            file.unlink()
        said += centre.back_up().reasons
    assert any("reports/2127-01 (24 files)" in why for why in said), said


def hourly(now: datetime, **numbers: object) -> Changes:
    """What an hour does in a centre with two hundred workbooks and sixty drawings that are made anew."""
    usual = Changes(files=560 + (now - START).days * 8, rewritten=260, looked=200, went=60, formed=260, since=START)
    return replace(usual, **numbers)


def month() -> list[Changes | None]:
    """What each hour of a month does; None for one in which nobody works and nothing is done."""
    hours: list[Changes | None] = []
    for count in range(DAYS * 24):
        now = START + count * HOUR
        here = now.astimezone(KYIV)
        if here.weekday() == 6 and here.hour != 3:
            hours.append(None)
        elif here.hour == 3:  # every report of the past is made anew by night
            hours.append(hourly(now, went=480, rewritten=480))
        elif here.day == 1 and here.hour == 10:  # last month's folder goes to the archive
            hours.append(hourly(now, moved=96))
        elif here.weekday() == 4 and here.hour == 17:  # the supervisor cleans up, and once a whole folder of drafts
            drafts = (VanishedGroup("reports/drafts", 7),) if here.day == 14 else ()
            hours.append(hourly(now, vanished=12 + 7 * bool(drafts), folders=drafts))
        else:
            hours.append(hourly(now))
    return hours


def played(hours: list[Changes | None]) -> tuple[list[PastSnapshot], list[str]]:
    """Judge each hour by those before; a person accepts what is flagged."""
    past: list[PastSnapshot] = []
    said: list[str] = []
    for count, changes in enumerate(hours):
        now = START + count * HOUR
        one = PastSnapshot(now, Changes(files=560, since=START) if changes is None else changes)
        verdict = anomalies.find_anomalies(one, past, AnomalyLimits(), KYIV)
        said += [f"{now:%m-%d %H} {why}" for why in verdict.reasons]
        past.append(replace(one, accepted=bool(verdict.reasons)))
    return past, said


def test_a_month_of_a_contact_centre_has_at_most_one_false_alerts_and_then_nothing_is_missed() -> None:
    past, said = played(month())
    assert len(said) <= 1, said
    now = START + DAYS * 24 * HOUR
    for numbers in (
        {"vanished": 96},
        {"vanished": 31, "folders": (VanishedGroup("reports/2127-01", 31),)},
        {"vanished": 28, "periods": (VanishedGroup("2127-02", 28),)},
        {"unformed": 200},
        {"unreadable": 40},
        {"columns": 200},
        {"emptied": 12},
        {"went": 400},
    ):
        one = PastSnapshot(now, hourly(now, **numbers))
        assert anomalies.suspicious(one, past[-24:], AnomalyLimits()), numbers
        assert anomalies.find_anomalies(one, past, AnomalyLimits(), KYIV).reasons, numbers


def test_files_that_are_emptied_one_by_one_after_such_a_month_are_told_within_the_day() -> None:
    past, _ = played(month())
    for count in range(10):
        now = START + (DAYS * 24 + count) * HOUR
        one = PastSnapshot(now, hourly(now, emptied=1))
        if anomalies.find_anomalies(one, past, AnomalyLimits(), KYIV).reasons:
            assert count == 9  # the tenth
            return
        past.append(one)
    raise AssertionError("nobody was told")


@pytest.mark.parametrize("number", ["unformed", "unreadable"])
def test_files_that_are_encrypted_a_few_a_day_are_told_within_the_week(number: str) -> None:
    past, _ = played(month())
    told = []
    for day in range(5):
        now = START + DAYS * 24 * HOUR + day * 24 * HOUR
        one = PastSnapshot(now, hourly(now, **{number: 4}))
        told.append(anomalies.find_anomalies(one, past, AnomalyLimits(), KYIV).reasons)
        assert anomalies.suspicious(one, past[-24 * 8 :], AnomalyLimits()) == bool(told[-1])
        past.append(replace(one, accepted=bool(told[-1])))
    first = next(day for day, reasons in enumerate(told) if reasons)
    assert first <= 2 and told[first][0].startswith("within a week ") and not told[first + 1]


def worked(centre: Centre, day: int, hour: int) -> None:
    """What people do until then: rows, a folder of the day, a supervisor's cleaning-up, an archive moved by hand."""
    before = SHIFT[SHIFT.index(hour) - 1] if hour != SHIFT[0] else 8
    centre.hour(hour - before)
    today = centre.clock.moment
    if hour == 9:
        for number in range(8):
            file = centre.root / "new" / f"{today:%Y-%m-%d}" / f"queue-{number}.csv"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"hour,calls\n{day},{number}\n" * 9)
    if hour == 17 and today.weekday() == 4:
        for file in sorted((centre.root / "new").rglob("queue-0.csv"))[:3]:
            file.unlink()
    if day == 20 and hour == 12:
        (centre.root / "archive").mkdir()
        shutil.move(centre.root / "2126-09", centre.root / "archive" / "2126-09")
    if hour == SHIFT[-1]:
        for number, rows in centre.rows.items():
            centre.rows[number] = rows[-48:]  # a sheet holds two days


@pytest.mark.slow
def test_a_month_of_real_backups_has_at_most_one_false_alerts_and_no_catastrophe_is_missed(tmp_path: Path) -> None:
    centre = rhythms.with_archives(tmp_path / "source", WORKBOOKS)
    for day in range(DAYS):
        for hour in SHIFT:
            worked(centre, day, hour)
            centre.back_up()
            if centre.frozen:
                centre.accept()
        centre.clock.moment = START + (day + 1) * 24 * HOUR
    assert len(centre.alerts) <= 1, centre.alerts
    (centre.root / "archive" / "2126-09").rename(centre.root / "2126-09")
    (centre.root / "archive").rmdir()
    kept = tmp_path / "kept"
    shutil.copytree(centre.root, kept)
    for catastrophe, words in CATASTROPHES.items():
        suffered(centre, catastrophe, words, kept)


def suffered(centre: Centre, catastrophe: Callable[[Centre], None], words: str, kept: Path) -> None:
    """A catastrophe, which must be told; then all is brought back. Before it people write an hour's rows: after everything was
    brought back at once, not all of so many tables have been looked into again."""
    rows = {number: list(some) for number, some in centre.rows.items()}
    centre.hour()
    centre.back_up()
    centre.clock.moment += 2 * HOUR
    catastrophe(centre)
    said = centre.back_up().reasons
    assert any(words in why for why in said), (catastrophe, said)
    centre.accept()
    centre.rows = rows
    shutil.rmtree(centre.root)
    shutil.copytree(kept, centre.root)
    centre.clock.moment += 30 * HOUR
    centre.back_up()
    if centre.frozen:
        centre.accept()
    centre.clock.moment += 30 * HOUR
