"""The log as a file: JSON Lines, in which each entry can be verified by itself, or CSV for people, as of evidence too.

A line of JSON Lines has the fields of the entry, and beside them `signed` (the very text that is signed), `signature` (in
OpenSSH's format) and `sha256` (of the stored bytes, by which the next entry names it).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal

from restore.outputs.archive_file import whole_file
from restore.planning.conflict_policy import ConflictPolicy
from strongroom.audit import FoundEntry
from vault.format.strict_json import write_moment

Format = Literal["jsonl", "csv"]

COLUMNS = (
    "at",
    "ended_at",
    "action",
    "result",
    "exit_code",
    "user",
    "host",
    "program",
    "daemon",
    "projects",
    "what",
    "counts",
    "parts",
    "why",
    "phase",
    "run",
    "principal",
    "sequence",
    "before",
    "sha256",
    "signing_key",
)


_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula, at the beginning of a cell: there it is text."""


def write_file(entries: Sequence[FoundEntry], format_: Format, path: Path) -> None:
    """To a new file. Raises `TargetError` where one is there, or it cannot be written."""
    with whole_file(path, ConflictPolicy.REFUSE) as out:
        write(entries, format_, out)


def write(entries: Sequence[FoundEntry], format_: Format, out: IO[bytes]) -> None:
    """To an open file."""
    for line in _json_lines(entries) if format_ == "jsonl" else csv_lines(COLUMNS, map(row, entries)):
        out.write(line.encode("utf-8", "backslashreplace"))


def _json_lines(entries: Sequence[FoundEntry]) -> Iterator[str]:
    for one in entries:
        signed, _, signature = one.signed.partition(b"\n")
        line = one.as_json() | {"signed": f"{signed.decode()}\n", "signature": signature.decode()}
        yield json.dumps(line, ensure_ascii=False) + "\n"


def row(one: FoundEntry) -> dict[str, Any]:
    """An entry as a row of a table: a value for each of `COLUMNS`."""
    entry, outcome = one.entry, one.entry.outcome
    found: dict[str, Any] = {
        "at": write_moment(entry.at),
        "ended_at": None if outcome is None or outcome.ended_at is None else write_moment(outcome.ended_at),
        "action": entry.action,
        "result": None if outcome is None else outcome.result,
        "exit_code": None if outcome is None else outcome.exit_code,
        "user": entry.who.user,
        "host": entry.who.host,
        "program": entry.who.program,
        "daemon": entry.who.daemon,
        "projects": ", ".join(each.name for each in entry.projects),
        "what": entry.what,
        "counts": None if outcome is None else outcome.counts,
        "parts": None if outcome is None else list(outcome.parts),
        "why": None if outcome is None else outcome.why,
        "phase": entry.phase,
        "run": entry.run,
        "principal": entry.principal,
        "sequence": entry.sequence,
        "before": entry.before,
        "sha256": one.sha256,
        "signing_key": entry.signing_key.hex(),
    }
    return found


def csv_lines(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> Iterator[str]:
    """A table as CSV for people: the heads, then a line a row; what a row does not have is an empty cell."""
    yield _line(columns)
    for row in rows:
        yield _line([_cell(row.get(name)) for name in columns])


def _cell(value: object) -> str:
    if value is None or value in ({}, [], ()):
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return f"'{text}" if text.startswith(_FORMULAS) else text


def _line(cells: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue()
