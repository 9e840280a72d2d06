"""Maps of ids: kept at once, locked, and files that people and other machines read."""

from __future__ import annotations

from pathlib import Path

import pytest

from restore.interfaces.id_map import IdMap, MappedRecord, read_file, write_file
from vault.errors import Busy, TargetError, UsageError


def test_what_was_noted_is_there_after_a_kill_and_another_run_waits(tmp_path: Path) -> None:
    file = tmp_path / "state" / "ids.sqlite"
    first = IdMap.open(file)
    first.put(MappedRecord("tickets", "1", "9", "begun"))
    first.put_child("tickets", "1", "comments", "4", "5")
    with pytest.raises(Busy):
        IdMap.open(file)
    first.close()
    second = IdMap.open(file)
    assert second.record("tickets", "1") == MappedRecord("tickets", "1", "9", "begun")
    assert second.children("tickets", "1", "comments") == {"4": "5"} and file.stat().st_mode & 0o077 == 0
    second.forget("tickets", "1")
    assert second.record("tickets", "1") is None and second.children("tickets", "1", "comments") == {}
    second.close()
    file.write_bytes(b"no database" * 100)
    with pytest.raises(TargetError, match="cannot be read"):
        IdMap.open(file)


@pytest.mark.parametrize("name", ["ids.csv", "ids.jsonl"])
def test_a_file_of_ids_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    records = [
        MappedRecord("tickets", 'ä"; x', "9", "finished", ("title: refused",)),
        MappedRecord("queues", "1", "", "finished"),
    ]
    write_file(tmp_path / name, records)
    assert [one[:3] for one in read_file(tmp_path / name)] == [one[:3] for one in records]
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_file_that_is_something_else_is_refused_and_none_is_empty(tmp_path: Path) -> None:
    assert read_file(tmp_path / "none.csv") == []
    for name, text in (("a.csv", "x,y\n1,2\n"), ("a.jsonl", "[]\n"), ("b.jsonl", "no\n")):
        (tmp_path / name).write_text(text)
        with pytest.raises(UsageError, match="no map of ids"):
            read_file(tmp_path / name)


def test_what_a_person_says_counts_and_stays_in_the_file(tmp_path: Path) -> None:
    ids = IdMap.open(None)
    ids.give([MappedRecord("queues", "1", "3", "finished"), MappedRecord("tickets", "7", "", "finished")])
    assert (ids.new("queues", "1"), ids.new("tickets", "7"), ids.given("tickets", "7")) == ("3", None, "")
    ids.put(MappedRecord("tickets", "7", "70", "finished"))
    assert [one[:3] for one in ids.for_people()] == [("queues", "1", "3"), ("tickets", "7", "70")]
    write_file(tmp_path / "ids.csv", ids.for_people())
    assert (tmp_path / "ids.csv").read_text() == "resource,old,new,lost\nqueues,1,3,\ntickets,7,70,\n"
    ids.close()
