"""The newest versions of all items say what `find` says of them, and versions of one item are found without reading all."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pyarrow as pa
import pytest

from benchmarks.history_data import SHAPES, SOURCE, Hours, write_history
from restore.history import ledger as ledgers
from restore.history.events import history
from restore.history.find import find
from restore.history.ledger import OnePath
from restore.history.newest_versions import COLUMNS, newest_versions
from restore.history.timeline import Question
from restore.history.update import History
from tests.support.places import made_on
from tests.unit.history.model import Told, known
from vault.format import parquet
from vault.storage.memory import MemoryStore

SHARED = [*(name for name in COLUMNS if name != "mtime"), "source", "last_seen", "missing_since", "snapshot", "snapshot_at"]
PATHS = [f"reports/{letter}".encode() for letter in "abcdef"]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "PIECE_ROWS", 40)
    monkeypatch.setattr(ledgers, "GROUP_ROWS", 7)


def agree(found: History) -> pa.Table:
    """The newest versions, once `find` has said the same."""
    newest, everything = newest_versions(found), find(found, Question())
    assert newest.select(SHARED).to_pylist() == everything.select(SHARED).to_pylist()
    return newest


@pytest.mark.parametrize("seed", range(3))
def test_items_that_come_go_and_come_back_are_what_find_says(seed: int, tmp_path: Path) -> None:
    told, random = Told(), Random(seed)
    state: dict[bytes, tuple[str, int]] = {}
    for hour in range(14):
        for path in random.sample(PATHS, random.randrange(4)):
            if random.random() < 0.4:
                state.pop(path, None)
            else:
                state[path] = (random.choice(["one", "two"]), 0o644)
        told.hour(state)
        if hour % 4 == 1:
            agree(known(told.project, tmp_path / "cache"))


def test_an_item_that_no_newer_manifest_has_is_missing_since_that_one(tmp_path: Path) -> None:
    told = Told()
    told.hour({b"reports/a": ("one", 0o644), b"reports/b": ("one", 0o644)})
    told.items = {b"reports/a": told.items[b"reports/a"]}  # as after two runs at once: the other one did not know of it
    record = told.hour({b"reports/a": ("two", 0o644)})
    newest = agree(known(told.project, tmp_path / "cache"))
    assert newest["missing_since"].to_pylist() == [None, record.taken_at]


def test_there_may_be_no_snapshot_at_all(tmp_path: Path) -> None:
    assert newest_versions(known(Told().project, tmp_path / "cache")).num_rows == 0


@pytest.mark.parametrize("as_before", [False, True])
def test_what_became_of_one_item_is_the_same_out_of_a_few_row_groups(
    as_before: bool,  # noqa: FBT001 (a parameter of the test)
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = made_on(MemoryStore())
    hours = Hours(60, SHAPES["scattered"], seed=5)
    for _ in write_history(project, hours, 8):
        pass
    if as_before:  # pieces of a version that knew nothing of row groups
        monkeypatch.setattr(ledgers, "encode", lambda rows: bytes(parquet.write(rows.sort_by("path"), write_statistics=False)))
    found = known(project, tmp_path / "cache")
    ledger = found.ledgers[SOURCE]
    assert len(ledger.closed) > 2
    everything = {one.path: one for one in history(found, Question(), most=1000).items}
    assert len(everything) > 60
    for path, expected in Random(2).sample(sorted(everything.items()), 12):
        assert history(found, Question(OnePath(path)), most=10).items == (expected,)
    read: list[int] = []
    whole = ledgers.decode
    monkeypatch.setattr(ledgers, "decode", lambda *data, **how: _counted(whole(*data, **how), read))
    history(found, Question(OnePath(min(everything))), most=10)
    assert sum(read) < sum(whole(piece).num_rows for piece in ledger.closed) / 2
    assert history(found, Question(OnePath(b"reports/nothing")), most=10).items == ()


def _counted(table: pa.Table, read: list[int]) -> pa.Table:
    read.append(table.num_rows)
    return table


def test_a_state_of_any_moment_has_the_columns_that_are_asked_for(tmp_path: Path) -> None:
    project = made_on(MemoryStore())
    hours = Hours(50, SHAPES["scattered"], seed=6)
    expected = []
    for _ in write_history(project, hours, 6):
        expected.append({path: item.vanished_at for path, item in hours.items.items()})
    ledger = known(project, tmp_path / "cache").ledgers[SOURCE]
    for number, items in enumerate(expected):
        rows = pa.concat_tables(ledger.state(number, ["vanished_at", "path"]))
        assert rows.column_names == ["vanished_at", "path"]
        assert dict(zip(rows["path"].to_pylist(), rows["vanished_at"].to_pylist(), strict=True)) == items
