"""From an empty place to a restored folder, on every kind of store, in words and in JSON."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.support.desk import Desk
from tests.support.randomness import SeededChance
from tests.support.tree_facts import tree_facts, write_files

REPORTS = {
    "2025/hourly.csv": b"hour,calls\n" * 500,
    "2025/summary.csv": b"day,calls\n" * 40,
    "2026/hourly.csv": b"hour,calls\n" * 700,
    "2026/voice.bin": SeededChance("voice").token(3_000_000),
    "empty.csv": b"",
}
TICKETS = {"open.jsonl": b'{"id": 1}\n' * 100}


def make_sources(desk: Desk) -> tuple[Path, Path]:
    reports, tickets = desk.folder / "reports", desk.folder / "tickets"
    write_files(reports, REPORTS)
    write_files(tickets, TICKETS)
    return reports, tickets


def test_the_whole_cycle_in_words(desk: Desk) -> None:
    reports, tickets = make_sources(desk)
    desk.kit.parent.mkdir()
    told = desk.run("init", desk.place.address, "--recovery-kit", str(desk.kit)).text
    assert str(desk.identity) in told and "Recovery kit: " in told and "Next: strongroom project add" in told
    assert desk.identity.stat().st_mode & 0o777 == desk.kit.stat().st_mode & 0o777 == 0o600
    desk.run("project", "add", "acme", "--source", f"reports={reports}", "--source", f"tickets={tickets}")

    first = desk.run("backup")
    assert [line.split(":")[0] for line in first.text.splitlines()] == ["acme/reports", "acme/tickets"]
    assert first.err == ""  # no progress where there is no terminal
    (reports / "2026/hourly.csv").write_bytes(b"hour,calls\n" * 701)
    (reports / "2025/summary.csv").unlink()
    assert " 1 vanished; " in desk.run("backup", "acme", "--source", "reports").text

    listed = desk.call("list").text
    assert listed.startswith("acme: 3 snapshots\n") and listed.count("reports") == 2 and listed.count("tickets") == 1
    lines = desk.call("ls", "acme", "reports/2026").text.splitlines()
    assert [re.sub(r"^.* ", "", line) for line in lines] == ["reports/2026/", "NAME", "hourly.csv", "voice.bin"]
    lines = desk.call("ls", "acme", "reports/2026", "--recursive").text.splitlines()
    assert [re.sub(r"^.* ", "", line) for line in lines] == [
        "PATH",
        "reports/2026/",
        "reports/2026/hourly.csv",
        "reports/2026/voice.bin",
    ]
    assert "(vanished " in desk.call("ls", "acme", "--deleted", "-r").text
    assert desk.call("status", "--all").text.count(" ok ") == 2
    assert desk.call("check").text.startswith("acme: 3 snapshots") and "sound" in desk.call("check", "--data").text
    few, all_of_them = (
        desk.call("check", "acme", "--data", share, "--json").document["projects"][0] for share in ("1%", "100%")
    )
    assert few["sound"] and few["packs_read"] <= all_of_them["packs_read"] == all_of_them["packs_needed"]

    before = tree_facts(reports), tree_facts(tickets)
    shutil.rmtree(reports)
    restored = desk.run("restore", "acme", "--to", "back")
    assert restored.err.startswith("plan: 5 files, ") and restored.text.startswith("restored 5 files, ")
    assert (tree_facts(desk.folder / "back/reports"), tree_facts(desk.folder / "back/tickets")) == before
    again = desk.call("restore", "acme", "--to", "back")
    assert "restored 0 files" in again.text and "5 were there already" in again.text


def test_the_whole_cycle_in_json(any_desk: Desk) -> None:
    desk = any_desk
    reports, tickets = make_sources(desk)
    desk.kit.parent.mkdir()
    made = desk.call("init", desk.place.address, *desk.place.options, "--recovery-kit", str(desk.kit), "--json").document
    assert made["new_identity"] is True and made["recovery_kit"] is None and made["recovery_kit_file"] == str(desk.kit)
    sources = ("--source", f"reports={reports}", "--source", f"tickets={tickets}")
    added = desk.call("project", "add", "acme", *sources, "--json").document
    assert [source["name"] for source in added["sources"]] == ["reports", "tickets"]
    assert desk.call("project", "list", "--json").document["projects"][0]["capability"] == "read"

    original = tree_facts(reports)
    first = desk.call("backup", "--json").document
    assert [one["added"] for one in first["snapshots"]] == [8, 2] and first["bytes_up"] > 3_000_000
    write_files(reports, {"2026/hourly.csv": b"hour,calls\n" * 800, "2026/new.csv": b"new"})
    (reports / "2025/hourly.csv").unlink()
    changed = desk.call("backup", "--json", "acme").document["snapshots"][0]
    assert (changed["added"], changed["vanished"], changed["problem_list"]) == (1, 1, [])
    unchanged = desk.call("backup", "--json").document["snapshots"]
    # what was touched a moment ago is read again, and only the catalogue of that is new
    assert all(one["vanished"] == 0 and one["stored_bytes"] < 20_000 for one in unchanged)

    snapshots = desk.call("list", "--json").document["projects"][0]["snapshots"]
    assert [one["source"] for one in snapshots].count("reports") == 3 and len(snapshots) == 6
    items = {one["path"]: one for one in desk.call("ls", "acme", "-r", "--json").document["items"]}
    assert items["reports/2026/new.csv"]["size"] == 3 and "reports/2025/hourly.csv" not in items
    assert {row["state"] for row in desk.call("status", "--json").document["sources"]} == {"ok"}
    sound = desk.call("check", "--data", "--json").document["projects"][0]
    assert (sound["damage"], sound["lost"]) == ([], []) and sound["chunks_read"] > 0

    today = tree_facts(reports)
    shutil.rmtree(reports)
    report = desk.run("restore", "acme", "reports", "--to", "now", "--json").document
    assert report["files"] == report["plan"]["files"] == 5 and report["problems"] == 0
    assert tree_facts(desk.folder / "now/reports") == today
    at = snapshots[0]["snapshot"] if snapshots[0]["source"] == "reports" else snapshots[1]["snapshot"]
    desk.call("restore", "acme", "reports", "--to", "then", "--at", at, "--json")
    assert tree_facts(desk.folder / "then/reports") == original
    report = desk.call("restore", "acme", "--deleted", "--to", "gone", "--json").document
    assert report["files"] == 1 and (desk.folder / "gone/reports/2025/hourly.csv").read_bytes() == REPORTS["2025/hourly.csv"]


def test_the_recovery_kit_alone_restores_everything(desk: Desk) -> None:
    reports, _ = make_sources(desk)
    desk.init()
    desk.add("acme", f"reports={reports}")
    desk.call("backup")
    desk.identity.unlink()
    desk.call("restore", "acme", "--to", "back", exits=12)
    desk.call("restore", "acme", "--to", "back", "--identity", str(desk.kit))
    assert tree_facts(desk.folder / "back/reports") == tree_facts(reports)
    assert "sound" in desk.call("check", "--data", "--identity", str(desk.kit)).text


def test_the_recovery_kit_is_shown_once_where_no_file_is_named(desk: Desk) -> None:
    process = desk.start("init", desk.place.address)
    out, err = process.communicate(timeout=60)
    secrets = [line for line in out.decode().splitlines() if line.startswith("AGE-SECRET-KEY-PQ-1")]
    assert process.returncode == 0 and len(secrets) == 1 and b"AGE-SECRET-KEY" not in err
    written = [path for path in desk.folder.rglob("*") if path.is_file() and secrets[0].encode() in path.read_bytes()]
    assert written == []
    reports, _ = make_sources(desk)
    desk.add("acme", f"reports={reports}")
    desk.call("backup")
    kit = desk.folder / "typed.txt"
    kit.write_text(secrets[0])
    desk.call("restore", "acme", "--to", "back", "--identity", str(kit))
    assert tree_facts(desk.folder / "back/reports") == tree_facts(reports)


def test_a_process_and_a_call_in_this_process_do_the_same(desk: Desk) -> None:
    """What the other tests here rely on."""
    for arguments, code in ((["--version"], 0), (["nonsense"], 2), (["list", "--json"], 2)):
        assert desk.run(*arguments, exits=code) == desk.call(*arguments, exits=code)
