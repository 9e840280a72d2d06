"""Memory does not grow with the data: one file of 6 GiB and 300,000 small ones, there and back, in 400 MB.

    python -m benchmarks.memory [--scale 0.1] [--tool strongroom|restic|borg] [--work FOLDER]

Prints passed or FAILED for each operation, and exits with 1 when one failed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from blake3 import blake3

from benchmarks.many_files import write_small_files
from benchmarks.scratch import child_environment, empty_folder, require_program, say
from benchmarks.tools import ENTRIES, Entry, Place
from benchmarks.verify import same_tree

LIMIT = 400_000_000
LARGE_FILE, SMALL_FILES = 6 << 30, 300_000
_PIECE = 4 << 20


def write_large_file(root: Path, size: int) -> None:
    """One file, half noise and half of it repeated text, so that every stage has work."""
    stream = blake3(b"one large file")
    with (root / "archive.bin").open("wb") as file:
        for start in range(0, size, _PIECE):
            length = min(_PIECE, size - start)
            noise = stream.digest(length=length // 2, seek=start)
            lines = b"%016x;answered;007;+49150000000\n" % start
            file.write(noise + (lines * (length // len(lines) + 1))[: length - len(noise)])


def main() -> int:
    """Measures each shape of data there and back."""
    entries = {entry.program: entry for entry in ENTRIES if entry.again and not entry.on_s3}
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--tool", choices=sorted(entries), default="strongroom")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "strongroom-memory")
    options = parser.parse_args()
    program, work = require_program(options.tool), options.work.resolve()
    size, count = int(LARGE_FILE * options.scale), int(SMALL_FILES * options.scale)
    shapes: dict[str, Callable[[Path], None]] = {
        f"one file of {size / 2**30:.1f} GiB": lambda root: write_large_file(root, size),
        f"{count:,} small files": lambda root: write_small_files(root, count, longest=4000),
    }
    print(f"| {options.tool} | operation | wall | peak memory | limit {LIMIT / 1e6:.0f} MB |")
    print("| --- | --- | --- | --- | --- |")
    passed = [_there_and_back(entries[options.tool], program, work, name, make) for name, make in shapes.items()]
    return 0 if all(passed) else 1


def _there_and_back(entry: Entry, program: str, work: Path, name: str, make: Callable[[Path], None]) -> bool:
    with (
        empty_folder(work / "source") as source,
        empty_folder(work / "home") as home,
        empty_folder(work / "target") as target,
    ):
        say(f"writing {name}")
        make(source)
        tool = entry.make(Place(source, home, None, child_environment(), program))
        tool.init()
        costs = {"first backup": tool.backup(), "second backup": tool.backup(), "restore": tool.restore_all(target)}
        same_tree(source, target / tool.below)
    for operation, cost in costs.items():
        verdict = "passed" if cost.rss <= LIMIT else "FAILED"
        print(f"| {name} | {operation} | {cost.wall:.1f} s | {cost.rss / 1e6:.0f} MB | {verdict} |", flush=True)
    return all(cost.rss <= LIMIT for cost in costs.values())


if __name__ == "__main__":
    sys.exit(main())
