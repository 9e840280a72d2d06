"""A verdict as a plan: to be shown, to be asked about, and to be done only while the world is the one it was made for.

A plan for a later date says what would still exist then if no further backup came. One look is enough for that: it makes no
difference to what is left how often it was decided on the way (see `decide`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from blake3 import blake3
from msgspec import Struct

from policies.retention.calendar import shown
from policies.retention.rules import Keep
from policies.retention.verdict import RetentionDecision, Snapshot, SnapshotDecision, decide
from vault.errors import RefusedByRule
from vault.format import strict_json
from vault.format.hold import Hold
from vault.format.strict_json import write_moment


class RetentionInputs(Struct, frozen=True):
    """All that a verdict follows from, but for the time. project: its id · holds: all of them, ended ones too, with what
    stands in for those that cannot be read · frozen: as for `decide`."""

    project: str
    snapshots: tuple[Snapshot, ...]
    keep: Keep
    holds: tuple[Hold, ...]
    zone: ZoneInfo
    frozen: str = ""

    def digest(self) -> str:
        """64 hex digits: equal for equal worlds, whatever the order of snapshots and holds."""
        parts: dict[str, Any] = {
            "project": self.project,
            "snapshots": [_facts(one) for one in sorted(self.snapshots, key=lambda one: one.id)],
            "keep": self.keep.as_json(),
            "holds": [_hold_facts(hold) for hold in sorted(self.holds, key=lambda hold: hold.id)],
            "zone": str(self.zone),
            "frozen": self.frozen,
        }
        return blake3(strict_json.dump(parts), derive_key_context="strongroom 2026-11-22 retention plan").hexdigest()


class StorageUse(NamedTuple):
    """What packs cost. needs: the packs (SHA-256 each) that a snapshot needs · sizes: stored bytes of every known pack."""

    needs: Callable[[str], Iterable[bytes]]
    sizes: Mapping[bytes, int]


class Freed(NamedTuple):
    """Packs that only snapshots that go need, and their bytes. unknown: how many packs more, of unknown size."""

    packs: int
    bytes: int
    unknown: int


class RetentionPlan(Struct, frozen=True):
    """What goes and what stays. world: what it was made for · made_at: when · on: the moment that it is about, the same
    or a later one · frees: None where nobody gave the sizes of packs."""

    world: RetentionInputs
    made_at: datetime
    on: datetime
    verdict: RetentionDecision
    frees: Freed | None = None

    @property
    def goes(self) -> tuple[str, ...]:
        """Ids of the snapshots to forget."""
        return tuple(one.snapshot.id for one in self.verdict.forgotten)

    def refuse_unless_current(self, world: RetentionInputs) -> None:
        """To be called right before the first snapshot goes, with the world as it then is. Raises `RefusedByRule`."""
        if self.on > self.made_at:
            when = shown(self.on, self.world.zone)
            raise RefusedByRule(f"this plan is for {when}; it cannot be carried out today", hint="plan without a date")
        if world.digest() != self.world.digest():
            changes = "; ".join(_changes(self.world, world))
            raise RefusedByRule(
                f"the plan is out of date and nothing was done: {changes}", hint="make a new plan and look at it"
            )

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "project_id": self.world.project,
            "made_at": write_moment(self.made_at),
            "on": write_moment(self.on),
            "zone": str(self.world.zone),
            "keep": self.world.keep.as_json(),
            "world": self.world.digest(),
            "frozen": self.verdict.frozen or None,
            "goes": [_as_json(one) for one in self.verdict.forgotten],
            "stays": [_as_json(one) for one in self.verdict.kept],
            "frees": None if self.frees is None else self.frees._asdict(),
        }

    def lines(self) -> Iterator[str]:
        """For people: the sum, then what goes and why, then what stays and why, a line each, by source, oldest first."""
        yield from self.summary()
        for title, decisions in (("goes:", self.verdict.forgotten), ("stays:", self.verdict.kept)):
            if decisions:
                yield title
            for one in decisions:
                when = shown(one.snapshot.taken_at, self.world.zone)
                yield f"  {one.snapshot.source}  {when}  {one.snapshot.id}  {_why(one)}"

    def summary(self) -> Iterator[str]:
        """The sum of it in a few lines."""
        total, goes = len(self.verdict.decisions), len(self.goes)
        until = "" if self.on <= self.made_at else f" on {shown(self.on, self.world.zone)}, if no backup came until then"
        yield f"{goes} of {_number(total, 'snapshot')} {'goes' if goes == 1 else 'go'}, {_stay(total - goes)}{until}"
        for rule, count in sorted(_counted(self.verdict.kept).items()):
            yield f"  {rule}: {count}"
        if self.verdict.frozen:
            yield f"nothing is forgotten while the project is frozen: {self.verdict.frozen}"
        if self.frees is not None:
            yield f"that frees {_number(self.frees.packs, 'pack')}, {self.frees.bytes:,} bytes, once they are pruned"
            if self.frees.unknown:
                yield f"and {_number(self.frees.unknown, 'pack')} of unknown size"


def make_plan(
    world: RetentionInputs, now: datetime, *, on: datetime | None = None, storage: StorageUse | None = None
) -> RetentionPlan:
    """What would go now, or by a later moment if no further backup came."""
    moment = max(on or now, now)
    verdict = decide(world.snapshots, world.keep, world.holds, moment, world.zone, frozen=world.frozen)
    return RetentionPlan(world, now, moment, verdict, storage and _freed(verdict, storage))


def _freed(verdict: RetentionDecision, storage: StorageUse) -> Freed:
    """One set of packs at a time is in memory, beside the two unions."""
    going: set[bytes] = set()
    for one in verdict.forgotten:
        going.update(storage.needs(one.snapshot.id))
    for one in verdict.kept if going else ():
        going.difference_update(storage.needs(one.snapshot.id))
    sizes = [storage.sizes[pack] for pack in going if pack in storage.sizes]
    return Freed(len(sizes), sum(sizes), len(going) - len(sizes))


def _facts(one: Snapshot) -> list[Any]:
    matches = None if one.matches is None else sorted(one.matches)
    return [one.id, one.source, one.kind, write_moment(one.taken_at), one.good, one.superseded, one.flagged, matches]


def _hold_facts(hold: Hold) -> list[Any]:
    return [hold.as_json(), hold.release and hold.release.as_json()]


def _changes(old: RetentionInputs, new: RetentionInputs) -> Iterator[str]:
    """What differs between two worlds, in words."""
    before, after = ({one.id: _facts(one) for one in world.snapshots} for world in (old, new))
    came, went = len(after.keys() - before.keys()), len(before.keys() - after.keys())
    altered = sum(before[one] != after[one] for one in before.keys() & after.keys())
    for count, what in ((came, "came"), (went, "went"), (altered, "changed")):
        if count:
            yield f"{_number(count, 'snapshot')} {what}"
    sort = [sorted((_hold_facts(hold) for hold in world.holds), key=str) for world in (old, new)]
    if sort[0] != sort[1]:
        yield "the holds changed"
    if (old.keep, str(old.zone)) != (new.keep, str(new.zone)):
        yield "the rules changed"
    if old.frozen != new.frozen:
        yield "the project was frozen" if new.frozen else "the project is not frozen any more"
    if old.project != new.project:
        yield "it is another project"


def _as_json(one: SnapshotDecision) -> dict[str, Any]:
    snapshot = one.snapshot
    return {
        "snapshot": snapshot.id,
        "source": snapshot.source,
        "taken_at": write_moment(snapshot.taken_at),
        "why": [{"rule": reason.rule, "text": reason.text} for reason in one.keep or one.forget],
    }


def _why(one: SnapshotDecision) -> str:
    return "; ".join(reason.text for reason in one.keep or one.forget)


def _counted(decisions: Iterable[SnapshotDecision]) -> dict[str, int]:
    """How many snapshots each rule wants; most are wanted by several."""
    counts: dict[str, int] = {}
    for one in decisions:
        for rule in {reason.rule for reason in one.keep}:
            counts[rule] = counts.get(rule, 0) + 1
    return counts


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _stay(count: int) -> str:
    return f"{count:,} {'stays' if count == 1 else 'stay'}"
