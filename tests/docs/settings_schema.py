"""The JSON Schema of the settings file, from the types of its tables."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from strongroom.settings.tables import About, Table
from strongroom.settings.value_readers import Before, Instead

_PLAIN = {str: "string", bool: "boolean", int: "integer", float: "number"}
_BOUNDS = {"gt": "exclusiveMinimum", "ge": "minimum", "le": "maximum"}


def schema_of(table: type[Table]) -> dict[str, Any]:
    """A table, with those that stand in it below `$defs`."""
    inner = {one.__name__: _table(one) for one in _tables_in(table) if one is not table}
    made = _sorted({**_table(table), **({"$defs": inner} if inner else {})})
    return dict(made)


def _table(table: type[Table]) -> dict[str, Any]:
    fields = {about.alias or name: about for name, about in table.model_fields.items()}
    required = [key for key, about in fields.items() if about.is_required]
    return {
        "type": "object",
        "description": inspect.cleandoc(table.__doc__ or ""),
        "additionalProperties": False,
        "properties": {key: _key(about) for key, about in fields.items()},
        **({"required": required} if required else {}),
    }


def _key(about: About) -> dict[str, Any]:
    default = {} if about.is_required or about.default_factory else {"default": _default(about.default)}
    return {**_type(about.annotation), "description": about.description, **default}


def _type(annotation: Any) -> dict[str, Any]:
    kind, inner = get_origin(annotation), get_args(annotation)
    if kind is Annotated:
        return _annotated(inner[0], inner[1:])
    if kind in (Union, UnionType):
        return {"anyOf": list(_alternatives(inner))}
    if kind is Literal:
        return {"type": "string", **({"enum": list(inner)} if len(inner) > 1 else {"const": inner[0]})}
    if kind in (tuple, list):
        return {"type": "array", "items": _type(inner[0])}
    if isinstance(kind, type) and issubclass(kind, Mapping):
        return _mapping(_type(inner[0]), _type(inner[1]))
    if annotation in (None, NoneType):
        return {"type": "null"}
    if issubclass(annotation, Table):
        return {"$ref": f"#/$defs/{annotation.__name__}"}
    return {"type": _PLAIN[annotation]}


def _alternatives(types: Sequence[Any]) -> Iterator[dict[str, Any]]:
    for one in map(_type, types):
        yield from one["anyOf"] if one.keys() == {"anyOf"} else [one]


def _mapping(key: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    if "pattern" in key:
        return {"type": "object", "patternProperties": {key["pattern"]: value}}
    bounds = {name: bound for name, bound in key.items() if name != "type"}
    return {"type": "object", "additionalProperties": value, **({"propertyNames": bounds} if bounds else {})}


def _annotated(base: Any, about: Sequence[object]) -> dict[str, Any]:
    for one in about:
        if isinstance(one, Before) and one.written is not None:
            return _type(one.written)
    made = next((dict(one.schema) for one in about if isinstance(one, Instead)), None) or _type(base)
    for one in about:
        if isinstance(one, About):
            if one.min_length is not None:
                made["minItems" if made["type"] == "array" else "minLength"] = one.min_length
            made |= {name: getattr(one, bound) for bound, name in _BOUNDS.items() if getattr(one, bound) is not None}
            made |= one.schema
    return made


def _default(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, Table):
        fields = type(value).model_fields
        return {fields[name].alias or name: _default(one) for name, one in value}
    if isinstance(value, tuple):
        return [_default(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def _tables_in(annotation: Any) -> set[type[Table]]:
    """All tables in a type, itself included."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        inner = (_tables_in(about.annotation) for about in annotation.model_fields.values())
        return {annotation}.union(*inner)
    return set[type[Table]]().union(*map(_tables_in, get_args(annotation)))


def _sorted(value: Any, key: str = "") -> Any:
    """With keys in order, but for those that a table has."""
    if isinstance(value, list):
        return [_sorted(one) for one in value]
    if not isinstance(value, dict):
        return value
    names = value if key in ("properties", "default") else sorted(value)
    return {name: _sorted(value[name], name) for name in names}
