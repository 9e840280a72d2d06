"""What differs between two versions of a record, field by field: `customer.phone`, `comments[7].text`.

Elements of a list that have ids of their own are laid beside each other by these, so that a lost comment is a lost comment and
no shift of all that follow. A field that became empty is *cleared*: that is how interfaces lose what people wrote.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

from restore.tables.model import Value

What = Literal["added", "removed", "cleared", "changed", "reordered"]
OWN_IDS = ("id", "_id", "ID", "Id", "uuid", "guid", "key", "uid", "number")
"""Fields that tell the elements of a list from each other, the likeliest first."""

_PLAIN = re.compile(r"[^.\[\]\s\"]+\Z")


class FieldChange(Struct, frozen=True):
    """A field that differs. path: to it · before, after: None where it was not there; of `reordered` the ids, in order."""

    path: str
    what: What
    before: Value
    after: Value

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"field": self.path, "what": self.what, "before": plain(self.before), "after": plain(self.after)}


def compare(before: Mapping[str, Value], after: Mapping[str, Value]) -> tuple[FieldChange, ...]:
    """Every field that differs, in the order of the fields after, then of those that are gone."""
    return tuple(_objects("", before, after))


def _values(path: str, before: Value, after: Value) -> Iterator[FieldChange]:
    if isinstance(before, dict) and isinstance(after, dict) and before and after:
        yield from _objects(path, before, after)
    elif isinstance(before, list) and isinstance(after, list) and before and after:
        yield from _lists(path, before, after)
    elif not same(before, after) and not (is_empty(before) and is_empty(after)):
        what: What = "cleared" if is_empty(after) else "changed"
        yield FieldChange(path, what, before, after)


def _objects(path: str, before: Mapping[str, Value], after: Mapping[str, Value]) -> Iterator[FieldChange]:
    for name, value in after.items():
        where = _inner(path, name)
        if name in before:
            yield from _values(where, before[name], value)
        elif not is_empty(value):
            yield FieldChange(where, "added", None, value)
    for name, value in before.items():
        if name not in after and not is_empty(value):
            yield FieldChange(_inner(path, name), "removed", value, None)


def _lists(path: str, before: Sequence[Value], after: Sequence[Value]) -> Iterator[FieldChange]:
    name = _own_id(before, after)
    if name is not None:
        yield from _by_id(path, _keyed(before, name), _keyed(after, name))
    elif not any(isinstance(one, dict | list) for one in (*before, *after)):
        yield from _plain_elements(path, before, after)
    else:
        for place, (one, two) in enumerate(zip(before, after, strict=False)):
            yield from _values(f"{path}[{place}]", one, two)
        for place, one in enumerate(before[len(after) :], len(after)):
            yield FieldChange(f"{path}[{place}]", "removed", one, None)
        for place, two in enumerate(after[len(before) :], len(before)):
            yield FieldChange(f"{path}[{place}]", "added", None, two)


def _by_id(path: str, before: Mapping[str, Value], after: Mapping[str, Value]) -> Iterator[FieldChange]:
    for key, value in after.items():
        if key in before:
            yield from _values(f"{path}[{_shown(key)}]", before[key], value)
        else:
            yield FieldChange(f"{path}[{_shown(key)}]", "added", None, value)
    for key, value in before.items():
        if key not in after:
            yield FieldChange(f"{path}[{_shown(key)}]", "removed", value, None)
    kept = [key for key in before if key in after]
    now = [key for key in after if key in before]
    if kept != now:
        yield FieldChange(path, "reordered", [*kept], [*now])


def _plain_elements(path: str, before: Sequence[Value], after: Sequence[Value]) -> Iterator[FieldChange]:
    """Texts and numbers: which came and which went, wherever they stand."""
    old, new = (Counter(map(_comparable, values)) for values in (before, after))
    lost, gained = old - new, new - old
    for value in before:
        if lost[_comparable(value)] > 0:
            lost[_comparable(value)] -= 1
            yield FieldChange(path, "removed", value, None)
    for value in after:
        if gained[_comparable(value)] > 0:
            gained[_comparable(value)] -= 1
            yield FieldChange(path, "added", None, value)
    if old == new and not same([*before], [*after]):
        yield FieldChange(path, "reordered", [*before], [*after])


def _own_id(before: Sequence[Value], after: Sequence[Value]) -> str | None:
    """The field that tells the elements of both lists from each other; None where there is none."""
    elements = [*before, *after]
    if not all(isinstance(one, dict) for one in elements):
        return None
    for name in OWN_IDS:
        sides = [[one.get(name) for one in side if isinstance(one, dict)] for side in (before, after)]
        plain_ids = all(isinstance(value, str | int) and not isinstance(value, bool) for side in sides for value in side)
        if plain_ids and all(len(set(map(str, side))) == len(side) for side in sides):
            return name
    return None


def _keyed(values: Sequence[Value], name: str) -> dict[str, Value]:
    return {str(one[name]): one for one in values if isinstance(one, dict)}


def same(one: Value, two: Value) -> bool:
    """Whether two values say the same: 1 and 1.0 do, 1 and true do not."""
    return _comparable(one) == _comparable(two)


def is_empty(value: Value) -> bool:
    """Whether nothing is said."""
    return value is None or value in ("", [], {})


def _comparable(value: Value) -> object:
    if isinstance(value, dict):
        return ("object", tuple(sorted((name, _comparable(one)) for name, one in value.items())))
    if isinstance(value, list):
        return ("list", tuple(map(_comparable, value)))
    if isinstance(value, bool) or value is None:
        return ("word", str(value))
    if isinstance(value, int | float | Decimal):
        return ("number", _number(value))
    return ("text", value) if isinstance(value, str) else ("other", repr(value))


def _number(value: float | Decimal) -> str:
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return str(number.normalize()) if number.is_finite() and abs(number.adjusted()) < 1000 else str(number)


def _inner(path: str, name: str) -> str:
    shown = name if _PLAIN.match(name) else json.dumps(name, ensure_ascii=False)
    return f"{path}.{shown}" if path else shown


def _shown(key: str) -> str:
    return key if _PLAIN.match(key) else json.dumps(key, ensure_ascii=False)


def plain(value: Value) -> Any:  # noqa: ANN401 (any JSON)
    """A value as JSON can hold it: numbers with all their digits, moments and other values as people write them."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.hex() if isinstance(value, bytes) else str(value)
