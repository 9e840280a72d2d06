"""What of records no template takes: counted field by field, before anything is written, and said as it is.

A field that `derived` of the description names is not missed. What the interface takes and then does not keep is reported after
the restore, from what it shows.
"""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct, field

from restore.interfaces.matching import matches
from restore.interfaces.scope import Scope, is_empty, names_in
from vault.source.rest import exact_json
from vault.source.rest.creation import Create, NewChild, Step


class _Used(Struct, frozen=True):
    """What templates take of an object. pointers: below it · patterns: of whole fields."""

    pointers: frozenset[str]
    patterns: tuple[str, ...] = ()

    def takes(self, name: str) -> bool:
        """Whether a field, or something within it, is taken."""
        if any(fnmatch.fnmatchcase(name, one) for one in self.patterns):
            return True
        return any(one == name or one.startswith(f"{name}.") for one in self.pointers)

    def takes_whole(self, name: str) -> bool:
        """Whether all that is within a field is taken."""
        return name in self.pointers or any(fnmatch.fnmatchcase(name, one) for one in self.patterns)


class LossCounter(Struct):
    """Counts over many records. fields: records by field, dots for what is within entries of a list."""

    create: Create
    key: str
    fields: Counter[str] = field(default_factory=Counter)
    entries: Counter[str] = field(default_factory=Counter)
    files: int = 0

    def add(self, record: dict[str, Any]) -> None:
        """One more record."""
        used = _used(self.create, "record")
        lists = self._lists()
        for name, value in record.items():
            if self._is_empty(value) or name == self.key or self._is_derived(name):
                continue
            if name in lists and isinstance(value, list):
                self._add_entries(record, name, lists[name])
            elif isinstance(value, dict) and used.takes(name) and not used.takes_whole(name):
                inner = {f"{name}.{one}" for one in value if not self._is_empty(value[one])}
                self.fields.update(one for one in inner if not used.takes(one) and not self._is_derived(one))
            elif not used.takes(name):
                self.fields[name] += 1

    def add_files(self, count: int) -> None:
        """So many files that no template sends."""
        if count > 0:
            self.files += count

    def said(self) -> tuple[str, ...]:
        """In words, the most first."""
        own = [f"{name} of {_records(count)}" for name, count in _sorted(self.fields)]
        others = [f"{_entries(count)} of {name} that the description does not create" for name, count in _sorted(self.entries)]
        files = (
            [f"{self.files:,} {'file' if self.files == 1 else 'files'} that the description does not send"]
            if self.files
            else []
        )
        return (*self.create.losses, *own, *others, *files)

    def _is_empty(self, value: Any) -> bool:  # noqa: ANN401
        return is_empty(value) or value in self.create.empty

    def _is_derived(self, name: str) -> bool:
        return any(fnmatch.fnmatchcase(name, one) for one in self.create.derived)

    def _lists(self) -> dict[str, list[NewChild | None]]:
        """By field, the children that are made of its entries; None for something that is picked of it."""
        found: dict[str, list[NewChild | None]] = {}
        for child in self.create.children.values():
            found.setdefault(child.records.partition(".")[0], []).append(child)
        for pointer in _picks(self.create):
            found.setdefault(pointer, []).append(None)
        return found

    def _add_entries(self, record: dict[str, Any], name: str, made: list[NewChild | None]) -> None:
        children = [one for one in made if one is not None]
        lost: set[str] = set()
        for one in exact_json.all_at(record, children[0].records if children else name):
            if not isinstance(one, dict):
                continue
            by = next((child for child in children if matches(one, child.match, Scope({"record": record}))), None)
            if by is None:
                if not self._is_derived(f"{name}.*") and len(children) == len(made):
                    self.entries[name] += 1
                continue
            used = _used_of_child(by)
            lost |= {
                f"{name}.{inner}"
                for inner, value in one.items()
                if not self._is_empty(value) and inner != by.key and not used.takes(inner)
            }
        self.fields.update(one for one in lost if not self._is_derived(one))


def _used(create: Create, root: str) -> _Used:
    """Of a record, whatever creates it and changes it afterwards."""
    steps = [create.step(), *create.then.values()]
    names = set().union(*(_names(one) for one in steps))
    for child in create.children.values():
        names |= set().union(*(_names(one) for one in (child.step(), *child.then.values())))
        names.add(f"record.{child.records}")
        names |= {child.files.records} if child.files is not None else set()
    names |= {create.files.records} if create.files is not None else set()
    patterns = tuple(pattern for one in steps for pattern in one.fields)
    return _Used(frozenset(_below(names, root)), patterns)


def _used_of_child(child: NewChild) -> _Used:
    steps = [child.step(), *child.then.values()]
    names = set().union(*(_names(one) for one in steps))
    names |= {child.files.records} if child.files is not None else set()
    pointers = set(_below(names, "child")) | set(child.match)
    return _Used(frozenset(pointers), tuple(pattern for one in steps for pattern in one.fields))


def _names(step: Step) -> set[str]:
    return names_in([step.path, step.parameters, step.body])


def _below(names: Iterable[str], root: str) -> Iterator[str]:
    yield from (one.partition(".")[2] for one in names if one.partition(".")[0] == root)


def _picks(create: Create) -> set[str]:
    """Fields of the record that something is picked of, or files."""
    picks = [*create.pick.values(), *(one for child in create.children.values() for one in child.pick.values())]
    files = [create.files, *(child.files for child in create.children.values())]
    pointers = [one.records for one in picks] + [one.records for one in files if one is not None]
    return {one.split(".")[1] for one in pointers if one.startswith("record.")}


def _sorted(found: Counter[str]) -> list[tuple[str, int]]:
    return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))


def _records(count: int) -> str:
    return f"{count:,} record" if count == 1 else f"{count:,} records"


def _entries(count: int) -> str:
    return f"{count:,} entry" if count == 1 else f"{count:,} entries"
