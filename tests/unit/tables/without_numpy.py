"""What `test_without_numpy` runs in a program of its own: every format written and read where numpy and pandas are not."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

MISSED = {"numpy", "pandas"}


class Missing:
    """Finds nothing, and ends the search for what is missed: as if it were not installed."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        if name.partition(".")[0] in MISSED:
            raise ModuleNotFoundError(f"{name} is not installed", name=name)
        return None


def main(folder: Path) -> None:
    """Tells, as JSON, how many rows came back from each format, how many of a merged table, and how many of a period."""
    import pyarrow as pa

    from restore.tables.formats import FORMATS
    from restore.tables.loss_report import LossReport
    from restore.tables.merge import Merged
    from restore.tables.merge_parts import MergePart
    from restore.tables.model import Table, Value
    from restore.tables.registry import open_tables, write_tables
    from restore.tables.rows_in_period import Cut, RowsInPeriod
    from restore.tables.times import TimeReading
    from restore.tables.write_options import Audience, WriteOptions
    from tests.support.tables import ListTable
    from vault.errors import StrongroomError

    moment = datetime(2024, 5, 17, 14, 30, 0, 1000, UTC)
    cells: list[Value] = ["Анна", None, True, 7, 10**25, 1.5, Decimal("1.50"), b"\xff", moment, moment.date()]
    cells += [time(1, 2, 3), timedelta(hours=1), [1, {"a": None}], {"b": [moment]}]
    typed: list[tuple[pa.DataType, Any]] = [
        (pa.string(), "+79160000000"),
        (pa.int64(), 1234567890123456789),
        (pa.float32(), 1.5),
        (pa.bool_(), True),
        (pa.decimal128(20, 2), Decimal("1.50")),
        (pa.timestamp("ns", "Europe/Kyiv"), moment),
        (pa.timestamp("us"), moment.replace(tzinfo=None)),
        (pa.date32(), date(2024, 5, 17)),
        (pa.time64("us"), time(1, 2, 3)),
        (pa.duration("ms"), timedelta(hours=1)),
        (pa.list_(pa.float32()), [1.5, None]),
        (pa.struct({"a": pa.timestamp("s")}), {"a": moment.replace(microsecond=0, tzinfo=None)}),
        (pa.map_(pa.string(), pa.int8()), [("x", 1)]),
    ]
    row: list[Value] = [*cells, *(cell for _, cell in typed)]
    nothing: list[Value] = [None] * len(row)
    names = ["created_at" if cell is moment and place < len(cells) else f"column {place}" for place, cell in enumerate(row)]
    types = {len(cells) + place: type_ for place, (type_, _) in enumerate(typed)}
    table = ListTable(names, [row, nothing, row, row], types=types)

    def rows_of(tables: Sequence[Table]) -> int:
        return sum(batch.rows for each in tables for batch in each.batches())

    @contextmanager
    def opened(losses: LossReport) -> Iterator[Sequence[Table]]:
        yield [table]

    def failed(part: MergePart, error: StrongroomError, rows: int) -> None:
        raise error

    counts: dict[str, int] = {}
    for profile in Audience:
        options = WriteOptions(profile=profile, zone="Europe/Kyiv" if profile is Audience.PEOPLE else None)
        for name, format_ in FORMATS.items():
            path = folder / name
            with path.open("w+b") as out:
                write_tables([table], name, out, options, LossReport())
            if format_.reader:
                counts[f"{name} for {profile.value}"] = rows_of(open_tables(path, name, LossReport()))
    cut = Cut(datetime(2024, 5, 17, tzinfo=UTC), datetime(2024, 5, 18, tzinfo=UTC), TimeReading())
    counts["period"] = rows_of([RowsInPeriod(table, cut, LossReport())])
    counts["merged"] = rows_of([Merged([MergePart("a", "a", opened), MergePart("b", "b", opened)], failed, LossReport())])
    sys.stdout.write(json.dumps({"counts": counts, "loaded": sorted(MISSED & set(sys.modules))}))


if __name__ == "__main__":
    sys.meta_path.insert(0, Missing)
    main(Path(sys.argv[1]))
