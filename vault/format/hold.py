"""Holds and their releases as values; `envelope` gives them their two lines.

A hold is never edited. It ends by its own date, or by a *release*: a second object, which names it and says who let go, when
and why, and which stays beside it. The fields of a scope narrow it down, each one further, so that a client that does not
know a field yet takes the hold for wider than it is, never for narrower.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeAlias

from msgspec import Struct

from vault.errors import Damaged
from vault.format import strict_json


class HeldPeriod(Struct, frozen=True):
    """A span of business time. text: as it was asked for · start, end: half-open, None where that side is open."""

    text: str
    start: datetime | None
    end: datetime | None


class Scope(Struct, frozen=True):
    """What a hold is on: items that are of this kind *and* overlap this period *and* lie on this path (a pattern, as for
    a restore); a field that is None excludes nothing, so a scope without any is the whole project. snapshot: one
    snapshot as a whole, in place of the others."""

    kind: str | None = None
    period: HeldPeriod | None = None
    path: str | None = None
    snapshot: str | None = None

    @property
    def by_item(self) -> bool:
        """Whether a snapshot's items must be read to know whether it holds something of this."""
        return self.snapshot is None and (self.period is not None or self.path is not None)

    def touches(self, snapshot: str, kind: str) -> bool:
        """Whether a snapshot of items of that kind can hold something of this, going by what its record says."""
        if self.snapshot is not None:
            return self.snapshot == snapshot
        return self.kind in (None, kind)

    def as_text(self) -> str:
        """In a few words, for people."""
        if self.snapshot is not None:
            return f"snapshot {self.snapshot}"
        named = {"kind": self.kind, "period": self.period and self.period.text, "path": self.path}
        return ", ".join(f"{name} {value}" for name, value in named.items() if value is not None) or "the whole project"

    def as_json(self) -> dict[str, Any]:
        """The fields as a hold has them."""
        period = self.period and {
            "text": self.period.text,
            "start": self.period.start and strict_json.write_moment(self.period.start),
            "end": self.period.end and strict_json.write_moment(self.period.end),
        }
        return {"kind": self.kind, "period": period, "path": self.path, "snapshot": self.snapshot}


class Release(Struct, frozen=True):
    """Who let go of a hold, when and why. id: its own · hold: the one that it ends."""

    id: str
    hold: str
    reason: str
    who: str
    released_at: datetime

    def as_json(self) -> dict[str, Any]:
        """As stored, inside the envelope."""
        return {
            "record": "release",
            "id": self.id,
            "hold": self.hold,
            "reason": self.reason,
            "who": self.who,
            "released_at": strict_json.write_moment(self.released_at),
        }


class Hold(Struct, frozen=True):
    """A rule that nothing may forget certain items. until: None where only a release ends it · placed_at: None where the
    stored hold cannot be read; it then is on everything · release: what ended it, None while nobody did."""

    id: str
    scope: Scope
    reason: str
    who: str
    placed_at: datetime | None
    until: datetime | None = None
    release: Release | None = None

    @classmethod
    def unreadable(cls, hold: str) -> Hold:
        """What stands in for a stored hold that cannot be read: whatever it was on, it is not let go."""
        return cls(hold, Scope(), "this hold cannot be read, so it is taken to be on everything", "unknown", None)

    def binds(self, now: datetime) -> bool:
        """Whether it has neither been released nor run out. One that was placed later than `now` binds as well: two
        clocks that differ must not open a gap."""
        return self.release is None and (self.until is None or now < self.until)

    def as_json(self) -> dict[str, Any]:
        """As stored, inside the envelope; its release is another object."""
        return {
            "record": "hold",
            "id": self.id,
            **self.scope.as_json(),
            "reason": self.reason,
            "who": self.who,
            "placed_at": self.placed_at and strict_json.write_moment(self.placed_at),
            "until": self.until and strict_json.write_moment(self.until),
        }


StoredHold: TypeAlias = Hold | Release
"""What lies in `holds/`."""


def read(value: dict[str, Any], named: str) -> StoredHold:
    """What is stored in `holds/` under the id `named`. Raises `Damaged`, also for a sort that this version does not know."""
    what = f"the hold {named}"
    sort = strict_json.field(value, "record", str, what)
    if strict_json.field(value, "id", str, what) != named or sort not in ("hold", "release"):
        raise Damaged(f"{what} is neither a hold nor the release of one")
    reason, who = strict_json.field(value, "reason", str, what), strict_json.field(value, "who", str, what)
    if sort == "release":
        return Release(
            named, strict_json.field(value, "hold", str, what), reason, who, strict_json.moment(value, "released_at", what)
        )
    scope = Scope(
        kind=strict_json.optional(value, "kind", str, what),
        period=_period(strict_json.optional(value, "period", dict, what), what),
        path=strict_json.optional(value, "path", str, what),
        snapshot=strict_json.optional(value, "snapshot", str, what),
    )
    placed_at = strict_json.moment(value, "placed_at", what)
    return Hold(named, scope, reason, who, placed_at, _moment_or_none(value, "until", what))


def _period(value: dict[str, Any] | None, what: str) -> HeldPeriod | None:
    if value is None:
        return None
    text = strict_json.field(value, "text", str, what)
    return HeldPeriod(text, _moment_or_none(value, "start", what), _moment_or_none(value, "end", what))


def _moment_or_none(value: dict[str, Any], name: str, what: str) -> datetime | None:
    return None if value.get(name) is None else strict_json.moment(value, name, what)
