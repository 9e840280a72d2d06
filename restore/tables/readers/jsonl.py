"""JSON Lines: a row a line, in any encoding; lines without anything are passed over.

A last line that breaks off (somebody was still writing when the file was saved) costs itself alone and is counted. Any other
line that is no JSON, or is over 16 MiB, is `Damaged`.
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
from restore.tables.readers.json_values import TooDeep, parse
from vault.errors import Damaged

CUT = "the last line breaks off and was left out"


def read_jsonl(path: Path, losses: LossReport) -> Sequence[Table]:
    """The file's one table. Raises `Damaged`."""
    encoding = encoding_of(path)
    losses.note(encoding.guess)
    cut = _cut_line(path, encoding, losses)
    return [JsonTable("", partial(_rows, path, encoding, cut), losses)]


def _rows(path: Path, encoding: Encoding, cut: int | None) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(_lines(path, encoding), 1):
        if number != cut and not line.isspace():
            yield number, line


def _cut_line(path: Path, encoding: Encoding, losses: LossReport) -> int | None:
    """The number of the last line if it is no JSON and has no end."""
    number, line = 0, b"\n"
    for each in _lines(path, encoding):
        number, line = number + 1, each
    if line.endswith(b"\n") or line.isspace():
        return None
    try:
        parse(line)
    except TooDeep:
        raise
    except Damaged:
        losses.add(CUT, "", "", 1, f"row {number}: {shown(line.decode('utf-8', 'backslashreplace'))}")
        return number
    return None


def _lines(path: Path, encoding: Encoding) -> Iterator[bytes]:
    """Every line with its end."""
    pieces: list[bytes] = []
    size = 0
    for block in utf_8_blocks(path, encoding):
        *lines, rest = block.split(b"\n")
        for line in lines:
            yield b"".join((*pieces, line, b"\n"))
            pieces, size = [], 0
        pieces.append(rest)
        size += len(rest)
        if size > LARGEST_ROW:
            raise Damaged(f"a line is longer than {LARGEST_ROW} bytes")
    if size:
        yield b"".join(pieces)
