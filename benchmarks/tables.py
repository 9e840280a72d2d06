"""`python -m benchmarks.tables`: tables from format to format, beside the libraries that people use for it.

Each conversion is a process of its own, timed from its start; Strongroom's is set up as its commands are. The others convert as
their own documentation shows first, and once more with everything as text where that keeps cells as they are. Every cell of
what they write is compared with the source, since a fast answer that is wrong is no answer: ids of 19 digits, leading zeros,
`+7…` numbers, prices like 321.50, times with an offset, empty cells, quotes and delimiters within texts, two alphabets.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import os
import random
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, zip_longest
from pathlib import Path
from statistics import median

from msgspec import Struct

from benchmarks.measure import CommandError, Cost, run

ROWS, HOURS, HOUR_ROWS = 200_000, 2184, 100
HEADER = [
    "id",
    "account",
    "phone",
    "started",
    "ended",
    "agent",
    "queue",
    "city",
    "seconds",
    "price",
    "rate",
    "ok",
    "note",
    "mail",
    "code",
]


class Contest(Struct, frozen=True):
    """One conversion. entries: program text by name of the tool; `SOURCE` and `TARGET` stand for the files."""

    title: str
    source: str
    target: str
    entries: dict[str, str]


_OURS = """
from cli.runtime import set_up
set_up()
from pathlib import Path
from restore.tables.loss_report import LossReport
from restore.tables.write_options import WriteOptions
from restore.tables.registry import open_tables, write_tables
losses = LossReport()
tables = open_tables(Path(SOURCE), FROM, losses)
with open(TARGET, "w+b") as out:
    write_tables(tables[:1], TO, out, WriteOptions(), losses)
"""

_OUR_MERGE = """
from cli.runtime import set_up
set_up()
from contextlib import nullcontext
from pathlib import Path
from restore.tables.loss_report import LossReport
from restore.tables.write_options import WriteOptions
from restore.tables.merge import Merged
from restore.tables.merge_parts import CsvFile, MergePart
from restore.tables.registry import open_tables, write_tables
losses = LossReport()
def opened(path):
    return lambda counted: nullcontext(open_tables(path, "csv", counted))
parts = [MergePart(path.name, path.stem, opened(path), CsvFile(path)) for path in sorted(Path(SOURCE).iterdir())]
merged = Merged(parts, lambda *told: print(told), losses)
with open(TARGET, "w+b") as out:
    write_tables([merged], "csv", out, WriteOptions(), losses)
"""


def _ours(source: str, target: str) -> str:
    return f"FROM, TO = {source!r}, {target!r}\n{_OURS}"


CONTESTS = [
    Contest(
        "XLSX to CSV, 200,000 x 15",
        "table.xlsx",
        "out.csv",
        {
            "strongroom": _ours("xlsx", "csv"),
            "pandas, calamine": "import pandas\npandas.read_excel(SOURCE, engine='calamine').to_csv(TARGET, index=False)",
            "pandas, calamine, all text": "import pandas\n"
            "pandas.read_excel(SOURCE, engine='calamine', dtype=str).to_csv(TARGET, index=False)",
            "polars, fastexcel, all text": "import polars, fastexcel\n"
            "polars.read_excel(SOURCE, infer_schema_length=0).write_csv(TARGET)",
            "pandas, openpyxl": "import pandas, openpyxl\n"
            "pandas.read_excel(SOURCE, engine='openpyxl').to_csv(TARGET, index=False)",
        },
    ),
    Contest(
        "CSV to XLSX, 200,000 x 15",
        "table.csv",
        "out.xlsx",
        {
            "strongroom": _ours("csv", "xlsx"),
            "pandas, xlsxwriter": "import pandas, xlsxwriter\n"
            "pandas.read_csv(SOURCE).to_excel(TARGET, index=False, engine='xlsxwriter')",
            "polars": "import polars, xlsxwriter\npolars.read_csv(SOURCE, infer_schema_length=None).write_excel(TARGET)",
        },
    ),
    Contest(
        "Parquet to CSV, 200,000 x 15",
        "table.parquet",
        "out.csv",
        {
            "strongroom": _ours("parquet", "csv"),
            "pandas": "import pandas\npandas.read_parquet(SOURCE).to_csv(TARGET, index=False)",
            "polars": "import polars\npolars.scan_parquet(SOURCE).sink_csv(TARGET)",
            "duckdb": "import duckdb\nduckdb.sql(f\"copy (from '{SOURCE}') to '{TARGET}' (header)\")",
        },
    ),
    Contest(
        "merge of 2,184 hourly CSVs of 100 rows",
        "hours",
        "out.csv",
        {
            "strongroom": _OUR_MERGE,
            "pandas": "import pandas, pathlib\n"
            "files = sorted(pathlib.Path(SOURCE).iterdir())\n"
            "pandas.concat(pandas.read_csv(one).assign(source=one.name) for one in files).to_csv(TARGET, index=False)",
            "pandas, all text": "import pandas, pathlib\n"
            "files = sorted(pathlib.Path(SOURCE).iterdir())\n"
            "tables = (pandas.read_csv(one, dtype=str).assign(source=one.name) for one in files)\n"
            "pandas.concat(tables).to_csv(TARGET, index=False)",
            "polars": "import polars\n"
            "polars.scan_csv(SOURCE + '/*.csv', include_file_paths='source', missing_columns='insert').sink_csv(TARGET)",
            "polars, all text": "import polars\n"
            "polars.scan_csv(SOURCE + '/*.csv', include_file_paths='source', missing_columns='insert', infer_schema=False)"
            ".sink_csv(TARGET)",
            "duckdb, all text": "import duckdb\n"
            "duckdb.sql(f\"copy (from read_csv('{SOURCE}/*.csv', union_by_name=true, filename=true, all_varchar=true)) \"\n"
            "           f\"to '{TARGET}' (header)\")",
            "duckdb": "import duckdb\n"
            "duckdb.sql(f\"copy (from read_csv('{SOURCE}/*.csv', union_by_name=true, filename=true)) to '{TARGET}' (header)\")",
        },
    ),
]


def rows(count: int, seed: int) -> list[list[str]]:
    """Call records with what conversions like to spoil: leading zeros, plus signs, 19-digit ids, two alphabets."""
    randomness = random.Random(seed)
    began = datetime(2024, 5, 1, tzinfo=UTC)
    out = []
    for number in range(count):
        start = began + timedelta(seconds=30 * number)
        length = randomness.randrange(5, 900)
        out.append(
            [
                str(10**18 + number * 7919),
                f"{number % 10_000_000:010}",
                f"+7916{randomness.randrange(10**7):07}",
                f"{start:%Y-%m-%d %H:%M:%S}",
                f"{start + timedelta(seconds=length):%Y-%m-%dT%H:%M:%S}+03:00",
                f"agent {number % 311}",
                randomness.choice(["вход", "выход", "retention", "тест"]),
                randomness.choice(["Київ", "Москва", "Львів", "Одеса"]),
                str(length),
                f"{length * 0.37:.2f}",
                f"{randomness.random():.6f}",
                randomness.choice(["true", "false"]),
                f'ticket {number}, "quoted"; see {number // 7}',
                f"client{number % 5003}@example.com" if number % 50 else "",
                f"{number % 997:03}",
            ]
        )
    return out


def prepare(folder: Path, scale: float) -> None:
    """The sources, made once."""
    if (folder / "made").exists():
        return
    from restore.tables.loss_report import LossReport
    from restore.tables.registry import open_tables, write_tables
    from restore.tables.write_options import WriteOptions

    folder.mkdir(parents=True, exist_ok=True)
    _write_csv(folder / "table.csv", rows(int(ROWS * scale), 1))
    for name in ("xlsx", "parquet"):
        with (folder / f"table.{name}").open("w+b") as out:
            write_tables(open_tables(folder / "table.csv", "csv", LossReport()), name, out, WriteOptions(), LossReport())
    (folder / "hours").mkdir(exist_ok=True)
    for hour in range(int(HOURS * scale) or 1):
        _write_csv(folder / "hours" / f"{hour:05}.csv", rows(HOUR_ROWS, hour))
    (folder / "made").touch()


def _write_csv(path: Path, table: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(table)


def spoilt(target: Path, source: Path) -> str:
    """How many cells of a CSV are not those of the source; only where the target is one. source: where that is a folder, its
    files one after another, else the CSV that it was made of."""
    if target.suffix != ".csv":
        return ""
    files = sorted(source.iterdir()) if source.is_dir() else [source.with_suffix(".csv")]
    bad = 0
    with target.open(encoding="utf-8", newline="") as file:
        found = csv.reader(file)
        next(found)
        for wanted in chain.from_iterable(_rows_of(one) for one in files):
            row = next(found, [])
            bad += sum(one != other for one, other in zip_longest(wanted, row[: len(HEADER)]))
        bad += sum(len(HEADER) for _ in found)
    return f"{bad:,} cells spoilt" if bad else "exact"


def _rows_of(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        yield from rows


def compete(contest: Contest, folder: Path, rounds: int) -> None:
    """Run the entries in turns and print a table of medians."""
    costs: dict[str, list[Cost]] = {name: [] for name in contest.entries}
    notes: dict[str, str] = {}
    target = folder / contest.target
    for _ in range(rounds):
        for name, program in contest.entries.items():
            if name in notes and name not in costs:
                continue
            target.unlink(missing_ok=True)
            text = f"SOURCE, TARGET = {str(folder / contest.source)!r}, {str(target)!r}\n{program}"
            try:
                costs[name].append(_timed(text, folder))
                notes[name] = spoilt(target, folder / contest.source)
            except CommandError as error:
                costs.pop(name, None)
                notes[name] = f"failed: {str(error).strip().splitlines()[-1][:80]}"
    print(f"\n### {contest.title}\n\n| tool | wall | ratio | cpu | memory | result |\n| --- | --- | --- | --- | --- | --- |")
    own = median(cost.wall for cost in costs["strongroom"]) if costs.get("strongroom") else 0.0
    for name in contest.entries:
        if name not in costs:
            print(f"| {name} | | | | | {notes[name]} |")
            continue
        wall, cpu = (median(getattr(cost, what) for cost in costs[name]) for what in ("wall", "cpu"))
        rss = max(cost.rss for cost in costs[name]) / 1e6
        print(f"| {name} | {wall:.2f} s | {wall / own:.2f}x | {cpu:.1f} s | {rss:.0f} MB | {notes[name]} |")


def _timed(program: str, folder: Path) -> Cost:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    return run([sys.executable, "-c", program], environment=environment, folder=folder, log=folder / "log")


def _installed(entry: tuple[str, str]) -> bool:
    tools: tuple[str, ...] = ("pandas", "openpyxl", "polars", "duckdb", "xlsxwriter", "python_calamine", "fastexcel")
    return all(importlib.util.find_spec(tool) for tool in tools if f"import {tool}" in entry[1] or f", {tool}" in entry[1])


def main(say: Callable[[str], None] = print) -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0)
    arguments = parser.parse_args()
    prepare(arguments.work, arguments.scale)
    for contest in CONTESTS:
        here = {name: program for name, program in contest.entries.items() if _installed((name, program))}
        for name in contest.entries.keys() - here.keys():
            say(f"not measured, because it is not installed: {name}")
        compete(Contest(contest.title, contest.source, contest.target, here), arguments.work, arguments.rounds)


if __name__ == "__main__":
    main()
