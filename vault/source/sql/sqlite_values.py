"""SQLite's dynamic types as columns of Parquet, and back, without a loss.

A column whose values in a partition are all of one type (integer, real, text, blob; null beside) has that type. One with
several, or with text that is not valid UTF-8, is a column of text that holds each value as SQL writes it: `42`, `1.5`,
`'text'`, `X'00ff'`, `CAST(X'ff' AS TEXT)`. The field's metadata say so: `sqlite.encoding` is `literal`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import pyarrow as pa

Value: TypeAlias = "int | float | str | bytes | None"

DECLARED, ENCODING, GENERATED, KEY = b"sqlite.type", b"sqlite.encoding", b"sqlite.generated", b"sqlite.key"
TABLE = b"sqlite.table"
LITERAL = b"literal"

INTEGER, REAL, TEXT, BLOB = "integer", "real", "text", "blob"

_NUMBER = re.compile(r"[-+]?\d+\Z")
_CAST = re.compile(r"CAST\(X'([0-9a-f]*)' AS TEXT\)\Z")
_HEX = re.compile(r"X'([0-9a-f]*)'\Z")


class RawText(bytes):
    """Text as SQLite stores it, whose bytes may not be valid UTF-8."""


def arrow_type(kind: str) -> pa.DataType:
    """Of a column whose values are all of one type of SQLite."""
    import pyarrow as pa

    return {INTEGER: pa.int64(), REAL: pa.float64(), TEXT: pa.string(), BLOB: pa.binary()}[kind]


def affinity(declared: str) -> str:
    """The type of a column without a value, by what it was declared with: SQLite's own rules, numeric ones as text."""
    text = declared.upper()
    if "INT" in text:
        return INTEGER
    if any(word in text for word in ("CHAR", "CLOB", "TEXT")):
        return TEXT
    if not text or "BLOB" in text:
        return BLOB
    return REAL if any(word in text for word in ("REAL", "FLOA", "DOUB")) else TEXT


def literals(values: Sequence[Value]) -> list[str | None]:
    """Each value as SQL writes it."""
    return [None if value is None else literal(value) for value in values]


def literal(value: int | float | str | bytes) -> str:
    """A value as SQL writes it."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return "9e999" if value == float("inf") else "-9e999" if value == float("-inf") else repr(value)
    if isinstance(value, RawText):
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError:
            return f"CAST(X'{value.hex()}' AS TEXT)"
        return _quoted(text)
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    return _quoted(value)


def _quoted(text: str) -> str:
    if "\0" in text:
        return f"CAST(X'{text.encode().hex()}' AS TEXT)"
    return "'" + text.replace("'", "''") + "'"


def value_of(text: str) -> Value | RawText:
    """The value of a literal that `literal` has written. Raises ValueError for another text."""
    if text.startswith("'") and text.endswith("'") and len(text) > 1:
        return text[1:-1].replace("''", "'")
    if found := _CAST.match(text):
        return RawText(bytes.fromhex(found[1]))
    if found := _HEX.match(text):
        return bytes.fromhex(found[1])
    return int(text) if _NUMBER.match(text) else float(text)
