"""Memory does not grow with a table: one that is four times as long takes no more, in any format, read or written."""

from __future__ import annotations

import subprocess
import sys

import pytest

from restore.tables.formats import FORMATS

ROWS = 100_000
GROWTH = 80 * 1024
"""KiB that the longer table may take more: buffers that were not full with the shorter one. It has 120 MB more of cells."""

CHILD = """
import resource, sys, tempfile
from pathlib import Path

from restore.tables.convert import CountedTable
from restore.tables.loss_report import LossReport
from restore.tables.write_options import WriteOptions
from restore.tables.model import Batch, Column
from restore.tables.formats import FORMATS
from restore.tables.registry import open_tables, write_tables


class Long:
    name = "long"
    columns = [Column("n"), Column("text"), Column("number")]

    def batches(self):
        for start in range(0, int(sys.argv[2]), 2_000):
            places = range(start, start + 2_000)
            yield Batch([list(places), [f"{place} {'x' * 390}" for place in places], [place / 7 for place in places]], 2_000)


with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "file"
    with path.open("wb") as out:
        write_tables([Long()], sys.argv[1], out, WriteOptions(), LossReport())
    if FORMATS[sys.argv[1]].reader:
        for table in open_tables(path, sys.argv[1], LossReport()):
            counted = CountedTable(table)
            for _ in counted.batches():
                pass
            if counted.rows != int(sys.argv[2]):
                raise SystemExit(f"{counted.rows} rows")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def most_memory(name: str, rows: int) -> int:
    """KiB of a process that writes such a table and reads it."""
    ended = subprocess.run([sys.executable, "-c", CHILD, name, str(rows)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return int(ended.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_a_longer_table_takes_no_more_memory(name: str) -> None:
    assert most_memory(name, 4 * ROWS) - most_memory(name, ROWS) < GROWTH
