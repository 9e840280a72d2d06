"""What the line of progress says."""

from __future__ import annotations

import io
import json
import re

import pytest

from cli import output, progress
from strongroom import environment
from tests.support.json_documents import validate
from vault.clock import SystemClock
from vault.errors import UsageError


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_each_line_of_progress_names_its_project_where_a_run_covers_several(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Tty()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr(environment, "shows_progress", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    for name in ("acme", "odd [bold]name[/bold]"):
        with progress.shown(quiet=False, project=name) as listener:
            listener.phase("reading reports", items=1, size=1 << 20)
            listener.advance(items=1, size=1 << 20)
    assert "acme: reading reports" in screen.getvalue() and "odd [bold]name[/bold]: reading reports" in screen.getvalue()


def test_nothing_is_drawn_before_the_first_phase_so_that_a_person_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Tty()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr(environment, "shows_progress", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with progress.shown(quiet=False, project="acme") as listener:
        listener.advance(items=1)
        assert screen.getvalue() == ""
        listener.phase("deleting packs", items=1)
        assert screen.getvalue() != ""
    screen.truncate(0)
    with progress.shown(quiet=False, project="acme"):
        pass
    assert screen.getvalue() == ""


def phase(**numbers: int) -> progress.Phase:
    return progress.Phase("acme", "reading reports", 100.0, **numbers)


def test_numbers_are_in_one_style_with_rate_and_remaining_time() -> None:
    half = phase(items_total=2400, bytes_total=4 << 30, items=1200, bytes=2 << 30)
    assert half.numbers(120.0) == "1 200 of 2 400 items, 2.0 GiB of 4.0 GiB, 102.4 MiB/s, about 20 s left"
    assert phase(items=1).numbers(100.5) == "1 item"
    assert phase(items_total=1).numbers(100.0) == "0 of 1 item"
    assert phase(items_total=10, items=5).numbers(110.0) == "5 of 10 items, about 10 s left"
    assert phase().numbers(900.0) == ""


def test_nobody_is_promised_a_time_that_cannot_be_known() -> None:
    assert phase(bytes_total=10, bytes=20).seconds_left(200.0) is None, "more than was thought"
    assert phase(bytes_total=10).seconds_left(200.0) is None and phase(bytes=5, bytes_total=10).seconds_left(100.1) is None
    assert phase(bytes=5).seconds_left(200.0) is None and phase(bytes=5).rate(105.0) == 1.0


def said_in(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What stands on stderr, once there is something."""
    for _ in range(500):
        lines = capsys.readouterr().err.splitlines()
        if lines:
            return lines
        SystemClock().sleep(0.01)
    raise AssertionError("nothing was said")


def test_without_a_terminal_a_line_comes_now_and_then_and_short_work_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.shown(quiet=False, project="acme") as listener:
        listener.phase("reading reports", items=3)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "HEARTBEAT", 0.02)
    with progress.shown(quiet=False, project="acme") as listener:
        listener.phase("reading reports", items=3, size=10)
        listener.advance(items=1, size=5)
        assert said_in(capsys)[-1] == "acme: reading reports: 1 of 3 items, 5 B of 10 B"
    with progress.phase("reading manifests", project="acme"):
        assert re.fullmatch(r"acme: reading manifests: \d\.\d s so far", said_in(capsys)[-1])


def test_quiet_and_a_document_are_without_progress_unless_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "HEARTBEAT", 0.01)
    for quiet, as_json in ((True, False), (False, True), (True, True)):
        with progress.phase("reading manifests", project="acme", quiet=quiet, as_json=as_json):
            SystemClock().sleep(0.03)
    assert capsys.readouterr().err == ""
    monkeypatch.setenv(progress.VARIABLE, "plain")
    assert progress.style(quiet=False, as_json=True) is progress.ProgressStyle.PLAIN
    assert progress.style(quiet=True, as_json=False) is progress.ProgressStyle.NONE
    monkeypatch.setenv(progress.VARIABLE, "loud")
    with pytest.raises(UsageError, match="loud"):
        progress.style(quiet=False, as_json=False)


def test_json_lines_say_each_phase_and_the_end_and_follow_their_schema(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(progress.VARIABLE, "json")
    with progress.shown(quiet=False, project="acme", as_json=True) as listener:
        listener.phase("looking at reports")
        listener.phase("reading reports", items=2, size=100)
        listener.advance(items=2, size=100)
    documents = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    for one in documents:
        validate(one)
    assert [(one["phase"], one["items"], one["bytes_total"]) for one in documents] == [
        ("looking at reports", 0, None),
        ("reading reports", 0, 100),
        ("reading reports", 2, 100),
    ]


def test_a_notice_while_a_line_is_drawn_has_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Tty()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr(environment, "shows_progress", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    with progress.shown(quiet=False, project="acme") as listener:
        listener.phase("reading reports", items=1)
        output.notice("warning: the store has not answered for 10 s")
        said = screen.getvalue()
    before, _, after = said.partition("warning: the store has not answered for 10 s")
    assert before.endswith("\x1b[2K") and after.startswith("\n"), "the drawn line is taken away first"
    assert "acme: reading reports" in after, "and comes back below"


def test_a_paused_line_is_gone_and_comes_back_with_the_next_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Tty()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr(environment, "shows_progress", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with progress.shown(quiet=False, project="acme") as listener:
        listener.phase("reading reports")
        listener.pause()
        assert "\x1b[2K" in screen.getvalue().rpartition("reading reports")[2], "the line is taken away"
        screen.truncate(0)
        listener.advance(items=1)
        assert "acme" not in screen.getvalue()
        listener.phase("rolling up")
        assert "acme: rolling up" in screen.getvalue()
