"""`find`, `history` and `diff` at the command line: what was there, what became of it, and which figure was overwritten."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.used import repository, unchanged
from tests.support.desk import Desk, refusal
from tests.support.tree_facts import write_files

LINES = ["call_id;operator;minutes", *(f"{number};op{number % 3};{number % 7}" for number in range(100, 140))]


@pytest.fixture
def lived(desk: Desk) -> tuple[Desk, list[str]]:
    """A desk with a life behind it, and the ids of its snapshots: a figure overwritten, a folder deleted, a file come back."""
    source = desk.folder / "source"
    write_files(source, {"2024/calls.csv": "\n".join(LINES).encode(), "2024/05/a.csv": b"a", "note.txt": b"n"})
    desk.init()
    desk.add("acme", f"reports={source}")
    snapshots = [backed_up(desk)]
    (source / "2024/calls.csv").write_text("\n".join(LINES).replace("117;op0;5", "117;op0;500"))
    (source / "note.txt").unlink()
    snapshots.append(backed_up(desk))
    (source / "2024/05/a.csv").unlink()
    (source / "2024/05").rmdir()
    (source / "note.txt").write_text("n again")
    snapshots.append(backed_up(desk))
    return desk, snapshots


def backed_up(desk: Desk) -> str:
    (told,) = desk.call("backup", "--json").document["snapshots"]
    return str(told["snapshot"])


def test_history_tells_every_version_of_an_item(lived: tuple[Desk, list[str]]) -> None:
    desk, snapshots = lived
    document = desk.call("history", "acme", "reports/note.txt", "reports/2024/calls.csv", "--json").document
    assert document["total"] == 2
    told = {item["path"]: item["events"] for item in document["items"]}
    note = [(one["what"], one["snapshot"], one["size"]) for one in told["reports/note.txt"]]
    assert note == [("created", snapshots[0], 1), ("deleted", snapshots[1], 1), ("came back", snapshots[2], 7)]
    assert told["reports/note.txt"][1]["last_seen_at"] == told["reports/note.txt"][0]["when"]
    calls = told["reports/2024/calls.csv"]
    assert [(one["what"], one["snapshots"]) for one in calls] == [("created", 1), ("changed", 2)]
    assert "content" in calls[1]["changes"]
    text = desk.call("history", "acme", "reports/note.txt").text
    assert all(word in text for word in ("created", "deleted", "came back", "last seen", *snapshots))


def test_find_tells_what_ever_matched(lived: tuple[Desk, list[str]]) -> None:
    desk, snapshots = lived
    document = desk.call("find", "acme", "**/*.csv", "--json").document
    told = {item["path"]: item for item in document["items"]}
    assert told.keys() == {"reports/2024/calls.csv", "reports/2024/05/a.csv"}
    assert (told["reports/2024/05/a.csv"]["deleted"], told["reports/2024/05/a.csv"]["snapshot"]) == (True, snapshots[1])
    assert (told["reports/2024/calls.csv"]["versions"], told["reports/2024/calls.csv"]["snapshot"]) == (2, snapshots[2])
    gone = desk.call("find", "acme", "--deleted").text
    assert "reports/2024/05/a.csv" in gone and "calls.csv" not in gone
    limited = desk.call("find", "acme", "--limit", "1")
    assert len(limited.text.splitlines()) == 2 and "more: narrow it down" in limited.err
    first = desk.call("find", "acme", "--until", snapshots[0], "--json").document["items"]
    assert not any(item["deleted"] for item in first)


def test_diff_tells_what_differs_down_to_the_cell(lived: tuple[Desk, list[str]]) -> None:
    desk, snapshots = lived
    command = ("diff", "acme", "**/*.*", "--since", snapshots[0], "--until", snapshots[1])
    document = desk.call(*command, "--rows", "--json").document
    assert {item["path"]: item["what"] for item in document["items"]} == {
        "reports/2024/calls.csv": "changed",
        "reports/note.txt": "deleted",
    }
    (table,) = document["tables"][0]["tables"]
    assert table["keys"] == ["call_id"]
    (cell,) = table["cells"]
    assert (cell["row"], cell["key"], cell["column"], cell["before"], cell["after"]) == (18, "117", "minutes", "5", "500")
    text = desk.call(*command, "--rows", "--key", "call_id").text
    assert "row 18 (call_id 117), minutes: '5' -> '500'" in text
    assert "1 changed" in text and "1 deleted" in text
    back = desk.call("diff", "acme", "--since", snapshots[1], "--json").document
    told = {item["path"]: item["what"] for item in back["items"]}
    assert (told["reports/note.txt"], told["reports/2024/05/a.csv"]) == ("created", "deleted")


def test_diff_compares_a_moment_with_the_live_folder(lived: tuple[Desk, list[str]]) -> None:
    desk, snapshots = lived
    source = desk.folder / "source"
    live = ("diff", "acme", "--since", snapshots[2], "--live")
    assert desk.call(*live, "--json").document["items"] == []
    calls = source / "2024/calls.csv"
    before = calls.stat()
    calls.write_text(calls.read_text().replace("118;op1;6", "118;op1;9"))
    os.utime(calls, ns=(before.st_atime_ns, before.st_mtime_ns))  # as somebody does who wants to hide it
    (source / "note.txt").chmod(0o600)
    (source / "new").symlink_to("note.txt")
    document = desk.call(*live, "--rows", "--json").document
    assert {item["path"]: item["what"] for item in document["items"] if item["type"] != "folder"} == {
        "reports/2024/calls.csv": "changed",
        "reports/note.txt": "attributes changed",
        "reports/new": "created",
    }
    (cell,) = document["tables"][0]["tables"][0]["cells"]
    assert (cell["key"], cell["before"], cell["after"]) == ("118", "6", "9")
    assert document["sides"][0]["live"] is True
    unchanged(desk)


def test_what_nothing_matches_says_what_is_near(lived: tuple[Desk, list[str]]) -> None:
    desk, _ = lived
    assert "reports/2024/calls.csv" in refusal(desk.call("history", "acme", "reports/2023/calls.csv", exits=1))
    assert "reports/2024" in refusal(desk.call("find", "acme", "report/2024", exits=1))
    assert "reports/2024/calls.csv" in refusal(desk.call("diff", "acme", "2024/calls.csv", "--since", "1 hour ago", exits=1))
    assert "strongroom find acme" in refusal(desk.call("find", "acme", "zzz", exits=1))
    assert "reports" in refusal(desk.call("find", "acme", "--source", "tickets", exits=2))


def test_diff_without_a_moment_or_with_two_ends_is_refused(lived: tuple[Desk, list[str]]) -> None:
    desk, snapshots = lived
    refusal(desk.call("diff", "acme", exits=2))
    refusal(desk.call("diff", "acme", "--since", snapshots[0], "--until", snapshots[1], "--live", exits=2))
    refusal(desk.call("diff", "acme", "--since", "2001-01-01", "--until", "2001-01-02", exits=1))


def test_a_project_without_snapshots_has_no_history(desk: Desk) -> None:
    desk.init()
    (desk.folder / "source").mkdir()
    desk.add("acme", f"reports={desk.folder / 'source'}")
    assert "no snapshot" in refusal(desk.call("find", "acme", exits=1))


def test_a_damaged_record_is_told_and_the_others_answer(lived: tuple[Desk, list[str]]) -> None:
    desk, snapshots = lived
    (record,) = repository(desk).glob(f"projects/*/snapshots/{snapshots[1]}")
    record.chmod(0o600)
    record.write_bytes(record.read_bytes()[:-1] + b"\0")
    for kept in cached(desk):
        kept.unlink()
    result = desk.call("history", "acme", "reports/note.txt", "--json", exits=3)
    assert [one["what"] for one in result.document["items"][0]["events"]] == ["created", "changed"]
    assert [one["what"] for one in result.document["damage"]] == ["damaged-record"]
    assert "cannot be used" in result.err


def cached(desk: Desk) -> list[Path]:
    return [path for path in (desk.folder / "home/.cache/strongroom").rglob("*") if path.is_file()]


def test_find_takes_words_in_any_capitals_and_globs_at_any_depth(lived: tuple[Desk, list[str]]) -> None:
    desk, _ = lived
    source = desk.folder / "source"
    write_files(source, {"2024/06/Отчет За Июнь.csv": b"r", "a[1].csv": b"literal", "a1.csv": b"other"})
    backed_up(desk)

    def found(*words: str) -> list[str]:
        items = desk.call("find", "acme", *words, "--json").document["items"]
        return [item["path"] for item in items if item["type"] == "file"]

    for words in (["CALLS"], ["calls.CSV"], ["CALLS*"], ["[Cc]ALLS.csv"], ["c?LLs.*"], ["2024/CAL"]):
        assert found(*words) == ["reports/2024/calls.csv"], words
    for words in (["отчет"], ["ОТЧЕТ за*"], ["*июнь.CSV"], ["[о]тчет*"]):
        assert found(*words) == ["reports/2024/06/Отчет За Июнь.csv"], words
    assert "no item" in refusal(desk.call("find", "acme", "CALLS", "--case-sensitive", exits=1))
    assert found("calls", "--case-sensitive") == ["reports/2024/calls.csv"]
    assert found("reports/a[1].csv") == ["reports/a[1].csv"], "a name that is there wins over the same text as a pattern"


def test_all_versions_of_a_deleted_file_are_found(lived: tuple[Desk, list[str]]) -> None:
    desk, _ = lived
    (desk.folder / "source" / "2024" / "calls.csv").unlink()
    backed_up(desk)
    desk.call("restore", "acme", "reports/2024/calls.csv", "--versions", "all", "--to", "back", "--quiet")
    contents = [path.read_text() for path in sorted((desk.folder / "back/reports/2024").iterdir())]
    assert len(contents) == 2 and sum("117;op0;500" in text for text in contents) == 1
    desk.call("restore", "acme", "**/calls.*", "--versions", "all", "--to", "globbed", "--quiet")
    assert len(list((desk.folder / "globbed/reports/2024").iterdir())) == 2
    desk.call("restore", "acme", "--versions", "all", "--to", "everything", "--quiet")
    assert not (desk.folder / "everything/reports/2024/calls.csv").exists(), "a deleted file comes where it is asked for"
