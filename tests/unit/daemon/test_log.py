"""The daemon's log where it cannot be written for a while."""

from __future__ import annotations

import io
import json
import os
import time

import pytest

from cli.output import Lines
from policies.daemon.log import Log
from tests.support.stage import StageClock


def test_a_line_that_cannot_be_written_is_no_error_and_is_counted_once_there_is_room() -> None:
    written: list[str] = []
    full = True

    def write(text: str) -> None:
        if full:
            raise OSError("no room")
        written.append(text)

    log = Log(write, StageClock(), as_json=False)
    log.notice("one")
    log.info("two")
    assert log.lost == 2 and log.failing[0]["task"] == "writing the log"
    full = False
    log.info("three")
    assert [line.split(maxsplit=2)[2] for line in written] == ["2 lines of this log could not be written", "three"]
    assert log.failing == ()


def test_a_line_of_which_a_part_was_written_is_finished_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    os.set_blocking(reader, False)
    with os.fdopen(writer, "w") as stdout, os.fdopen(reader, "rb") as shown:
        monkeypatch.setattr("sys.stdout", stdout)
        log = Log(Lines().write, StageClock(), as_json=True)
        for number in range(50):  # more than a pipe holds, and of one line a part
            log.info(f"{number} {'x' * 9000}")
        assert log.lost
        seen = shown.read() or b""
        log.info("there is room again")
        seen += shown.read() or b""
    lines = [json.loads(line)["text"] for line in seen.decode().splitlines()]
    whole = len(lines) - 2
    assert [line.split()[0] for line in lines[:whole]] == [str(number) for number in range(whole)]
    assert lines[-2:] == [f"{50 - whole} lines of this log could not be written", "there is room again"]


def test_without_standard_output_nothing_is_written_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    log = Log(Lines().write, StageClock(), as_json=False)
    log.info("nobody reads this")
    assert log.lost == 1
    monkeypatch.setattr("sys.stdout", io.StringIO())
    log.info("now somebody does")
    assert log.lost == 0


def test_a_reader_that_has_stopped_holds_nobody_up_and_gets_the_next_lines_once_it_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cli.output.READER_PATIENCE", 0.05)
    reader, writer = os.pipe()  # blocking, as a shell's pipes are
    with os.fdopen(writer, "w") as stdout, os.fdopen(reader, "rb") as shown:
        monkeypatch.setattr("sys.stdout", stdout)
        log = Log(Lines().write, StageClock(), as_json=False)
        begun = time.monotonic()
        for number in range(300):
            log.notice(f"line {number} {'x' * 1000}")
        assert time.monotonic() - begun < 5 and log.lost > 200 and log.failing
        os.set_blocking(reader, False)
        there = b""
        while part := shown.read(1 << 20):
            there += part
            log.notice("on it goes")
            if b"on it goes" in there:
                break
        lines = there.decode().splitlines()
        assert log.failing == () and "lines of this log could not be written" in there.decode()
    assert all(len(line.split()) >= 3 for line in lines) and lines[-1].endswith("on it goes")
