"""Which snapshots copies of the repository keep: what their rules let go, what other rules would, and having them.

Rules of a copy are about every project, so they are for whoever may do the same in all of each; what is kept for less time
waits for a second person of that kind, where the settings ask for one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from console.access.rights import Action
from console.errors import NotAllowed, NotThere
from console.gateway import approvals, checks
from console.gateway.retention import NAMES
from console.gateway.watching import LONGEST_TEXT, said_reason
from console.visit import Visit
from strongroom import copy_retention, retention_settings, time_parsing
from strongroom.copy_retention import PlannedCopyRules
from vault.errors import StrongroomError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from console.approvals.records import Request
    from policies.retention.rules import Keep
    from strongroom.context import Context
    from strongroom.retention import ProjectRetention


class CopyLine(Struct, frozen=True):
    """A copy that the settings name. own: whether it has rules of its own about what stays."""

    name: str
    own: bool


class WantedCopyRules(Struct, frozen=True):
    """Rules as a form has them. own: whether the copy has any; else it goes by those of each project · keep: by the names of
    the settings, "" for none."""

    own: bool
    keep: Mapping[str, str]


class ShownCopy(Struct, frozen=True):
    """What a copy keeps. own, keep: the rules that are looked at, for a form · planned: what having them would change; None
    where they are those that hold · by_hand: what to write into the settings, which the console cannot change · approval:
    whether a second person must approve them · found: what goes by these rules, of each project that the copy has ·
    unknown: why that is not known; "" where it is."""

    copy: str
    own: bool
    keep: dict[str, str]
    found: tuple[ProjectRetention, ...]
    unknown: str
    planned: PlannedCopyRules | None = None
    by_hand: str = ""
    approval: bool = False


def copies(visit: Visit) -> tuple[CopyLine, ...]:
    """Those that there are; none for whoever may not watch all projects. Raises `NotSignedIn`, `StorageError`."""
    if not visit.person.may_everywhere(Action.WATCH, visit.now):
        return ()
    with checks.acting(visit), visit.console.repositories.lent() as repository:
        return tuple(CopyLine(name, one.keep is not None) for name, one in repository.context.settings.copies.items())


def shown(visit: Visit, copy: str, on: str = "", wanted: WantedCopyRules | None = None) -> ShownCopy:
    """What a copy keeps. on: a later day as people write it; "" for now · wanted: by other rules than those that hold. Nothing
    is changed. A copy that cannot be reached is no error. Raises `NotAllowed`, `NotThere` where there is none, `UsageError`,
    `SettingsError` for what is no rule."""
    checks.allowed_everywhere(visit, Action.WATCH)
    with checks.acting(visit), visit.console.repositories.lent() as repository:
        context = repository.context
        _require(context, copy)
        moment = time_parsing.moment(on[:LONGEST_TEXT], visit.texts.zone, visit.now) if on else None
        names = [one.name for one in repository.projects()]
        if wanted is None:
            keep = copy_retention.rules_of_copy(context, copy)
            found, unknown = _found(context, copy, names, moment, None)
            return ShownCopy(copy, keep is not None, _for_form(keep), found, unknown)
        planned = _planned(context, copy, wanted)
        found, unknown = _found(context, copy, names, moment, planned)
    return ShownCopy(
        copy=copy,
        own=planned.after is not None,
        keep=_for_form(planned.after),
        found=found,
        unknown=unknown,
        planned=planned if planned.changes else None,
        by_hand=planned.by_hand if planned.changes else "",
        approval=bool(planned.shorter) and approvals.is_needed(visit, Action.SHORTEN_RETENTION),
    )


def change(visit: Visit, copy: str, wanted: WantedCopyRules, reason: str, confirm: str) -> Request | None:
    """Have other rules. confirm: the copy's name, typed, where something is kept for less time. Gives the request that was made
    for that, where a second person must approve it first. Raises as `shown`, and `RefusedByRule` where the settings cannot be
    changed from here."""
    checks.allowed_everywhere(visit, Action.SHORTEN_RETENTION)
    reason = said_reason(reason)
    with checks.acting(visit), visit.console.repositories.lent() as repository:
        context = repository.context
        _require(context, copy)
        planned = _planned(context, copy, wanted)
        projects = [one.stored for one in repository.projects()]
        if not planned.changes:
            raise UsageError("these are the rules that hold already", hint="change one of them")
        if planned.by_hand:
            raise NotAllowed("the console cannot change the settings", hint=planned.by_hand)
        if not planned.shorter:
            copy_retention.change_copy_rules(context, projects, planned, reason=reason)
            return None
        if confirm != copy:
            raise UsageError("the name of the copy was not typed as it is", hint=f"type {copy} to confirm")
        with approvals.approved(visit, Action.SHORTEN_RETENTION, "", _what(planned), reason) as waits:
            if waits is None:
                copy_retention.change_copy_rules(context, projects, planned, reason=reason)
            return waits


def wanted_by(request: Request) -> WantedCopyRules:
    """The rules that a request is about."""
    keep = msgspec.json.decode(str(request.what["keep"]), type=dict[str, int | str] | None)
    return WantedCopyRules(keep is not None, {name: str(value) for name, value in (keep or {}).items()})


def _require(context: Context, copy: str) -> None:
    if copy not in context.settings.copies:
        raise NotThere("there is no such copy", hint="the page Watch lists those that there are")


def _planned(context: Context, copy: str, wanted: WantedCopyRules) -> PlannedCopyRules:
    keep = {name: text[:LONGEST_TEXT] for name, text in wanted.keep.items() if name in NAMES}
    return copy_retention.plan_copy_rules(context, copy, retention_settings.read_keep(keep) if wanted.own else None)


def _found(
    context: Context, copy: str, names: list[str], on: datetime | None, planned: PlannedCopyRules | None
) -> tuple[tuple[ProjectRetention, ...], str]:
    """What goes by the rules that hold, or that are planned; and why that is not known."""
    found: list[ProjectRetention] = []
    try:
        for name in names:
            keep = planned.after if planned is not None else None
            if planned is not None and keep is None:
                keep = retention_settings.rules_of(context, name).keep
            found += copy_retention.plan_in_copy(context, copy, [name], on=on, keep=keep)
    except UsageError:
        raise
    except StrongroomError as error:
        return tuple(found), str(error)
    return tuple(found), ""


def _what(planned: PlannedCopyRules) -> dict[str, str | int | list[str]]:
    """The very thing: an approval is of these rules in the place of those, and of no others."""
    before, after = (None if one is None else one.as_json() for one in (planned.before, planned.after))
    return {
        "of_copy": planned.copy,
        "shorter": [*planned.shorter],
        "keep": msgspec.json.encode(after).decode(),
        "before": msgspec.json.encode(before).decode(),
    }


def _for_form(keep: Keep | None) -> dict[str, str]:
    said = {} if keep is None else keep.as_json()
    return {name: str(said.get(name, "")) for name in NAMES}
