"""A snapshot's record is gone or damaged: every machine says so, nothing is pruned, and a person may accept the loss."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from strongroom import environment
from tests.support.desk import Desk, Result
from tests.support.randomness import SeededChance
from tests.support.stage import StageClock
from tests.support.tree_facts import write_files
from vault.age import HybridIdentity
from vault.clock import SystemClock
from vault.randomness import SystemRandomness
from vault.repository.repository import Repository
from vault.repository.services import Services
from vault.repository.session import Session

PROBLEMS, DAMAGED = 3, 20


@pytest.fixture
def kept(desk: Desk) -> Desk:
    """Four snapshots, each with something of its own; the first is forgotten, so that a prune has something to delete."""
    source = desk.folder / "source"
    write_files(source, {"calls.csv": b"a,b\n1,2\n"})
    desk.init()
    desk.add("acme", f"reports={source}")
    for number in range(4):
        write_files(source, {"own.bin": own(number)})
        desk.call("backup", "-q")
    desk.call("forget", "acme", ids(desk)[0], "--reason", "a test", "--yes")
    return desk


def own(number: int) -> bytes:
    return SeededChance(f"snapshot {number}").token(50_000)


def ids(desk: Desk) -> list[str]:
    return [one["snapshot"] for one in desk.call("list", "--json").document["projects"][0]["snapshots"]]


def record(desk: Desk, snapshot: str) -> Path:
    (found,) = (desk.folder / "repository").rglob(f"snapshots/{snapshot}")
    return found


def packs(desk: Desk) -> set[Path]:
    return {path for folder in ("packs", "meta") for path in (desk.folder / "repository").rglob(f"{folder}/*/*")}


def another_machine(desk: Desk) -> None:
    """From now on nothing is remembered or cached."""
    for folder in (".local/state", ".cache"):
        shutil.rmtree(desk.folder / "home" / folder, ignore_errors=True)


@pytest.mark.parametrize("machine", ["this", "another"])
def test_a_missing_parent_is_told_by_every_command_until_its_loss_is_accepted(kept: Desk, machine: str) -> None:
    lost = ids(kept)[1]
    record(kept, lost).unlink()
    if machine == "another":
        another_machine(kept)
    before = packs(kept)

    def warned(result: Result) -> Result:
        assert f"snapshot {lost} of project acme was here and is gone" in result.err
        assert "retention accept-loss acme" in result.err
        return result

    assert warned(kept.call("list", "--json")).document["projects"][0]["missing"] == [lost]
    warned(kept.call("status", exits=PROBLEMS))
    warned(kept.call("backup", exits=PROBLEMS))
    assert warned(kept.call("restore", "acme", "--to", "back", "--json")).document["missing_snapshots"] == [lost]
    assert warned(kept.call("export", "acme", "--to", "bag", "--reason", "x", "--json")).document["missing_snapshots"] == [lost]
    assert warned(kept.call("query", "acme", "select * from reports", "--json")).document["missing_snapshots"] == [lost]
    assert lost in warned(kept.call("check", exits=DAMAGED)).text
    refused = warned(kept.call("prune", "--yes", exits=DAMAGED))
    assert f"nobody forgot {lost}" in refused.err or f"somebody forgot {lost}" in refused.err
    assert before <= packs(kept)

    assert "there is no terminal" in kept.call("retention", "accept-loss", "acme", lost, "--reason", "a disk", exits=2).err
    assert "ever had" in kept.call("retention", "accept-loss", "acme", f"{lost[:-1]}x", "--reason", "?", "-y", exits=2).err
    kept.call("retention", "accept-loss", "acme", lost, "--reason", "a disk", "--grace", "0", "--yes")
    assert "was here and is gone" not in kept.call("list").err
    assert "sound" in kept.call("check", "--data").text
    assert kept.call("prune", "--yes", "--json").document["projects"][0]["deleted"] > 0
    assert "sound" in kept.call("check", "--data").text
    assert "already" in kept.call("retention", "accept-loss", "acme", lost, "--reason", "again", "-y", exits=2).err
    notes = kept.call("retention", "log", "acme", "--json").document["projects"][0]["notes"]
    assert [(note["reason"], [one["source"] for one in note["snapshots"]]) for note in notes] == [
        ("a test", ["reports"]),
        ("a disk", ["reports"]),
    ]
    assert all("@" in note["who"] for note in notes)
    shown = kept.call("retention", "log", "--all").text
    assert lost in shown and "a disk" in shown and "a test" in shown
    kept.call("backup")
    kept.call("restore", "acme", "--to", "back again")
    assert (kept.folder / "back again/reports/own.bin").read_bytes() == own(3)


def test_the_newest_snapshot_is_missed_by_the_machine_that_has_seen_it_and_its_packs_stay(kept: Desk) -> None:
    newest = record(kept, ids(kept)[-1])
    data = newest.read_bytes()
    newest.unlink()
    before = packs(kept)
    assert newest.name in kept.call("prune", "--yes", exits=DAMAGED).err
    assert packs(kept) == before
    newest.write_bytes(data)
    assert kept.call("prune", "--yes", "--json").document["projects"][0]["deleted"] > 0
    kept.call("restore", "acme", "--to", "back")
    assert (kept.folder / "back/reports/own.bin").read_bytes() == own(3)


def test_a_damaged_newest_record_blocks_prune_until_its_loss_is_accepted(kept: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = record(kept, ids(kept)[-1])
    newest.write_bytes(b"scribble")
    another_machine(kept)
    refused = kept.call("prune", "--yes", exits=DAMAGED).err
    assert newest.name in refused and f"strongroom retention accept-loss acme {newest.name} --reason TEXT" in refused
    good = ids_of_problems(kept)[0]
    assert "can be read" in kept.call("retention", "accept-loss", "acme", good, "--reason", "?", "-y", exits=21).err
    kept.call("retention", "accept-loss", "acme", newest.name, "--reason", "a disk", "--grace", "1 hour", "--yes")
    before = packs(kept)
    spared = kept.call("prune", "--yes", "--json").document["projects"][0]
    assert spared["done"] and spared["plan"]["after_loss"]["packs"] > 0 and spared["plan"]["after_loss"]["until"]
    assert "the loss of a snapshot was accepted" in kept.call("prune", "--yes").text
    assert packs(kept) == before and newest.exists(), "the record may be brought back, and its packs stand"
    later = StageClock(datetime.now(UTC) + timedelta(hours=2))
    monkeypatch.setattr(environment, "SystemClock", lambda: later)
    kept.call("prune", "--yes")
    assert not newest.exists()
    assert "sound" in kept.call("check", "--data").text
    kept.call("backup")
    kept.call("restore", "acme", "--to", "back")
    assert (kept.folder / "back/reports/own.bin").read_bytes() == own(3)


def ids_of_problems(desk: Desk) -> list[str]:
    listed = desk.call("list", "--json", exits=PROBLEMS).document["projects"][0]
    return [one["snapshot"] for one in listed["snapshots"]]


def test_prune_says_whom_it_waits_for_and_gives_up_when_it_was_asked_to(kept: Desk) -> None:
    with kept.store() as store:
        elsewhere = Services(SystemClock(), SystemRandomness(), "desk 7", "strongroom test")
        repository = Repository.open(store, elsewhere)
        identity = HybridIdentity.parse(kept.identity.read_text().splitlines()[-1])
        session = Session.begin(repository.choose(["acme"], [identity], {})[0], "others")
        before = packs(kept)
        for options in (["--wait", "0"], ["--wait", "1 s"], ["--max-time", "0"]):
            busy = kept.call("prune", "--yes", *options, exits=11)
            assert "others of desk 7, begun 20" in busy.err and "waits for a backup under way: others of desk 7" in busy.text
        assert packs(kept) == before
        document = kept.call("prune", "--yes", "--wait", "0", "--json", exits=11).document["projects"][0]
        assert document["plan"]["claims"][0]["snapshot"] == session.id == document["waiting"][0]
        session.withdraw()
    kept.call("prune", "--yes", "--wait", "soon", exits=2)
    assert kept.call("prune", "--yes", "--wait", "0", "--json").document["projects"][0]["deleted"] > 0


def test_a_reason_is_bounded_and_text(kept: Desk) -> None:
    first = ids(kept)[0]
    for reason in ("", "x" * 2001):
        kept.call("forget", "acme", first, "--reason", reason, "--yes", exits=2)
    assert first in ids(kept)
    forgotten = kept.call("retention", "log", "--json").document["projects"][0]["notes"][0]["snapshots"][0]["id"]
    assert "was forgotten on" in kept.call("forget", "acme", forgotten, "--reason", "again", "--yes", exits=2).err
