"""Doing what a second person has approved, from the request itself: nobody has to find the page and fill in the form again."""

from __future__ import annotations

from console.access.rights import Action
from console.approvals.records import Request
from console.errors import NotAllowed
from console.gateway import approvals, copy_retention, erasing, retention, watching
from console.tasks.records import Task
from console.visit import Visit


def by_hand(visit: Visit, request: Request) -> bool:
    """Whether whoever looks can do now what they have asked for; what waits as a task is done by itself."""
    return request.person == visit.person.name and request.state == "approved" and request.action in _BY_HAND


def carry_out(visit: Visit, request: str) -> tuple[str, ...]:
    """Do it. Gives the parts of the path of the page that shows it then: of a new request, where things are other than when it
    was approved. Raises `NotThere`, `NotAllowed` where it is not
    theirs or not approved, and what doing it raises; then the approval stays."""
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
