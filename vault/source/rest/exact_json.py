"""JSON as it was sent: numbers keep their digits, a name that stands twice is an error, and what is written is the same for the
same values.

Answers are bounded before they are parsed: in bytes by whoever fetches them, here in the number of values and in depth.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

MOST_VALUES = 2_000_000
"""Values of one answer."""

DEEPEST = 100

_SURROGATE = re.compile("[\ud800-\udfff]")
_encoded = json.encoder.encode_basestring


class NotJson(ValueError):
    """It is something else, or something that nobody should parse."""


class Number(str):
    """The digits of a number as they were sent. Numbers are equal where these are."""

    __slots__ = ()


def parse(data: bytes) -> Any:  # noqa: ANN401 (JSON has any of six types)
    """An answer: dict, list, str, `Number`, bool or None. Raises `NotJson`."""
    if data.count(b",") + data.count(b"[") + data.count(b"{") > MOST_VALUES:
        raise NotJson(f"it has more than {MOST_VALUES} values")
    try:
        text = data.decode("utf-8-sig")
        found = _DECODER.decode(text)
    except UnicodeDecodeError:
        raise NotJson("it is not valid UTF-8") from None
    except RecursionError:
        raise NotJson(f"it is nested more than {DEEPEST} deep") from None
    except json.JSONDecodeError as error:
        raise NotJson(f"it is not valid JSON at character {error.pos}") from None
    _refuse_deep(found)
    return found


def dump(value: Any) -> bytes:  # noqa: ANN401
    """On one line: names sorted by code point, no spaces, UTF-8. Half of a surrogate pair stays an escape."""
    parts: list[str] = []
    _write(value, parts.append)
    text = "".join(parts)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def _write(value: Any, add: Any) -> None:  # noqa: ANN401
    if isinstance(value, str):
        add(value if type(value) is Number else _encoded(value))
    elif isinstance(value, dict):
        before = "{"
        for name in sorted(value):
            add(f"{before}{_encoded(name)}:")
            _write(value[name], add)
            before = ","
        add("}" if value else "{}")
    elif isinstance(value, list):
        before = "["
        for one in value:
            add(before)
            _write(one, add)
            before = ","
        add("]" if value else "[]")
    else:
        add("null" if value is None else "true" if value else "false")


def at(value: Any, pointer: str) -> Any:  # noqa: ANN401
    """What lies at a pointer (names with dots between them; empty for the whole); None where nothing does."""
    if not pointer:
        return value
    for name in pointer.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def all_at(value: Any, pointer: str) -> list[Any]:  # noqa: ANN401
    """All that lies at a pointer which goes through lists."""
    found = value if isinstance(value, list) else [value]
    for name in pointer.split(".") if pointer else ():
        below = (one.get(name) for one in found if isinstance(one, dict))
        found = [part for one in below for part in (one if isinstance(one, list) else [one])]
    return [one for one in found if one is not None]


def as_text(value: Any) -> str | None:  # noqa: ANN401
    """Of a key or another plain value; None for what is none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str) else None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotJson("a name stands twice in an object")
    return found


def _no_number(text: str) -> NoReturn:
    raise NotJson(f"{text} is no number of JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=Number, parse_int=Number, parse_constant=_no_number)


def _refuse_deep(value: Any) -> None:  # noqa: ANN401
    """Level by level: nothing is called within itself."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise NotJson(f"it is nested more than {DEEPEST} deep")
        below: list[Any] = []
        for one in level:
            below.extend(one.values() if isinstance(one, dict) else one)
        level = [one for one in below if isinstance(one, dict | list)]
