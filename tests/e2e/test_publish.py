"""`strongroom publish` as a reader of the folder and the person at the command line meet it."""

from __future__ import annotations

import json
import os
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.support.desk import Desk
from tests.support.tree_facts import write_files

TICKETS = {
    "2024-05.jsonl": b'{"id":1,"text":"late"}\n{"id":2,"text":"lost"}\n',
    "2024-06.jsonl": b'{"id":3,"text":"broken"}\n',
    "about.pdf": b"%PDF-1.4 about",
}
OWN = ".strongroom-publication"


@pytest.fixture
def published(desk: Desk) -> Desk:
    """The project acme with tickets of two months, published once as Parquet to `bi`."""
    write_files(desk.folder / "source", TICKETS)
    desk.init()
    desk.add("acme", f"tickets={desk.folder / 'source'}")
    desk.call("backup")
    publish(desk)
    return desk


def publish(desk: Desk, *more: str, exits: int = 0) -> dict[str, Any]:
    found = desk.call("publish", "acme", "--as", "parquet", "--to", "bi", "--json", *more, exits=exits).document
    (one,) = found["publication_list"]
    assert isinstance(one, dict)
    return one


def files(folder: Path) -> dict[str, bytes]:
    """Of a publication, without what it keeps for itself."""
    found = (path for path in folder.rglob("*") if path.is_file() and OWN not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def rows(file: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = pq.read_table(file).to_pylist()
    return found


def change(desk: Desk, name: str, content: bytes | None) -> None:
    path = desk.folder / "source" / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    desk.call("backup", exits=(0, 3))


def test_tables_of_the_current_state_are_published(published: Desk) -> None:
    bi = published.folder / "bi"
    assert set(files(bi)) == {"tickets/2024-05.parquet", "tickets/2024-06.parquet", "tickets/about.pdf"}
    assert rows(bi / "tickets/2024-05.parquet") == [{"id": 1, "text": "late"}, {"id": 2, "text": "lost"}]


def test_a_second_run_writes_nothing(published: Desk) -> None:
    before = {path: path.stat().st_ino for path in (published.folder / "bi/tickets").iterdir()}
    found = publish(published)
    assert (found["files_written"], found["unchanged"], found["new"], found["changed"]) == (0, 3, 0, 0)
    assert {path: path.stat().st_ino for path in (published.folder / "bi/tickets").iterdir()} == before


def test_only_what_changed_is_written_and_what_is_gone_is_deleted(published: Desk) -> None:
    change(published, "2024-06.jsonl", b'{"id":3,"text":"mended"}\n')
    change(published, "2024-05.jsonl", None)
    planned = publish(published, "--dry-run")
    assert (planned["changed"], planned["unchanged"], planned["files_to_remove"]) == (1, 1, 1)
    found = publish(published)
    assert (found["changed"], found["files_written"], found["files_removed"]) == (1, 1, 1)
    bi = published.folder / "bi"
    assert set(files(bi)) == {"tickets/2024-06.parquet", "tickets/about.pdf"}
    assert rows(bi / "tickets/2024-06.parquet") == [{"id": 3, "text": "mended"}]


def test_files_of_what_is_gone_may_stay_until_they_may_not(published: Desk) -> None:
    change(published, "2024-05.jsonl", None)
    assert publish(published, "--keep-removed")["files_left"] == 1
    assert "tickets/2024-05.parquet" in files(published.folder / "bi")
    assert publish(published)["files_removed"] == 1
    assert "tickets/2024-05.parquet" not in files(published.folder / "bi")


def test_a_plan_writes_nothing(desk: Desk) -> None:
    write_files(desk.folder / "source", TICKETS)
    desk.init()
    desk.add("acme", f"tickets={desk.folder / 'source'}")
    desk.call("backup")
    result = desk.call("publish", "acme", "--to", "bi", "--dry-run")
    assert "3 new" in result.text and not (desk.folder / "bi").exists()


def test_rows_of_deleted_items_are_told_apart_by_a_column(desk: Desk) -> None:
    write_files(desk.folder / "source", TICKETS)
    desk.init()
    desk.add("acme", f"tickets={desk.folder / 'source'}")
    desk.call("backup")
    change(desk, "2024-05.jsonl", None)
    publish(desk, "--include-deleted")
    deleted = rows(desk.folder / "bi/tickets/2024-05.parquet")
    assert [row["id"] for row in deleted] == [1, 2]
    assert all(row["strongroom_deleted_at"] is not None for row in deleted)
    assert rows(desk.folder / "bi/tickets/2024-06.parquet")[0]["strongroom_deleted_at"] is None
    change(desk, "2024-05.jsonl", TICKETS["2024-05.jsonl"])
    assert publish(desk, "--include-deleted")["changed"] == 1
    assert rows(desk.folder / "bi/tickets/2024-05.parquet")[0]["strongroom_deleted_at"] is None


def test_records_that_are_gone_from_an_item_that_is_still_there_are_published_with_when_they_were_last_seen(desk: Desk) -> None:
    write_files(desk.folder / "source", TICKETS)
    desk.init()
    desk.add("acme", f"tickets={desk.folder / 'source'}")
    desk.call("backup")
    first = publish(desk, "--include-deleted")
    assert first["problems"] == 0
    name = desk.folder / "bi/tickets/2024-05.parquet"
    assert {row["strongroom_last_seen_at"] for row in rows(name)} == {None}
    change(desk, "2024-05.jsonl", b'{"id":1,"text":"late"}\n{"id":2,"text":"lost","who":"Olena"}\n')
    change(desk, "2024-05.jsonl", b'{"id":1,"text":"found"}\n')
    change(desk, "2024-05.jsonl", b'{"id":1,"text":"found"}\n{"id":9,"text":"new"}\n')
    moments = [one["taken_at"] for one in desk.call("list", "acme", "--json").document["projects"][0]["snapshots"]]
    assert publish(desk, "--include-deleted")["changed"] == 1
    assert publish(desk, "--include-deleted")["changed"] == 0
    there, new, gone = rows(name)
    assert (there["text"], there["strongroom_deleted_at"], new["id"], new["strongroom_deleted_at"]) == ("found", None, 9, None)
    assert (gone["id"], gone["text"], gone["who"]) == (2, "lost", "Olena")
    seen, deleted = gone["strongroom_last_seen_at"], gone["strongroom_deleted_at"]
    assert isinstance(seen, datetime) and isinstance(deleted, datetime)
    assert [datetime.fromisoformat(one) for one in sorted(moments)[1:3]] == [seen, deleted]
    change(desk, "2024-05.jsonl", b'{"id":1,"text":"found"}\n{"id":2,"text":"back"}\n')
    publish(desk, "--include-deleted")
    assert [(row["id"], row["strongroom_deleted_at"] is None) for row in rows(name)] == [(1, True), (2, True), (9, False)]
    change(desk, "2024-05.jsonl", b'{"id":1,"text":"found"}\n')
    change(desk, "2024-06.jsonl", b'{"id":2,"text":"back"}\n{"id":3,"text":"broken"}\n')
    publish(desk, "--include-deleted")
    assert [row["id"] for row in rows(name)] == [1, 2, 9]  # two snapshots: it was gone in between
    publish(desk, "--switch")
    assert [row["id"] for row in rows(name)] == [1]


def test_a_record_that_moves_to_another_period_is_not_deleted(desk: Desk) -> None:
    write_files(desk.folder / "source", TICKETS)
    desk.init()
    desk.add("acme", f"tickets={desk.folder / 'source'}")
    desk.call("backup")
    (desk.folder / "source/2024-05.jsonl").write_bytes(b'{"id":1,"text":"late"}\n')
    change(desk, "2024-06.jsonl", b'{"id":2,"text":"lost"}\n{"id":3,"text":"broken"}\n')
    publish(desk, "--include-deleted")
    assert [row["id"] for row in rows(desk.folder / "bi/tickets/2024-05.parquet")] == [1]
    assert [row["id"] for row in rows(desk.folder / "bi/tickets/2024-06.parquet")] == [2, 3]


def test_files_of_others_are_left_alone(published: Desk) -> None:
    tickets = published.folder / "bi/tickets"
    (tickets / "notes.txt").write_bytes(b"mine")
    (tickets / "2024-07.parquet").write_bytes(b"mine, too")
    change(published, "2024-07.jsonl", b'{"id":4}\n')
    found = publish(published, exits=3)
    (problem,) = found["problem_list"]
    assert problem["what"] == "exists" and problem["path"] == "tickets/2024-07.parquet"
    assert (tickets / "2024-07.parquet").read_bytes() == b"mine, too"
    publish(published, exits=3)
    publish(published, "--adopt")
    assert rows(tickets / "2024-07.parquet") == [{"id": 4}]
    assert (tickets / "notes.txt").read_bytes() == b"mine"


def test_a_file_that_somebody_has_changed_is_neither_replaced_nor_deleted(published: Desk) -> None:
    tickets = published.folder / "bi/tickets"
    for name in ("2024-05.parquet", "2024-06.parquet"):
        (tickets / name).write_bytes(b"edited by hand")
    change(published, "2024-06.jsonl", b'{"id":3,"text":"mended"}\n')
    change(published, "2024-05.jsonl", None)
    found = publish(published, exits=3)
    assert {one["what"] for one in found["problem_list"]} == {"changed-by-others"}
    assert found["problems"] == 2
    assert [(tickets / name).read_bytes() for name in ("2024-05.parquet", "2024-06.parquet")] == [b"edited by hand"] * 2


def test_a_file_that_was_copied_and_not_changed_is_still_known(published: Desk) -> None:
    file = published.folder / "bi/tickets/2024-05.parquet"
    os.utime(file, (1, 1))
    assert publish(published)["unchanged"] == 3
    change(published, "2024-05.jsonl", b'{"id":9}\n')
    assert publish(published)["files_written"] == 1


def test_a_file_that_somebody_has_deleted_comes_back(published: Desk) -> None:
    (published.folder / "bi/tickets/2024-05.parquet").unlink()
    assert publish(published)["files_written"] == 1
    assert len(rows(published.folder / "bi/tickets/2024-05.parquet")) == 2


def test_another_selection_does_not_replace_the_first_by_mistake(published: Desk) -> None:
    result = published.call("publish", "acme", "--as", "csv", "--to", "bi", exits=1)
    assert "something else is published" in result.err and "--switch" in result.err
    assert "tickets/2024-05.parquet" in files(published.folder / "bi")
    published.call("publish", "acme", "--as", "csv", "--to", "bi", "--switch")
    assert set(files(published.folder / "bi")) == {"tickets/2024-05.csv", "tickets/2024-06.csv", "tickets/about.pdf"}


def test_a_past_state_is_published_to_the_same_place(published: Desk) -> None:
    change(published, "2024-05.jsonl", b'{"id":9}\n')
    snapshots = published.call("list", "acme", "--json").document["projects"][0]["snapshots"]
    publish(published)
    publish(published, "--at", snapshots[0]["snapshot"])
    assert len(rows(published.folder / "bi/tickets/2024-05.parquet")) == 2


def test_nothing_is_published_into_a_source(published: Desk) -> None:
    result = published.call("publish", "acme", "--to", str(published.folder / "source" / "bi"), exits=21)
    assert "lies in the source" in result.err


def test_two_items_with_one_name_get_two_and_keep_them(published: Desk) -> None:
    change(published, "2024-05.csv", b"id\n7\n")
    publish(published)
    bi = published.folder / "bi"
    assert rows(bi / "tickets/2024-05.parquet")[0]["id"] == 1
    (other,) = (name for name in files(bi) if name.startswith("tickets/2024-05.") and name != "tickets/2024-05.parquet")
    assert [list(row.values()) for row in rows(bi / other)] == [["7"]]
    change(published, "2024-05.parquet", (bi / "tickets/2024-06.parquet").read_bytes())  # this very name, as it is
    publish(published)
    assert rows(bi / "tickets/2024-05.parquet")[0]["id"] == 3
    tables = [name for name in files(bi) if name.startswith("tickets/2024-05.")]
    assert {str(rows(bi / name)[0]["id"]) for name in tables} == {"1", "3", "7"}
    assert publish(published)["files_written"] == 0


def test_a_state_that_others_have_written_is_refused(published: Desk) -> None:
    state = published.folder / "bi" / OWN / "state.jsonl"
    lines = state.read_bytes().splitlines(keepends=True)
    tag, body = lines[1].split(b" ", 1)
    value = json.loads(body)
    value["files"][0][0] = "../../precious"
    state.write_bytes(b"".join([lines[0], tag + b" " + json.dumps(value).encode() + b"\n", *lines[2:]]))
    result = published.call("publish", "acme", "--as", "parquet", "--to", "bi", exits=1)
    assert "cannot be used" in result.err and OWN in result.err


def test_a_publication_is_in_the_log(published: Desk) -> None:
    entries = published.call("audit", "show", "--action", "publish", "--json").text
    assert '"publish"' in entries and "bi" in entries


def test_a_run_that_is_killed_is_continued_by_the_next_one(desk: Desk) -> None:
    """Killed as soon as it has written something down; however far it came by then, the next run makes all of it right."""
    write_files(desk.folder / "source", {f"{number:03}.csv": b"id,n\n%d,1\n" % number for number in range(300)})
    desk.init()
    desk.add("acme", f"raw={desk.folder / 'source'}")
    desk.call("backup")
    for _ in range(2):
        process = desk.start("publish", "acme", "--as", "parquet", "--to", "bi", "--quiet")
        journal = desk.folder / "bi" / OWN / "journal.jsonl"
        while process.poll() is None and not journal.exists():
            time.sleep(0.001)
        process.kill()
        process.communicate()
        assert all(path.name.startswith(".") or rows(path) for path in (desk.folder / "bi").glob("raw/*"))
    found = publish(desk)
    assert found["problems"] == 0 and found["new"] + found["unchanged"] == 300
    desk.call("publish", "acme", "--as", "parquet", "--to", "fresh")
    assert files(desk.folder / "bi") == files(desk.folder / "fresh")


def test_who_may_read_the_folder_may_read_the_files(desk: Desk) -> None:
    write_files(desk.folder / "source", TICKETS)
    for path in (desk.folder / "source").iterdir():
        path.chmod(0o600)
    bi = desk.folder / "bi"
    bi.mkdir()
    bi.chmod(0o750)
    desk.init()
    desk.add("acme", f"tickets={desk.folder / 'source'}")
    desk.call("backup")
    publish(desk)
    assert {path.stat().st_mode & 0o777 for path in (bi / "tickets").iterdir()} == {0o640}
    assert (bi / "tickets").stat().st_mode & 0o777 == 0o750
    assert (bi / OWN).stat().st_mode & 0o777 == 0o700
