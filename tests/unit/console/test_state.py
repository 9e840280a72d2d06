"""The console's own memory: all or nothing, each change of its tables once, and readable by its user alone."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from console.errors import StateError
from console.state import ConsoleState, alone
from vault.errors import Busy

ROOT = Path(__file__).parents[3]
HOLDS = """
import sys, time
from pathlib import Path
from console.state import alone
with alone(Path(sys.argv[1])):
    print("serves", flush=True)
    time.sleep(600)
"""
TABLE = "CREATE TABLE note (text TEXT PRIMARY KEY)"


@pytest.fixture
def state(tmp_path: Path) -> ConsoleState:
    made = ConsoleState(tmp_path / "state" / "console.sqlite")
    made.migrate("notes", (TABLE,))
    return made


def notes(state: ConsoleState) -> list[str]:
    with state.transaction() as database:
        return [row["text"] for row in database.execute("SELECT text FROM note ORDER BY text")]


def write(state: ConsoleState, text: str) -> None:
    with state.transaction() as database:
        database.execute("INSERT INTO note VALUES (?)", (text,))


def test_what_fails_in_the_middle_has_not_happened(state: ConsoleState) -> None:
    with pytest.raises(ValueError, match="no"), state.transaction() as database:
        database.execute("INSERT INTO note VALUES ('half')")
        raise ValueError("no")
    assert notes(state) == []
    write(state, "whole")
    assert notes(state) == ["whole"]


def test_a_transaction_within_another_is_a_part_of_it(state: ConsoleState) -> None:
    with pytest.raises(ValueError, match="no"), state.transaction():
        write(state, "inner")
        raise ValueError("no")
    assert notes(state) == []


def test_threads_and_other_openers_of_the_file_write_one_after_another(state: ConsoleState) -> None:
    other = ConsoleState(state.file)

    def count(number: int) -> None:
        for step in range(10):
            write((state, other)[number % 2], f"{number}-{step}")

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(count, range(6)))
    assert len(notes(state)) == len(notes(other)) == 60


def test_each_statement_of_an_area_runs_once_and_new_ones_are_added(state: ConsoleState) -> None:
    again = ConsoleState(state.file)
    added = "ALTER TABLE note ADD COLUMN at TEXT"
    again.migrate("notes", (TABLE, added))
    again.migrate("notes", (TABLE, added))
    again.migrate("others", ("CREATE TABLE other (x)",))
    with pytest.raises(StateError, match="newer version"):
        state.migrate("notes", (TABLE,))
    with pytest.raises(StateError, match="newer version"):
        state.migrate("others", ("CREATE TABLE another (x)",))


def test_only_its_user_can_read_it(state: ConsoleState) -> None:
    write(state, "secret")
    for file in state.file.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert stat.S_IMODE(state.file.parent.stat().st_mode) == 0o700


def test_a_damaged_file_is_refused_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "console.sqlite"
    file.write_bytes(b"accounts of yesterday" * 1000)
    with pytest.raises(StateError, match="cannot be used"):
        ConsoleState(file)
    assert file.read_bytes() == b"accounts of yesterday" * 1000


def test_what_is_wrong_in_a_statement_is_an_error_of_the_tree(state: ConsoleState) -> None:
    write(state, "once")
    with pytest.raises(StateError) as caught:
        write(state, "once")
    assert isinstance(caught.value.__cause__, sqlite3.IntegrityError)


def test_a_closed_one_leaves_nothing_open(state: ConsoleState) -> None:
    write(state, "x")
    state.close()
    assert not state._idle
    assert notes(state) == ["x"]
    assert not state._idle


def test_one_process_at_a_time_is_the_console_of_a_state_and_one_that_is_killed_leaves_nothing_in_the_way(
    tmp_path: Path,
) -> None:
    file = tmp_path / "state" / "console.sqlite"
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(file)], cwd=ROOT, stdout=subprocess.PIPE) as first:
        try:
            assert first.stdout is not None and first.stdout.readline() == b"serves\n"
            with pytest.raises(Busy, match=f"process {first.pid}"), alone(file):
                pass
            state = ConsoleState(file)  # a command beside it
            state.migrate("notes", (TABLE,))
            write(state, "beside")
            state.close()
        finally:
            first.kill()
    with alone(file) as state:
        assert notes(state) == ["beside"]
        with pytest.raises(Busy, match="another console"), alone(file):
            pass
    with alone(file):
        pass
