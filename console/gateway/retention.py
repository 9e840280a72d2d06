"""Retention of a project: what its rules let go, what other rules would, and having them.

Rules that keep everything at least as long as before are written at once; others once a second person has approved them, where
the settings ask for one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from console.access.rights import Action
from console.errors import NotAllowed
from console.gateway import approvals, checks
from console.gateway.watching import LONGEST_TEXT, said_reason
from console.visit import Visit
from strongroom import retention, retention_settings, time_parsing
from strongroom.retention import ProjectRetention
from strongroom.retention_settings import PlannedRules, RetentionRules
from vault.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from console.approvals.records import Request
    from strongroom.context import Context
    from strongroom.project import Project

COUNTS = retention_settings.COUNTS
NAMES = (*COUNTS, "within")


class WantedRules(Struct, frozen=True):
    """Rules as a form has them. keep: by the names of the settings, "" for none · items: by kind, "" for ever."""

    keep: Mapping[str, str]
    items: Mapping[str, str]


class ShownRetention(Struct, frozen=True):
    """What retention lets go. found: by the rules that are looked at · keep, items: these rules, for a form · planned: what
    having them would change; None where they are those that hold, or are not changed here · by_hand: what to write into the
    settings, which the console cannot change · approval: whether a second person must approve them."""

    found: ProjectRetention
    keep: dict[str, str]
    items: dict[str, str]
    planned: PlannedRules | None = None
    by_hand: str = ""
    approval: bool = False


def shown(visit: Visit, name: str, on: str = "", wanted: WantedRules | None = None) -> ShownRetention:
    """What retention would let go. on: a later day as people write it; "" for now · wanted: by other rules than those that
    hold. Nothing is changed. Raises `NotThere`, `NotAllowed`, `UsageError`, `SettingsError` for what is no rule,
    `StorageError`."""
    checks.allowed_whole(visit, Action.WATCH, name)
    with checks.opened(visit, name) as (repository, project):
        context = repository.context
        moment = _moment(visit, context, name, on)
        rules = retention_settings.rules_of(context, name)
        kinds = retention_settings.kinds_of(context, name)
        if wanted is None:
            found = retention.plan_retention(context, project.stored, on=moment)
            return ShownRetention(found, _keep(rules), _items(rules, kinds))
        planned = _planned(context, project, name, wanted, moment)
    return ShownRetention(
        found=planned.retention,
        keep=_keep(planned.after),
        items=_items(planned.after, kinds),
        planned=planned if planned.changes else None,
        by_hand=planned.by_hand if planned.changes else "",
        approval=bool(planned.shorter) and approvals.is_needed(visit, Action.SHORTEN_RETENTION),
    )


def change(visit: Visit, name: str, wanted: WantedRules, reason: str, confirm: str) -> Request | None:
    """Have other rules. confirm: the project's name, typed, where something is kept for less time. Gives the request that was
    made for that, where a second person must approve it first. Raises as `shown`, `RefusedByRule` where the settings cannot be
    changed from here."""
    checks.allowed_whole(visit, Action.SHORTEN_RETENTION, name)
    reason = said_reason(reason)
    with checks.opened(visit, name) as (repository, project):
        planned = _planned(repository.context, project, name, wanted, None)
        if not planned.changes:
            raise UsageError("these are the rules that hold already", hint="change one of them")
        if planned.by_hand:
            raise NotAllowed("the console cannot change the settings", hint=planned.by_hand)
        if not planned.shorter:
            retention_settings.change_rules(repository.context, project.stored, planned, reason=reason)
            return None
        if confirm != name:
            raise UsageError("the project's name was not typed as it is", hint="type it as it stands on the page, to confirm")
        with approvals.approved(visit, Action.SHORTEN_RETENTION, name, _what(planned), reason) as waits:
            if waits is None:
                retention_settings.change_rules(repository.context, project.stored, planned, reason=reason)
            return waits


def wanted_by(request: Request) -> WantedRules:
    """The rules that a request is about."""
    keep = msgspec.json.decode(str(request.what["keep"]), type=dict[str, int | str])
    items = msgspec.json.decode(str(request.what["item_retention"]), type=dict[str, str])
    return WantedRules({name: str(value) for name, value in keep.items()}, items)


def _planned(context: Context, project: Project, name: str, wanted: WantedRules, on: datetime | None) -> PlannedRules:
    keep = {key[:LONGEST_TEXT]: value[:LONGEST_TEXT] for key, value in wanted.keep.items()}
    items = {key[:LONGEST_TEXT]: value[:LONGEST_TEXT] for key, value in wanted.items.items()}
    rules = retention_settings.read_rules(context, name, keep, items)
    return retention_settings.plan_rules(context, project.stored, rules, on=on)


def _what(planned: PlannedRules) -> dict[str, str | int | list[str]]:
    """The very thing: an approval is of these rules in the place of those, and of no others."""
    before, after = planned.before.as_json(), planned.after.as_json()
    return {
        "shorter": [*planned.shorter],
        "keep": msgspec.json.encode(after["keep"]).decode(),
        "item_retention": msgspec.json.encode(after["item_retention"]).decode(),
        "before": msgspec.json.encode(before).decode(),
    }


def _moment(visit: Visit, context: Context, name: str, on: str) -> datetime | None:
    return time_parsing.moment(on[:LONGEST_TEXT], context.zone(name), visit.now) if on else None


def _keep(rules: RetentionRules) -> dict[str, str]:
    said = rules.keep.as_json()
    return {name: str(said.get(name, "")) for name in NAMES}


def _items(rules: RetentionRules, kinds: tuple[str, ...]) -> dict[str, str]:
    return {kind: "" if rules.of(kind).span is None else str(rules.of(kind)) for kind in kinds}
