"""JSON from storage, read with suspicion: bounded, an object, no name twice, every field of the type asked for."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

from vault.errors import Damaged

T = TypeVar("T")

_MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{6})Z", re.ASCII)


def dump(value: dict[str, Any]) -> bytes:
    """Compact UTF-8 JSON on one line, in the order of the dict."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def load(data: bytes | bytearray | memoryview, what: str, *, largest: int) -> dict[str, Any]:
    """The JSON object in `data`. Raises `Damaged` for anything that is not one, naming `what`."""
    if len(data) > largest:
        raise Damaged(f"{what} is {len(data)} bytes long; more than {largest} is never written")
    try:
        value = json.loads(bytes(data).decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{what} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise Damaged(f"{what} is not a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers must not understand one text differently, so a name may occur only once."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return value


def field(value: dict[str, Any], name: str, kind: type[T], what: str) -> T:
    """`value[name]`, which must be a `kind` (a bool is not an int here). Raises `Damaged`."""
    found = value.get(name)
    if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
        raise Damaged(f"{what}: {name!r} is missing or not a {kind.__name__}")
    return found


def item(found: object, what: str) -> dict[str, Any]:
    """An object in a list. Raises `Damaged`."""
    if not isinstance(found, dict):
        raise Damaged(f"{what}: a list holds something else than objects")
    return found


def texts(value: dict[str, Any], name: str, what: str, *, most: int) -> tuple[str, ...]:
    """A list of texts, at most so many. Raises `Damaged`."""
    found = field(value, name, list, what)
    if len(found) > most or not all(isinstance(one, str) for one in found):
        raise Damaged(f"{what}: {name!r} is not a list of at most {most} texts")
    return tuple(found)


def optional(value: dict[str, Any], name: str, kind: type[T], what: str) -> T | None:
    """As `field`, or None where the name is missing or null."""
    return None if value.get(name) is None else field(value, name, kind, what)


def count(value: dict[str, Any], name: str, what: str) -> int:
    """A whole number that is not negative."""
    found = field(value, name, int, what)
    if found < 0 or found >= 1 << 63:
        raise Damaged(f"{what}: {name!r} is out of range")
    return found


def hexadecimal(value: dict[str, Any], name: str, size: int, what: str) -> bytes:
    """`size` bytes written as hex digits."""
    return from_hex(field(value, name, str, what), size, f"{what}: {name!r}")


def from_hex(text: str, size: int, what: str) -> bytes:
    """`size` bytes from lower-case hex digits. Raises `Damaged`."""
    try:
        found = bytes.fromhex(text)
    except ValueError as error:
        raise Damaged(f"{what} is not hexadecimal") from error
    if len(found) != size or found.hex() != text:
        raise Damaged(f"{what} is not {size} bytes in hexadecimal")
    return found


def sha256_list(value: dict[str, Any], name: str, what: str) -> tuple[bytes, ...]:
    """A list of SHA-256 in hexadecimal, of packs. Raises `Damaged`."""
    return tuple(from_hex(str(text), 32, what) for text in field(value, name, list, what))


def write_moment(moment: datetime) -> str:
    """A moment in UTC, to the microsecond: 2026-11-22T05:34:47.123456Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(value: dict[str, Any], name: str, what: str) -> datetime:
    """A moment as `write_moment` writes it. Raises `Damaged`."""
    text = field(value, name, str, what)
    found = _MOMENT.fullmatch(text)  # strptime takes ten times as long
    if found is not None:
        year, month, day, hour, minute, second, micros = map(int, found.groups())
        with suppress(ValueError):
            return datetime(year, month, day, hour, minute, second, micros, UTC)
    raise Damaged(f"{what}: {name!r} is not a moment in UTC")
