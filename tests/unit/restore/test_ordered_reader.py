"""Whole contents in the order of the items, however their chunks lie."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from restore.execution import ordered_reader
from restore.execution.fetcher import fetch
from restore.planning.chunk_locations import locate
from restore.selection import select
from tests.support.places import back_up, made_on
from tests.support.randomness import SeededChance
from tests.support.trees import text, write_tree
from vault.errors import StrongroomError
from vault.format import layout
from vault.repository.pack_reader import PackReader
from vault.storage.memory import MemoryStore


def everything(project: object, tmp_path: Path) -> dict[bytes, bytes | StrongroomError]:
    selection = select.select(project, select.ItemQuery())  # type: ignore[arg-type]  # a Project of the fixture
    references = locate(selection.table, selection.index)
    reader = PackReader(selection.project, selection.index)
    paths = selection.table["path"].to_pylist()
    found = ordered_reader.contents(selection.table, references, reader, lambda: None, tmp_path)
    return {paths[row]: one if isinstance(one, StrongroomError) else one.read() for row, one in found}


@pytest.mark.parametrize(
    ("window", "in_memory"), [(1, 1), (50_000, 1000), (ordered_reader.WINDOW_BYTES, ordered_reader.IN_MEMORY)]
)
def test_every_file_comes_whole_and_in_the_order_of_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: int, in_memory: int
) -> None:
    monkeypatch.setattr(ordered_reader, "WINDOW_BYTES", window)
    monkeypatch.setattr(ordered_reader, "IN_MEMORY", in_memory)
    large = SeededChance("ordered").token(100_000)
    files = {f"{number % 3}/{number}.txt": text(number, 900 * number) for number in range(25)}
    files |= {"large.bin": large, "twin.bin": large, "empty": b"", "a/same": files["1/1.txt"], "b/same": files["1/1.txt"]}
    folder = write_tree(tmp_path / "source", files)
    with (folder / "sparse").open("wb") as sparse:
        os.truncate(sparse.fileno(), 200_000)
    files["sparse"] = bytes(200_000)
    project = made_on(MemoryStore())
    back_up(project, folder)
    found = everything(project, tmp_path)
    assert list(found) == sorted(found)
    assert {path.removeprefix(b"reports/").decode(): content for path, content in found.items()} == files


def test_a_file_that_is_held_is_read_as_any_other_and_its_pieces_are_what_came() -> None:
    chance = SeededChance("held")

    def below(bound: int) -> int:
        return int(chance.fraction() * bound)

    held = [chance.token(below(40)) for _ in range(30)]
    content, other = ordered_reader.HeldContent(held), io.BytesIO(b"".join(held))
    assert content.pieces() is held and content.seekable() and content.readable()
    for _ in range(500):
        if below(3) == 0:
            at = below(700)
            assert content.seek(at) == other.seek(at)
        size = below(90) - 1
        assert content.read(size) == other.read(size) and content.tell() == other.tell()
    assert content.seek(-5, os.SEEK_END) == other.seek(-5, os.SEEK_END) and content.read() == other.read()
    content.seek(0)
    assert io.TextIOWrapper(content, "latin-1", newline="").read() == b"".join(held).decode("latin-1")
    with pytest.raises(ValueError, match="before the start"):
        ordered_reader.HeldContent(held).seek(-1)
    assert ordered_reader.HeldContent([]).read() == b""


def test_less_is_read_ahead_while_there_is_less_room(tmp_path: Path) -> None:
    project = made_on(MemoryStore())
    back_up(project, write_tree(tmp_path / "source", {str(number): bytes([number]) * 500 for number in range(8)}))
    selection = select.select(project, select.ItemQuery())
    references = locate(selection.table, selection.index)
    asked: list[int] = []

    def room() -> int:
        asked.append(2000 if len(asked) < 1 else 500)
        return asked[-1]

    reader = PackReader(selection.project, selection.index)
    found = [one.content for one in ordered_reader.pieces(references, reader, lambda: None, room)]
    assert found == [bytes([number]) * 500 for number in range(8)] and asked == [2000, 500, 500, 500, 500]


def test_a_pack_that_is_gone_costs_its_own_files_alone(tmp_path: Path) -> None:
    store = MemoryStore()
    project = made_on(store)
    back_up(project, write_tree(tmp_path / "source", {"a": b"one" * 500, "c": b"three" * 500}))
    back_up(project, write_tree(tmp_path / "source", {"b": b"two" * 500}))
    selection = select.select(project, select.ItemQuery())
    row = selection.table["path"].to_pylist().index(b"reports/b")
    mine = selection.table.slice(row, 1)
    lost = locate(mine, selection.index)["pack"][0].as_py()
    store.delete(layout.pack_name(project.id, layout.CONTENT_TIER, lost))
    found = everything(project, tmp_path)
    assert isinstance(found.pop(b"reports/b"), StrongroomError)
    assert found == {b"reports/a": b"one" * 500, b"reports/c": b"three" * 500}


def test_the_next_window_is_fetched_while_one_is_written_and_no_other_once_nobody_wants_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordered_reader, "WINDOW_BYTES", 1)
    project = made_on(MemoryStore())
    back_up(project, write_tree(tmp_path / "source", {str(number): bytes([number]) * 500 for number in range(9)}))
    selection = select.select(project, select.ItemQuery())
    references = locate(selection.table, selection.index)
    begun = threading.Semaphore(0)
    windows = iter(range(100))

    def counted(*given: Any) -> Any:
        next(windows)
        begun.release()
        return fetch(*given)

    monkeypatch.setattr(ordered_reader, "fetch", counted)
    coming = ordered_reader.pieces(references, PackReader(selection.project, selection.index), lambda: None)
    assert next(coming).content == bytes([0]) * 500
    assert begun.acquire(timeout=60) and begun.acquire(timeout=60)  # the second, though only the first was asked for
    coming.close()
    assert next(windows) == 2
