"""Which snapshots stay, and every reason why; which may be forgotten, and why no rule wants them.

    for each source, newest first
        dated in the future           stays, and takes nobody's place
        last, hourly, daily, …        the newest good one of each bucket stays, for so many buckets that have any
        within                        all that are younger stay
        the newest good one, and what no other snapshot supersedes, stay
        what a hold touches stays
    for the project: while it is frozen, everything stays

A bucket is represented by its *newest* good snapshot: the last state of a day holds what came during that day. It is also what
makes decisions stable. When a bucket has just ended, its newest snapshot was the newest of all a moment ago, so that no earlier
verdict can have let it go; and its place among the buckets only ever gets worse. So it makes no difference when, how often, or
whether it was decided before: what is left is what one look at everything that ever was would leave.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct

from policies.retention.calendar import BUCKETS, UNITS, local, shown
from policies.retention.rules import Keep, written
from vault.format.hold import Hold
from vault.wording import counted


class Snapshot(Struct, frozen=True):
    """What is known of a snapshot when it is decided on.

    good: it was taken without problems · superseded: another snapshot of the source carries it on, or did before that was
    forgotten · flagged: why an alert stands against it that nobody has accepted yet, "" without one · matches: the ids of
    holds on periods or paths that an item of it matches; None where nobody has looked, and then every such hold binds it.
    """

    id: str
    source: str
    kind: str
    taken_at: datetime
    good: bool = True
    superseded: bool = True
    flagged: str = ""
    matches: frozenset[str] | None = None


class Reason(NamedTuple):
    """rule: a short stable word for programs · text: for people · sort, values: what the text says, for those who say it in
    another language: which sentence, and what is filled in there."""

    rule: str
    text: str
    sort: str = ""
    values: tuple[object, ...] = ()


class SnapshotDecision(Struct, frozen=True):
    """One snapshot's verdict. keep: every reason to keep it · forget: where there is none, why each rule passes it by."""

    snapshot: Snapshot
    keep: tuple[Reason, ...]
    forget: tuple[Reason, ...] = ()


class RetentionDecision(Struct, frozen=True):
    """All judgements, by source, oldest first. frozen: why nothing may be forgotten, "" where it may."""

    decisions: tuple[SnapshotDecision, ...]
    frozen: str = ""

    @property
    def kept(self) -> tuple[SnapshotDecision, ...]:
        return tuple(one for one in self.decisions if one.keep)

    @property
    def forgotten(self) -> tuple[SnapshotDecision, ...]:
        return tuple(one for one in self.decisions if not one.keep)


def decide(
    snapshots: Iterable[Snapshot], keep: Keep, holds: Sequence[Hold], now: datetime, zone: ZoneInfo, *, frozen: str = ""
) -> RetentionDecision:
    """The verdict on all snapshots of one project. frozen: why the whole project is, beside flagged snapshots."""
    found = sorted(snapshots, key=lambda one: (one.source, one.taken_at, one.id))
    freeze_reason = frozen or next((f"snapshot {one.id} is flagged: {one.flagged}" for one in found if one.flagged), "")
    binding = sorted((hold for hold in holds if hold.binds(now)), key=lambda hold: hold.id)
    common = (Reason("frozen", f"the project is frozen: {freeze_reason}", "frozen", (freeze_reason,)),) if freeze_reason else ()
    decisions: list[SnapshotDecision] = []
    for _, group in groupby(found, key=lambda one: one.source):
        source = _Source(list(group)[::-1], keep, now, zone)
        for place in reversed(range(len(source.newest_first))):
            one = source.newest_first[place]
            reasons = (*source.reasons[place], *_held(one, binding), *common)
            decisions.append(SnapshotDecision(one, reasons, () if reasons else source.why_not(place)))
    return RetentionDecision(tuple(decisions), freeze_reason)


def _held(one: Snapshot, binding: Sequence[Hold]) -> list[Reason]:
    holding = [hold for hold in binding if _holds(hold, one)]
    return [Reason("held", f"held: {hold.reason} (by {hold.who})", "held", (hold.reason, hold.who)) for hold in holding]


def _holds(hold: Hold, one: Snapshot) -> bool:
    if not hold.scope.touches(one.id, one.kind):
        return False
    return not hold.scope.by_item or one.matches is None or hold.id in one.matches


class _Source:
    """The snapshots of one source, newest first, and what the rules for snapshots say of each."""

    def __init__(self, newest_first: list[Snapshot], keep: Keep, now: datetime, zone: ZoneInfo) -> None:
        self.newest_first = newest_first
        self.reasons: list[list[Reason]] = [[] for _ in newest_first]
        ahead = sum(one.taken_at > now for one in newest_first)
        for place in range(ahead):
            taken_at = newest_first[place].taken_at
            text = f"dated in the future ({shown(taken_at, zone)}): it takes no other's place"
            self.reasons[place].append(Reason("future", text, "future", (taken_at,)))
        self._past = range(ahead, len(newest_first))
        self._walls = [local(one.taken_at, zone) for one in newest_first]
        self._passed_by = [self._thin(rule, count) for rule, count in keep.counted()]
        self._keep_young(keep, now, zone)
        self._keep_newest()

    def why_not(self, place: int) -> tuple[Reason, ...]:
        """Why no rule wants the snapshot at `place`."""
        return (self._too_old, *[passed_by[place - self._past.start] for passed_by in self._passed_by])

    def _thin(self, rule: str, count: int) -> list[Reason]:
        """Keep one snapshot of each of the newest `count` buckets; for `last`, each snapshot is a bucket of its own.
        Gives, for each that is not ahead of time, why the rule would pass it by."""
        label_of = BUCKETS.get(rule)
        best: dict[str, int] = {}
        passed_by: list[Reason] = []
        for place in self._past:
            label = label_of(self._walls[place]) if label_of else str(place)
            if label not in best:
                if len(best) == count:
                    break
                best[label] = place
                other = Reason(rule, f"{rule}: another of {label} stands for it", "another", (label,))
            elif self.newest_first[place].good and not self.newest_first[best[label]].good:
                best[label] = place
            passed_by.append(other)
        for rank, (label, place) in enumerate(best.items(), 1):
            of = f" for {label}" if label_of else ""
            text = f"{rule}{of} ({rank} of {written(count)})"
            self.reasons[place].append(Reason(rule, text, "one-of", (label if label_of else "", rank, written(count))))
        older = Reason(rule, f"{rule}: not of the newest {counted(count, UNITS[rule])}", "older", (count,))
        return passed_by + [older] * (len(self._past) - len(passed_by))

    def _keep_young(self, keep: Keep, now: datetime, zone: ZoneInfo) -> None:
        within = str(keep.within)
        self._too_old = Reason("within", f"within: older than {within}", "too-old", (within,))
        young, since = Reason("within", f"within {within}", "young", (within,)), keep.within.before(now, zone)
        for place in self._past if keep.within.count else ():
            if self.newest_first[place].taken_at < since:
                break
            self.reasons[place].append(young)

    def _keep_newest(self) -> None:
        """Whatever the rules: the newest good snapshot, the newest where none is good, and the state that the source's
        next backup will build on, which is not the newest by date where a clock was set back."""
        good = next((place for place in self._past if self.newest_first[place].good), None)
        if good is not None:
            self.reasons[good].append(Reason("newest", "newest good snapshot", "newest-good"))
        elif self._past:
            text = "newest snapshot; none of its source is good"
            self.reasons[self._past[0]].append(Reason("newest", text, "newest"))
        for place in self._past:
            if not self.newest_first[place].superseded:
                text = "the current state of its source: no other supersedes it"
                self.reasons[place].append(Reason("current", text, "current"))
