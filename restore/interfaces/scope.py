"""Templates of `create` filled in: `{record.title}` keeps what it names, `{ each = …, value = … }` makes lists and objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from vault.source.rest import exact_json
from vault.source.rest.creation import PLACEHOLDER, Template


class _Missing:
    """Nothing is there."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
Mapped = Callable[[str, Any], Any]
"""Gives what takes the place of a value, by the full name of where it is; `MISSING` for nothing."""


def _as_it_is(_: str, value: Any) -> Any:  # noqa: ANN401
    return value


class Scope(Struct, frozen=True):
    """What names in templates mean. roots: values by first name · mapped: changes what is taken from them."""

    roots: Mapping[str, Any] = field(default_factory=dict)
    mapped: Mapped = _as_it_is

    def with_roots(self, **more: Any) -> Scope:  # noqa: ANN401
        """The same, and more."""
        return replace(self, roots={**self.roots, **more})

    def unmapped(self) -> Scope:
        """The same with values as they are."""
        return replace(self, mapped=_as_it_is)

    def value(self, name: str) -> Any:  # noqa: ANN401
        """What a name means; `MISSING` where there is nothing. Where the way goes through lists, it is a list."""
        root, _, pointer = name.partition(".")
        if root not in self.roots:
            return MISSING
        found = _at(self.roots[root], pointer)
        return MISSING if found is None else self.mapped(name, found)

    def filled(self, template: Template) -> Any:  # noqa: ANN401
        """A template with everything in it; `MISSING` where it is a name of nothing."""
        if isinstance(template, str):
            whole = PLACEHOLDER.fullmatch(template)
            if whole is not None:
                return self.value(whole[1])
            return PLACEHOLDER.sub(lambda found: as_text(self.value(found[1])), template)
        if isinstance(template, Mapping):
            if "each" in template and "value" in template and template.keys() <= {"each", "name", "value", "if"}:
                return self._each(template)
            if template.keys() == {"first"} and isinstance(template["first"], list):
                return next((found for one in template["first"] if (found := self.filled(one)) is not MISSING), MISSING)
            made = {name: self.filled(one) for name, one in template.items()}
            return {name: one for name, one in made.items() if one is not MISSING}
        return self._list(template) if isinstance(template, list) else template

    def _list(self, template: list[Any]) -> list[Any]:
        """What `each` within it gives becomes a part of it."""
        found: list[Any] = []
        for one in template:
            value = self.filled(one)
            if isinstance(one, Mapping) and "each" in one and isinstance(value, list):
                found += value
            elif value is not MISSING:
                found.append(value)
        return found

    def text(self, template: str) -> str:
        """A template as text."""
        return as_text(self.filled(template))

    def _each(self, template: Mapping[str, Any]) -> Any:  # noqa: ANN401
        found = self.value(str(template["each"]))
        if found is MISSING:
            return MISSING
        scopes = [self.with_roots(each=one) for one in (found if isinstance(found, list) else [found])]
        if "if" in template:
            scopes = [scope for scope in scopes if not is_empty(scope.filled(template["if"]))]
        if "name" not in template:
            values = [scope.filled(template["value"]) for scope in scopes]
            return [one for one in values if one is not MISSING]
        pairs = [(scope.text(template["name"]), scope.filled(template["value"])) for scope in scopes]
        return {name: one for name, one in pairs if name and one is not MISSING}


def names_in(template: Template) -> set[str]:
    """The full names that a template uses; those within `each` by the list that it goes through."""
    if isinstance(template, str):
        return {found for found in PLACEHOLDER.findall(template) if not found.startswith("each")}
    if isinstance(template, Mapping):
        own = {str(template["each"])} if "each" in template and "value" in template else set()
        return own.union(*(names_in(one) for one in template.values()))
    if isinstance(template, list):
        return set().union(*map(names_in, template))
    return set()


def as_text(value: Any) -> str:  # noqa: ANN401
    """In the middle of a text; of a list the parts with commas between them."""
    if value is MISSING or value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(as_text, value))
    if isinstance(value, dict):
        return exact_json.dump(value).decode("utf-8", "replace")
    return exact_json.as_text(value) or str(value)


def is_empty(value: Any) -> bool:  # noqa: ANN401
    """Whether nobody would miss a value."""
    return value is MISSING or value in (None, "", False, [], {})


def _at(value: Any, pointer: str) -> Any:  # noqa: ANN401
    """What lies at a pointer; a list where the way goes through one."""
    for name in pointer.split(".") if pointer else ():
        if isinstance(value, list):
            found = [_at(one, name) for one in value]
            value = [part for one in found if one is not None for part in (one if isinstance(one, list) else [one])]
        elif isinstance(value, dict):
            value = value.get(name)
        else:
            return None
    return value
