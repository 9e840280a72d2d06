"""What a request is about, for whoever decides; and doing what was approved, from the request itself: nobody has to find the
page and fill in the form again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from console.access.rights import Action
from console.approvals.records import Request
from console.errors import NotAllowed
from console.gateway import approvals, checks, copy_retention, erasing, proofs, retention, watching
from console.gateway.proofs import HoldLine
from console.tasks.records import Task
from console.visit import Visit
from strongroom import holds
from vault.errors import StrongroomError


def hold_of(visit: Visit, request: Request) -> HoldLine | None:
    """The hold that a request would release. None where it is about something else, or its hold is not there, or cannot be
    read now."""
    if "hold" not in request.what:
        return None
    try:
        with checks.opened(visit, request.project) as (_, project):
            held = holds.list_holds(project.stored, ended=True).holds
    except StrongroomError:
        return None
    return next((proofs.hold_line(one) for one in held if one.hold.id == request.what["hold"]), None)


def rules_of(request: Request) -> Mapping[str, Any]:
    """The rules of retention that a request is about, as the settings have them; empty where it is about something else."""
    names = ("keep", "item_retention")
    return {name: msgspec.json.decode(str(request.what[name])) for name in names if name in request.what}


def by_hand(visit: Visit, request: Request) -> bool:
    """Whether whoever looks can do now what they have asked for; what waits as a task is done by itself."""
    return request.person == visit.person.name and request.state == "approved" and request.action in _BY_HAND


def carry_out(visit: Visit, request: str) -> tuple[str, ...]:
    """Do it. Gives the parts of the path of the page that shows it then: of a new request, where things are other than when it
    was approved. Raises `NotThere`, `NotAllowed` where it is not theirs or
    not approved, and what doing it raises; then the approval stays."""
    found = approvals.get(visit, request)
    if not by_hand(visit, found):
        raise NotAllowed("this is not approved, or is not yours to do", hint="see the list of requests")
    name = found.project
    if found.action == Action.RELEASE_HOLD:
        waits = watching.release_hold(visit, name, str(found.what["hold"]), found.reason)
        return ("projects", name, "holds") if waits is None else ("approvals", waits.id)
    if found.action == Action.SHORTEN_RETENTION and not name:
        copy = str(found.what["of_copy"])
        waits = copy_retention.change(visit, copy, copy_retention.wanted_by(found), found.reason, copy)
        return ("copies", copy, "retention") if waits is None else ("approvals", waits.id)
    if found.action == Action.SHORTEN_RETENTION:
        waits = retention.change(visit, name, retention.wanted_by(found), found.reason, name)
        return ("projects", name, "retention") if waits is None else ("approvals", waits.id)
    begun = erasing.ask(visit, name, found.reason, name)
    if begun is None:
        return ("projects", name, "erase")
    return ("tasks" if isinstance(begun, Task) else "approvals", begun.id)


_BY_HAND = (Action.RELEASE_HOLD, Action.SHORTEN_RETENTION, Action.ERASE)
