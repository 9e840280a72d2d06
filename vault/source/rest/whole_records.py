"""Whole records: what a listing has of one, with its own page and its children, each asked for by itself."""

from __future__ import annotations

import base64
import fnmatch
from contextlib import suppress
from typing import Any

from msgspec import Struct

from vault.progress import Stop
from vault.source.rest import exact_json, templates
from vault.source.rest.client import Nonsense, NotThere, Question, RestClient, parameters
from vault.source.rest.description import Child, Resource
from vault.source.rest.mirror import sort_key
from vault.source.rest.paging import Listing, ListingQuestion, all_records

MOST_CHILDREN = 100_000


class RecordReader(Struct):
    """Reads records of one resource. name: of the resource · asked: requests that were sent, details of children aside."""

    client: RestClient
    stop: Stop
    name: str
    resource: Resource
    asked: int = 0

    @property
    def has_more(self) -> bool:
        """Whether a record is more than what is listed of it."""
        return bool(self.resource.detail or self.resource.children)

    def whole(self, key: str, entry: dict[str, Any]) -> dict[str, Any]:
        """A record with its own page and its children. entry: as it is listed. Raises `SourceError`, `NotThere` among it."""
        resource, client = self.resource, self.client
        record = entry
        if resource.detail:
            self.asked += 1
            path = templates.path(resource.detail, lambda name: _filled(name, key, "record.", entry))
            found = exact_json.at(client.ask(Question(path)).value, resource.detail_record)
            if not isinstance(found, dict) or exact_json.as_text(exact_json.at(found, resource.key)) not in (key, None):
                raise Nonsense(f"{client.text} answers something else to {self.name} {shown(key)}")
            record = found
        record = dict(record)
        for name, child in resource.children.items():
            if name in record:
                hint = "give the child another name in the description"
                raise Nonsense(f"{self.name} have a field {name!r} of their own", hint=hint)
            record[name] = self._children(key, record, child, name)
        return record

    def _children(self, key: str, record: dict[str, Any], child: Child, name: str) -> list[dict[str, Any]]:
        nothing = child.when and exact_json.at(record, child.when) in (None, "", False, "0", [], {})
        if nothing or (child.unless and _matches(record, child.unless)):
            return []
        found = self._one_by_one(key, record, child, name) if child.each else self._listed(key, key, record, child, name)
        if child.below:
            found += self._below(key, record, child, name, found)
        if child.detail:
            found = [self._detail_of(one, child, name) if _matches(one, child.detail_if) else one for one in found]
        for one in found if child.base64_text else ():
            _decode(one, child.base64_text)
        return _sorted(found, child.key)

    def _listed(self, key: str, above: str, record: dict[str, Any], child: Child, name: str) -> list[dict[str, Any]]:
        """The children of a record, or of one of its children. above: the key of whose children they are."""
        self.asked += 1

        def fill(place: str) -> str:
            return _filled(place, above, "record.", record)

        path, own = templates.path(child.path, fill), templates.values(child.parameters, fill)
        what = ListingQuestion(path, own, None, child.records, child.paging, child.key, map=child.map)
        listing = Listing(self.client, lambda _: what, f"{name} of {self.name} {shown(key)}")
        return list(all_records(listing, self.stop, MOST_CHILDREN))

    def _below(
        self, key: str, record: dict[str, Any], child: Child, name: str, first: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """The children of children, to the bottom: of folders that have files and folders."""
        found: list[dict[str, Any]] = []
        waiting, seen = list(first), {key}
        while waiting:
            one = waiting.pop()
            above = exact_json.as_text(exact_json.at(one, child.key))
            if not above or not _matches(one, child.below):
                continue
            if above in seen:
                raise Nonsense(f"{self.client.text} leads round in circles within the {name} of {self.name} {shown(key)}")
            seen.add(above)
            new = self._listed(key, above, record, child, name)
            found += new
            waiting += new
            if len(found) > MOST_CHILDREN:
                raise Nonsense(f"{self.name} {shown(key)} has more than {MOST_CHILDREN} {name}")
        return found

    def _one_by_one(self, key: str, record: dict[str, Any], child: Child, name: str) -> list[dict[str, Any]]:
        """Children that a record names by their ids. One that is not there any more is left out."""
        found: list[dict[str, Any]] = []
        values = [
            one for one in exact_json.all_at(record, child.each) if not isinstance(one, bool)
        ]  # some say `false` for none
        ids = {text: None for value in values if (text := exact_json.as_text(value))}
        for number in list(ids)[:MOST_CHILDREN]:
            self.stop()
            self.asked += 1

            def fill(place: str, number: str = number) -> str:
                return number if place == "each" else _filled(place, key, "record.", record)

            own = parameters(templates.values(child.parameters, fill))
            try:
                one = exact_json.at(self.client.ask(Question(templates.path(child.path, fill), own)).value, child.records)
            except NotThere:
                continue
            if not isinstance(one, dict):
                raise Nonsense(f"{self.client.text} answers something else to one of the {name} of {self.name} {shown(key)}")
            found.append(one)
        return found

    def _detail_of(self, one: dict[str, Any], child: Child, name: str) -> dict[str, Any]:
        client, number = self.client, exact_json.as_text(exact_json.at(one, child.key)) or ""
        path = templates.path(child.detail, lambda place: _filled(place, number, "child.", one))
        found = exact_json.at(client.ask(Question(path)).value, child.detail_record)
        if not isinstance(found, dict):
            raise Nonsense(f"{client.text} answers something else to one of the {name} of {self.name}")
        return found


def without(record: dict[str, Any], drop: list[str]) -> dict[str, Any]:
    """A copy without some fields; what is not changed is shared. drop: pointers."""
    kept = dict(record)
    for pointer in drop:
        _drop(kept, pointer.split("."))
    return kept


def _drop(place: dict[str, Any], names: list[str]) -> None:
    """Take a field out of an object that is a copy already."""
    first, *rest = names
    inner = place.get(first)
    if not rest:
        place.pop(first, None)
    elif isinstance(inner, dict):
        place[first] = dict(inner)
        _drop(place[first], rest)
    elif isinstance(inner, list):
        place[first] = [dict(one) if isinstance(one, dict) else one for one in inner]
        for one in place[first]:
            if isinstance(one, dict):
                _drop(one, rest)


def _filled(name: str, key: str, prefix: str, record: dict[str, Any]) -> str:
    if name == "key":
        return key
    return exact_json.as_text(exact_json.at(record, name.removeprefix(prefix))) or ""


def _matches(one: dict[str, Any], patterns: dict[str, str]) -> bool:
    """Whether all of a child's fields are as they should be; an empty pattern is for one that is empty or missing."""
    return all(
        fnmatch.fnmatchcase(exact_json.as_text(exact_json.at(one, pointer)) or "", pattern)
        for pointer, pattern in patterns.items()
    )


def _decode(one: dict[str, Any], names: list[str]) -> None:
    """Texts in the place of their base64; what is none stays as it is."""
    for name in names:
        with suppress(ValueError):  # UnicodeDecodeError and binascii.Error are
            if isinstance(one.get(name), str):
                one[name] = base64.b64decode("".join(one[name].split()), validate=True).decode()


def _sorted(found: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """By key, where they have one; equal ones once."""
    if not key:
        return found
    by_key: dict[bytes, dict[str, Any]] = {}
    for one in found:
        number = exact_json.as_text(exact_json.at(one, key))
        if not number:
            raise Nonsense(f"what belongs to a record has no {key!r}", hint="is `key` of the child right?")
        by_key[sort_key(number)] = one
    return [by_key[one] for one in sorted(by_key)]


def shown(key: str) -> str:
    """A key for people."""
    return "".join(char if char.isprintable() else "?" for char in key[:60])
