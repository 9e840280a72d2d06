"""A million small files: what do a first backup, one after which nothing has changed, and a restore of everything cost?

python -m benchmarks.many_files [--files 1000000] [--tool strongroom|restic|borg] [--work FOLDER]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from benchmarks.measure import Cost
from benchmarks.scratch import child_environment, empty_folder, require_program, say
from benchmarks.tools import ENTRIES, Place
from benchmarks.verify import same_tree

FILES_A_FOLDER = 1000
_FIRST_MOMENT = 1_735_732_800_000_000_000


def write_small_files(root: Path, count: int, *, longest: int = 50) -> None:
    """`count` files of 0 to `longest` bytes, a thousand a folder; no two folders alike, and times a second apart."""
    for folder in range(0, count, FILES_A_FOLDER):
        path = root / f"{folder // FILES_A_FOLDER:05d}"
        path.mkdir(parents=True)
        handle = os.open(path, os.O_RDONLY)
        try:
            for number in range(folder, min(count, folder + FILES_A_FOLDER)):
                name = f"report_{number:07d}.csv"
                content = (b"%d;%d;answered\n" % (number, number * 7919)) * (1 + longest // 16)
                file = os.open(name, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=handle)
                os.write(file, content[: number * 31 % (longest + 1)])
                os.close(file)
                moment = _FIRST_MOMENT + number * 1_000_000_007
                os.utime(name, ns=(moment, moment), dir_fd=handle)
        finally:
            os.close(handle)


def main() -> None:
    """Prints wall, CPU and memory of the first and the second backup and of a restore, which is compared with the source."""
    entries = {entry.program: entry for entry in reversed(ENTRIES) if entry.again and not entry.on_s3}  # the first of each
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--tool", choices=sorted(entries), default="strongroom")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "strongroom-many-files")
    options = parser.parse_args()
    program, work = require_program(options.tool), options.work.resolve()
    with empty_folder(work / "source") as source, empty_folder(work / "home") as home:
        say(f"writing {options.files:,} files")
        write_small_files(source, options.files)
        tool = entries[options.tool].make(Place(source, home, None, child_environment(), program))
        tool.init()
        print(f"| {options.tool}, {options.files:,} small files | wall | cpu | peak memory |")
        print("| --- | --- | --- | --- |")
        for name in ("first backup", "second backup, nothing changed"):
            _report(name, tool.backup())
        with empty_folder(work / "restored") as target:
            cost = tool.restore_all(target)
            same_tree(source, target / tool.below)
            _report("restore of everything", cost)


def _report(name: str, cost: Cost) -> None:
    print(f"| {name} | {cost.wall:.1f} s | {cost.cpu:.1f} s | {cost.rss / 1e6:.0f} MB |", flush=True)


if __name__ == "__main__":
    main()
