"""A program for `test_text_memory`: converts a small table and then a large one, and prints how much the second raised the
most memory that this process ever held, in KiB.

    python -m tests.unit.tables.text_memory FOLDER MAKE READ WRITE
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

from restore.tables.loss_report import LossReport
from restore.tables.registry import open_tables, write_tables
from restore.tables.write_options import Audience, WriteOptions

SMALL, LARGE = 12_000, 30_000
"""Rows, of four kilobytes each."""


def main() -> int:
    folder, make, read, write = sys.argv[1:]
    peaks = []
    for count in (SMALL, LARGE):
        path = Path(folder) / f"{count}"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(_pieces(make, count))
        with (Path(folder) / "out").open("wb") as out:
            losses = LossReport()
            write_tables(open_tables(path, read, losses), write, out, WriteOptions(Audience.PEOPLE), losses)
        if (Path(folder) / "out").stat().st_size < path.stat().st_size // 2:
            return 1
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    sys.stdout.write(f"{peaks[1] - peaks[0]}\n")
    return 0


def _pieces(make: str, count: int) -> Iterator[str]:
    """A text file of so many rows."""
    rows = ({"id": f"{number:019d}", "note": f"перезвонить, {number} " + "x" * 4000, "n": ""} for number in range(count))
    if make in {"csv", "ragged"}:
        yield "id,note,n\n"
        yield from (",".join(f'"{cell}"' for cell in row.values()) + "\n" for row in rows)
        yield "1\n" if make == "ragged" else ""
    elif make == "jsonl":
        yield from (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    else:
        yield '{"total": 1, "rows": [{}'
        yield from ("," + json.dumps(row) for row in rows)
        yield "]}"


if __name__ == "__main__":
    sys.exit(main())
