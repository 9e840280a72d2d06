"""`snapshot show` tells all about one snapshot, `snapshot accept` what a flagged one changed before anybody accepts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.desk import Desk, Place, without_root_powers
from tests.support.terminal import Terminal
from tests.support.tree_facts import write_files


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path / "desk", Place("repository"))
    made.init()
    files = {f"old/{number}.csv": b"hour,calls\n1,%d\n" % number for number in range(12)}
    write_files(made.folder / "source", files | {f"new/{number}.csv": b"x\n" for number in range(8)})
    made.add("acme", f"reports={made.folder / 'source'}")
    made.call("backup", "--quiet")
    return made


def flag(desk: Desk) -> str:
    """Most files vanish, one changes and one comes. Gives the snapshot."""
    for number in range(12):
        (desk.folder / f"source/old/{number}.csv").unlink()
    write_files(desk.folder / "source", {"new/1.csv": b"yy\n", "new/9.csv": b"z\n"})
    made = desk.call("backup", "--json", "--quiet").document["snapshots"][0]
    assert made["flagged"]
    return str(made["snapshot"])


def snapshots(desk: Desk) -> list[str]:
    return [one["snapshot"] for one in desk.call("list", "--json").document["projects"][0]["snapshots"]]


def test_what_a_flagged_snapshot_changed_is_shown_before_anybody_accepts_it(desk: Desk) -> None:
    first = snapshots(desk)[0]
    flagged = flag(desk)
    refused = desk.call("snapshot", "accept", "acme", "--reason", "meant", exits=2)
    assert "there is no terminal to confirm it" in refused.err
    lines = [line.strip() for line in refused.text.splitlines()]
    assert lines[0].startswith(f"snapshot {flagged} of reports, taken ")
    assert lines[1].startswith(f"why it was flagged: {flagged} of reports (after {first}): 12 of 20 files vanished")
    assert lines[2].startswith(f"compared with {first}, ") and "items 23 -> 12" in lines[3]
    assert lines[4] == "1 created, 1 changed, 0 attributes changed, 12 deleted"
    at = lines.index("the folders that changed most, by their files:")
    assert lines[at + 1] == "reports/old: 12 deleted (had 12 files, nothing is left)"
    assert lines[at + 2] == "reports/new: 1 changed, 1 created (had 8 files)"
    assert "reports/old/11.csv" in lines[lines.index("what is not there any more:") :]
    assert desk.call("status", "--json", exits=3).document["projects"][0]["frozen"], "nothing was accepted"


def test_accepting_keeps_the_reason_and_lets_retention_go_on(desk: Desk) -> None:
    flagged = flag(desk)
    assert "needs a reason" in desk.call("snapshot", "accept", "acme", "--yes", exits=2).err
    done = desk.call("snapshot", "accept", "acme", "--reason", "they moved it", "--yes", "--json").document
    (one,) = done["accepted"]
    assert one["snapshot"] == flagged and one["difference"]["counts"]["deleted"] == 12 and done["frozen"] == []
    assert desk.call("status", "--json").document["alerts"] == []
    shown = desk.call("snapshot", "show", "acme").text
    assert f"flagged    {one['why']}; accepted by {done['who']} on " in shown and ": they moved it\n" in shown
    assert "is not frozen" in desk.call("snapshot", "accept", "acme", "--reason", "again", "--yes", exits=2).err


def test_on_a_terminal_it_asks_and_no_means_no(desk: Desk) -> None:
    flag(desk)
    for answer, code in ((b"n\n", 1), (b"y\n", 0)):
        terminal = Terminal(desk, "snapshot", "accept", "acme", "--reason", "meant")
        terminal.wait_for(b"so that retention of acme goes on?")
        terminal.type(answer)
        assert terminal.end() == code, terminal.shown
        assert bool(desk.call("status", "--json", exits=(0, 3)).document["alerts"]) == bool(code)


def test_one_of_several_flagged_snapshots_is_accepted_and_the_others_go_on_freezing(desk: Desk) -> None:
    first = flag(desk)
    write_files(desk.folder / "source", {f"again/{number}.csv": b"%d\n" % number for number in range(30)})
    desk.call("backup", "--quiet")
    for number in range(30):
        (desk.folder / f"source/again/{number}.csv").unlink()
    second = desk.call("backup", "--json", "--quiet").document["snapshots"][0]
    assert second["flagged"]
    assert "is not flagged" in desk.call("snapshot", "accept", "acme", snapshots(desk)[0], "--reason", "x", exits=2).err
    done = desk.call("snapshot", "accept", "acme", first, "--reason", "x", "--yes")
    assert f"retention of acme is still frozen: {second['snapshot']}" in done.err
    left = desk.call("snapshot", "accept", "acme", "latest", "--reason", "x", "--yes", "--json").document
    assert [one["snapshot"] for one in left["accepted"]] == [second["snapshot"]]
    assert left["accepted"][0]["difference"]["counts"]["deleted"] == 30


def test_a_flagged_snapshot_whose_record_is_damaged_can_still_be_accepted(desk: Desk) -> None:
    flagged = flag(desk)
    (record,) = (desk.folder / "repository/projects").glob(f"*/snapshots/{flagged}")
    record.chmod(0o600)
    record.write_bytes(b"no record")
    done = desk.call("snapshot", "accept", "acme", "--reason", "known", "--yes", exits=(0, 3))
    assert "what it changed cannot be told" in done.text and "accepted by" in done.text


def test_everything_about_a_snapshot_is_shown_by_latest_an_id_its_beginning_or_a_time(desk: Desk) -> None:
    flagged = flag(desk)
    first, second = snapshots(desk)
    document = desk.call("snapshot", "show", "acme", "--json").document
    assert (document["snapshot"], document["before"], document["is_newest"]) == (flagged, first, True)
    assert (document["items"], document["files"], document["added"], document["vanished"]) == (12, 9, 1, 12)
    assert document["retention"]["kept"] is True and document["retention"]["frozen"]
    assert document["flags"][0]["accepted_by"] is None and document["problem_list"] == []
    for text in (first, first[:-3], "2099-01-01", "now"):
        shown = desk.call("snapshot", "show", "acme", text).text
        assert shown.startswith(f"snapshot {second if text[0] in '2n' and len(text) < 11 else first} of acme/reports"), text
    assert "begin with" in desk.call("snapshot", "show", "acme", first[:4], exits=2).err
    assert "no snapshot up to" in desk.call("snapshot", "show", "acme", "2001-01-01", exits=2).err
    assert "write latest, an id" in desk.call("snapshot", "show", "acme", "nonsense", exits=2).err
    assert "no snapshot of source 'typo'" in desk.call("snapshot", "show", "acme", "--source", "typo", exits=2).err


def test_problems_and_holds_of_a_snapshot_are_shown_with_their_texts(desk: Desk) -> None:
    (desk.folder / "source/new/1.csv").chmod(0)
    desk.run("backup", "--quiet", exits=3, preexec_fn=without_root_powers)
    desk.call("hold", "add", "acme", "--path", "reports/old/**", "--reason", "a case")
    desk.call("hold", "add", "acme", "--path", "reports/none/**", "--reason", "another case")
    shown = desk.call("snapshot", "show", "acme").text
    assert "problems   1\n    reports/new/1.csv: it cannot be read" in shown
    assert "held       a case (by " in shown and "another case" not in shown
    assert "`strongroom snapshot show acme " in desk.call("status", exits=3).text
