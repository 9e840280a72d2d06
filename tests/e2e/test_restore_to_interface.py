"""`restore --to rest:NAME` through the command, from one double of a help desk to another."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.creating_desk import DESCRIPTION, CreatingDesk
from tests.support.desk import Desk
from tests.support.rest_double import serving

PLAIN = DESCRIPTION.partition("[resources.tickets.create]")[0]


class Doubles:
    """A desk whose project has one help desk as its source, and whose settings know another one, `spare`."""

    def __init__(self, desk: Desk, old: CreatingDesk, new: CreatingDesk) -> None:
        self.desk, self.old, self.new = desk, old, new
        (desk.folder / "secret").write_text(old.secret)
        (desk.folder / "desk.toml").write_text(DESCRIPTION)
        (desk.folder / "plain.toml").write_text(PLAIN)
        desk.init()
        desk.call("project", "add", "acme")
        for kind, url, file in (("tickets", old.url, "desk"), ("spare", new.url, "desk"), ("mute", new.url, "plain")):
            words = ("--option", f"base={url}", "--option", "password_file=secret", "--yes")
            self.call("source", "add", "acme", kind, f"rest:{file}.toml", *words)

    def call(self, *words: str, **more: Any) -> Any:
        """A command, which shows no secret."""
        result = self.desk.call(*words, **more)
        assert self.old.secret not in result.err + result.text and self.new.secret not in result.err + result.text
        return result

    def restore(self, *words: str, **more: Any) -> Any:
        return self.call("restore", "acme", "tickets/**", *words, **more)


@pytest.fixture
def doubles(desk: Desk) -> Iterator[Doubles]:
    with serving(CreatingDesk(4711)) as old, serving(CreatingDesk()) as new:
        first = old.add(title="a", queue=2)
        second = old.add(title="b", parent=first)
        for number in range(3):
            old.comment(first, f"comment {number}", {"a.bin": bytes([number]) * 5000})
        old.comment(second, "ok")
        old.comment(second, "ok")
        yield Doubles(desk, old, new)


def test_tickets_go_to_another_interface_and_no_secret_is_in_logs_maps_or_state(doubles: Doubles) -> None:
    doubles.call("backup")
    shown = doubles.restore("--to", "rest:spare", "--dry-run").err
    assert "plan: 2 records to create" in shown and "2 to create, 0 there already, 5 with them, 3 files" in shown
    assert "will be lost: when tickets were created" in shown and doubles.new.writes == 0
    assert "Create 2 records in" in doubles.restore("--to", "rest:spare", exits=2).err and doubles.new.writes == 0
    words = ("--to", "rest:spare", "--id-map", "ids.jsonl", "--yes")
    one = doubles.restore(*words, "--record", "4712", "--json", exits=(0,)).document
    assert (one["records_created"], len(doubles.new.tickets)) == (1, 1) and doubles.new.seen()[0]["title"] == "b"
    done = doubles.restore(*words, "--debug", "--log-file", "log.txt")
    assert "1 record created, 1 there already" in done.text and "ids: ids.jsonl" in done.text
    logged = [one for one in doubles.call("audit", "show", "--json").document["entries"] if one["action"] == "restore"]
    assert len(logged) == 2 and doubles.new.url.removesuffix("api/") in json.dumps(logged)
    lines = [json.loads(line) for line in (doubles.desk.folder / "ids.jsonl").read_text().splitlines()]
    assert [(line["resource"], line["old"], line["new"]) for line in lines] == [
        ("tickets", "4711", "2"),
        ("tickets", "4712", "1"),
    ]
    files = [file for file in doubles.desk.folder.rglob("*") if file.is_file() and file.name != "secret"]
    assert not [file for file in files if doubles.new.secret.encode() in file.read_bytes()]
    writes = doubles.new.writes
    url = f"rest:desk.toml?base={doubles.new.url}&password_file=secret"
    assert doubles.restore("--to", url, "--json").document["already_there"] == 2 and doubles.new.writes == writes


def test_what_was_deleted_comes_back_where_it_came_from_and_the_others_stay(doubles: Doubles) -> None:
    doubles.call("backup")
    del doubles.old.tickets[4712]
    done = doubles.restore("--to", "rest:tickets", "--yes", "--json").document
    assert (done["records_created"], done["already_there"]) == (1, 1)
    assert [(one["title"], one["parent"]) for one in doubles.old.tickets.values()] == [("a", None), ("b", 4711)]
    assert [one["text"] for one in doubles.old.comments[4713]] == ["ok", "ok"]


def test_a_process_that_is_killed_at_any_request_is_continued(doubles: Doubles) -> None:
    doubles.call("backup")
    words = ("restore", "acme", "tickets/**", "--to", "rest:spare", "--yes")
    for moment in (1, 3, 4):
        process = doubles.desk.start(*words)
        at = doubles.new.writes + moment

        def kill(number: int, at: int = at, pid: int = process.pid) -> None:
            if number == at:
                os.kill(pid, signal.SIGKILL)

        doubles.new.after_write = kill
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    doubles.new.after_write = lambda _: None
    doubles.restore("--to", "rest:spare", "--yes")
    assert doubles.new.seen() == doubles.old.seen()


def test_a_refused_record_and_a_wrong_secret_are_said(doubles: Doubles) -> None:
    doubles.call("backup")
    doubles.new.refused = {'"title":"a"'}
    found = doubles.restore("--to", "rest:spare", "--yes", exits=3)
    assert "tickets/4711: the interface does not take it: it answers 422" in found.err and "1 record created" in found.text
    doubles.new.secret = "another-secret-of-the-desk"
    assert "the credentials are refused" in doubles.restore("--to", "rest:spare", "--yes", exits=1).err


WRONG = [
    (("--to", "rest:mute"), "does not say how records are created", "--to FOLDER"),
    (("--to", "rest:nobody"), "no source of a REST interface is named 'nobody'", "there are: mute, spare, tickets"),
    (("--to", "rest:desk.toml?base=x&password=y"), "not known: 'password'", "password_file"),
    (("--to", "rest:spare", "--existing", "skip"), "--existing and --where are for files", "leave it out"),
    (("--to", "rest:spare", "--as", "csv"), "exclude an interface", "restore to a folder"),
    (("--to", "rest:spare", "--verify"), "are for files", "leave it out"),
    (("--to", "somewhere", "--record", "4711"), "needs --as pages or --to rest:NAME", "history PROJECT --record ID"),
    (("--to", "rest:spare", "--record", "17"), "none of these items has a record 17", "find PROJECT --record"),
    (("--in-place",), "created again, under new numbers", "--to rest:tickets"),
]


def test_what_cannot_be_is_said_before_anything_is_written(doubles: Doubles, tmp_path: Path) -> None:
    doubles.call("backup")
    for words, what, hint in WRONG:
        found = doubles.restore(*words, exits=(1, 2)).err
        assert what in found and hint in found, found
    assert "one project" in doubles.call("restore", "--all-projects", "--to", "rest:spare", exits=2).err
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "a.csv").write_text("a")
    doubles.call("source", "add", "acme", "reports", str(tmp_path / "reports"), "--yes")
    doubles.call("backup")
    found = doubles.call("restore", "acme", "reports/**", "--to", "rest:spare", exits=2).err
    assert "nothing that was selected can be created" in found and doubles.new.writes == 0
