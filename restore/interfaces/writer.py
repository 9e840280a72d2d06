"""Creates records in an interface, one after another: first all of them with what belongs to them, then what refers to others
and what must come last. What the interface shows afterwards is compared with what was to be there.

Each step is noted before the next one. A record that is refused does not stop the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from restore.interfaces import attached, bodies, comparison
from restore.interfaces.attached import AttachedFile, FoundFiles
from restore.interfaces.id_map import MappedRecord
from restore.interfaces.matching import picked
from restore.interfaces.plan import Created, Standing
from restore.interfaces.planner import Creation
from restore.interfaces.references import mapped_by
from restore.interfaces.scope import Scope, as_text
from restore.interfaces.target import Look, NotKnown, RecordTarget
from vault.errors import SourceDenied
from vault.problems import Problem
from vault.source.rest import exact_json
from vault.source.rest.client import Forbidden, Nonsense, NotThere
from vault.source.rest.creation import Create, Files, NewChild, Step, Upload
from vault.source.rest.writing import Refused

OF_ONE_RECORD = (Nonsense, Forbidden, NotThere)


def create(creation: Creation) -> Created:
    """Carry out what was planned. Raises `TargetError` where the interface is away for too long, `SourceDenied` where the
    credentials are not taken any more; what was created until then is kept, and known."""
    done = Created()
    count = sum(one.state in ("missing", "unfinished") for one in creation.standing.values())
    creation.progress.phase("creating records", items=2 * count)
    work = [_Writer(creation, target, done) for target in creation.targets.values()]
    try:
        for one in work:
            one.begin_all()
        for one in work:
            one.finish_all()
    finally:
        done.ids = list(creation.id_map.records())
    return done


class _Writer(Struct):
    """One resource. begun: new keys of records that are to be finished, and what is lost of each."""

    creation: Creation
    target: RecordTarget
    done: Created
    begun: dict[str, str] = field(default_factory=dict)
    lost: dict[str, list[str]] = field(default_factory=dict)

    @property
    def _create(self) -> Create:
        return self.target.create

    def begin_all(self) -> None:
        """Create the records, and what belongs to them."""
        for key, record in self.creation.selected(self.target):
            standing = self.creation.standing.get((self.target.name, key))
            if not key or standing is None:
                continue
            if standing.state in ("there", "itself"):
                self.done.there += 1
                if standing.state == "there" and self._known(key) != standing.new:
                    self._note(key, standing.new, "finished")
            elif standing.state == "unknown":
                hint = f"name its new id in --id-map FILE, or none where it is not there: {self.target.name},{key},"
                self._problem(key, "unknown", f"it was sent once, and nobody knows whether it was created; {hint}")
            else:
                self._begin(key, record, standing)

    def finish_all(self) -> None:
        """Set what refers to others, and what must come last."""
        if not self.begun:
            return
        for key, record in self.creation.selected(self.target):
            new = self.begun.get(key)
            if new is None:
                continue
            try:
                self._finish(key, record, new)
            except Refused as error:
                self._problem(key, "not-completed", f"it is there as {new}, and cannot be completed: {error.reason}")
            except SourceDenied as error:
                if not isinstance(error, Forbidden):
                    raise
                self._problem(key, "not-completed", str(error))
            except OF_ONE_RECORD as error:
                self._problem(key, "not-completed", str(error))
            self.creation.progress.advance(items=1)

    # one record

    def _begin(self, key: str, record: dict[str, Any], standing: Standing) -> None:
        self.lost[key] = []
        try:
            new = standing.new
            if standing.state == "missing":
                new = self._created(key, record)
                self.done.created += 1
            else:
                self.done.completed += 1
            self._note(key, new, "begun")
            self._children(key, record, new, is_new=standing.state == "missing")
            self.begun[key] = new
        except Refused as error:
            self._problem(key, "not-created", f"the interface does not take it: {error.reason}")
        except NotKnown as error:
            hint = "the interface cannot be searched for it: look there, and name it with --id-map"
            self._problem(key, "unknown", f"nobody knows whether it was created: {error.reason}; {hint}")
        except SourceDenied as error:
            if not isinstance(error, Forbidden):
                raise
            self._problem(key, "not-created", str(error))
        except OF_ONE_RECORD as error:
            self._problem(key, "not-created", str(error))
        self.creation.progress.advance(items=1)

    def _created(self, key: str, record: dict[str, Any]) -> str:
        scope, step = self._scope(key, record), self._create.step()
        found = self._files(key, scope, self._create.files)
        marker = self.creation.marker(self.target.name, key)
        look = (lambda: self.target.look_for(marker)) if self.target.is_searchable else None
        self.creation.id_map.forget(self.target.name, key)
        self._note(key, "", "asked")
        try:
            new = self._sent(step, scope, found, self._create, look, key)
        except Refused:
            self.creation.id_map.forget(self.target.name, key)
            raise
        self.target.note(marker, new)
        return new

    def _sent(
        self, step: Step, scope: Scope, found: FoundFiles, section: Create | NewChild, look: Look | None, key: str
    ) -> str:
        """Create one thing; where its files are refused, it is created without them."""
        lost = self.lost[key]
        lost += found.lost
        try:
            new = self._once(step, scope, found.files, section, look)
        except Refused as error:
            if not found.files:
                raise
            new = self._once(step, scope, (), section, look)
            names = ", ".join(attached.names(found.files))
            lost.append(f"the files {names}: the interface does not take them ({error.reason})")
        else:
            self.done.files += len(found.files)
        return new

    def _once(
        self, step: Step, scope: Scope, files: Sequence[AttachedFile], section: Create | NewChild, look: Look | None
    ) -> str:
        tokens = [self._uploaded(section.upload, scope, one) for one in files] if section.upload is not None else []
        own = scope.with_roots(files=[one.as_root() for one in files] or None, tokens=tokens or None)
        field_name = section.files.field if section.files is not None else "file"
        sent = () if section.upload is not None else files
        request = bodies.request_of(step, own, bodies.body_of(step, own), sent, field_name)
        return self.target.made(request, section.id, look)

    def _uploaded(self, upload: Upload, scope: Scope, file: AttachedFile) -> str:
        token = self.target.sent(bodies.upload_of(upload, scope, file), upload.token)
        if not token:
            raise Refused("its answer to a file names nothing that stands for it")
        file.about["token"] = token  # for templates that go through what describes files
        return token

    def _children(self, key: str, record: dict[str, Any], new: str, *, is_new: bool) -> None:
        scope = self._scope(key, record).with_roots(new=new)
        there: dict[str, Any] | None = {}
        if self._create.children and not is_new:
            there = self.target.read(new)
        for name, child in self._create.children.items():
            self._children_of(key, name, child, scope, there or {})

    def _children_of(self, key: str, name: str, child: NewChild, scope: Scope, there: dict[str, Any]) -> None:
        wanted = comparison.children_of(scope, child)
        marker = self.creation.marker(self.target.name, key)
        keys = [comparison.key_of(child, one, number) for number, one in enumerate(wanted)]
        markers = [marker.of_child(name, one) for one in keys]
        known = self.creation.id_map.children(self.target.name, key, name)
        standing = comparison.pairs(scope, child, wanted, markers, there, known)
        for number, one in enumerate(wanted):
            self.creation.stop()
            paired = standing[number]
            own = comparison.scope_of_child(scope, child, one).with_roots(child_marker=markers[number])
            if paired is not None and paired.is_finished:
                continue
            try:
                if paired is not None and paired.there is not None:
                    new = as_text(exact_json.at(paired.there, child.key))
                else:

                    def look(number: int = number) -> str | None:
                        return self._look_for_child(scope, child, wanted, markers, known, number)

                    found = self._files(key, own, child.files)
                    if found.lost and not found.files and not child.body and not child.fields:
                        self.lost[key] += found.lost
                        continue  # it is nothing but a file
                    new = self._sent(child.step(), own, found, child, look, key)
                    self.done.children += 1
                for step in child.then.values():
                    self._tell(step, own.with_roots(child_new=new), self.lost[key], f"{child.records}.")
            except Refused as error:
                self.lost[key].append(f"one of {child.records}: refused ({error.reason})")
                continue
            known[keys[number]] = new
            self.creation.id_map.put_child(self.target.name, key, name, keys[number], new)

    def _look_for_child(
        self,
        scope: Scope,
        child: NewChild,
        wanted: Sequence[dict[str, Any]],
        markers: Sequence[str],
        known: Mapping[str, str],
        number: int,
    ) -> str | None:
        """What a request whose answer was lost may have made."""
        there = self.target.read(as_text(scope.roots.get("new")))
        if there is None:
            return None
        found = comparison.pairs(scope, child, wanted[: number + 1], markers, there, known)[number]
        if found is None or found.there is None:
            return None
        return as_text(exact_json.at(found.there, child.key))

    def _finish(self, key: str, record: dict[str, Any], new: str) -> None:
        scope, lost = self._scope(key, record).with_roots(new=new), self.lost[key]
        if self._create.then:
            there = self.target.read(new)
            own = picked(scope.with_roots(there=there or {}), self._create.pick, "there")
            for step in self._create.then.values():
                self._tell(step, own, lost, "")
        there = self.target.read(new)
        if there is not None:
            lost += comparison.differences(scope, there, self._create)
            lost += self._children_missed(key, scope, there)
        lost = list(dict.fromkeys(lost))
        self._note(key, new, "finished", tuple(lost))
        unexpected = [one for one in lost if not one.endswith(comparison.NOT_KNOWN)]
        if unexpected:
            self._problem(key, "not-kept", f"it is there as {new}, but not {'; '.join(unexpected)}")

    def _children_missed(self, key: str, scope: Scope, there: dict[str, Any]) -> list[str]:
        """What differs in what belongs to a record."""
        found = []
        for name, child in self._create.children.items():
            wanted = comparison.children_of(scope, child)
            known = self.creation.id_map.children(self.target.name, key, name)
            missed = 0
            for one, paired in zip(
                wanted, comparison.pairs(scope, child, wanted, [""] * len(wanted), there, known), strict=True
            ):
                if paired is None or paired.there is None:
                    missed += 1
                else:
                    found += comparison.child_differences(scope, there, child, one, paired.there)
            if missed:
                found.append(f"{child.records}: {missed} of {len(wanted)} are not there as they were")
        return found

    def _tell(self, step: Step, scope: Scope, lost: list[str], prefix: str) -> None:
        """A request that may be repeated. Where it is refused, its fields are sent one by one, and those that are refused are
        lost. Raises `Refused` where none is taken."""
        values = bodies.body_of(step, scope)
        if not values:
            return
        try:
            self.target.sent(bodies.request_of(step, scope, values))
        except Refused as error:
            refused = [name for name in values if len(values) == 1 or not self._takes(step, scope, {name: values[name]})]
            if len(refused) == len(values):
                raise
            lost += [f"{prefix}{name}: refused ({error.reason})" for name in refused]

    def _takes(self, step: Step, scope: Scope, values: dict[str, Any]) -> bool:
        try:
            self.target.sent(bodies.request_of(step, scope, values))
        except Refused:
            return False
        return True

    # what is known

    def _scope(self, key: str, record: dict[str, Any]) -> Scope:
        marker = self.creation.marker(self.target.name, key)
        roots = {"record": record, "key": key, "finished": marker.finished, "unfinished": marker.unfinished}
        return picked(Scope(roots, mapped_by(self._create, self.creation.references)), self._create.pick)

    def _files(self, key: str, scope: Scope, wanted: Files | None) -> FoundFiles:
        records, name = self.creation.records, self.target.name
        return attached.fetched(scope, key, wanted, self.target.resource, lambda path, most: records.fetch(name, path, most))

    def _known(self, key: str) -> str | None:
        found = self.creation.id_map.record(self.target.name, key)
        return None if found is None or found.state != "finished" else found.new

    def _note(self, key: str, new: str, state: Any, lost: tuple[str, ...] = ()) -> None:  # noqa: ANN401
        self.creation.id_map.put(MappedRecord(self.target.name, key, new, state, lost))

    def _problem(self, key: str, what: str, message: str) -> None:
        self.done.problems.append(Problem(f"{self.target.name}/{key}".encode("utf-8", "replace"), what, message))
