"""Runs as processes: real ones, of a few lines each."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from policies.daemon.child_processes import LARGEST_ANSWER, Children, ProcessResult
from policies.scheduling.jobs import Stop
from strongroom import environment
from vault.clock import SystemClock
from vault.errors import StrongroomError

LONG = 60.0
HEEDLESS = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def run(text: str, *, seconds: float = LONG, kill_after: float = LONG) -> ProcessResult:
    clock = SystemClock()
    stop = Stop(clock, clock.monotonic() + seconds)
    return Children(dict(os.environ), kill_after).run([sys.executable, "-c", text], stop)


def test_the_answer_the_code_and_the_last_words_come_back() -> None:
    ended = run("import sys; print('{\"a\": 1}'); print('oh', file=sys.stderr); sys.exit(3)")
    assert ended == ProcessResult(3, {"a": 1}, "oh")


@pytest.mark.parametrize("text", ["pass", "print('no json')", "print('[1]')", f"print('\"' + 'x' * {LARGEST_ANSWER} + '\"')"])
def test_an_answer_that_is_no_document_is_an_empty_one(text: str) -> None:
    assert run(text).document == {}


def test_what_is_for_a_persons_terminal_does_not_reach_runs_whose_words_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("FORCE_COLOR", "1"), ("STRONGROOM_PROGRESS", "plain"), ("STRONGROOM_CONFIG", "a.toml")):
        monkeypatch.setenv(name, value)
    passed_on = environment.for_children()
    assert passed_on["STRONGROOM_CONFIG"] == "a.toml" and not {"FORCE_COLOR", "STRONGROOM_PROGRESS"} & passed_on.keys()


def test_whatever_it_says_fills_neither_memory_nor_a_pipe() -> None:
    ended = run("import sys; sys.stderr.write('x' * 3_000_000 + 'the end')")
    assert ended.errors.endswith("the end") and len(ended.errors) < 5000


def test_one_whose_time_is_over_is_asked_to_end() -> None:
    began = time.monotonic()
    ended = run("import time; time.sleep(60)", seconds=0.3)
    assert (ended.code, ended.asked, ended.killed) == (-15, True, False)
    assert time.monotonic() - began < 30


def test_one_that_does_not_listen_is_killed_with_what_it_started() -> None:
    ended = run(HEEDLESS, seconds=1.5, kill_after=0.5)
    assert (ended.code, ended.asked, ended.killed) == (-9, True, True)


def test_a_program_that_is_not_there_is_an_error() -> None:
    clock = SystemClock()
    with pytest.raises(StrongroomError, match="could not be started"):
        Children({}).run(["/nowhere/strongroom"], Stop(clock, clock.monotonic() + LONG))


def test_a_run_of_ours_ends_with_the_daemon_that_started_it(tmp_path: Path) -> None:
    """kill -9 of the parent: the system tells the child."""
    child = (
        "from cli import daemon_parent; daemon_parent.follow(); import os, pathlib, time;"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid())); time.sleep(60)"
    )
    parent = (
        "import os, subprocess, sys, time; from strongroom import environment;"
        f"subprocess.Popen([sys.executable, '-c', {child!r}], env=environment.for_children()); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", parent]) as process:
        number = _written(tmp_path / "pid")
        process.kill()
    deadline = time.monotonic() + 20
    while _lives(number) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(number)


def _written(file: Path) -> int:
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        if file.exists() and file.read_text():
            return int(file.read_text())
        time.sleep(0.05)
    raise AssertionError("it did not begin")


def _lives(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
