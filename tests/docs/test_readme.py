"""The tour of the README, run: every command, and its output but for what differs from run to run."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from msgspec import Struct
from typer.testing import CliRunner

from cli.demo.data import write_contact_centre
from cli.main import app
from tests.docs.pages import ROOT, blocks
from tests.support.stores import make_bucket


class Step(Struct, frozen=True):
    """A command of the tour and what it printed, line by line."""

    command: list[str]
    printed: list[str]


def tour() -> list[Step]:
    """The steps of all `console` blocks but the one for make."""
    steps = []
    for block in blocks(ROOT / "README.md", "console"):
        for part in block.text.split("$ ")[1:]:
            line, *printed = part.splitlines()
            if not line.startswith("make "):
                steps.append(Step(shlex.split(line), printed))
    return steps


def common(line: str) -> str:
    """A line without what differs from run to run: ids, numbers and their units, the width of columns."""
    line = re.sub(r"\b[0-9]{8}t[0-9]{6}z-[0-9a-f]{16}\b|\b[0-9a-f]{32}\b", "ID", line)
    line = re.sub(r"\b(?:[A-Z2-7]{4}-){3}[A-Z2-7]{4}\b", "KIT", line)
    line = re.sub(r"/[\w/.-]+/(srv|media|home)/", r"/\1/", line)
    line = re.sub(r"\d[\d.:,-]*(?: \d+)*", "N", line)
    line = re.sub(r"N( [KMG]i)?B?(?= |,|;|$)", "N", line.replace(" KiB", "").replace(" MiB", "").replace(" B", ""))
    return re.sub(r"\s+", " ", line).strip().replace("N N", "N")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of its own: /srv, /media and /home are below it."""
    for folder in ("srv/backup", "media/usb", "home/ops"):
        (tmp_path / folder).mkdir(parents=True)
    write_contact_centre(tmp_path / "srv" / "clients", years=2.0)
    monkeypatch.chdir(tmp_path / "home" / "ops")
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "ops"))
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_tour_of_the_readme_runs_and_prints_what_it_shows(place: Path, weed_endpoint: str) -> None:
    make_bucket(weed_endpoint, "backups")
    for step in tour():
        command = [moved(word, place, weed_endpoint) for word in step.command]
        if command[0] == "rm":
            shutil.rmtree(command[-1])
            continue
        result = CliRunner().invoke(app, command[1:], catch_exceptions=False)
        assert result.exit_code == 0, f"{shlex.join(step.command)}: {result.output}"
        assert [common(line) for line in result.output.splitlines()] == [common(line) for line in step.printed]
    assert (place / "srv/clients/parcelo/reports/hourly").is_dir()


def moved(word: str, place: Path, endpoint: str) -> str:
    word = endpoint if word.startswith("http://") else word
    return re.sub(r"(^|=)/(srv|media|home)/", rf"\1{place}/\2/", word)


def test_the_readme_says_what_does_not_exist_yet() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    told = " ".join(text[text.index("## What does not exist yet") :].split())
    for missing in ("help desks", "POSIX"):
        assert missing in told
