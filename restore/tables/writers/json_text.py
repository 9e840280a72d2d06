"""Values as JSON text, with every digit: big integers, decimals, and halves of surrogate pairs as escapes.

orjson does almost all of it. What it refuses (an integer beyond 64 bits, half of a surrogate pair, a nest deeper than it goes)
is taken apart by hand. NaN and infinities, which JSON does not have, become null: `inside` finds them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, time, timedelta
from decimal import Decimal

import orjson

from restore.tables.model import Value
from restore.tables.scalars import scalar_text


def encoded(value: Value) -> bytes:
    """A value as compact JSON in UTF-8."""
    try:
        return orjson.dumps(value, _plain, orjson.OPT_PASSTHROUGH_DATETIME)
    except orjson.JSONEncodeError:
        return _by_hand(value)


def inside(value: Value) -> Iterator[Value]:
    """Everything in a list or dict that is neither of them; a scalar is all of itself."""
    if isinstance(value, dict):
        for member in value.values():
            yield from inside(member)
    elif isinstance(value, (list, tuple)):
        for member in value:
            yield from inside(member)
    else:
        yield value


def _plain(value: object) -> object:
    """What orjson asks about values that are not JSON's own."""
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value) if value.is_finite() else "null")
    if isinstance(value, (bytes, date, time, timedelta)):
        return scalar_text(value)
    raise TypeError(f"no JSON for a {type(value).__name__}")


def _by_hand(value: Value) -> bytes:
    if isinstance(value, dict):
        return b"{%b}" % b",".join(b"%b:%b" % (_by_hand(str(name)), _by_hand(cell)) for name, cell in value.items())
    if isinstance(value, (list, tuple)):
        return b"[%b]" % b",".join(map(_by_hand, value))
    if isinstance(value, int) and not isinstance(value, bool):
        return b"%d" % value
    try:
        return orjson.dumps(value, _plain, orjson.OPT_PASSTHROUGH_DATETIME)
    except orjson.JSONEncodeError:
        return json.dumps(value).encode("ascii")
