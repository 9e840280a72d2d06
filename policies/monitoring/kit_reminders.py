"""Recovery kits that nobody has proven for too long: on paper, whether they still open everything is not seen by any backup.

A reminder has the form of an alert and is none: nothing is wrong with what is stored. It fails no command and no monitor; it is
shown by `status` and drills, and sent once by the daemon. The time of a kit begins when this machine first hears of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec import Struct

from policies.monitoring.alerts import Alert, span
from policies.monitoring.state_store import StateStore
from vault.clock import A_LITTLE

PROVEN, ATTEMPTED = "kit", "kit-check"
"""What is noted of a kit: the last proof, and the last attempt at one."""

PROMISE = "kit"
"""The word that these alerts have."""


class KitName(NamedTuple):
    """key: under which word it is noted · shown: what it is called."""

    key: str
    shown: str


class KitConfig(Struct, frozen=True):
    """The kits of the settings. within: each is to be proven in that time."""

    kits: tuple[KitName, ...] = ()
    within: timedelta = timedelta.max


class KitState(Struct, frozen=True):
    """What is known of a kit. since: when this machine first heard of it · proven: when it was last · trouble: what the last
    attempt met, where it did not open everything."""

    kit: KitName
    since: datetime
    proven: datetime | None = None
    trouble: str = ""


def states(config: KitConfig, state_store: StateStore, now: datetime) -> tuple[KitState, ...]:
    """What this machine knows of each kit. Raises `StrongroomError` of the state store."""
    return tuple(_state(kit, state_store, now) for kit in config.kits)


def _state(kit: KitName, state_store: StateStore, now: datetime) -> KitState:
    proven, attempted = state_store.found("", PROVEN, kit.key), state_store.found("", ATTEMPTED, kit.key)
    # a proof by a clock that was ahead says nothing about when the next is due
    known = proven.at if proven is not None and proven.at <= now + A_LITTLE else None
    trouble = str(attempted.value.get("trouble", "")) if attempted is not None else ""
    return KitState(kit, state_store.first_seen("", f"kit {kit.key}", now), known, trouble)


def title(kit: KitName) -> str:
    """Of a kit, for people."""
    return f"recovery kit {kit.shown}"


def reminders(config: KitConfig, known: Sequence[KitState], now: datetime) -> tuple[Alert, ...]:
    """Those that are due."""
    return tuple(_reminders(config, known, now))


def _reminders(config: KitConfig, known: Sequence[KitState], now: datetime) -> Iterator[Alert]:
    for one in known:
        subject = title(one.kit)
        if one.trouble:
            hint = "`strongroom keys kit --existing FILE` seals to it what it lacks; or make a new one: `strongroom keys kit`"
            yield Alert("", PROMISE, subject, f"it did not open everything when it was last checked: {one.trouble}", hint)
            continue
        since = one.proven or one.since
        if now - since > config.within:
            ago = f"was proven {span(now - since)} ago" if one.proven else f"has not been proven for {span(now - since)}"
            hint = (
                "take it out and run `strongroom keys check --kit FILE`, or without --kit and type it; then lock it away again"
            )
            yield Alert("", PROMISE, subject, f"whether it still opens everything {ago}", hint)
