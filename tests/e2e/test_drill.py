"""A drill proves that what is stored comes back, on any machine; one that proves nothing is no success."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from restore.local_fs import inspect
from tests.support.desk import Desk
from tests.support.tree_facts import write_files


@pytest.fixture
def stored(desk: Desk) -> Desk:
    source = desk.folder / "source"
    write_files(source, {f"{year}/{month:02}.csv": os.urandom(500) for year in (2023, 2024) for month in range(1, 7)})
    for path in source.rglob("*.csv"):
        os.setxattr(path, "user.origin", b"pbx")
    desk.init()
    desk.add("acme", f"reports={source}")
    desk.call("backup")
    return desk


def test_a_drill_says_how_much_was_compared_and_status_shows_it(stored: Desk) -> None:
    document = stored.call("drill", "--json").document["drills"][0]
    assert document["items"] == document["compared"] == document["whole_items"] == 12
    assert document["folders"] == document["folders_compared"] == 3
    assert document["attributes_compared"] == 15 and document["trouble"] == ""
    assert "compared: 12 files, 3 folders, attributes of 15 items: as they were" in stored.call("drill").text
    assert "about" in stored.call("status", "--all").text


def test_what_the_scratch_folder_refuses_is_a_problem_by_name_and_content_is_compared_all_the_same(
    stored: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "setxattr", refuse)
    result = stored.call("drill", "--json", exits=3)
    document = result.document["drills"][0]
    assert (document["compared"], document["folders_compared"], document["attributes_compared"]) == (12, 3, 3)
    assert document["problems"] == 12 and "user.origin" in document["problem_list"][0]["message"]
    assert document["trouble"] == "" and "user.origin" in result.err
    for pack in (stored.folder / stored.place.address / "projects").glob("*/packs/*/*"):
        pack.chmod(0o600)
        pack.write_bytes(bytes(pack.stat().st_size))
    assert len(stored.call("drill", "--json", exits=20).document["drills"][0]["wrong"]) == 12


def test_a_drill_that_cannot_compare_has_failed(stored: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect, "compare", lambda _root, items, **_more: iter(inspect.Inspection(same=False) for _ in items))
    document = stored.call("drill", "--json", exits=20).document
    assert document["drills"][0]["compared"] == 0 and document["drills"][0]["trouble"] and document["error"]["message"]


def test_a_drill_sees_what_a_stranger_would_see(stored: Desk) -> None:
    stored.call("drill")
    cache = next((stored.folder / "home/.cache/strongroom").iterdir())
    assert any(path.is_file() for path in cache.rglob("*"))  # this machine could do without the store's catalogue
    for folder in ("meta", "index", "snapshots"):
        for path in (stored.folder / stored.place.address / "projects").glob(f"*/{folder}/**/*"):
            if path.is_file():
                path.chmod(0o600)
                path.write_bytes(bytes(path.stat().st_size))
    failed = stored.call("drill", "--json", exits=20).document["drills"][0]
    assert failed["trouble"]


def test_a_drill_that_restores_an_older_state_than_this_machine_knows_has_failed(stored: Desk) -> None:
    stored.call("backup")
    newest = max((stored.folder / stored.place.address / "projects").glob("*/snapshots/*"), key=lambda file: file.name)
    whole = newest.read_bytes()
    newest.unlink()
    failed = stored.call("drill", "--json", exits=20).document["drills"][0]
    assert newest.name in failed["trouble"]
    assert failed["compared"] == 12
    newest.write_bytes(whole)
    stored.call("drill")


def test_the_scratch_folder_goes_and_one_that_cannot_be_made_is_an_error(stored: Desk, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    desk = Desk(stored.folder, stored.place, {**stored.variables, "TMPDIR": str(scratch)})
    desk.run("drill", exits=0)
    assert list(scratch.iterdir()) == []
    shutil.rmtree(scratch)
    scratch.write_text("no folder")
    assert "Traceback" not in desk.run("drill", exits=0).err  # the system's own is used then
