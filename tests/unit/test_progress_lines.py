"""What the line of progress says."""

from __future__ import annotations

import io

import pytest

from cli import progress
from strongroom import environment


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
