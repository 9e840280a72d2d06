"""What the settings file says holds from the next question on, and what cannot be used changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from console import server
from console.access.rights import Action
from console.accounts.sessions import Identity
from console.live_settings import LiveSettings
from console.post import Letter
from console.visit import Console
from tests.support.clock import StillClock
from vault.errors import SettingsError
from vault.randomness import SystemRandomness

WHERE = server.Listening(("127.0.0.1", 0), "http://127.0.0.1:8440", None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "strongroom.toml"
    write(made)
    return made


def write(file: Path, console: str = "", more: str = "") -> None:
    """Settings with a table [console]."""
    address, state = file.with_name("repository"), file.with_name("state")
    file.write_text(f'[repository]\naddress = "{address}"\n[daemon]\nstate = "{state}"\n[console]\n{console}\n{more}')


@contextmanager
def opened(file: Path) -> Iterator[Console]:
    with server.opened(file, (), WHERE, StillClock(), SystemRandomness()) as console:
        yield console


@pytest.mark.parametrize(
    ("line", "value", "before", "after"),
    [
        ('zone = "Europe/Kyiv"', lambda one: one.zone, "UTC", "Europe/Kyiv"),
        ('masked_columns = ["phone"]', lambda one: one.masked, (), ("phone",)),
        ('restore_folders = ["/srv/back"]', lambda one: list(one.folders), [], ["/srv/back"]),
        ('approvals = ["erase"]', lambda one: Action.RELEASE_HOLD in one.approvals, True, False),
        ('approval_within = "2 hours"', lambda one: one.limits.approval_within, timedelta(days=1), timedelta(hours=2)),
        ("second_factor = true", lambda one: one.accounts.settings().second_factor, False, True),
    ],
)
def test_a_line_that_is_written_holds_at_once_and_one_that_is_taken_away_no_longer(
    file: Path, line: str, value: Callable[[Console], object], before: object, after: object
) -> None:
    with opened(file) as console:
        assert value(console) == before
        write(file, line)
        assert value(console) == after
        write(file)
        assert value(console) == before


def test_a_shorter_session_ends_those_that_have_begun(file: Path) -> None:
    write(file, 'session = "12 hours"\nidle = "12 hours"')
    with opened(file) as console:
        secret = console.accounts.sessions.begin(Identity("anna", "Anna", frozenset(), "proxy"), "192.0.2.7", "a browser")
        console.clock.sleep(2 * 3600)
        assert console.accounts.sessions.find(secret) is not None
        write(file, 'session = "1 hour"\nidle = "1 hour"')
        assert console.accounts.sessions.find(secret) is None


def test_whoever_a_message_goes_to_is_asked_of_the_settings_as_they_are_then(file: Path) -> None:
    heard: list[str] = []

    class Hears(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            heard.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Hears) as listener:
        serving = threading.Thread(target=listener.serve_forever, daemon=True)
        serving.start()
        try:
            with opened(file) as console:
                console.post.tell_all(lambda _: Letter("one", "nobody is named yet", "/"))
                write(file, more=f'[notify.webhook]\nurl = "http://127.0.0.1:{listener.server_port}/hears"')
                console.post.tell_all(lambda _: Letter("two", "somebody is", "/"))
        finally:
            listener.shutdown()
            serving.join(30)
    assert heard[-1] == "/hears"


def test_settings_that_cannot_be_used_change_nothing(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(file, 'zone = "Europe/Kyiv"')
    live = LiveSettings(file)
    known = live.version()
    for text in ("this is no TOML", file.read_text() + "\nmasked_columns = 1"):
        file.write_text(text)
        assert live.rules().zone == "Europe/Kyiv" and live.version() == known
    assert caplog.text.count("the settings cannot be used") == 2
    file.unlink()
    assert live.rules().zone == "Europe/Kyiv"
    write(file)
    assert live.rules().zone == "UTC" and live.version() != known


def test_without_usable_settings_it_does_not_begin(file: Path) -> None:
    file.write_text("this is no TOML")
    with pytest.raises(SettingsError):
        LiveSettings(file)
