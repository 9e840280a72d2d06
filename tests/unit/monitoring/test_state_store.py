"""What runs found out, in its file."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from policies.monitoring.state_store import MOST_DRILLS, Coverage, NotedAlert, PackSeen, StateEntry, StateStore
from vault.errors import StrongroomError, UnsupportedFormat

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
KEY = ("sdek", "rpo", "reports")


def _open_files() -> set[Path]:
    """Of this process."""
    links = [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()]
    return {Path(link) for link in links}


def opened(folder: Path) -> StateStore:
    return StateStore.open(folder / "state" / "findings.sqlite")


def test_the_newest_word_on_a_subject_counts_and_survives(tmp_path: Path) -> None:
    with opened(tmp_path) as state_store:
        state_store.note("sdek", "backup", "reports", NOW - DAY, {"missing": ["x"]})
        state_store.note("sdek", "backup", "reports", NOW, {"missing": []})
        state_store.note("sdek", "backup", "tickets", NOW, {"missing": ["y"]})
    with opened(tmp_path) as state_store:
        assert state_store.found("sdek", "backup", "reports") == StateEntry(NOW, {"missing": []})
        assert state_store.found("sdek", "backup") is None
    file = tmp_path / "state" / "findings.sqlite"
    assert file.stat().st_mode & 0o777 == 0o600 and file.parent.stat().st_mode & 0o777 == 0o700


def test_the_first_meeting_is_never_forgotten(tmp_path: Path) -> None:
    with opened(tmp_path) as state_store:
        assert state_store.first_seen("sdek", "source reports", NOW) == NOW
        assert state_store.first_seen("sdek", "source reports", NOW + DAY) == NOW


def test_the_newest_hundred_drills_stay(tmp_path: Path) -> None:
    with opened(tmp_path) as state_store:
        for number in range(MOST_DRILLS + 5):
            state_store.drilled("sdek", NOW + number * DAY, {"seconds": number})
        found = state_store.drills("sdek", 1000)
        assert len(found) == MOST_DRILLS and found[0].value == {"seconds": MOST_DRILLS + 4}


def test_packs_are_written_all_or_none_and_covered_since_a_moment(tmp_path: Path) -> None:
    packs = {
        b"a": PackSeen(NOW - 40 * DAY, NOW - 5 * DAY, whole=True),
        b"b": PackSeen(NOW - 40 * DAY, NOW - 35 * DAY, whole=False),
        b"c": PackSeen(NOW - DAY, None, whole=True),
    }
    with opened(tmp_path) as state_store:
        assert state_store.coverage("sdek", NOW) == Coverage(0, 0, 0, None)
        state_store.write_packs("sdek", packs)
        state_store.write_packs("other", {b"a": packs[b"a"]})
        state_store.write_packs("sdek", packs)
        assert state_store.packs("sdek") == packs
        assert state_store.coverage("sdek", NOW - 30 * DAY) == Coverage(3, 1, 1, NOW - 35 * DAY)


def test_letters_wait_until_they_are_sent_and_alerts_change_with_them(tmp_path: Path) -> None:
    with opened(tmp_path) as state_store:
        state_store.change_alerts([(*KEY, NOW, "late", "do it")], [], [("email", {"n": 1}), ("webhook", {"n": 2})], NOW)
        assert state_store.alerts() == {KEY: NotedAlert(NOW, "late", "do it")}
    with opened(tmp_path) as state_store:
        first, second = state_store.queued_messages(NOW)
        state_store.sent(first)
        state_store.not_sent(second._replace(attempts=1), NOW + HOUR)
        assert state_store.queued_messages(NOW) == [] and state_store.queued_messages(NOW + HOUR)[0].attempts == 1
        state_store.change_alerts([], [KEY], [], NOW)
        assert state_store.alerts() == {}


def test_a_damaged_file_begins_anew_and_is_kept_beside(tmp_path: Path) -> None:
    file = tmp_path / "state" / "findings.sqlite"
    with opened(tmp_path) as state_store:
        state_store.first_seen("sdek", "x", NOW)
    file.write_bytes(b"this is no database, though it is as long as one " * 100)
    with opened(tmp_path) as state_store:
        assert state_store.first_seen("sdek", "x", NOW + DAY) == NOW + DAY
    assert file.with_name("findings.sqlite.damaged").exists()


def test_a_newer_file_is_refused_and_one_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "state" / "findings.sqlite")) as base:
        base.execute("PRAGMA user_version = 99")
    file = tmp_path / "state" / "findings.sqlite"
    for opening in (StateStore.open, StateStore.open_to_read):
        with pytest.raises(UnsupportedFormat, match="newer version") as refused:
            opening(file)
        assert file not in _open_files(), f"left open by a refusal that is still {refused.value}"
    (tmp_path / "file").write_text("")
    with pytest.raises(StrongroomError):
        StateStore.open(tmp_path / "file" / "findings.sqlite")


def test_two_commands_may_come_at_once(tmp_path: Path) -> None:
    with opened(tmp_path) as one, opened(tmp_path) as other:
        one.note("sdek", "check", "", NOW, {"damage": []})
        assert other.found("sdek", "check") is not None


def test_a_file_that_is_deleted_or_replaced_is_opened_anew_by_whoever_has_it_open(tmp_path: Path) -> None:
    told: list[str] = []
    file = tmp_path / "state" / "findings.sqlite"
    with StateStore.open(file, told.append) as daemon:
        daemon.note("sdek", "check", "", NOW, {"damage": []})
        file.unlink()
        with opened(tmp_path) as command:
            command.note("sdek", "check", "", NOW + DAY, {"damage": ["pack ab"]})
        assert daemon.found("sdek", "check") == StateEntry(NOW + DAY, {"damage": ["pack ab"]})
        shutil.rmtree(file.parent)
        daemon.change_alerts([(*KEY, NOW, "late", "do it")], [], [("email", {"n": 1})], NOW)
        with opened(tmp_path) as command:
            assert set(command.alerts()) == {KEY}
    assert len(told) == 2 and "replaced" in told[0] and "deleted" in told[1]


def test_a_file_that_is_damaged_while_it_is_open_is_set_aside_once_and_all_go_on(tmp_path: Path) -> None:
    told: list[str] = []
    file = tmp_path / "state" / "findings.sqlite"
    with StateStore.open(file, told.append) as daemon, opened(tmp_path) as command:
        for number in range(200):
            daemon.note("sdek", "check", f"{number}", NOW, {"text": "x" * 500})
        for one in (daemon, command):
            one.alerts()
        with closing(sqlite3.connect(file)) as base:
            base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with file.open("r+b") as raw:
            raw.seek(4096)
            raw.write(b"\xff" * 60_000)
        for number in range(50):
            daemon.note("sdek", "check", f"new {number}", NOW, {"text": "y" * 500})
        command.note("sdek", "drill", "", NOW, {})
        assert daemon.found("sdek", "drill") == StateEntry(NOW, {}) and command.found("sdek", "check", "new 49")
    assert len(told) == 1 and file.with_name("findings.sqlite.damaged").exists()


def test_a_row_that_nobody_can_have_written_is_damage(tmp_path: Path) -> None:
    with opened(tmp_path) as state_store:
        state_store.note("sdek", "check", "", NOW, {})
        with closing(sqlite3.connect(tmp_path / "state" / "findings.sqlite")) as base:
            base.execute("UPDATE found SET value = 'no json'")
            base.commit()
        assert state_store.found("sdek", "check") is None
        state_store.note("sdek", "check", "", NOW, {})
        assert state_store.found("sdek", "check") == StateEntry(NOW, {})


def test_a_first_meeting_that_cannot_be_written_down_is_remembered_meanwhile(tmp_path: Path) -> None:
    opened(tmp_path).close()
    state_store = StateStore.open_to_read(tmp_path / "state" / "findings.sqlite")
    assert state_store.first_seen("sdek", "x", NOW) == state_store.first_seen("sdek", "x", NOW + DAY) == NOW
    state_store.close()


def test_a_reader_changes_nothing_and_needs_no_rights_to_write(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    reader = StateStore.open_to_read(folder / "findings.sqlite")
    assert reader.alerts() == {} and not folder.exists()
    reader.close()
    with opened(tmp_path) as state_store:
        state_store.note("sdek", "check", "", NOW, {"damage": []})
    (folder / "findings.sqlite").chmod(0o400)
    folder.chmod(0o500)
    try:
        reader = StateStore.open_to_read(folder / "findings.sqlite")
        assert reader.found("sdek", "check") == StateEntry(NOW, {"damage": []})
        with pytest.raises(StrongroomError):
            reader.note("sdek", "check", "", NOW, {})
        reader.close()
    finally:
        folder.chmod(0o700)
    assert {file.name for file in folder.iterdir()} <= {"findings.sqlite", "findings.sqlite-wal", "findings.sqlite-shm"}
