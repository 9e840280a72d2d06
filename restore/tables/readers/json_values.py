"""One JSON value from bytes, with all that is in it: every digit of its numbers, halves of surrogate pairs, NaN.

orjson reads almost everything. Numbers that it would round (more digits than a float holds, `1.50`, an integer beyond 64 bits)
and texts that it refuses are read again by the standard library, with `Decimal` where a float would not write the same digits.
Bytes that are no UTF-8 stay readable as `\\xNN`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

import orjson

from restore.tables.model import Value
from vault.errors import Damaged

LARGEST_DEPTH = 200
"""Lists and objects within each other."""

_INT_DIGITS = 4000
"""Digits up to which Python makes an int of a text without complaint; longer ones are kept as Decimal."""

_ROUNDED = re.compile(
    rb"(?:^|[\s,:\[])-?(?:\d{20}|(?<=-)\d{19}|(?=\d+\.\d)[\d.]{17}|0\.0000|\d+\.\d+0(?=[\s,\]}]|$)|\d+(?:\.\d+)?[eE])"
)
"""Numbers that might not come back with the digits that they have, and some that would."""

_HALF = re.compile("[\udc80-\udcff]")
_SPACE = b" \t\n\r"
_SPACES = (b" ", b"\t", b"\n", b"\r")


class TooDeep(Damaged):
    """A nest that nobody needs."""


class Parsed(NamedTuple):
    """A value · repeated: names that stand more than once in one object, of which the last counts."""

    value: Value
    repeated: Sequence[str] = ()


def parse(data: bytes) -> Parsed:
    """The value that the bytes are. Raises `Damaged`."""
    try:
        value: Value = orjson.loads(data)
        if _comes_back(data, value):
            return Parsed(value)
    except orjson.JSONDecodeError:
        value = _parsed_with_care(data)
    except orjson.JSONEncodeError:  # deeper than it writes
        raise _too_deep() from None
    else:
        if _ROUNDED.search(data):
            value = _parsed_with_care(data)
    if data.count(b"[") + data.count(b"{") > LARGEST_DEPTH and _depth(value) > LARGEST_DEPTH:
        raise _too_deep()
    return Parsed(value, _repeated(data, value))


def _comes_back(data: bytes, value: Value) -> bool:
    """Whether the value, written, is these bytes again but for spaces: the same digits and names, one by one. Programs that
    write letters or slashes as escapes are met half-way."""
    plain = data.translate(None, _SPACE)
    if b"0.0000" in plain:
        return False  # a float of its digits is written with an exponent elsewhere
    if plain == orjson.dumps(value).translate(None, _SPACE):
        return True
    if b"\\" not in plain:
        return False
    written = json.dumps(value, ensure_ascii=b"\\u" in plain, separators=(",", ":")).encode("utf-8")
    return plain.replace(b"\\/", b"/") == written.translate(None, _SPACE)


def _repeated(data: bytes, value: Value) -> list[str]:
    if data.count(b'":') == _names(value) and not any(space + b":" in data for space in _SPACES):
        return []
    found: list[str] = []

    def look(pairs: list[tuple[str, object]]) -> dict[str, object]:
        whole = dict(pairs)
        if len(whole) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            found.extend(name for name in whole if counts[name] > 1)
        return whole

    json.loads(_text(data), object_pairs_hook=look, strict=False, parse_int=Decimal)
    return found


def is_broken(data: bytes) -> bool:
    """Whether some bytes are no UTF-8."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def _parsed_with_care(data: bytes) -> Value:
    try:
        value: Value = json.loads(_text(data), parse_float=_fraction, parse_int=_integer, strict=False)
    except RecursionError as error:
        raise _too_deep() from error
    except (ValueError, InvalidOperation) as error:
        raise Damaged(f"the file is not valid JSON: {error}") from error
    return value


def _too_deep() -> TooDeep:
    return TooDeep(f"JSON that is nested deeper than {LARGEST_DEPTH}")


def _text(data: bytes) -> str:
    """Its text; a byte that is none is written as an escape, and that as JSON."""
    text = data.decode("utf-8", "surrogateescape")
    return _HALF.sub(lambda half: f"\\\\x{ord(half.group()) - 0xDC00:02x}", text)


def _fraction(digits: str) -> float | Decimal:
    number = float(digits)
    return number if repr(number) == digits else Decimal(digits)


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _INT_DIGITS else Decimal(digits)


def _names(value: Value) -> int:
    """How many names its objects have."""
    own = len(value) if isinstance(value, dict) else 0
    return own + sum(map(_names, _nested(_members(value))))


def _nested(members: Iterable[Value]) -> list[Value]:
    return [member for member in members if isinstance(member, (list, dict))]


def _depth(value: Value) -> int:
    depth, level = 0, _nested([value])
    while level:
        depth += 1
        level = [deeper for member in level for deeper in _nested(_members(member))]
    return depth


def _members(value: Value) -> Iterable[Value]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
