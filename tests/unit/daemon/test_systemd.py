"""systemd: what it is told, and the unit that it is given."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from policies.daemon import systemd
from policies.daemon.systemd import Systemd
from policies.daemon.systemd_unit import UnitOptions, text
from tests.support.coverage_notes import not_covered

UNIT = UnitOptions(
    Path("/usr/bin/strongroom"), Path("/etc/strong room/50%.toml"), Path("/home/ops/identity.txt"), [Path("/srv/repo")], 30
)


def test_words_reach_the_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as here:
        here.bind(str(tmp_path / "notify"))
        here.settimeout(10)
        Systemd(str(tmp_path / "notify")).notify("READY=1", "STATUS=well")
        assert here.recv(100) == b"READY=1\nSTATUS=well"


def test_an_abstract_socket_is_reached_too() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as here:
        here.bind("\0strongroom-test-notify")
        here.settimeout(10)
        Systemd("@strongroom-test-notify").notify("STOPPING=1")
        assert here.recv(100) == b"STOPPING=1"


def test_where_nobody_listens_nothing_happens(tmp_path: Path) -> None:
    Systemd().notify("READY=1")
    Systemd(str(tmp_path / "gone")).notify("READY=1")


@pytest.mark.parametrize(
    ("micros", "pid", "seconds"),
    [
        ("180000000", None, 180.0),
        ("180000000", "7", 180.0),
        ("180000000", "8", None),
        (None, "7", None),
        ("x", "7", None),
        ("0", "7", None),
    ],
)
def test_the_watchdog_is_ours_only_if_it_is_meant_for_us(micros: str | None, pid: str | None, seconds: float | None) -> None:
    assert systemd.of(None, micros, pid, 7).watchdog == seconds


def test_the_unit_quotes_names_and_hands_the_identity_over_as_a_credential() -> None:
    lines = text(UNIT).splitlines()
    start = next(line for line in lines if line.startswith("ExecStart="))
    assert start.startswith('ExecStart=/usr/bin/strongroom daemon --config "/etc/strong room/50%%.toml" ')
    assert start.endswith(" --identity ${CREDENTIALS_DIRECTORY}/identity")
    assert {"LoadCredential=identity:/home/ops/identity.txt", "Type=notify", "ReadWritePaths=/srv/repo"} <= set(lines)
    assert "EnvironmentFile=-/etc/strongroom/s3.env" in lines
    without = text(UnitOptions(UNIT.program, UNIT.settings, None, [], 30))
    assert "Credential" not in without and "CREDENTIALS" not in without and "CAP_DAC_OVERRIDE" not in without


def test_a_service_sees_the_temporary_folders_where_something_of_it_lies_there() -> None:
    assert "PrivateTmp=yes" in text(UNIT).splitlines()
    for apart in (replace(UNIT, writable=[Path("/tmp/repo")]), replace(UNIT, read=[Path("/srv/a"), Path("/var/tmp/b")])):
        assert "PrivateTmp" not in text(apart)


def test_systemd_itself_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        not_covered("the unit verified by systemd-analyze: it is not installed")
        pytest.skip("no systemd-analyze")
    file = tmp_path / "strongroom.service"
    file.write_text(text(UnitOptions(Path("/bin/true"), Path("/etc/hostname"), Path("/etc/hostname"), [], 30)))
    done = subprocess.run([program, "verify", str(file)], capture_output=True, text=True, timeout=60)
    assert str(file.name) not in done.stderr, done.stderr
