"""The auditor's bag: signed, readable alone, and true: backups with their gaps, drills, holds, what was let go of, the log."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.support.bags import unzipped, validate
from tests.support.desk import Desk, refusal


def tables(bag: Path) -> dict[str, list[dict[str, str]]]:
    """Every table of the bag."""
    found = {}
    for file in sorted((bag / "data").glob("*.csv")):
        found[file.stem] = list(csv.DictReader(io.StringIO(file.read_bytes().decode())))
    return found


class Page(HTMLParser):
    """Counts what a page has, and fails for what it must not have."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "img", "link", "iframe"), tag
        assert not any(name in ("src", "href") or name.startswith("on") for name, _ in attrs)
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def lived(used: Desk) -> Desk:
    """A project with an RPO, a drill, a hold, something forgotten, and a restore."""
    text = used.settings.read_text()
    used.settings.write_text(text.replace("[projects.acme]\n", "[projects.acme]\nrpo = '1 hour'\n"))
    used.call("backup")
    used.call("drill")
    used.call("hold", "add", "acme", "--kind", "raw", "--reason", "case <17>")
    (first, _) = used.call("list", "--json").document["projects"][0]["snapshots"]
    used.call("forget", "acme", first["snapshot"], "--reason", "=cmd()", "--newest-too", "--yes")
    used.call("check", "--read-data")
    used.call("restore", "acme", "--to", "out")
    return used


def test_an_auditor_reads_the_bag_alone(lived: Desk, tmp_path: Path) -> None:
    document = lived.call("evidence", "acme", "--period", "today", "--to", "evidence.zip", "--json").document
    assert document["log_sound"] is True and document["problem_list"] == []
    bag = unzipped(lived.folder / "evidence.zip", tmp_path)
    validate(bag)
    found = tables(bag)
    assert len(found["backups"]) == 2 and {one["forgotten"] for one in found["backups"]} == {"True", "False"}
    assert [one["result"] for one in found["drills"]] == ["ok"] and int(found["drills"][0]["files"]) >= 1
    assert int(found["checks"][0]["packs_read"]) >= 1
    assert found["holds"][0]["reason"] == "case <17>" and found["holds"][0]["binds"] == "True"
    assert found["forgotten"][0]["reason"] == "'=cmd()", "no spreadsheet takes it for a formula"
    actions = [one["action"] for one in found["log"]]
    assert actions.count("backup") == 2 and {"drill", "hold-add", "forget", "check", "restore"} <= set(actions)
    assert json.loads((bag / "data/log-verified.json").read_text())["sound"] is True
    page = Page()
    page.feed((bag / "data/evidence.html").read_text())
    assert page.tags.count("svg") >= 2 and "case <17>" in page.text and "ssh-keygen -Y verify" in page.text
    assert lived.call("export", "verify", "evidence.zip", "--json").document["signed"] is True


def test_every_gap_of_the_promise_is_there(lived: Desk, tmp_path: Path) -> None:
    document = lived.call("evidence", "--period", "today", "--to", "one.zip", "--json").document
    assert document["backup_gaps"] == 0
    text = lived.settings.read_text()
    lived.settings.write_text(f"{text}\n[[projects.acme.sources]]\nkind = 'tickets'\npath = '{lived.folder}'\n")
    document = lived.call("evidence", "--period", "today", "--to", "two.zip", "--json").document
    assert document["backup_gaps"] == 1 and document["longest_gap_seconds"] > 0
    (gap,) = tables(unzipped(lived.folder / "two.zip", tmp_path))["gaps"]
    assert (gap["source"], gap["rpo_seconds"]) == ("tickets", "3600")


def test_what_makes_no_sense_is_refused_and_a_file_that_is_there_stays(lived: Desk) -> None:
    for words in ((), ("--period", "2026"), ("--period", "1999..", "--to", "x.zip"), ("--period", "2999", "--to", "x.zip")):
        lived.call("evidence", *words, exits=2)
    (lived.folder / "there.zip").write_bytes(b"")
    assert "is there" in refusal(lived.call("evidence", "--period", "today", "--to", "there.zip", exits=1))
    assert not zipfile.is_zipfile(lived.folder / "there.zip")
