"""A description of a REST interface out of what its TOML file has, checked table by table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from vault.source.rest.creation import Create, Files, Find, NewChild, Pick, Reference, Step, Upload
from vault.source.rest.description import (
    Attachments,
    Auth,
    Child,
    Description,
    Errors,
    Incremental,
    Limits,
    Operating,
    Paging,
    RecordPage,
    Resource,
)
from vault.source.rest.description_faults import DescriptionError, Key, Table, in_words, refuse_unknown

AnyTable = TypeVar("AnyTable", bound=Table)


def parse(value: Mapping[str, Any]) -> Description:
    """A description from what its TOML file has. Raises `DescriptionError` for the first thing that is wrong."""
    resources = value.get("resources", {})
    if not isinstance(resources, dict):
        raise DescriptionError(("resources",), "must be a table")
    own = {name: part for name, part in value.items() if name not in ("resources", "limits")} | {"resources": {}}
    plain = _table(Description, own, (), inner={"auth": Auth, "errors": Errors}, checked=False)
    if "limits" in value:
        limits = _table(Limits, value["limits"], ("limits",), inner={"operating": Operating})
        plain = msgspec.structs.replace(plain, limits=limits)
    made = {name: _resource(part, ("resources", name)) for name, part in resources.items()}
    description = msgspec.structs.replace(plain, resources=made)
    _check(description, ())
    return description


def _resource(value: object, key: Key) -> Resource:
    if not isinstance(value, dict):
        raise DescriptionError(key, "must be a table")
    children = value.get("children", {})
    if not isinstance(children, dict):
        raise DescriptionError((*key, "children"), "must be a table")
    own = {name: part for name, part in value.items() if name not in ("children", "create")}
    inner: dict[str, type[Table]] = {
        "paging": Paging,
        "incremental": Incremental,
        "attachments": Attachments,
        "page": RecordPage,
    }
    made = {name: _table(Child, part, (*key, "children", name), inner={"paging": Paging}) for name, part in children.items()}
    create = _create(value["create"], (*key, "create")) if "create" in value else None
    resource = msgspec.structs.replace(_table(Resource, own, key, inner=inner, checked=False), children=made, create=create)
    _check(resource, key)
    return resource


_INNER: Mapping[str, type[Table]] = {"find": Find, "files": Files, "upload": Upload}
_NAMED: Mapping[str, type[Table]] = {"pick": Pick, "then": Step, "references": Reference}
"""Tables of `create`: single ones, and those that have names of their own."""


def _create(value: object, key: Key) -> Create:
    if not isinstance(value, dict):
        raise DescriptionError(key, "must be a table")
    children = value.get("children", {})
    if not isinstance(children, dict):
        raise DescriptionError((*key, "children"), "must be a table")
    made = {name: _with_named(NewChild, part, (*key, "children", name)) for name, part in children.items()}
    own = {name: part for name, part in value.items() if name != "children"}
    create = msgspec.structs.replace(_with_named(Create, own, key), children=made)
    _check(create, key)
    return create


def _with_named(kind: type[AnyTable], value: object, key: Key) -> AnyTable:
    if not isinstance(value, dict):
        raise DescriptionError(key, "must be a table")
    for name in _NAMED.keys() & value.keys():
        if isinstance(value[name], dict):
            for label, part in value[name].items():
                _table(_NAMED[name], part, (*key, name, label), inner={})
    inner = {name: one for name, one in _INNER.items() if name in kind.__struct_fields__}
    return _table(kind, value, key, inner=inner, checked=False)


def _table(
    kind: type[AnyTable], value: object, key: Key, *, inner: Mapping[str, type[Table]], checked: bool = True
) -> AnyTable:
    """One table, its inner ones first, so that what is wrong is said where it stands. inner: tables by name · checked: whether
    its `faults` are asked for, too. Raises `DescriptionError`."""
    if not isinstance(value, dict):
        raise DescriptionError(key, "must be a table")
    for name in inner.keys() & value.keys():
        _table(inner[name], value[name], (*key, name), inner={})
    refuse_unknown(kind, value, key)
    for field in msgspec.structs.fields(kind):
        if field.name not in value:
            if field.required:
                raise DescriptionError((*key, field.name), "is missing")
            continue
        try:
            msgspec.convert(value[field.name], field.type)
        except msgspec.ValidationError as error:
            raise DescriptionError((*key, field.name), in_words(error)) from error
    made = msgspec.convert(value, kind)
    if checked:
        _check(made, key)
    return made


def _check(table: Table, key: Key) -> None:
    """Raises `DescriptionError` for the first fault of a table."""
    for name, what in table.faults():
        raise DescriptionError((*key, name), what)
