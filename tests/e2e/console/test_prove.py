"""Prove: auditors read the log, verify it, take evidence; of projects that are not theirs they learn nothing."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

import strongroom
from console.access.rights import Assignment, Person, Role
from strongroom import audit
from strongroom.audit import LogSelection
from strongroom.audited_projects import AuditedProject
from strongroom.holds import add_hold, release_hold
from tests.support.console import ConsoleClient, console_of, person, text_of
from tests.support.desk import Desk, Place
from tests.support.tree_facts import write_files
from vault.format.hold import Scope
from vault.repository.audit import entries
from vault.repository.audit.entries import StoredEntry
from vault.storage.contract import Store


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    made = Desk(tmp_path_factory.mktemp("prove") / "desk", Place("repository"))
    write_files(made.folder / "source", {"2024-05.csv": b"agent,calls\nolena,17\n"})
    made.init()
    made.add("acme", f"reports={made.folder / 'source'}")
    made.add("zarya", f"reports={made.folder / 'source'}")
    made.call("backup")
    with made.surroundings([]), strongroom.open_repository(made.settings) as repository:
        acme = repository.project("acme")
        kept = add_hold(repository.context, acme.stored, Scope(kind="reports"), reason="a lawsuit")
        ended = add_hold(repository.context, acme.stored, Scope(), reason="an audit")
        release_hold(repository.context, acme.stored, ended.placed.hold.id, reason="the audit is over")
        assert kept.placed.binds
    return made


@pytest.fixture
def console(desk: Desk) -> Iterator[ConsoleClient]:
    vera = person("vera", Role.AUDITOR, projects=["acme"])
    both = person("boris", Role.AUDITOR)
    narrow = Person("ivan", assignments=(Assignment(Role.AUDITOR, ("acme",), kinds=("reports",)),))
    viewer = person("anna", Role.VIEWER, projects=["acme"])
    with console_of(desk, vera, both, narrow, viewer) as made:
        yield made


def test_an_auditor_sees_their_projects_and_what_there_is_to_prove(console: ConsoleClient) -> None:
    page = console.get("/prove")
    assert "acme" in page.text and "zarya" not in page.text
    assert 'href="/prove"' in console.get("/").text
    console.person = "anna"
    assert 'href="/prove"' not in console.get("/").text
    assert "There is no project whose log you may read." in text_of(console.get("/prove"))


def test_the_log_is_shown_with_filters_and_without_other_projects(console: ConsoleClient) -> None:
    page = console.get("/projects/acme/log")
    text = text_of(page)
    assert page.status_code == 200 and "hold placed" in text and "a lawsuit" in text
    assert "zarya" not in page.text  # one backup was of both projects
    assert "also about 1 project that you may not audit" in text
    released = text_of(console.get("/projects/acme/log?action=hold-release")).split("Action")[-1]
    assert "hold released" in released and "backup" not in released
    assert "0 entries" in text_of(console.get("/projects/acme/log?user=nobody"))
    assert "0 entries" in text_of(console.get("/projects/acme/log?until=2020-01-01"))
    assert console.get("/projects/acme/log?since=nonsense").status_code == 400
    console.person = "boris"
    assert "also about" not in text_of(console.get("/projects/acme/log"))


def test_the_log_is_taken_as_a_file_and_that_is_recorded(console: ConsoleClient) -> None:
    lines = [json.loads(one) for one in console.post("/projects/acme/log/file", {"format": "jsonl"}).text.splitlines()]
    assert {"hold-add", "hold-release"} <= {one["action"] for one in lines}
    assert all(one["projects"] == ["acme"] for one in lines)
    table = console.post("/projects/acme/log/file", {"format": "csv", "action": "hold-add"})
    assert table.text.count("hold-add") == 2 and "attachment" in table.headers["content-disposition"]
    text = text_of(console.get("/projects/acme/log?action=audit-export&user=vera"))
    assert "2 entries" in text


def test_the_newest_entries_are_those_of_the_whole_log(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "PORTION", 1)
    looked_at: list[str] = []
    real = entries.read

    def counting(store: Store, one: StoredEntry, *more: Any) -> Any:
        looked_at.append(one.id)
        return real(store, one, *more)

    monkeypatch.setattr(entries, "read", counting)
    with desk.surroundings([]), strongroom.open_repository(desk.settings) as repository:
        audited = [AuditedProject.of_project(repository.project("acme").stored)]
        everything = audit.read_log(repository.context, audited, named=True).entries
        assert len(everything) > 3
        for last in range(1, len(everything) + 2):
            for more in ({}, {"actions": ("hold-add",)}, {"since": everything[2].entry.at}, {"users": ("nobody",)}):
                selection = LogSelection(last=last, **more)
                expected = audit.read_log(repository.context, audited, selection, named=True).entries
                assert audit.read_newest(repository.context, audited, selection, named=True).entries == expected
        looked_at.clear()
        audit.read_newest(repository.context, audited, LogSelection(last=1), named=True)
        assert len(looked_at) < len(everything)


def test_the_log_is_verified(console: ConsoleClient) -> None:
    page = console.post("/projects/acme/log/verify")
    assert page.status_code == 200 and "The log is whole" in text_of(page)


def test_what_is_new_of_the_log_is_verified_as_the_command_does_it(desk: Desk, console: ConsoleClient) -> None:
    assert "all of it" in text_of(console.post("/projects/acme/log/verify"))
    text = text_of(console.post("/projects/acme/log/verify", {"new": "1"}))
    assert "What is new of the log is whole" in text and re.search(r"from entry \d+ on", text) and "all of it" not in text
    said = console.call("/projects/acme/log/verify", {"only_new": True}).json()
    assert said["sound"] and 0 < said["not_read"] < said["entries"]
    assert console.call("/projects/acme/log/verify", {}).json()["not_read"] == 0
    assert "whole since entry" in desk.call("audit", "verify", "acme", "--new").text, "it is one memory, of the host"


def test_the_log_is_compared_with_heads_that_somebody_was_told(console: ConsoleClient) -> None:
    page = console.post("/projects/acme/log/verify").text
    head = re.search(r"[0-9a-f]{32}/\d+/[0-9a-f]{64}", page)
    assert head is not None
    assert "The log is whole" in text_of(console.post("/projects/acme/log/verify", {"heads": f"  {head[0]}\r\n{head[0]}\n"}))
    principal, number, digest = head[0].split("/")
    later = f"{principal}/{int(number) + 7}/{digest}"
    assert "The log is NOT whole" in text_of(console.post("/projects/acme/log/verify", {"heads": later, "new": "1"}))
    assert not console.call("/projects/acme/log/verify", {"heads": [later]}).json()["sound"]
    assert console.post("/projects/acme/log/verify", {"heads": "nonsense"}).status_code == 400


def test_evidence_is_a_signed_bag_that_names_who_asked_for_it(console: ConsoleClient) -> None:
    found = console.post("/projects/acme/evidence", {"period": "2020..2099"})
    assert found.status_code == 200 and found.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(found.content)) as bag:
        names = bag.namelist()
        info = next(bag.read(one).decode() for one in names if one.endswith("bag-info.txt"))
        texts = b"".join(bag.read(one) for one in names)
    assert "Strongroom-Asked-By: vera (console)" in info
    assert b"a lawsuit" in texts
    assert "evidence" in text_of(console.get("/projects/acme/log?user=vera&action=evidence"))
    assert console.post("/projects/acme/evidence", {"period": "nonsense"}).status_code == 400


def test_holds_are_shown_with_their_history(console: ConsoleClient) -> None:
    text = text_of(console.get("/projects/acme/holds"))
    assert "binds kind reports a lawsuit" in text
    assert "ended the whole project an audit" in text and "the audit is over" in text


@pytest.mark.parametrize("path", ["log", "holds"])
def test_whoever_is_no_auditor_of_all_of_a_project_gets_nothing(console: ConsoleClient, path: str) -> None:
    assert console.get(f"/projects/zarya/{path}").text == console.get(f"/projects/nothing/{path}").text
    for name in ("ivan", "anna"):
        console.person = name
        assert console.get(f"/projects/acme/{path}").status_code == 403, name
        for action in ("log/file", "log/verify", "evidence"):
            assert console.post(f"/projects/acme/{action}", {"period": "last-month"}).status_code == 403, name
