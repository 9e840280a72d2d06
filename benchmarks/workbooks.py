"""A day of hourly workbooks: each gets a row an hour, and each hour is backed up by each tool.

    python -m benchmarks.workbooks [--hours 24] [--books 200] [--rows 400] [--tools strongroom,restic] [--work FOLDER]

XlsxWriter writes the workbooks anew each hour, as reporting programs do. The first backup has them all; then come the hours,
with the tools taking turns in each. In the end the newest is restored by each tool, compared and timed.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import xlsxwriter
from msgspec import Struct, field

from benchmarks.measure import Cost
from benchmarks.scratch import child_environment, empty_folder, say
from benchmarks.tools import ENTRIES, Place, Tool, find_program
from benchmarks.verify import same_tree

FIRST = datetime(2026, 5, 1, tzinfo=UTC)
HEADER = ("hour", "queue", "calls", "lost", "level", "wait", "goal", "agent")


class Account(Struct):
    """What a tool did. first: the first backup · grown: bytes that each hour added to its repository."""

    tool: Tool
    repository: Path
    below: str
    first: Cost | None = None
    size: int = 0
    grown: list[int] = field(default_factory=list)
    hours: list[Cost] = field(default_factory=list)

    def back_up(self) -> None:
        """One backup, and what it added."""
        cost, before = self.tool.backup(), self.size
        self.size = sum(path.stat().st_size for path in self.repository.rglob("*") if path.is_file())
        if self.first is None:
            self.first = cost
        else:
            self.hours.append(cost)
            self.grown.append(self.size - before)


def write_workbook(path: Path, book: int, rows: int) -> None:
    """The table of an hourly report: what was in it before, and a row more."""
    chance = random.Random(book)
    with xlsxwriter.Workbook(path, {"default_date_format": "yyyy-mm-dd hh:mm", "remove_timezone": True}) as workbook:
        workbook.set_properties({"created": FIRST + timedelta(hours=rows)})
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, HEADER)
        for number in range(rows):
            row = (
                FIRST + timedelta(hours=number), f"queue {chance.randint(1, 9)}", chance.randint(0, 400), chance.randint(0, 60),
                round(chance.random() * 100, 2), round(chance.random() * 300, 1), chance.choice(("met", "missed")),
                f"agent {chance.randint(1, 80)}",
            )  # fmt: skip
            sheet.write_row(number + 1, 0, row)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--books", type=int, default=200)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--tools", help="as many of these as are installed; else all")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "strongroom-workbooks")
    given = parser.parse_args()
    with empty_folder(given.work.resolve()) as folder:
        source = folder / "source"
        source.mkdir()
        accounts = dict(_accounts(given, folder, source))
        for hour in range(given.hours + 1):
            for book in range(given.books):
                write_workbook(source / f"report {book:04}.xlsx", book, given.rows + hour)
            for account in accounts.values():
                account.back_up()
            say(f"hour {hour}: " + ", ".join(f"{name} {one.size / 1e6:.1f} MB" for name, one in accounts.items()))
        print("| tool | first backup | an hour: wall | cpu | stored | all hours | restored |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for name, account in accounts.items():
            _report(name, account, source, folder)


def _accounts(given: argparse.Namespace, folder: Path, source: Path) -> list[tuple[str, Account]]:
    wanted = given.tools.split(",") if given.tools else [entry.program for entry in ENTRIES]
    found = []
    for entry in (one for one in ENTRIES if one.again and not one.on_s3 and one.program in wanted):
        program = find_program(entry.program, Path(sys.executable).parent)
        if program is None:
            say(f"{entry.program} is not installed: it is left out")
            continue
        home = folder / entry.program
        home.mkdir()
        place = Place(source, home, None, child_environment(), program)
        tool = entry.make(place)
        tool.init()
        found.append((entry.program, Account(tool, place.repository, tool.below)))
    return found


def _report(name: str, account: Account, source: Path, folder: Path) -> None:
    with empty_folder(folder / "restored") as target:
        restored = account.tool.restore_all(target)
        same_tree(source, target / account.below)
    first = account.first
    wall, cpu = (statistics.median(getattr(one, part) for one in account.hours) for part in ("wall", "cpu"))
    stored = statistics.median(account.grown)
    print(
        f"| {name} | {first.wall if first else 0:.2f} s | {wall:.2f} s | {cpu:.2f} s | {stored / 1e6:.3f} MB "
        f"| {sum(account.grown) / 1e6:.2f} MB | {restored.wall:.2f} s |",
        flush=True,
    )


if __name__ == "__main__":
    main()
