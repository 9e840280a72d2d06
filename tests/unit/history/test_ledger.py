"""Ledgers with more versions than one piece holds, and tables that are laid beside each other."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from benchmarks.history_data import SHAPES, SOURCE, Hours, table_of, write_history
from restore.history import alignment, versions
from restore.history import ledger as ledgers
from restore.history.alignment import match
from restore.history.diff import state
from restore.history.ledger import Ledger
from tests.support.places import made_on
from tests.unit.history.model import Told, known
from vault.errors import Damaged
from vault.format import manifest
from vault.format.chunks import content_hash
from vault.storage.memory import MemoryStore


def rows_of(paths: list[bytes], number: int = 0) -> pa.Table:
    """Versions of files of these paths, each with a content of its own."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    plain: list[dict[str, object]] = [
        {"path": path, "kind": "k", "type": "file", "size": 1, "mtime": 1, "mtime_nanos": 0, "mode": 0o644, "uid": 0, "gid": 0}
        | {"blake3": content_hash(path), "seen_at": now, "first": number, "last": number}
        for path in paths
    ]
    return pa.Table.from_pylist(plain, schema=versions.schema())


@pytest.mark.parametrize("most_runs", [0, 1, 3, 24])
def test_tables_are_laid_beside_each_other_by_path_however_many_runs_there_are(
    most_runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alignment, "MOST_RUNS", most_runs)
    random = Random(7)
    every = sorted(bytes([random.randrange(97, 123)]) * random.randrange(1, 4) for _ in range(60))
    names = sorted(set(every))
    for _ in range(80):
        left, right = (sorted(random.sample(names, random.randrange(len(names)))) for _ in range(2))
        changed = set(random.sample(right, len(right) // 3))
        others = rows_of(right)
        sizes = pa.array([2 if path in changed else 1 for path in right], pa.int64())
        others = others.set_column(others.schema.get_field_index("size"), others.schema.field("size"), sizes)
        found = match(rows_of(left), others)
        assert found.where.to_pylist() == [right.index(path) if path in right else None for path in left]
        assert found.same.to_pylist() == [path in right and path not in changed for path in left]
        unmatched = [path for path in right if path in changed or path not in left]
        assert others.filter(found.unmatched)["path"].to_pylist() == unmatched


def test_a_long_history_lies_in_several_pieces_and_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = made_on(MemoryStore())
    hours = Hours(150, SHAPES["scattered"], seed=3)
    tables = []
    for _ in write_history(project, hours, 6):
        tables.append(table_of(hours.items, SOURCE, SOURCE))
    monkeypatch.setattr(ledgers, "PIECE_ROWS", 100)
    known(project, tmp_path / "one")
    for folder in ("one", "other"):  # read back from what is kept, and read anew
        ledger = known(project, tmp_path / folder).ledgers[SOURCE]
        assert len(ledger.closed) > 2
        for number, table in enumerate(tables):
            there = table.filter(pc.is_null(table["vanished_at"]))
            found = state(ledger, number, None)
            assert found["path"].equals(there["path"]) and found["blake3"].equals(there["blake3"])


def test_unchanged_hours_add_nothing_to_a_ledger() -> None:
    told = Told()
    record = told.hour({b"reports/a": ("one", 0o644)})
    ledger = Ledger()
    ledger.append(record, rows_of([b"reports/a"]))
    for number in range(1, 50):
        ledger.append(record, rows_of([b"reports/a"], number))
    assert [(row["first"], row["last"]) for row in ledger.rows().to_pylist()] == [(0, 49)]


def test_a_manifest_out_of_order_or_with_a_path_twice_is_refused() -> None:
    table = table_of(Hours(5, SHAPES["scattered"], seed=1).items, SOURCE, SOURCE)
    for rows in ([1, 0, 2], [0, 1, 1]):
        with pytest.raises(Damaged, match="order"):
            versions.of_manifest(bytes(manifest.encode(table.take(rows))))
    assert len(versions.of_manifest(bytes(manifest.encode(table)))) == 5


def test_extended_attributes_make_a_version_and_the_time_of_a_folder_does_not() -> None:
    table = table_of(Hours(3, SHAPES["scattered"], seed=1).items, SOURCE, SOURCE)
    field = manifest.schema().field("xattrs")
    place = table.schema.get_field_index("xattrs")
    pairs = pa.array([[{"name": b"user.a", "value": b"1"}], None, []], field.type)
    plain, tagged = (
        versions.of_manifest(bytes(manifest.encode(one))) for one in (table, table.set_column(place, field, pairs))
    )
    assert match(plain, tagged).same.to_pylist() == [False, True, True]
    kinds = pa.array(["folder"] * 3)
    folders = table.set_column(table.schema.get_field_index("type"), table.schema.field("type"), kinds)
    later = folders.set_column(
        folders.schema.get_field_index("mtime"), folders.schema.field("mtime"), pa.array([5, 6, 7], pa.int64())
    )
    one, two = (versions.of_manifest(bytes(manifest.encode(side))) for side in (folders, later))
    assert match(one, two).same.to_pylist() == [True, True, True]
