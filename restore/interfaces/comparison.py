"""What an interface shows of a record, beside what was to be put there: which of its children are there, and what differs."""

from __future__ import annotations

import fnmatch
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from restore.interfaces.attached import described
from restore.interfaces.matching import entries, picked
from restore.interfaces.scope import MISSING, Scope, as_text, is_empty, names_in
from vault.source.rest import exact_json
from vault.source.rest.creation import Create, NewChild, Step, Template
from vault.wording import counted

NOT_KNOWN = "what it leads to is not known there"
"""Of references; a plan has said so."""

_MARKERS = {"unfinished", "finished", "child_marker"}
_OF_TARGET = {"new", "there", "child_new", "files", "tokens"}


class Paired(Struct, frozen=True):
    """A child that is there. there: as the interface shows it; None where only the map knows it · is_finished: whether nothing
    is left to do for it."""

    there: dict[str, Any] | None
    is_finished: bool


def children_of(scope: Scope, child: NewChild) -> list[dict[str, Any]]:
    """Those of a record that are to be created, in order."""
    return entries(scope, f"record.{child.records}", child.match)


def scope_of_child(scope: Scope, child: NewChild, one: Mapping[str, Any]) -> Scope:
    """What templates of a child know."""
    return picked(scope.with_roots(child=one), child.pick)


def key_of(child: NewChild, one: Mapping[str, Any], number: int) -> str:
    """What tells a child from the others of its record."""
    return as_text(exact_json.at(one, child.key)) or f"#{number}"


def pairs(
    scope: Scope,
    child: NewChild,
    wanted: Sequence[dict[str, Any]],
    markers: Sequence[str],
    there: dict[str, Any],
    known: Mapping[str, str],
) -> list[Paired | None]:
    """For each child that is wanted, the one that is there; None for none. Equal ones are counted.

    markers: `{child_marker}` of each · there: the record as the interface shows it · known: new keys by old ones
    """
    own = Scope({"record": there})
    standing = entries(own, f"record.{child.records}", {})
    by_key, by_marker, by_sign = _Places(), _Places(), _Places()
    for spot, one in enumerate(standing):
        by_key.add(as_text(exact_json.at(one, child.key)), spot)
        by_marker.add(_text(one, child.marker_at) if child.marker_at else "", spot)
        by_sign.add(_signature(scope_of_child(own, child, one), child), spot)
    taken: set[int] = set()
    found: list[Paired | None] = []
    for number, one in enumerate(wanted):
        new = known.get(key_of(child, one, number))
        at = by_key.first(new or "", taken)
        begun = by_marker.first(markers[number], taken) if at is None and child.marker_at else None
        if at is None and begun is None:
            at = by_sign.first(_signature(scope_of_child(scope, child, one), child), taken)
        place = at if begun is None else begun
        if place is None:
            found.append(Paired(None, is_finished=True) if new == "" else None)
            continue
        taken.add(place)
        found.append(Paired(standing[place], is_finished=begun is None))
    return found


class _Places:
    """Places of a list by something that they have; equal ones in order."""

    def __init__(self) -> None:
        self._by: dict[str, deque[int]] = {}

    def add(self, value: str, place: int) -> None:
        if value:
            self._by.setdefault(value, deque()).append(place)

    def first(self, value: str, taken: set[int]) -> int | None:
        """The first that is not taken; None for none."""
        places = self._by.get(value)
        while places and places[0] in taken:
            places.popleft()
        return places[0] if places else None


def differences(scope: Scope, there: dict[str, Any], create: Create) -> list[str]:
    """Fields of a record that the interface does not show as they were to be, as sentences. scope: with the record."""
    own = scope.unmapped().with_roots(record=there)
    steps = [create.step(), *create.then.values()]
    own = picked(own, create.pick)
    templates = _templates(steps, scope.roots["record"], "record")
    checked = {name: one for name, one in templates.items() if name not in create.unchecked}
    found = _differing(checked, scope, own, there, "")
    files, standing = len(described(scope, create.files)), len(described(own, create.files))
    if standing < files:
        found.append(f"{files - standing} of its {counted(files, 'file')} not there")
    return found


def child_differences(
    scope: Scope, there: dict[str, Any], child: NewChild, one: dict[str, Any], other: dict[str, Any]
) -> list[str]:
    """The same of a child that is there. one: as it was · other: as it is there."""
    wanted = scope_of_child(scope, child, one)
    own = scope_of_child(scope.unmapped().with_roots(record=there), child, other)
    steps = [child.step(), *child.then.values()]
    found = _differing(_templates(steps, one, "child"), wanted, own, other, f"{child.records}.")
    files, standing = len(described(wanted, child.files)), len(described(own, child.files))
    if standing < files:
        found.append(f"{child.records}: {files - standing} of {counted(files, 'file')} not there")
    return found


def _templates(steps: Sequence[Step], source: Mapping[str, Any], root: str) -> dict[str, Template]:
    """What the steps put, by name; what comes later counts."""
    found: dict[str, Template] = {}
    for step in steps:
        for name in source:
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in step.fields):
                found[name] = f"{{{root}.{name}}}"
        for name, template in step.body.items():
            roots = {one.partition(".")[0] for one in names_in(template)}
            is_of_record = bool(roots - _MARKERS - _OF_TARGET - {"key"})
            if is_of_record and not roots & _OF_TARGET:
                found[name] = template
            elif roots & _MARKERS:
                found.pop(name, None)
    return found


def _differing(
    templates: Mapping[str, Template], wanted: Scope, own: Scope, there: Mapping[str, Any], prefix: str
) -> list[str]:
    found = []
    for name, template in templates.items():
        put = wanted.filled(template)
        has_marker = bool({one.partition(".")[0] for one in names_in(template)} & _MARKERS)
        shown = there.get(name, MISSING) if has_marker else own.filled(template)
        if put is MISSING:
            if not is_empty(wanted.unmapped().filled(template)):
                found.append(f"{prefix}{name}: {NOT_KNOWN}")
        elif canonical(put) != canonical(shown):
            found.append(f"{prefix}{name}: {'is not there' if is_empty(shown) else 'is another one there'}")
    return found


def canonical(value: Any) -> Any:  # noqa: ANN401
    """Equal for what nobody would tell apart: numbers and their digits, moments in other zones, ends of lines."""
    if is_empty(value):
        return None
    if isinstance(value, Mapping):
        return {name: canonical(one) for name, one in value.items() if not is_empty(one)}
    if isinstance(value, list):
        return [canonical(one) for one in value if not is_empty(one)] or None
    if isinstance(value, bool):
        return "true"
    text = str(value).replace("\r\n", "\n").strip()
    if text[:4].isdigit() and text[4:5] == "-":
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return text
        return moment.astimezone(UTC).isoformat() if moment.tzinfo is not None else text
    return text or None


def _signature(scope: Scope, child: NewChild) -> str:
    """Equal for children that nobody would tell apart."""
    templates = child.same
    if not templates:
        source = scope.roots["child"]
        steps = [child.step(), *child.then.values()]
        templates = list(_templates(steps, source if isinstance(source, Mapping) else {}, "child").values())
    return exact_json.dump([canonical(scope.unmapped().filled(one)) for one in templates]).decode("utf-8", "replace")


def _text(one: Mapping[str, Any], pointer: str) -> str:
    return as_text(exact_json.at(one, pointer))
