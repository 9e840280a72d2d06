"""A deleted folder goes back where it was, and nothing that is newer there is touched."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support.desk import Desk, refusal
from tests.support.tree_facts import tree_facts, write_files

ANCIENT, OLD, NEW = 1_000_000_000, 1_700_000_000, 1_900_000_000


@pytest.fixture
def years(desk: Desk) -> Desk:
    """Two sources; of the first one, 2023 is deleted, and another backup knows it."""
    reports, tickets = desk.folder / "reports", desk.folder / "tickets"
    write_files(reports, {"2023/01/a.csv": b"a", "2023/01/b.csv": b"b", "2023/sum.csv": b"sum", "2024/c.csv": b"c"})
    write_files(tickets, {"open.jsonl": b"{}\n", "2023/closed.jsonl": b"{}\n"})
    (reports / "2023/01").chmod(0o750)
    for path in (reports / "2023/01/a.csv", reports / "2023/01", reports / "2023"):
        os.utime(path, (OLD, OLD))
    desk.init()
    desk.add("acme", f"reports={reports}", f"tickets={tickets}")
    desk.call("backup")
    return desk


def delete_2023(desk: Desk) -> None:
    shutil.rmtree(desk.folder / "reports/2023")
    desk.call("backup")


def test_a_deleted_folder_is_back_as_it_was_and_nothing_else_has_changed(years: Desk) -> None:
    reports = years.folder / "reports"
    before = tree_facts(reports)
    delete_2023(years)
    write_files(reports, {"2025/new.csv": b"new"})
    since = tree_facts(reports)
    told = years.call("restore", "acme", "--kind", "reports", "--period", "2023..2024", "--deleted", "--in-place")
    assert f"restored 3 files, 5 B, to {reports}" in told.text and str(reports) in told.err
    after = tree_facts(reports)
    assert {path: after[path] for path in before if path} == {path: before[path] for path in before if path}
    assert {path: after[path] for path in since} == since  # the source's own folder keeps its time, too
    again = years.call("restore", "acme", "--kind", "reports", "--deleted", "--in-place")
    assert "restored 0 files" in again.text and tree_facts(reports) == after


def test_what_is_newer_stays_what_is_older_goes_and_both_are_told(years: Desk) -> None:
    reports = years.folder / "reports"
    delete_2023(years)
    write_files(reports, {"2023/01/a.csv": b"written since", "2023/01/b.csv": b"an old copy"})
    os.utime(reports / "2023/01/a.csv", (NEW, NEW))
    os.utime(reports / "2023/01/b.csv", (ANCIENT, ANCIENT))
    (reports / "2023/01").chmod(0o700)
    os.utime(reports / "2023", (NEW, NEW))
    document = years.call("restore", "acme", "--deleted", "--in-place", "--json", "--yes", exits=3).document
    assert (document["files"], document["newer"], document["plan"]["replacing"]) == (2, 1, 1)
    assert [one["source"] for one in document["sources"]] == ["reports"]
    assert (reports / "2023/01/a.csv").read_bytes() == b"written since"
    assert (reports / "2023/01/b.csv").read_bytes() == b"b"
    assert (reports / "2023/sum.csv").read_bytes() == b"sum"
    assert (reports / "2023/01").stat().st_mode & 0o777 == 0o700  # newer, so it is left as it stands
    assert (reports / "2023").stat().st_mtime == NEW
    told = years.call("restore", "acme", "--deleted", "--in-place", exits=3)
    assert "1 was there and newer" in told.text and "is there and newer: it stays" in told.err
    assert "problem: reports/2023/01/a.csv: what stands there is newer" in told.err and "--existing replace" in told.err


def test_every_source_gets_its_own_back(years: Desk) -> None:
    before = [tree_facts(years.folder / name) for name in ("reports", "tickets")]
    (years.folder / "reports/2024/c.csv").unlink()
    (years.folder / "tickets/open.jsonl").unlink()
    document = years.call("restore", "acme", "--in-place", "--json").document
    assert [(one["source"], one["files"]) for one in document["sources"]] == [("reports", 1), ("tickets", 1)]
    assert document["files"] == 2 and document["plan"]["already_there"] == 4
    after = [tree_facts(years.folder / name) for name in ("reports", "tickets")]
    assert [facts[b"2024/c.csv"] for facts in after[:1]] == [facts[b"2024/c.csv"] for facts in before[:1]]
    assert after[1][b"open.jsonl"] == before[1][b"open.jsonl"]


def test_a_source_folder_that_is_gone_is_made_again_but_not_beside_a_disk_that_is(years: Desk) -> None:
    reports = years.folder / "reports"
    before = tree_facts(reports)
    shutil.rmtree(reports)
    years.call("restore", "acme", "--kind", "reports", "--in-place")
    assert tree_facts(reports) == before
    moved = years.folder / "mount"
    moved.mkdir()
    text = years.settings.read_text().replace(str(reports), str(moved / "disk/reports"))
    years.settings.write_text(text)
    message = refusal(years.call("restore", "acme", "--kind", "reports", "--in-place", exits=1))
    assert "is not there" in message and list(moved.iterdir()) == []
    (moved / "disk").mkdir()
    (moved / "disk/reports").write_text("a file")
    assert "is not a folder" in refusal(years.call("restore", "acme", "--kind", "reports", "--in-place", exits=1))


def test_a_source_that_is_not_in_the_settings_is_refused(years: Desk) -> None:
    before = tree_facts(years.folder / "tickets")
    text = years.settings.read_text()
    years.settings.write_text(text[: text.rindex("[[projects.acme.sources]]")])
    assert "'tickets'" in refusal(years.call("restore", "acme", "--in-place", exits=2))
    assert tree_facts(years.folder / "tickets") == before
    years.call("restore", "acme", "--in-place", "--source", "reports")


def test_options_that_make_no_sense_together_are_refused(years: Desk) -> None:
    for options in (
        ["--in-place", "--to", "x"],
        ["--in-place", "--as", "csv"],
        ["--to", "x", "--rows-in-period"],
        ["--to", "x", "--delimiter", ";"],
        ["--to", "x", "--as", "csv", "--delimiter", "ab"],
        ["--to", "x", "--as", "original", "--merge"],
        ["--to", "x", "--as", "csv", "--time-column", "t"],
        ["--to", "x", "--endpoint", "http://127.0.0.1:1"],
        ["--to", "x.csv", "--as", "xlsx"],
        ["--to", "x.zip", "--existing", "skip"],
        ["--to", "s3://x"],
    ):
        refusal(years.call("restore", "acme", *options, exits=2))
    assert not (years.folder / "x").exists()


def test_a_folder_that_an_interrupted_run_made_is_finished_by_the_next_one(years: Desk) -> None:
    reports = years.folder / "reports"
    before = tree_facts(reports)
    delete_2023(years)
    (reports / "2023").mkdir()
    (reports / "2023/01").mkdir()
    for folder in ("2023", "2023/01"):
        (reports / folder).chmod(0o1700)  # as a run leaves them that is killed
    years.call("restore", "acme", "--deleted", "--in-place")
    after = tree_facts(reports)
    assert {path: after[path] for path in before if path} == {path: before[path] for path in before if path}


def test_nothing_is_written_anywhere_when_one_of_the_sources_cannot_take_its_own(years: Desk) -> None:
    tickets, reports = years.folder / "tickets", years.folder / "reports"
    (reports / "2024/c.csv").unlink()
    shutil.rmtree(tickets / "2023")
    (tickets / "2023").write_text("in the way")
    before = tree_facts(reports), tree_facts(tickets)
    result = years.call("restore", "acme", "--in-place", exits=1)
    assert "in the way: 2023" in result.err
    assert (tree_facts(reports), tree_facts(tickets)) == before


def test_a_dry_run_in_place_writes_nothing(years: Desk) -> None:
    delete_2023(years)
    before = tree_facts(years.folder / "reports")
    assert years.call("restore", "acme", "--deleted", "--in-place", "--dry-run", "--json").document["plan"]["files"] == 3
    assert tree_facts(Path(years.folder / "reports")) == before
