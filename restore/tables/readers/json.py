"""A JSON document as tables, read element by element.

    [ … ]                                  a table whose rows are the elements
    {"calls": [{…}, …], "total": 2}        a table for every list of objects, by its name; what stands beside is counted
    any other object                       a table of one row

A document that breaks off, goes on behind its end, has a row of over 16 MiB or a nest of over 200 is `Damaged`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from restore.tables.cell_text import shown
from restore.tables.loss_report import LossReport
from restore.tables.model import Table
from restore.tables.readers.csv_rows import LARGEST_ROW
from restore.tables.readers.encoding import Encoding, encoding_of, utf_8_blocks
from restore.tables.readers.json_rows import JsonTable
from restore.tables.readers.json_spans import Member, elements, members
from restore.tables.readers.json_values import parse
from vault.errors import Damaged

BESIDE = "a value beside the tables was left out"

_MOST_MEMBERS = 64
"""Members of an object that is looked through for tables; one with more is a row."""

_HEAD = 4096
"""Bytes of a value that tell whether it is a list of objects."""


def read_json(path: Path, losses: LossReport) -> Sequence[Table]:
    """The file's tables. Raises `Damaged`."""
    encoding = encoding_of(path)
    losses.note(encoding.guess)
    first = next((block.lstrip()[:1] for block in utf_8_blocks(path, encoding) if not block.isspace()), b"")
    if first == b"[":
        return [JsonTable("", partial(_rows, path, encoding, 0, alone=True), losses)]
    if first != b"{":
        raise Damaged("the file is neither a JSON list nor a JSON object")
    found = members(utf_8_blocks(path, encoding), _MOST_MEMBERS)
    tables = [member for member in found if _is_table(path, encoding, member)] if len(found) <= _MOST_MEMBERS else []
    if not tables:
        return [JsonTable("", partial(_one_row, path, encoding), losses)]
    for member in found:
        if member not in tables:
            value = _part(path, encoding, member.colon + 1, min(member.end, member.colon + 1 + _HEAD))
            losses.add(BESIDE, "", _name(path, encoding, member), 1, shown(value.decode("utf-8", "backslashreplace").strip()))
    return [
        JsonTable(_name(path, encoding, member), partial(_rows, path, encoding, member.colon + 1, alone=False), losses)
        for member in tables
    ]


def _rows(path: Path, encoding: Encoding, start: int, *, alone: bool) -> Iterator[tuple[int, bytes]]:
    return enumerate(elements(utf_8_blocks(path, encoding, start), alone=alone), 1)


def _one_row(path: Path, encoding: Encoding) -> Iterator[tuple[int, bytes]]:
    yield 1, _part(path, encoding, 0, None)


def _is_table(path: Path, encoding: Encoding, member: Member) -> bool:
    head = _part(path, encoding, member.colon + 1, min(member.end, member.colon + 1 + _HEAD)).lstrip()
    return head.startswith(b"[") and head[1:].lstrip().startswith(b"{")


def _name(path: Path, encoding: Encoding, member: Member) -> str:
    name = parse(_part(path, encoding, member.start, member.colon)).value
    if not isinstance(name, str):
        raise Damaged("the file is not valid JSON: a name that is not a text")
    return name


def _part(path: Path, encoding: Encoding, start: int, end: int | None) -> bytes:
    """Some bytes of the document; to its end for None."""
    pieces: list[bytes] = []
    size = 0
    for block in utf_8_blocks(path, encoding, start):
        pieces.append(block)
        size += len(block)
        if end is not None and size >= end - start:
            break
        if size > LARGEST_ROW:
            raise Damaged(f"a row or a name is longer than {LARGEST_ROW} bytes")
    return b"".join(pieces)[: None if end is None else end - start]
