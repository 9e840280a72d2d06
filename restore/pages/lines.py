"""Records out of items of JSON Lines, one line at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO

from msgspec import Struct

from restore.history.records.record_id import RecordId, id_text, value_at
from restore.tables.model import Value
from restore.tables.readers.csv_rows import LARGEST_ROW
from restore.tables.readers.json_values import parse
from vault.errors import Damaged

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ReadRecord(Struct, frozen=True):
    """A record of an item. number: of its line, from 1 on · key: its id; "" where it has none."""

    number: int
    key: str
    value: dict[str, Value]


class Wanted:
    """Which records are asked for. ids: none for all · key: the field that has them; "" to take what the source states, or
    else to guess."""

    def __init__(self, ids: Sequence[str] = (), key: str = "") -> None:
        self.ids = tuple(ids)
        self.key = key
        self._by_id = [RecordId(one, key) for one in self.ids]
        self._needles = [needle for one in self._by_id for needle in one.needles()]

    def may_have(self, line: bytes) -> bool:
        """Whether a line may be one of them: a quick look."""
        return not self._needles or any(needle in line for needle in self._needles)

    def key_of(self, record: dict[str, Value], stated: str) -> str | None:
        """The id of a record; "" where it has none, None where it is not asked for."""
        if self._by_id:
            return next((one.text for one in self._by_id if one.found_in(record, stated) is not None), None)
        found = (id_text(value_at(record, name)) for name in RecordId("", self.key).fields(record, stated))
        return next((one for one in found if one), "")


def records_of(content: IO[bytes], stated: str, wanted: Wanted) -> Iterator[ReadRecord | Damaged]:
    """The records of an item that are asked for; for a line that is none, what is wrong with it. stated: the field that tells
    them apart, as the source states it. After a line that never ends nothing more comes."""
    number = 0
    while line := content.readline(LARGEST_ROW + 1):
        number += 1
        if len(line) > LARGEST_ROW and not line.endswith(b"\n"):
            yield Damaged(f"line {number} is longer than {LARGEST_ROW} bytes; what follows it is left out")
            return
        if line.isspace() or not wanted.may_have(line):
            continue
        try:
            value = parse(line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line).value
        except Damaged as error:
            yield Damaged(f"line {number} is no record: {error}")
            continue
        if not isinstance(value, dict):
            yield Damaged(f"line {number} is no record: it is JSON, and no object")
            continue
        key = wanted.key_of(value, stated)
        if key is not None:
            yield ReadRecord(number, key, value)
