"""Records of one double of a help desk, as a backup has them, that go to another one; and a map of ids that kills its run."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from restore.interfaces import writer
from restore.interfaces.attached import NotInSnapshot
from restore.interfaces.id_map import IdMap, MappedRecord
from restore.interfaces.markers import marker_of
from restore.interfaces.plan import Created, CreationPlan, RecordSource
from restore.interfaces.planner import Creation, plan_creation
from restore.interfaces.references import References, in_order
from restore.interfaces.target import RecordTarget, dictionary_of
from tests.support.clock import StillClock
from tests.support.creating_desk import DESCRIPTION, CreatingDesk
from tests.support.rest_double import RestDouble
from vault.progress import never
from vault.source.rest import exact_json
from vault.source.rest.client import RestClient
from vault.source.rest.credentials import Credentials
from vault.source.rest.description import Description
from vault.source.rest.description_parsing import parse


class Killed(BaseException):
    """The process is gone."""


class MortalMap(IdMap):
    """Kills its run at the writing with a number: before it for odd ones of `moment`, after it for even ones."""

    moment = 0

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        self.moment -= 1
        if self.moment == 0:
            raise Killed
        super()._write(statement, values)
        self.moment -= 1
        if self.moment == 0:
            raise Killed


class KeptRecords:
    """A `restore.interfaces.plan.RecordSource`."""

    def __init__(self, desk: CreatingDesk) -> None:
        self._desk = desk

    def resources(self) -> list[str]:
        return ["tickets", "queues"]

    def records(self, resource: str) -> Iterator[dict[str, Any]]:
        if resource != "tickets":
            return
        for number, one in self._desk.tickets.items():
            record = {name: value for name, value in one.items() if name != "ref"}
            yield exact_json.parse(json.dumps(record | {"comments": self._desk.comments[number]}).encode())

    def dictionary(self, resource: str) -> Iterator[dict[str, Any]]:
        for number, name in self._desk.queues.items() if resource == "queues" else ():
            yield exact_json.parse(json.dumps({"id": number, "name": name}).encode())

    def fetch(self, resource: str, path: str, most: int) -> bytes:
        data = self._desk.files.get(int(path.partition("/")[2].partition("-")[0]))
        if data is None:
            raise NotInSnapshot("the snapshot does not have it")
        return data


class ListedRecords:
    """The same of records that a test writes down. files: by their path below the attachments of a resource."""

    def __init__(self, records: Mapping[str, list[dict[str, Any]]], files: Mapping[str, bytes] | None = None) -> None:
        self._records, self._files = records, files or {}

    def resources(self) -> list[str]:
        return list(self._records)

    def records(self, resource: str) -> Iterator[dict[str, Any]]:
        for one in self._records.get(resource, []):
            yield exact_json.parse(json.dumps(one).encode())

    def dictionary(self, resource: str) -> Iterator[dict[str, Any]]:
        yield from self.records(resource)

    def fetch(self, resource: str, path: str, most: int) -> bytes:
        if path not in self._files:
            raise NotInSnapshot("the snapshot does not have it")
        return self._files[path]


class Restoring:
    """Restores from one desk to another, each time as a process would that knows nothing but the map's file.

    - `clock`: says how long was waited · `moment`: at which the next run is killed; 0 for never · `given`: what a person says
    """

    def __init__(
        self, records: RecordSource, new: RestDouble, folder: Path, description: Description, secret: str = "", user: str = ""
    ) -> None:
        self.records, self.double, self.file = records, new, folder / "ids.sqlite"
        self.description = description
        self.clock = StillClock()
        self.moment = 0
        self.given: list[MappedRecord] = []
        self.same_interface = False
        self.secret, self._user = secret, user

    def plan(self) -> CreationPlan:
        plan, _ = self._work(act=False)
        return plan

    def run(self) -> Created:
        _, done = self._work(act=True)
        return done

    def forget(self) -> None:
        """As on another machine."""
        for file in self.file.parent.glob(f"{self.file.name}*"):
            file.unlink()

    def _work(self, *, act: bool) -> tuple[CreationPlan, Created]:
        client = RestClient(self.description, self.double.url, Credentials(self.secret, self._user), self.clock)
        ids = MortalMap.open(self.file)
        ids.moment = self.moment
        ids.give(self.given)
        try:
            creation = self._creation(client, ids)
            plan = plan_creation(creation)
            return plan, writer.create(creation) if act else Created()
        finally:
            ids.close()
            client.close()

    def _creation(self, client: RestClient, ids: IdMap) -> Creation:
        records, resources = self.records, self.description.resources

        def old_names(resource: str, by: str) -> dict[str, str]:
            return {str(one["id"]): str(one[by]) for one in records.dictionary(resource)}

        def new_names(resource: str, by: str) -> dict[str, str]:
            return dictionary_of(client, resource, resources[resource], by, never)

        creates = {name: one.create for name, one in resources.items() if one.create is not None}
        targets = {
            name: RecordTarget(client, name, resources[name], creates[name], self.clock, never) for name in in_order(creates)
        }
        return Creation(
            self.description.title,
            client.text,
            targets,
            records,
            ids,
            References(ids, old_names, new_names, self.same_interface),
            lambda name, key: marker_of("project", "desk", name, key),
            never,
        )


class BetweenDesks(Restoring):
    """From one `CreatingDesk` to another."""

    def __init__(self, old: CreatingDesk, new: CreatingDesk, folder: Path, description: str = DESCRIPTION) -> None:
        super().__init__(KeptRecords(old), new, folder, parse(tomllib.loads(description)), new.secret)
        self.old, self.new = old, new
