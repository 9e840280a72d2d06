"""Plans what would be created in an interface: asks it what is there, and writes nothing, neither there nor on this machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from restore.interfaces.attached import described
from restore.interfaces.comparison import children_of, scope_of_child
from restore.interfaces.id_map import IdMap
from restore.interfaces.losses import LossCounter
from restore.interfaces.markers import Marker
from restore.interfaces.matching import matches, picked
from restore.interfaces.plan import SAID, CreationPlan, RecordSource, ResourcePlan, Standing
from restore.interfaces.references import References, unresolved
from restore.interfaces.scope import Scope
from restore.interfaces.target import RecordTarget
from vault.problems import Problem, printable
from vault.progress import NoProgress, Progress, Stop
from vault.source.rest import exact_json
from vault.source.rest.attachments import found_in
from vault.wording import counted

ONLY_THIS_MACHINE = "the interface cannot be searched for what was created before: only this machine's map of ids knows"


class Creation(Struct):
    """All that a plan and its execution share.

    - `targets`: by resource, in the order in which they are created
    - `marker`: of a record, by resource and key
    - `only`: keys that are meant; empty for all
    """

    title: str
    where: str
    targets: Mapping[str, RecordTarget]
    records: RecordSource
    id_map: IdMap
    references: References
    marker: Callable[[str, str], Marker]
    stop: Stop
    only: frozenset[str] = frozenset()
    progress: Progress = field(default_factory=NoProgress)
    standing: dict[tuple[str, str], Standing] = field(default_factory=dict)

    def selected(self, target: RecordTarget) -> Any:  # noqa: ANN401 (an iterator of keys and records)
        """Keys and records of a resource that are meant, each key once; a record without a key has none."""
        seen: set[str] = set()
        for record in self.records.records(target.name):
            self.stop()
            key = exact_json.as_text(exact_json.at(record, target.resource.key)) or ""
            if key in seen or (self.only and key not in self.only):
                continue
            seen.add(key)
            yield key, record

    def is_left_out(self, target: RecordTarget, record: dict[str, Any]) -> bool:
        """Whether the description does not create such a record."""
        return bool(target.create.unless) and matches(record, target.create.unless, Scope())


def plan_creation(creation: Creation) -> CreationPlan:
    """What would be done. Raises `SourceError` where the interface cannot be asked."""
    problems: list[Problem] = []
    creation.progress.phase("looking for records that are there")
    for target in creation.targets.values():
        for key, record in creation.selected(target):
            if key and not creation.is_left_out(target, record):
                standing = _standing(creation, target, key)
                creation.standing[target.name, key] = standing
                if standing.state == "missing":
                    creation.references.pending.add((target.name, key))
            creation.progress.advance(items=1)
    resources = tuple(_plan_of(creation, target, problems) for target in creation.targets.values())
    creation.references.pending.clear()
    return CreationPlan(creation.where, creation.title, resources, tuple(problems))


def _standing(creation: Creation, target: RecordTarget, key: str) -> Standing:
    """Whether a record is there, by all that is known of it."""
    given = creation.id_map.given(target.name, key)
    if given and target.has(given):
        return Standing("there", given)
    known = creation.id_map.record(target.name, key)
    marker = creation.marker(target.name, key)
    if known is not None and known.new and given is None and target.has(known.new):
        return Standing("there" if known.state == "finished" else "unfinished", known.new)
    located = target.located(marker)
    if located is not None:
        return Standing("there" if located.is_finished else "unfinished", located.key)
    if known is not None and known.state == "asked" and not target.is_searchable and given is None:
        return Standing("unknown")
    if creation.references.is_same_interface and given is None and target.has(key):
        return Standing("itself", key)
    return Standing("missing")


def _plan_of(creation: Creation, target: RecordTarget, problems: list[Problem]) -> ResourcePlan:
    create = target.create
    losses = LossCounter(create, target.resource.key)
    leads_nowhere: Counter[tuple[str, str, str]] = Counter()
    counts: Counter[str] = Counter()
    for key, record in creation.selected(target):
        counts["records"] += 1
        if not key:
            path = f"{target.name}/?".encode()
            problems.append(Problem(path, "unusable-record", f"it has no {target.resource.key!r}, and was left out"))
            continue
        standing = creation.standing.get((target.name, key), Standing("missing"))
        if creation.is_left_out(target, record):
            counts["left_out"] += 1
            continue
        counts[standing.state] += 1
        if standing.state not in ("missing", "unfinished"):
            continue
        losses.add(record)
        scope = picked(Scope({"record": record, "key": key}), create.pick)
        files = len(described(scope, create.files))
        nowhere = set(unresolved(create, scope, creation.references))
        for child in create.children.values():
            for one in children_of(scope, child):
                own = scope_of_child(scope, child, one)
                counts["children"] += 1
                files += len(described(own, child.files))
                nowhere |= set(unresolved(create, own, creation.references))
        leads_nowhere.update(nowhere)
        counts["files"] += files
        if target.resource.attachments is not None:
            losses.add_files(len(found_in(record, key, target.resource.attachments)[0]) - files)
    made = ResourcePlan(target.name, counts["records"], counts["missing"], counts["unfinished"])
    notes = (*create.notes, *(() if target.is_searchable else (ONLY_THIS_MACHINE,)))
    return replace(
        made,
        there=counts["there"] + counts["itself"],
        left_out=counts["left_out"],
        unknown=counts["unknown"],
        children=counts["children"],
        files=counts["files"],
        losses=losses.said() if counts["missing"] + counts["unfinished"] else (),
        unresolved=_said(leads_nowhere),
        notes=notes,
        is_searchable=target.is_searchable,
    )


def _said(found: Counter[tuple[str, str, str]]) -> tuple[str, ...]:
    """What leads nowhere, with the line of a map of ids that would tell."""
    lines = [
        f"{name.partition('.')[2]} {printable(old.encode())} of {counted(count, 'record')}: nothing says what it is there "
        f"(--id-map FILE with the line {resource},{printable(old.encode())},NEW)"
        for (name, resource, old), count in sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    more = len(lines) - SAID
    return (*lines[:SAID], *((f"{more} more",) if more > 0 else ()))
