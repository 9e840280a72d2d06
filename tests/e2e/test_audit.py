"""The log as operators and auditors use it: every command leaves an entry, `audit` shows, verifies and exports them."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.compat.test_format_1 import FIXTURE
from tests.e2e.used import with_snapshot
from tests.support.desk import Desk, Place, refusal
from tests.support.randomness import SeededChance
from vault.age import HybridIdentity
from vault.format import ssh_signature


def shown(desk: Desk, *more: str) -> list[dict[str, object]]:
    entries: list[dict[str, object]] = desk.call("audit", "show", *more, "--json").document["entries"]
    return entries


def actions(desk: Desk, *more: str) -> list[object]:
    return [one["action"] for one in shown(desk, *more)]


def verified(desk: Desk, *more: str, exits: int = 0) -> set[str]:
    """What is wrong, in short words."""
    document = desk.call("audit", "verify", *more, "--json", exits=exits).document
    assert document["sound"] == (not exits)
    return {one["what"] for one in document["discrepancies"]}


COMMANDS: tuple[tuple[str, tuple[str, ...], list[str]], ...] = (
    ("backup", ("backup",), ["backup"]),
    ("restore", ("restore", "acme", "--to", "out"), ["restore"]),
    ("restore", ("restore", "acme", "--to", "out.zip"), ["restore"]),
    ("restore", ("restore", "acme", "reports/a.csv", "--to", "-"), ["restore"]),
    ("restore", ("restore", "--all-projects", "--to", "all"), ["restore"]),
    ("export", ("export", "acme", "--to", "bag"), ["export"]),
    ("query", ("query", "acme", "select count(*) from reports"), ["query"]),
    ("drill", ("drill",), ["drill"]),
    ("hold-add", ("hold", "add", "acme", "--reason", "case 17"), ["hold-add"]),
    ("retention", ("retention", "apply", "acme", "--yes"), ["retention"]),
    ("prune", ("prune", "acme", "--yes"), ["prune"]),
    ("diff", ("diff", "acme", "--since", "1 day ago", "--rows"), ["diff"]),
)


@pytest.fixture
def desk_with_table(desk: Desk) -> Desk:
    reports = desk.folder / "reports"
    reports.mkdir()
    (reports / "a.csv").write_text("id,amount\n1,10\n")
    desk.init()
    desk.add("acme", f"reports={reports}")
    desk.call("backup")
    return desk


def test_every_command_of_the_issue_leaves_one_entry_or_an_intent_and_an_outcome(desk_with_table: Desk) -> None:
    desk = desk_with_table
    for action, command, expected in COMMANDS:
        before = len(shown(desk))
        desk.call(*command, exits=(0, 1) if action == "diff" else 0)
        new = shown(desk)[before:]
        assert [one["action"] for one in new] in (expected, [] if action == "diff" else expected), command
    snapshots = desk.call("list", "--json").document["projects"][0]["snapshots"]
    hold = desk.call("hold", "list", "--json").document["holds"][0]["hold"]
    for command, result in (
        (("forget", "acme", snapshots[0]["snapshot"], "--reason", "x", "--newest-too", "--yes"), "refused"),
        (("hold", "release", "acme", hold, "--reason", "over"), "ok"),
        (("forget", "acme", snapshots[0]["snapshot"], "--reason", "x", "--newest-too", "--yes"), "ok"),
        (("check", "--acknowledge", "seen"), "ok"),
    ):
        before = len(shown(desk))
        desk.call(*command, exits=21 if result == "refused" else 0)
        intent, outcome = shown(desk)[before:]
        assert (intent["phase"], intent["result"], outcome["phase"], outcome["result"]) == ("intent", None, "outcome", result)
        assert intent["run"] == outcome["run"]
    assert verified(desk) == set()


def test_what_only_looks_leaves_nothing(desk_with_table: Desk) -> None:
    desk = desk_with_table
    before = len(shown(desk))
    for command in (
        ("status",),
        ("list",),
        ("ls", "acme"),
        ("find", "acme", "a.csv"),
        ("check",),
        ("retention", "plan"),
        ("prune", "--dry-run"),
        ("restore", "acme", "--to", "x", "--dry-run"),
        ("audit", "show"),
        ("audit", "heads"),
    ):
        desk.call(*command, exits=(0, 1, 3))
    assert len(shown(desk)) == before


def test_the_log_is_shown_by_what_is_asked_for(used: Desk) -> None:
    used.call("restore", "acme", "--to", "out")
    assert actions(used) == ["backup", "restore"]
    assert actions(used, "--action", "restore") == ["restore"]
    assert actions(used, "--result", "refused") == []
    assert actions(used, "--since", "1 hour ago") == ["backup", "restore"]
    assert actions(used, "--until", "1 hour ago") == []
    assert actions(used, "--limit", "1") == ["restore"]
    text = used.call("audit", "show", "acme").text
    assert "restore" in text and "acme" in text and "to=" in text


def test_an_identity_that_opens_nothing_reads_no_log(used: Desk) -> None:
    other = used.folder / "other.txt"
    other.write_text(HybridIdentity.generate(SeededChance("stranger")).encode() + "\n")
    for command in ("show", "verify"):
        assert "opens a project" in refusal(used.call("audit", command, "--identity", str(other), exits=12))


def test_a_log_that_was_tampered_with_ends_with_20_and_names_the_place(used: Desk) -> None:
    for number in range(3):
        used.call("restore", "acme", "--to", f"out{number}")
    heads = used.call("audit", "heads", "--json").document["heads"]
    assert verified(used) == set() and len(heads) == 1
    with used.store() as store:
        names = sorted(info.name for info in store.list("audit"))
        kept = {name: store.get(name) for name in names}
        store.delete(names[1])
        assert verified(used, exits=20) == {"missing-entry"}
        store.put(names[1], kept[names[2]])
        assert "damaged-entry" in verified(used, exits=20)
        store.put(names[1], kept[names[1]])
        store.delete(names[-1])
        assert verified(used, exits=20) == {"cut-off"}  # this machine knows
        (used.folder / "home/.local/state").rename(used.folder / "gone")
        assert verified(used) == set()
        assert verified(used, "--head", heads[0], exits=20) == {"cut-off"}
        text = used.call("audit", "verify", "--head", heads[0], exits=20).text
    assert "NOT WHOLE" in text and "was cut short: it ends with entry 3" in text


def test_the_command_sees_entries_that_were_swapped_flipped_cut_or_come_from_another_repository(
    used: Desk, tmp_path: Path
) -> None:
    for number in range(2):
        used.call("restore", "acme", "--to", f"out{number}")
    other = with_snapshot(Desk(tmp_path / "other", Place("repository")))
    with used.store() as store, other.store() as elsewhere:
        names = sorted(info.name for info in store.list("audit"))
        kept = {name: store.get(name) for name in names}
        (foreign,) = [elsewhere.get(info.name) for info in elsewhere.list("audit")][:1]
        one, two = kept[names[0]], kept[names[1]]
        changes = {
            "flipped": {names[1]: bytes([*two[:-1], two[-1] ^ 1])},
            "cut": {names[1]: two[: len(two) // 2]},
            "swapped": {names[0]: two, names[1]: one},
            "another repository's": {names[1]: foreign},
            "put there again": {names[-1][:-16] + "f" * 16: two},
        }
        for what, changed in changes.items():
            for name, data in changed.items():
                store.put(name, data)
            assert verified(used, exits=20), what
            for name in changed:
                store.delete(name)
                if name in kept:
                    store.put(name, kept[name])
            assert verified(used) == set(), what


def test_the_command_sees_that_two_machines_with_one_identity_have_forked_the_chain(used: Desk, tmp_path: Path) -> None:
    state, twin = used.folder / "home/.local/state", tmp_path / "of the other machine"
    shutil.copytree(state, twin)
    used.call("restore", "acme", "--to", "out")
    state.rename(tmp_path / "of this machine")
    twin.rename(state)
    used.call("restore", "acme", "--to", "out of the other")
    assert "forked-chain" in verified(used, exits=20)
    used.call("restore", "acme", "--to", "another")
    assert "forked-chain" in verified(used, exits=20), "for ever"


def test_what_a_machine_has_found_whole_it_need_not_read_again(used: Desk) -> None:
    used.call("backup")
    assert verified(used) == set()
    used.call("backup")
    (chain,) = used.call("audit", "verify", "--new", "--json").document["chains"]
    assert chain["not_read"] == chain["length"] - 2 > 0
    assert f"whole since entry {chain['length']}" in used.call("audit", "verify", "--new").text
    with used.store() as store:
        first, *_ = sorted(info.name for info in store.list("audit"))
        data = store.get(first)
        store.delete(first)
        assert verified(used, "--new", exits=20) == {"missing-entry"}
        store.put(first, data)
    (chain,) = used.call("audit", "verify", "--new", "--json").document["chains"]
    assert chain["not_read"] == 0, "after anything was found, everything is read"


def test_a_machine_that_knows_nothing_sees_by_the_snapshots_that_the_log_was_cut(used: Desk) -> None:
    used.call("backup")
    (used.folder / "home/.local/state").rename(used.folder / "gone")
    with used.store() as store:
        for name in [info.name for info in store.list("audit")]:
            store.delete(name)
    document = used.call("audit", "verify", "--json", exits=20).document
    (finding,) = document["discrepancies"]
    assert finding["what"] == "cut-off" and "snapshot" in finding["message"]


def test_ssh_keygen_verifies_every_line_of_an_export(used: Desk, tmp_path: Path) -> None:
    used.call("restore", "acme", "--to", "out")
    used.call("audit", "export", "--to", "log.jsonl")
    lines = [json.loads(line) for line in (used.folder / "log.jsonl").read_text().splitlines()]
    assert [one["action"] for one in lines] == ["backup", "restore"]
    key = ssh_signature.public_line(bytes.fromhex(lines[0]["signing_key"]))
    (tmp_path / "allowed").write_text(f'operator namespaces="strongroom-audit" {key}\n')
    for one in lines:
        (tmp_path / "signature").write_text(one["signature"])
        verify: list[str | Path] = [
            "ssh-keygen",
            "-Y",
            "verify",
            "-f",
            tmp_path / "allowed",
            "-I",
            "operator",
            "-n",
            "strongroom-audit",
        ]
        done = subprocess.run([*verify, "-s", tmp_path / "signature"], input=one["signed"].encode(), capture_output=True)
        assert done.returncode == 0, done.stderr
        assert json.loads(one["signed"])["action"] == one["action"]
    assert lines[1]["previous"] == lines[0]["sha256"]


def test_an_export_for_people_is_a_table(used: Desk) -> None:
    text = used.call("audit", "export", "--to", "-", "--as", "csv").out.decode()
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["action"] == "backup" and json.loads(row["counts"])["files"] >= 1
    used.call("audit", "export", "--to", "log.csv")
    assert (used.folder / "log.csv").read_bytes().decode() == text
    assert "is there" in refusal(used.call("audit", "export", "--to", "log.csv", exits=1))


def test_the_store_shows_what_was_done_to_nobody_without_the_key(used: Desk) -> None:
    with used.store() as store:
        (name,) = [info.name for info in store.list("audit")]
        data = store.get(name)
    assert data.startswith(b"age-encryption.org/v1\n-> mlkem768x25519 ") and b"acme" not in data and b"backup" not in data


def test_a_repository_of_an_earlier_version_has_no_log_and_works_on(desk: Desk) -> None:
    desk.folder.mkdir(exist_ok=True)
    shutil.copytree(FIXTURE / "repository", desk.folder / "old")
    named = ("--repository", str(desk.folder / "old"), "--identity", str(FIXTURE / "identity.txt"))
    result = desk.call("audit", "show", *named, "--json")
    assert "has no log yet" in result.err
    assert result.document["entries"] == [] and len(result.document["projects_without_log"]) == 1
    assert "no log to verify" in refusal(desk.call("audit", "verify", *named, exits=1))
    (project,) = result.document["projects_without_log"]
    desk.call("restore", project, "--to", "out", *named)
    assert not (desk.folder / "old/audit").exists()


def test_a_store_that_refuses_the_log_lets_a_restore_through_and_the_command_ends_with_3(used: Desk) -> None:
    log = used.folder / "repository/audit"
    log.rename(used.folder / "aside")
    log.write_bytes(b"")  # nothing can be put below a file
    result = used.call("restore", "acme", "--to", "out", exits=3)
    assert "waits on this machine" in result.err and (used.folder / "out/reports/a.csv").exists()
    assert "waits on this machine" in used.call("backup", exits=3).err
    log.unlink()
    (used.folder / "aside").rename(log)
    used.call("hold", "add", "acme", "--reason", "x")
    assert actions(used) == ["backup", "restore", "backup", "hold-add"]
    assert verified(used) == set()


def test_a_run_that_was_killed_is_an_intent_of_which_nobody_knows_what_came(used: Desk) -> None:
    hook = used.folder / "wait.sh"
    hook.write_text("#!/bin/sh\ntouch started\nexec sleep 5\n")
    hook.chmod(0o755)
    settings = used.settings.read_text()
    used.settings.write_text(settings.replace("[projects.acme]\n", f'[projects.acme]\nhooks.before = ["{hook}"]\n'))
    process = used.start("backup")
    for _ in range(200):
        if (used.folder / "started").exists():
            break
        time.sleep(0.05)
    process.kill()
    process.communicate()
    used.settings.write_text(settings)
    used.call("restore", "acme", "--to", "out")
    found = shown(used)
    assert [(one["action"], one["phase"], one["result"]) for one in found] == [
        ("backup", "done", "ok"),
        ("backup", "intent", "interrupted"),
        ("restore", "done", "ok"),
    ]
    assert verified(used) == set()
