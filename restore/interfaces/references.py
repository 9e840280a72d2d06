"""What fields that lead to other records lead to in another interface: by the map of ids, by names, or by themselves where it
is the same interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec import Struct, field

from restore.interfaces.id_map import IdMap
from restore.interfaces.scope import MISSING, Mapped, Scope, as_text, is_empty
from vault.source.rest import exact_json
from vault.source.rest.creation import Create, Reference

Names = Callable[[str, str], Mapping[str, str]]
"""Gives, for a resource and the pointer to a name: of the snapshot, names by keys; of the interface, keys by names."""


class Resolver(Protocol):
    """Finds what a key leads to."""

    def __call__(self, reference: Reference, old: str) -> str | None:
        """The key in the interface; None where nothing says it."""
        ...


class References(Struct):
    """See this module's text.

    - `old_names`, `new_names`: see `Names`
    - `is_same_interface`: whether what the records lead to is where they go
    - `pending`: records that a plan would create, by resource and key
    """

    id_map: IdMap
    old_names: Names
    new_names: Names
    is_same_interface: bool
    pending: set[tuple[str, str]] = field(default_factory=set)
    _found: dict[tuple[str, str, str], str | None] = field(default_factory=dict)

    def __call__(self, reference: Reference, old: str) -> str | None:
        """See `Resolver`."""
        known = self.id_map.new(reference.resource, old)
        if known is not None:
            return known
        if (reference.resource, old) in self.pending:
            return old
        at = (reference.resource, reference.by, old)
        if at not in self._found:
            self._found[at] = self._by_name(reference, old) or (old if self.is_same_interface else None)
        return self._found[at]

    def _by_name(self, reference: Reference, old: str) -> str | None:
        if not reference.by:
            return None
        name = self.old_names(reference.resource, reference.by).get(old)
        return None if name is None else self.new_names(reference.resource, reference.by).get(name)


def in_order(creates: Mapping[str, Create]) -> list[str]:
    """Resources by name, those that others refer to before these, as far as they do not refer to one another."""
    found: dict[str, None] = {}

    def visit(name: str, above: frozenset[str]) -> None:
        if name in found or name in above or name not in creates:
            return
        for reference in creates[name].references.values():
            visit(reference.resource, above | {name})
        found[name] = None

    for name in creates:
        visit(name, frozenset())
    return list(found)


def mapped_by(create: Create, resolve: Resolver) -> Mapped:
    """What takes the place of values in the templates of a section."""

    def mapped(name: str, value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, list):
            found = [mapped(name, one) for one in value]
            return [one for one in found if one is not MISSING]
        values = create.values.get(name)
        if values is not None:
            value = values.get(as_text(value), value)
        reference = create.references.get(name)
        if reference is None or is_empty(value):
            return value
        new = resolve(reference, as_text(value))
        if new is None:
            return MISSING
        is_number = isinstance(value, exact_json.Number) and new.isascii() and new.isdigit()
        return exact_json.Number(new) if is_number else new

    return mapped


def unresolved(create: Create, scope: Scope, resolve: Resolver) -> list[tuple[str, str, str]]:
    """What of a scope leads nowhere: the field, the resource, the key."""
    found: list[tuple[str, str, str]] = []
    for name, reference in create.references.items():
        value = scope.unmapped().value(name)
        values = value if isinstance(value, list) else [value]
        keys = [as_text(one) for one in values if not is_empty(one)]
        found += [(name, reference.resource, key) for key in keys if resolve(reference, key) is None]
    return found
