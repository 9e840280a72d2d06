"""The history: what is written stays, is bounded, is private, and no damage to them stops anybody."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from policies.daemon import heartbeat
from policies.monitoring.state_store import StateStore
from policies.scheduling import process_identity, run_history_file
from policies.scheduling import run_history as books_module
from policies.scheduling.run import Run
from policies.scheduling.run_history import RunHistory, RunHistoryReader
from tests.support.stage import HERE, NOON, StageClock
from vault.errors import Busy, Damaged, StrongroomError, UnsupportedFormat

MINUTE = timedelta(minutes=1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "books.sqlite"


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def history(file: Path, told: list[str]) -> Iterator[RunHistory]:
    opened = RunHistory.open(file, StageClock(), told.append)
    yield opened
    opened.close()


def run(number: int = 0, *, job: str = "backup") -> Run:
    planned = NOON + number * timedelta(hours=1)
    return Run(
        f"{job} {number}",
        "sdek",
        job,
        planned - MINUTE,
        planned,
        2,
        planned + MINUTE / 7,
        host=HERE,
        process=process_identity.marker(),
    )


def done(started: Run) -> Run:
    return replace(started, ended=started.started + MINUTE, ending="problems", problems=3, message="три файла")


def test_a_run_is_read_as_it_was_written_and_its_end_takes_the_place_of_its_beginning(history: RunHistory) -> None:
    history.write(run())
    assert history.recent("sdek", "backup") == [run()]
    history.write(done(run()))
    assert history.recent("sdek", "backup") == [done(run())]
    assert history.recent("sdek", "check") == []


def test_the_newest_runs_come_first(history: RunHistory) -> None:
    for number in range(30):
        history.write(run(number))
    assert history.recent("sdek", "backup", 3) == [run(29), run(28), run(27)]


def test_what_was_written_is_there_after_the_process_is_gone(file: Path) -> None:
    history = RunHistory.open(file, StageClock(), lambda _text: None)
    history.write(done(run()))
    os.close(history._lock)  # the process is killed: nothing is closed in order
    again = RunHistory.open(file, StageClock(), lambda _text: None)
    assert again.recent("sdek", "backup") == [done(run())]
    again.close()
    history._disconnect()


def test_a_run_that_nobody_ended_is_seen_as_aborted_when_the_books_are_opened_again(file: Path) -> None:
    clock = StageClock()
    first = RunHistory.open(file, clock, lambda _text: None)
    first.write(done(run(0)))
    first.write(run(1))
    first.close()
    clock.sleep(7200)
    second = RunHistory.open(file, clock, lambda _text: None)
    aborted = replace(run(1), ended=clock.now(), ending="aborted", message=books_module.ABORTED)
    assert second.recent("sdek", "backup") == [aborted, done(run(0))]
    second.close()


def test_only_the_owner_can_read_them(history: RunHistory, file: Path) -> None:
    old = os.umask(0)
    try:
        history.write(run())
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    finally:
        os.umask(old)
    assert set(modes) == {"books.sqlite", "books.sqlite-wal", "books.sqlite-shm", "books.sqlite.lock"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_old_runs_go_but_a_jobs_last_success_never(history: RunHistory, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books_module, "MOST_RUNS", 10)
    history.write(done(run(0, job="check")))
    history.write(done(run(0)))
    for number in range(1, 40):
        failed = replace(run(number), ended=run(number).started, ending="failed")
        history.write(failed)
        assert len(history.recent("sdek", "backup", 1000)) <= 11
    kept = history.recent("sdek", "backup", 1000)
    assert [one.planned for one in kept] == [run(number).planned for number in (*range(39, 29, -1), 0)]
    reader = RunHistoryReader.open(file, HERE)
    assert reader.last_success("sdek", "backup") == done(run(0))
    assert reader.last_success("sdek", "check") == done(run(0, job="check"))
    assert reader.last_success("sdek", "drill") is None
    reader.close()


def test_runs_from_a_clock_that_was_ahead_are_set_aside_and_stay_readable(history: RunHistory, file: Path) -> None:
    for number in range(5):
        history.write(done(run(number)))
    history.write(done(run(4, job="check")))
    history.set_aside("sdek", "backup", later_than=run(2).planned)
    assert history.recent("sdek", "backup") == [done(run(number)) for number in (2, 1, 0)]
    assert history.recent("sdek", "check") == [done(run(4, job="check"))]
    reader = RunHistoryReader.open(file, HERE)
    assert [one.set_aside for one in reader.recent("sdek", "backup")] == [True, True, False, False, False]
    reader.close()


def test_a_second_writer_is_refused_and_readers_are_not(history: RunHistory, file: Path, told: list[str]) -> None:
    with pytest.raises(Busy, match="keeps the run history"):
        RunHistory.open(file, StageClock(), told.append)
    history.write(run())
    reader = RunHistoryReader.open(file, HERE)
    assert reader.recent("sdek", "backup") == [run()]
    history.write(done(run()))
    assert reader.recent("sdek", "backup") == [done(run())]
    assert reader.jobs() == [("sdek", "backup")]
    reader.close()


def test_a_reader_sees_that_the_process_of_a_run_is_dead(history: RunHistory, file: Path) -> None:
    boot, number, began = process_identity.marker().split()
    history.write(run(0))
    history.write(replace(run(1), process=f"{boot} {number} {int(began) - 1}"))
    history.write(replace(run(2), process=f"{boot} {number} {int(began) - 1}", host="elsewhere"))
    reader = RunHistoryReader.open(file, HERE)
    assert [one.ending for one in reader.recent("sdek", "backup")] == [None, "aborted", None]
    reader.close()


def test_books_that_are_not_there_yet_are_empty_to_a_reader_and_are_not_made(file: Path) -> None:
    reader = RunHistoryReader.open(file, HERE)
    assert reader.jobs() == []
    assert reader.last_success("sdek", "backup") is None
    reader.close()
    assert not file.exists()
    file.parent.mkdir()
    file.touch()  # a daemon is about to make them
    reader = RunHistoryReader.open(file, HERE)
    assert reader.jobs() == []
    reader.close()


@pytest.mark.parametrize("damage", ["nonsense", "middle", "cut"])
def test_damaged_books_are_set_aside_and_said_and_new_ones_begun(file: Path, told: list[str], damage: str) -> None:
    history = RunHistory.open(file, StageClock(), told.append)
    for number in range(200):
        history.write(done(run(number)))
    history.close()
    content = file.read_bytes()
    assert len(content) > 30_000
    file.write_bytes(
        {"nonsense": b"x" * 5000, "middle": content[:4096] + b"\xff" * 8192 + content[12_288:], "cut": content[:9000]}[damage]
    )
    if damage == "nonsense":
        with pytest.raises(Damaged, match="is damaged"):
            RunHistoryReader.open(file, HERE)
    again = RunHistory.open(file, StageClock(), told.append)
    assert again.recent("sdek", "backup") == []
    again.write(run())
    assert again.recent("sdek", "backup") == [run()]
    again.close()
    assert len(told) == 1
    assert "set aside as books.sqlite.damaged-20260314T120000Z" in told[0]
    assert (file.parent / "books.sqlite.damaged-20260314T120000Z").exists()


def test_books_that_are_damaged_under_way_are_replaced_under_way(history: RunHistory, file: Path, told: list[str]) -> None:
    for number in range(200):
        history.write(done(run(number)))
    history._connected().execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    history._connected().execute("PRAGMA shrink_memory").close()
    with file.open("r+b") as raw:
        raw.seek(4096)
        raw.write(b"\xff" * 60_000)
    for number in range(200, 300):
        history.write(done(run(number)))
    assert len(told) == 1
    assert history.recent("sdek", "backup", 1) == [done(run(299))]


def test_of_damaged_books_the_newest_few_are_kept(file: Path, told: list[str]) -> None:
    clock = StageClock()
    for _ in range(6):
        clock.sleep(60)
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x" * 5000)
        RunHistory.open(file, clock, told.append).close()
    kept = sorted(path.name for path in file.parent.glob("*.damaged-*"))
    assert kept == [f"books.sqlite.damaged-20260314T120{minute}00Z" for minute in (4, 5, 6)]
    assert len(told) == 6


def test_books_of_a_newer_version_are_refused_and_left_alone(history: RunHistory, file: Path, told: list[str]) -> None:
    history.write(run())
    history._connected().execute(f"PRAGMA user_version = {run_history_file.VERSION + 1}")
    history._disconnect()
    before = file.read_bytes()
    with pytest.raises(UnsupportedFormat, match="newer version"):
        RunHistoryReader.open(file, HERE)
    with pytest.raises(UnsupportedFormat, match="newer version"):
        history.recent("sdek", "backup")
    assert file.read_bytes() == before
    assert told == []


def test_books_that_cannot_be_written_are_an_error_that_says_what_to_do(file: Path, told: list[str]) -> None:
    file.mkdir(parents=True)
    with pytest.raises(StrongroomError, match="cannot be used") as failed:
        RunHistory.open(file, StageClock(), told.append)
    assert failed.value.hint
    file.rmdir()
    RunHistory.open(file, StageClock(), told.append).close()  # the lock was given back


def test_books_that_are_in_the_way_of_sqlite_for_a_while_work_again_afterwards(
    history: RunHistory, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_history_file, "BUSY_SECONDS", 0.01)
    history._disconnect()
    history.write(run(0))
    with sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StrongroomError, match="locked"):
            history.write(run(1))
        other.execute("COMMIT")
    other.close()
    history.write(run(1))
    assert history.recent("sdek", "backup") == [run(1), run(0)]


def test_books_whose_folder_went_away_are_begun_anew_by_the_next_process(file: Path, told: list[str]) -> None:
    RunHistory.open(file, StageClock(), told.append).close()
    shutil.rmtree(file.parent)
    RunHistory.open(file, StageClock(), told.append).close()
    assert file.exists()
    assert told == []


def test_books_that_are_deleted_or_replaced_under_way_are_begun_anew_and_that_is_told(
    history: RunHistory, file: Path, told: list[str]
) -> None:
    history.write(done(run(0)))
    file.unlink()
    history.write(done(run(1)))
    assert history.recent("sdek", "backup") == [done(run(1))] and history.begun == 2
    shutil.rmtree(file.parent)
    history.write(done(run(2)))
    reader = RunHistoryReader.open(file, HERE)
    assert reader.recent("sdek", "backup") == [done(run(2))]
    reader.close()
    assert ["deleted" in text for text in told] == [True, True]
    with pytest.raises(Busy):  # the lock, whose file was deleted too, is held again
        RunHistory.open(file, StageClock(), told.append)


def test_another_daemon_that_took_the_books_meanwhile_is_an_error_and_no_fight(history: RunHistory, file: Path) -> None:
    file.with_name("books.sqlite.lock").unlink()
    other = RunHistory.open(file, StageClock(), lambda _text: None)
    with pytest.raises(Busy, match="another process"):
        history.write(run())
    other.write(run(1))
    other.close()
    history.write(run(2))
    assert [one.id for one in history.recent("sdek", "backup")] == ["backup 2", "backup 1"]


def test_a_row_that_nobody_can_have_written_is_damage(history: RunHistory, file: Path, told: list[str]) -> None:
    history.write(done(run()))
    with sqlite3.connect(file) as other:
        other.execute("UPDATE runs SET planned = 'soon'")
    other.close()
    assert history.recent("sdek", "backup") == [] and len(told) == 1


def test_whether_a_daemon_has_the_books_is_seen_without_being_in_its_way(history: RunHistory, file: Path) -> None:
    assert run_history_file.is_locked(file)
    history.close()
    assert not run_history_file.is_locked(file) and not run_history_file.is_locked(file.with_name("others.sqlite"))
    os.close(run_history_file.lock(file, StageClock()))
    history._lock = run_history_file.lock(file, StageClock())


def test_what_was_written_into_the_former_books_does_not_come_into_those_that_replace_them(
    history: RunHistory, file: Path, told: list[str]
) -> None:
    history.write(done(run(0)))
    other = RunHistory.open(file.with_name("other.sqlite"), StageClock(), lambda _text: None)
    other.write(done(run(5)))
    other.close()
    file.with_name("other.sqlite").replace(file)
    assert history.recent("sdek", "backup") == [done(run(5))]
    file.with_name("garbage").write_bytes(b"x" * 5000)
    file.with_name("garbage").replace(file)
    history.write(done(run(6)))
    assert history.recent("sdek", "backup") == [done(run(6))]
    assert ["replaced" in text for text in told] == [True, True, False] and "set aside" in told[2]


def test_a_pipe_in_the_place_of_a_state_file_keeps_nobody_waiting(file: Path, told: list[str]) -> None:
    file.parent.mkdir(parents=True)
    lock, state_store = run_history_file.lock_file(file), file.with_name("findings.sqlite")
    for one in (file, lock, state_store):
        os.mkfifo(one)
    assert heartbeat.read(file, NOON).state in ("none", "unknown")
    for opening in (
        lambda: RunHistoryReader.open(file, "here"),
        lambda: StateStore.open_to_read(state_store),
        lambda: StateStore.open(state_store),
        lambda: RunHistory.open(file, StageClock(), told.append),
    ):
        with pytest.raises(StrongroomError, match="something that is no file is in its place"):
            opening()
    lock.unlink()
    with pytest.raises(StrongroomError, match="something that is no file is in its place"):
        RunHistory.open(file, StageClock(), told.append)
