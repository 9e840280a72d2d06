"""An interface that records go to: what it has, what it is sent, and what is known of a request whose answer was lost.

Nothing is sent a second time before the interface was asked for what the first may have made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from restore.interfaces.markers import Marker, markers_in
from restore.interfaces.matching import matches
from restore.interfaces.scope import MISSING, Scope
from vault.clock import Clock
from vault.errors import SourceDenied, SourceError, TargetError
from vault.progress import Stop
from vault.source.rest import exact_json, templates, times, writing
from vault.source.rest.client import PATIENCE, TRIES_OF_ERRORS, Nonsense, NotThere, RestClient
from vault.source.rest.creation import Create
from vault.source.rest.description import Resource
from vault.source.rest.description_faults import duration
from vault.source.rest.paging import Listing, ListingQuestion, PageState
from vault.source.rest.whole_records import RecordReader
from vault.source.rest.writing import Later, Refused, Unsure, WriteRequest

Look = Callable[[], str | None]
"""Asks the interface for what a request may have made: its key, or None."""


class Located(NamedTuple):
    """A record that was created before. is_finished: whether its marker says that all of it is there."""

    key: str
    is_finished: bool


class NotKnown(Exception):
    """Nobody knows whether a request was carried out, and the interface cannot be asked. reason: for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RecordTarget:
    """One resource of an interface. create: how its records are created."""

    def __init__(self, client: RestClient, name: str, resource: Resource, create: Create, clock: Clock, stop: Stop) -> None:
        self.name, self.resource, self.create = name, resource, create
        self._client, self._clock, self._stop = client, clock, stop
        self._listed: set[str] | None = None
        self._markers: dict[str, Located] = {}
        self._lag = 0.0 if create.find is None else duration(create.find.lag).total_seconds()

    @property
    def text(self) -> str:
        """For people."""
        return self._client.text

    @property
    def is_searchable(self) -> bool:
        """Whether what was created is found by its marker."""
        return self.create.find is not None

    def located(self, marker: Marker) -> Located | None:
        """The record with a marker. Raises `SourceError`."""
        find = self.create.find
        if find is None:
            return None
        if not find.asks_for_each:
            if self._listed is None:
                self._list()
            return self._markers.get(marker.body)
        scope = Scope({"finished": marker.finished, "unfinished": marker.unfinished})
        own = {name: one for name, one in scope.filled(dict(find.parameters)).items() if one is not MISSING}
        for entry in self._entries(own):
            key = exact_json.as_text(exact_json.at(entry, find.key or self.resource.key))
            if not key:
                continue
            states = self._states(entry, marker)
            if not states:
                record = self.read(key)
                states = [] if record is None else self._states(record, marker)
            if states:
                return Located(key, any(states))
        return None

    def has(self, key: str) -> bool:
        """Whether a record is there. Raises `SourceError`."""
        if self._listed is not None and not self.create.gone:
            return key in self._listed
        return self.read(key) is not None

    def read(self, key: str) -> dict[str, Any] | None:
        """A record as the interface shows it by now, with all that belongs to it; None where it is not there, or counts so.
        Raises `SourceError`."""
        resource, create = self.resource, self.create
        if create.read:
            resource = replace(resource, detail=create.read, detail_record=create.read_record)
        if not resource.detail:
            return None
        entry: dict[str, Any] = {}
        place = entry
        *above, last = resource.key.split(".")
        for name in above:
            place = place.setdefault(name, {})
        place[last] = key
        try:
            found = RecordReader(self._client, self._stop, self.name, resource).whole(key, entry)
        except NotThere:
            return None
        except Nonsense as error:
            if error.status and error.status == create.missing:
                return None
            raise
        return None if create.gone and matches(found, create.gone, Scope()) else found

    def made(self, request: WriteRequest, pointer: str, look: Look | None) -> str:
        """Send a request that creates something; its key, "" where the answer has none and none is asked for. pointer: to the
        key in the answer · look: None where the interface cannot be asked.

        Raises `Refused` for this one thing, `NotKnown`, `TargetError` where the interface is away, `SourceError`.
        """
        patience, errors = self._patience(), 0
        while True:
            self._stop()
            try:
                answer = writing.send(self._client, request)
            except Unsure as error:
                errors += error.is_error
                found = self._after_unsure(error, patience, look)
                if found is not None:
                    return found
                if errors >= TRIES_OF_ERRORS:
                    raise Refused(error.reason) from error
                continue
            except Later as error:
                self._wait(error, patience)
                continue
            key = exact_json.as_text(exact_json.at(answer, pointer)) if pointer else ""
            if key is None:
                found = look() if look is not None else None
                if found is None:
                    raise Refused("its answer names no new id")
                key = found
            return key

    def sent(self, request: WriteRequest, pointer: str = "") -> str:
        """Send a request that may be carried out twice; what a pointer leads to in the answer. Raises as `made` does."""
        patience, errors = self._patience(), 0
        while True:
            self._stop()
            try:
                answer = writing.send(self._client, request)
                return (exact_json.as_text(exact_json.at(answer, pointer)) or "") if pointer else ""
            except Later as error:
                errors += isinstance(error, Unsure) and error.is_error
                if errors >= TRIES_OF_ERRORS:
                    raise Refused(error.reason) from error
                self._wait(error, patience)

    def look_for(self, marker: Marker) -> str | None:
        """The record with a marker, by what the interface says now."""
        self._listed = None
        found = self.located(marker)
        return None if found is None else found.key

    def note(self, marker: Marker, key: str) -> None:
        """It was created a moment ago."""
        if self._listed is not None:
            self._listed.add(key)
            self._markers[marker.body] = Located(key, is_finished=False)

    def _after_unsure(self, error: Unsure, patience: writing.Patience, look: Look | None) -> str | None:
        if look is None:
            raise NotKnown(error.reason) from error
        self._wait(error, patience, at_least=self._lag)
        return look()

    def _wait(self, error: Later, patience: writing.Patience, at_least: float = 0.0) -> None:
        wait = patience.next_wait(error.wait, self._client.longest_wait)
        if wait is None:
            raise TargetError(
                f"{self.text} cannot be written to: {error.reason}",
                hint="run it again later: what is there is not created twice",
            )
        self._client.pace.sleep(max(wait, at_least))

    def _patience(self) -> writing.Patience:
        return writing.Patience(self._clock, PATIENCE, self._clock.monotonic())

    def _list(self) -> None:
        """Read the whole listing, for its markers and keys."""
        find = self.create.find
        listed: set[str] = set()
        self._markers = {}
        for entry in self._entries({} if find is None else find.parameters):
            key = exact_json.as_text(exact_json.at(entry, self.resource.key))
            if not key:
                continue
            listed.add(key)
            for text in _texts(entry, "" if find is None else find.at):
                for body, is_finished in markers_in(text):
                    known = self._markers.get(body)
                    if known is None or (is_finished and known.key == key):
                        self._markers[body] = Located(key, is_finished)
        self._listed = listed

    def _states(self, record: dict[str, Any], marker: Marker) -> list[bool]:
        """Of a marker in a record: whether it is finished, each time that it stands there."""
        pointer = "" if self.create.find is None else self.create.find.at
        return [state for text in _texts(record, pointer) for body, state in markers_in(text) if body == marker.body]

    def _entries(self, own: dict[str, Any]) -> Iterator[dict[str, Any]]:
        find, resource = self.create.find, self.resource
        is_other = find is not None and bool(find.path)
        path = find.path if find is not None and is_other else resource.path
        given = own if is_other else _parameters(resource) | own
        records = find.records if find is not None and (is_other or find.records) else resource.records
        body = dict(resource.body) if resource.method == "POST" and not is_other else None
        inside = "" if is_other else resource.records_in
        question = ListingQuestion(path, given, body, records, resource.paging, resource.key, inside)
        yield from _listed(self._client, question, self.name, self._stop)


def dictionary_of(client: RestClient, name: str, resource: Resource, by: str, stop: Stop) -> dict[str, str]:
    """The keys of an interface's dictionary by the names of its entries. Raises `SourceError`."""
    question = ListingQuestion(
        resource.path,
        _parameters(resource),
        dict(resource.body) if resource.method == "POST" else None,
        resource.records,
        resource.paging,
        resource.key,
        resource.records_in,
    )
    found: dict[str, str] = {}
    for one in _listed(client, question, name, stop):
        label, key = exact_json.as_text(exact_json.at(one, by)), exact_json.as_text(exact_json.at(one, resource.key))
        if label and key:
            found.setdefault(label, key)
    return found


def _listed(client: RestClient, question: ListingQuestion, name: str, stop: Stop) -> Iterator[dict[str, Any]]:
    listing = Listing(client, lambda _: question, name)
    state: PageState | None = PageState()
    while state is not None:
        stop()
        page = listing.page(state)
        yield from page.records
        state = page.following


def _parameters(resource: Resource) -> dict[str, Any]:
    """Of a listing of everything."""
    incremental = resource.incremental
    if incremental is None or not incremental.full_from:
        return dict(resource.parameters)
    since = times.moment(incremental.full_from, "iso", ZoneInfo("UTC"))
    text = times.written(0.0 if since is None else since.timestamp(), incremental.format, ZoneInfo("UTC"))
    made = templates.values(incremental.parameters, lambda _: text)
    return dict(resource.parameters) | dict(made)


def as_target_error(error: SourceError) -> TargetError:
    """What is said of an interface, as an error of a destination."""
    hint = error.hint
    if isinstance(error, SourceDenied) and hint is None:
        hint = "what was created stays, and is not created twice"
    return TargetError(str(error), hint=hint)


def _texts(record: dict[str, Any], pointers: str) -> list[str]:
    found = [value for pointer in pointers.split(",") for value in exact_json.all_at(record, pointer.strip())]
    return [one for one in found if isinstance(one, str)]
