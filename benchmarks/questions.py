"""How long a question to two years of daily call records takes, without restoring them.

    python -m benchmarks.questions [--calls 500] [--form jsonl] [--s3] [--work FOLDER]

730 files of an invented courier's calls are backed up, and `strongroom query` is asked, each question with nothing kept on this
machine (cold) and once more (warm: the index and the manifest are in the cache, content never is). Prints passed or FAILED
beside the limit, and exits with 1 when one failed.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
import tempfile
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from benchmarks.desk import Desk, opened, table_head, tell
from benchmarks.scratch import say
from cli.demo.calls import CLIENTS, Call, call_lines, calls_of

PRUNED, ALL = 1.0, 2.0
"""Seconds that a question may take whose condition leaves a quarter, and one over everything."""

PROJECT = "parcelo"
FIRST, DAYS = date(2024, 11, 1), 730
CLIENT = CLIENTS[0]
QUARTER = "period_start >= '2025-04-01' and period_end <= '2025-07-01'"
MOBILE = "caller like '+79%'"
QUESTIONS = {
    "mobile calls of a quarter": (f"select count(*) as calls from calls where {MOBILE} and {QUARTER}", PRUNED),
    "mobile calls of all days": (f"select count(*) as calls from calls where {MOBILE}", ALL),
    "calls and waiting by month": ("select period[:7] as month, count(*), avg(wait_s) from calls group by 1 order by 1", ALL),
}
"""Each with the seconds that it may take."""


def json_lines(day: date, calls: list[Call]) -> str:
    """A day as the telephone system writes it."""
    return "".join(call_lines(CLIENT, day, calls))


def csv_lines(day: date, calls: list[Call]) -> str:
    """The same as a table."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    records = [json.loads(line) for line in call_lines(CLIENT, day, calls)]
    names = [name for name in records[0] if name not in ("queue", "agent")]
    writer.writerow([*names, "queue", "agent"])
    for one in records:
        writer.writerow([*(one[name] for name in names), one["queue"]["code"], (one["agent"] or {}).get("id")])
    return out.getvalue()


FORMS: dict[str, Callable[[date, list[Call]], str]] = {"jsonl": json_lines, "csv": csv_lines}


def write_calls(folder: Path, form: str, volume: int) -> int:
    """Two years of days; gives the bytes."""
    size = 0
    for number in range(DAYS):
        day = FIRST + timedelta(days=number)
        path = folder / f"calls/{day:%Y/%m}/{day}.{form}"
        path.parent.mkdir(parents=True, exist_ok=True)
        size += path.write_text(FORMS[form](day, calls_of(CLIENT, day, "questions", volume=volume)), encoding="utf-8")
    return size


def main() -> int:
    """Writes the calls, asks, and tells."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--calls", type=int, default=500, help="a day")
    parser.add_argument("--form", choices=sorted(FORMS), default="jsonl")
    parser.add_argument("--s3", action="store_true", help="store it in a local S3 server, instead of a folder")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "strongroom-questions")
    options = parser.parse_args()
    with opened(options.work.resolve(), "questions", s3=options.s3) as desk:
        size = write_calls(desk.make(PROJECT, "raw"), options.form, options.calls)
        say(f"{size / 1e6:.0f} million characters written")
        desk.call("backup")
        table_head(f"{DAYS} files, {options.calls} calls a day, {options.form}")
        passed = [_asked(desk, name, sql, limit) for name, (sql, limit) in QUESTIONS.items()]
        return 0 if all(passed) else 1


def _asked(desk: Desk, name: str, sql: str, limit: float) -> bool:
    desk.forget()
    cold, warm = (_measured(desk, name, state, sql, limit) for state in ("cold", "warm"))
    return cold and warm


def _measured(desk: Desk, name: str, state: str, sql: str, limit: float) -> bool:
    cost = desk.call("query", PROJECT, sql)
    passed = tell(name, state, cost, limit)
    say(cost.output.decode())
    return passed


if __name__ == "__main__":
    sys.exit(main())
