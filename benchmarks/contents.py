"""What is inside the files of the data sets: the demo's invented calls, in bulk."""

from __future__ import annotations

import json
from datetime import date

from cli.demo.calls import CLIENTS, call_lines, calls_of, tickets_of
from cli.demo.data import call_table
from cli.demo.files import DemoTable, csv_bytes, xlsx_bytes


def _table(number: int, day: date, seed: str, rows: int) -> DemoTable:
    client = CLIENTS[number % len(CLIENTS)]
    return call_table(client, day, calls_of(client, day, seed, volume=max(1, rows)))


def csv_report(number: int, day: date, seed: str, size: int) -> bytes:
    """A CSV report of about `size` bytes."""
    return csv_bytes(_table(number, day, seed, size // 152))


def json_report(number: int, day: date, seed: str, size: int) -> bytes:
    """A JSON report of about `size` bytes: one document with a list of rows."""
    table = _table(number, day, seed, size // 315)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return json.dumps({"title": table.title, "rows": rows}, ensure_ascii=False, default=str).encode()


def xlsx_report(number: int, day: date, seed: str, size: int) -> bytes:
    """A workbook of about `size` bytes."""
    return xlsx_bytes(_table(number, day, seed, size // 92))


def records_of_day(number: int, day: date, kind: str, seed: str, count: int) -> bytes:
    """JSON Lines: `count` call records, or the tickets that `count` calls led to."""
    client = CLIENTS[number % len(CLIENTS)]
    if kind == "tickets":
        calls = calls_of(client, day, seed, volume=count)
        return "".join(ticket.line for ticket in tickets_of(client, day, seed, calls, every=1)).encode()
    return "".join(call_lines(client, day, calls_of(client, day, seed, volume=count))).encode()
