"""Retention, holds, forgetting and pruning on the command line."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom import environment
from tests.e2e.test_story import Calendar
from tests.support.desk import Desk, Result
from tests.support.randomness import SeededChance
from tests.support.tree_facts import tree_facts, write_files


@pytest.fixture
def calendar(monkeypatch: pytest.MonkeyPatch) -> Iterator[Calendar]:
    made = Calendar()
    monkeypatch.setattr(environment, "SystemClock", lambda: made)
    yield made


@pytest.fixture
def aged(desk: Desk, calendar: Calendar) -> Desk:
    """Ten daily snapshots, each with another large file; of all but the last three nothing is wanted any more."""
    source = desk.folder / "source"
    write_files(source, {"2024-05/kept.csv": b"a,b\n1,2\n", "2023/old.csv": b"a,b\n3,4\n"})
    desk.init()
    desk.add("acme", f"reports={source}")
    with desk.settings.open("a") as settings:
        settings.write(
            '\n[projects.acme.keep]\nlast = 3\nwithin = "1 day"\n\n[projects.acme.items]\nreports = "1 day after deletion"\n'
        )
    for day in range(10):
        calendar.ahead += timedelta(days=2)
        write_files(source, {"large.bin": SeededChance(f"day {day}").token(300_000)})
        if day == 4:
            (source / "2023/old.csv").unlink()
        desk.call("backup", "-q")
    return desk


def snapshots(desk: Desk) -> list[str]:
    return [one["snapshot"] for one in desk.call("list", "--json").document["projects"][0]["snapshots"]]


def test_a_plan_is_shown_then_done_and_prune_gives_the_room_back(aged: Desk, tmp_path: Path) -> None:
    before = snapshots(aged)
    plan = aged.call("retention", "plan", "--json").document["projects"][0]
    goes = [one["snapshot"] for one in plan["goes"]]
    assert len(before) == 10 and len(goes) == 7 and all(one["why"] for one in plan["goes"] + plan["stays"])
    assert plan["frees"]["bytes"] > 6 * 300_000, "all but the first pack, which holds the small reports too"
    shown = aged.call("retention", "plan")
    assert "7 of 10 snapshots go" in shown.text and plan["world"][:16] in shown.text
    assert snapshots(aged) == before, "a plan changes nothing"

    assert "there is no terminal" in aged.call("retention", "apply", exits=2).err
    assert "is not the current one" in aged.call("retention", "apply", "--plan", "0" * 16, "--yes", exits=21).err
    aged.call("retention", "apply", "--plan", plan["world"][:16], "--yes")
    assert set(snapshots(aged)) == set(before) - set(goes)
    assert "0 of 3 snapshots go" in aged.call("retention", "plan").text
    assert aged.call("retention", "apply", "--yes").text.count("goes:") == 0, "the same command twice has nothing left to do"

    dry = aged.call("prune", "--dry-run", "--json").document["projects"][0]
    assert dry["plan"]["dead"]["bytes"] > 6 * 300_000 and dry["plan"]["repack"]["waste"] > 300_000
    assert len(dry["plan"]["forgotten"]) == 7
    done = aged.call("prune", "--yes", "--json").document["projects"][0]
    assert done["freed"] == dry["plan"]["dead"]["bytes"] and done["done"] and done["forgotten"] == 7
    assert aged.call("prune", "--yes", "--json").document["projects"][0]["freed"] > 300_000, "the pack that was stored anew"
    assert "nothing is to be reclaimed" in aged.call("prune", "--yes").text
    assert "sound" in aged.call("check", "--data").text
    assert "was here and is gone" not in aged.call("status", exits=0).err
    aged.call("restore", "acme", "--to", "back")
    assert tree_facts(aged.folder / "back/reports") == tree_facts(aged.folder / "source")


def test_what_would_be_there_on_a_later_day_is_shown_and_cannot_be_done_today(aged: Desk) -> None:
    later = aged.call("retention", "plan", "--on", "2099-01-01", "--json").document["projects"][0]
    assert later["on"].startswith("2099") and len(later["stays"]) == 3
    assert "is not a later day" in aged.call("retention", "plan", "--on", "2001-01-01", exits=2).err


def test_a_hold_keeps_snapshots_from_retention_forgetting_and_pruning_until_it_is_released(aged: Desk) -> None:
    first = min(snapshots(aged))
    made = aged.call("hold", "add", "acme", "--period", "2023", "--reason", "audit of 2023", "--json").document
    assert made["items"] == 0, "the item of 2023 has gone from the newest snapshot"
    listed = aged.call("hold", "list").text
    assert "audit of 2023" in listed and "until it is released" in listed
    plan = aged.call("retention", "plan", "--json").document["projects"][0]
    held = [one for one in plan["stays"] if any("audit of 2023" in why["text"] for why in one["why"])]
    assert len(held) >= 4, "those that have the item, and those from which it had vanished but not gone"
    refused = aged.call("forget", "acme", first, "--reason", "a slip", "--yes", exits=21)
    assert "audit of 2023" in refused.err and first in snapshots(aged)
    aged.call("retention", "apply", "--yes")
    aged.call("prune", "--yes")
    assert first in snapshots(aged) and "sound" in aged.call("check", "--data").text
    aged.call("restore", "acme", "reports/2023", "--at", first, "--to", "back")
    assert (aged.folder / "back/reports/2023/old.csv").read_bytes() == b"a,b\n3,4\n"

    aged.call("hold", "release", "acme", made["hold"][:10], "--reason", "the audit is over")
    assert aged.call("hold", "list").text.count("audit") == 0
    assert "released by" in aged.call("hold", "list", "--all").text
    aged.call("retention", "apply", "--yes")
    assert first not in snapshots(aged)


def test_two_runs_of_retention_at_once_both_end_well(aged: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    others: list[Result] = []

    def ask(_question: str) -> None:
        others.append(aged.call("retention", "apply", "--yes"))

    monkeypatch.setattr("cli.commands.retention.confirm", ask)
    mine = aged.call("retention", "apply")
    assert "7 snapshots forgotten;" in others[0].err
    assert "7 snapshots forgotten by another run meanwhile" in mine.err
    assert len(snapshots(aged)) == 3
    notes = aged.call("retention", "log", "--json").document["projects"][0]["notes"]
    assert len(notes) == 1 and len(notes[0]["snapshots"]) == 7 and notes[0]["reason"].startswith("retention, plan")


@pytest.mark.parametrize(
    "moment", ["cli.commands.prune.confirm", "vault.repository.claims.wait", "vault.repository.gc.prune.repack"]
)
def test_a_hold_placed_while_prune_asks_waits_or_stores_anew_is_respected(
    aged: Desk, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    kept = min(snapshots(aged))
    aged.call("retention", "apply", "--yes")
    module, _, name = moment.rpartition(".")
    original = getattr(importlib.import_module(module), name)
    placed: list[str] = []

    def then_hold(*arguments: Any, **more: Any) -> Any:
        found = None if name == "confirm" else original(*arguments, **more)
        if not placed:
            placed.append(
                aged.call("hold", "add", "acme", "--path", "reports/2023/**", "--reason", "an audit", "--json").document["hold"]
            )
        return found

    monkeypatch.setattr(moment, then_hold)
    done = aged.call("prune", "--json", *([] if name == "confirm" else ["--yes"])).document["projects"][0]
    assert placed
    assert done["spared"] > 0
    assert done["forgotten"] < len(done["plan"]["forgotten"])
    assert "an audit" in aged.call("prune", "--dry-run").text
    records = {path.name for path in (aged.folder / "repository").rglob("snapshots/*")}
    assert kept in records, "it has an item of 2023"
    aged.call("hold", "release", "acme", placed[0], "--reason", "the audit is over")
    aged.call("prune", "--yes")
    assert kept not in {path.name for path in (aged.folder / "repository").rglob("snapshots/*")}
    assert "sound" in aged.call("check", "--data").text


def test_a_hold_on_a_path_keeps_only_those_forgotten_snapshots_that_have_something_there(aged: Desk) -> None:
    before = snapshots(aged)
    aged.call("retention", "apply", "--yes")
    aged.call("hold", "add", "acme", "--path", "reports/no/such/**", "--reason", "nothing yet")
    aged.call("hold", "add", "acme", "--path", "reports/2023/**", "--reason", "audit of 2023")
    plan = aged.call("prune", "--dry-run", "--json").document["projects"][0]["plan"]
    held = {one["snapshot"] for one in plan["held"]}
    assert set(before[:4]) <= held < set(before[:7]), "from those after the fourth it had vanished, and then gone"
    assert all("audit of 2023" in one["why"] for one in plan["held"])
    assert set(plan["forgotten"]) == set(before[:7]) - held


def test_an_item_that_has_outlived_its_rule_is_left_out_of_the_next_manifest_and_a_held_one_is_not(aged: Desk) -> None:
    def vanished() -> set[str]:
        found = aged.call("ls", "acme", "--deleted", "-r", "--json", exits=0).document["items"]
        return {one["path"] for one in found}

    source = aged.folder / "source"
    aged.call("ls", "acme", "reports/2023", "--deleted", exits=1)
    aged.call("hold", "add", "acme", "--path", "reports/2024-05/**", "--reason", "a dispute")
    shutil.rmtree(source / "2024-05")
    aged.call("backup", "-q")
    assert "reports/2024-05/kept.csv" in vanished()


def test_a_hold_on_what_makes_no_sense_is_refused(aged: Desk) -> None:
    for arguments in (
        ["--period", "2024-13", "--reason", "x"],
        ["--path", "reports/[z-a]", "--reason", "x"],
        ["--snapshot", "nothing", "--reason", "x"],
        ["--reason", " "],
        ["--until", "2001-01-01", "--reason", "x"],
    ):
        assert "hint" in aged.call("hold", "add", "acme", *arguments, exits=2).err or arguments
    assert "there is no hold" in aged.call("hold", "release", "acme", "ff", "--reason", "x", exits=2).err
    assert aged.call("hold", "list", "--json").document["holds"] == []


def test_the_newest_snapshot_is_not_forgotten_by_a_slip_of_the_hand(aged: Desk) -> None:
    newest = max(snapshots(aged))
    assert "is the newest" in aged.call("forget", "acme", newest, "--reason", "x", "--yes", exits=21).err
    assert "has no snapshot" in aged.call("forget", "acme", "nothing", "--reason", "x", "--yes", exits=2).err
    assert newest in snapshots(aged)


def test_a_prune_is_bounded_in_bytes(aged: Desk) -> None:
    aged.call("retention", "apply", "--yes")
    some = aged.call("prune", "--yes", "--max-bytes", "700k", "--json").document["projects"][0]
    assert 0 < some["freed"] <= 700 * 1024 and some["plan"]["later"]["packs"] > 0
    assert "invalid size" in aged.call("prune", "--yes", "--max-bytes", "much", exits=2).err
    aged.call("prune", "--yes")
    assert "sound" in aged.call("check", "--data").text


def test_words_that_make_no_sense_are_one_document_with_json(aged: Desk) -> None:
    for words in (["forget", "acme", "x"], ["prune", "--nonsense"], ["retention", "plan", "--on", "x", "--bad"]):
        result = aged.call(*words, "--json", exits=2)
        assert result.document["error"]["exit_code"] == 2 and result.err


def test_a_snapshot_is_not_forgotten_without_a_reason(aged: Desk) -> None:
    assert "without a reason" in aged.call("forget", "acme", min(snapshots(aged)), "--reason", " ", "--yes", exits=2).err
