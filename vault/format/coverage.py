"""What a source says of itself, as a snapshot's record holds it: bounded, whatever a source has to say."""

from __future__ import annotations

from typing import Any

from vault.coverage import Coverage, CoveredEntity
from vault.errors import Damaged
from vault.format import strict_json

MOST_ENTITIES = 1000
MOST_FIELDS = 500
"""Of one entity."""
MOST_GAPS = 200
LONGEST_NAME, LONGEST_GAP = 200, 500
"""Characters; a longer text is cut."""
LARGEST = 256 * 1024
"""Bytes of a statement as JSON."""

_FLAGS = {"times": True, "deletions": True, "one_moment": False}
"""What is true or false of a source, and what it is where a record does not say so."""


def bounded(coverage: Coverage) -> Coverage:
    """As much of a statement as a record holds; what is left out is a gap of its own."""
    fields, entities, gaps = MOST_FIELDS, MOST_ENTITIES, MOST_GAPS - 2
    while True:
        found = _bounded(coverage, fields, entities, gaps)
        if len(strict_json.dump(as_json(found))) <= LARGEST:
            return found
        if fields:
            fields //= 2
        elif entities:
            entities //= 2
        else:
            gaps //= 2


def _bounded(coverage: Coverage, most_fields: int, most_entities: int, most_gaps: int) -> Coverage:
    entities = tuple(
        CoveredEntity(
            _cut(one.name, LONGEST_NAME),
            tuple(_cut(name, LONGEST_NAME) for name in one.fields[:most_fields]),
            _cut(one.key, LONGEST_NAME),
        )
        for one in coverage.entities[:most_entities]
    )
    gaps = [_cut(gap, LONGEST_GAP) for gap in coverage.gaps[:most_gaps]]
    if len(coverage.entities) > most_entities or len(coverage.gaps) > most_gaps:
        entity_count, gap_count = len(coverage.entities) - len(entities), len(coverage.gaps) - len(gaps)
        gaps.append(f"this statement is cut short: {entity_count} further entities, {gap_count} further gaps")
    if any(len(one.fields) > most_fields for one in coverage.entities):
        gaps.append(f"this statement is cut short: at most {most_fields} fields of an entity are named")
    return Coverage(
        _cut(coverage.source, LONGEST_NAME), entities, tuple(gaps), coverage.times, coverage.deletions, coverage.one_moment
    )


def as_json(coverage: Coverage) -> dict[str, Any]:
    """As a record holds it: what is usual or empty is left out."""
    entities = [
        {"name": one.name} | ({"fields": list(one.fields)} if one.fields else {}) | ({"key": one.key} if one.key else {})
        for one in coverage.entities
    ]
    flags = {name: value for name, usual in _FLAGS.items() if (value := getattr(coverage, name)) != usual}
    return {"source": coverage.source, "entities": entities} | ({"gaps": list(coverage.gaps)} if coverage.gaps else {}) | flags


def from_json(value: dict[str, Any], what: str) -> Coverage:
    """Read back. Raises `Damaged`."""
    what = f"{what}: 'coverage'"
    flags = {name: strict_json.optional(value, name, bool, what) for name in _FLAGS}
    return Coverage(
        strict_json.field(value, "source", str, what),
        tuple(_entity(one, what) for one in strict_json.field(value, "entities", list, what)),
        _texts(value, "gaps", what),
        **{name: usual if flags[name] is None else bool(flags[name]) for name, usual in _FLAGS.items()},
    )


def _entity(value: object, what: str) -> CoveredEntity:
    if not isinstance(value, dict):
        raise Damaged(f"{what} has an entity that is not an object")
    key = strict_json.optional(value, "key", str, what)
    return CoveredEntity(strict_json.field(value, "name", str, what), _texts(value, "fields", what), key or "")


def _texts(value: dict[str, Any], name: str, what: str) -> tuple[str, ...]:
    found = value.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise Damaged(f"{what}: {name!r} is not a list of texts")
    return tuple(found)


def _cut(text: str, longest: int) -> str:
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
