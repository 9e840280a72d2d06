"""What identifies a record: a field that somebody names, that the source states, or that is guessed by its name."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal

from msgspec import Struct

from restore.tables.model import Value

GUESSED = (
    *("id", "_id", "uuid", "guid", "key", "number", "call_id", "callid", "uniqueid", "linkedid", "session_id"),
    *("ticket_id", "ticket", "record_id", "code", "no"),
)
"""Names of fields that are tried where nobody says which is the key, the likeliest first."""


class RecordId(Struct, frozen=True):
    """Which record is asked for. text: its id · key: the field that has it, with dots for fields within fields; "" to take what
    the source states, or else to guess."""

    text: str
    key: str = ""

    def needles(self) -> tuple[bytes, ...]:
        """Bytes of which one is in every line that has the id: programs write letters as escapes, or not."""
        ascii_only = json.dumps(self.text)[1:-1]
        forms = [json.dumps(self.text, ensure_ascii=False)[1:-1], ascii_only]
        forms += [form.replace("/", "\\/") for form in forms]
        if "\\u" in ascii_only:
            parts = ascii_only.split("\\u")
            forms.append(parts[0] + "".join(f"\\u{part[:4].upper()}{part[4:]}" for part in parts[1:]))
        return tuple(dict.fromkeys(form.encode("utf-8", "surrogatepass") for form in forms))

    def found_in(self, record: Mapping[str, Value], stated: str) -> str | None:
        """The field by which this is the record; None where it is another one. stated: the key that the source states."""
        for name in self.fields(record, stated):
            if id_text(value_at(record, name)) == self.text:
                return name
        return None

    def fields(self, names: Collection[str], stated: str) -> Iterator[str]:
        """The fields that may have the id, the likeliest first. names: of a record's fields, or of a table's columns."""
        if self.key or stated:
            yield self.key or stated
            return
        by_plain = {name.strip().lower(): name for name in names}
        yield from (by_plain[name] for name in GUESSED if name in by_plain)


def value_at(record: Mapping[str, Value], pointer: str) -> Value:
    """The value of a field, whose name may have dots in it; None where there is none."""
    if pointer in record:
        return record[pointer]
    value: Value = dict(record)
    for name in pointer.split("."):
        if not isinstance(value, dict) or name not in value:
            return None
        value = value[name]
    return value


def id_text(value: Value) -> str | None:
    """An id as a person writes it; None for what is none."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    return str(value) if isinstance(value, int | Decimal) else None
