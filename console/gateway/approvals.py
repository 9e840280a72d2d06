"""A second person's approval, where the settings ask for one.

    with approvals.approved(visit, Action.ERASE, "parcelo", what, reason) as waits:
        if waits is None:                                           nobody needs to approve it, or somebody has
            ...

Whoever may do a thing themselves may approve it for others, and nobody for themselves. Each request and each decision is an
entry of the log with its person's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from console import letters
from console.access.rights import Action, Person, Scope
from console.approvals.records import Request, Requests
from console.errors import NeedsApproval, NotAllowed, NotThere
from console.gateway import checks
from console.tasks.records import Task, Tasks, begun_anew
from console.texts import marked
from console.visit import Console, Visit
from strongroom.command_log import recorded
from vault.errors import UsageError

if TYPE_CHECKING:
    from strongroom.context import Context
    from vault.repository.project import Project as StoredProject

LONGEST_REASON = 2000
TO_DO_IT = timedelta(days=1)
"""For so long an approval is good for what somebody does by hand."""

_WHY = {"expired": marked("nobody has approved it in time"), "withdrawn": marked("the request was taken back")}
_AGAIN = marked("put it into the basket again, and ask anew")

What = Mapping[str, str | int | list[str]]


def is_needed(visit: Visit, action: Action) -> bool:
    """Whether the settings ask for a second person."""
    return action in visit.console.approvals


def ask(visit: Visit, action: Action, project: str, what: What, reason: str) -> Request:
    """Ask for it. project: "" for something that is about all of every project · what: the very thing, which `use` compares.
    Raises `NotThere`, `NotAllowed`, `UsageError` without a reason."""
    scope = checks.allowed(visit, action, project) if project else checks.allowed_everywhere(visit, action)
    request = _request(visit, action, project, scope, what, reason, "")
    Requests(visit.console.state).add(request)
    announce(visit, request)
    return request


def for_task(visit: Visit, task: Task, reason: str, *, action: Action | None = None, picked: Sequence[str] = ()) -> Request:
    """A request for a task that waits for it, which is still to be written down and announced. action: that is approved, where
    it is another one than the task's · picked: what it is about, where that is no basket. Raises as `ask`."""
    what: dict[str, str | int | list[str]] = {"files": task.files, "bytes": task.size, "replacing": task.options.replacing}
    names = [*picked] or [one.name.decode("utf-8", "backslashreplace") for one in task.entries]
    what["picked"] = names[:20]
    if len(names) > 20:
        what["more_picked"] = len(names) - 20
    return _request(visit, action or task.action, task.project, task.scope, what, reason, task.id)


def announce(visit: Visit, request: Request) -> None:
    """Record that somebody asks, and tell those who may decide."""
    with _about(visit, request) as (context, projects):
        _log(context, projects, request, "ask-approval")
    visit.console.post.tell_all(letters.approval_is_asked(request), lambda: _deciders(visit.console, request))


def use(visit: Visit, action: Action, project: str, what: What) -> Request:
    """Take the approval for this very thing, which is good once. Raises `NeedsApproval`."""
    requests = Requests(visit.console.state)
    for one in requests.of_action(visit.person.name, project, action, visit.now):
        if one.state == "approved" and one.what == dict(what):
            used = replace(one, state="used")
            if requests.change(used, only_in=["approved"]):
                return used
    raise NeedsApproval("a second person must approve this", hint="ask for it with your reason, and do it once it is approved")


@contextmanager
def approved(visit: Visit, action: Action, project: str, what: What, reason: str) -> Iterator[Request | None]:
    """Gives None where the block may do it now: nobody needs to approve it, or somebody has; else the request that waits, which
    is made where there is none. What the block raises leaves an approval as it was. Raises as `ask`."""
    if not is_needed(visit, action):
        yield None
        return
    try:
        used = use(visit, action, project, what)
    except NeedsApproval:
        yield _waiting(visit, action, project, what) or ask(visit, action, project, what, reason)
        return
    try:
        yield None
    except BaseException:
        Requests(visit.console.state).change(replace(used, state="approved"), only_in=["used"])
        raise


def mine(visit: Visit) -> tuple[Request, ...]:
    """What whoever asks has requested, the newest first."""
    return tuple(one for one in _newest(visit) if one.person == visit.person.name)


def for_me(visit: Visit) -> tuple[Request, ...]:
    """What others wait for that whoever asks may decide."""
    return tuple(one for one in _newest(visit) if one.state == "open" and _may_decide(visit, one))


def decided_by_me(visit: Visit) -> tuple[Request, ...]:
    """What whoever asks has decided."""
    return tuple(one for one in _newest(visit) if one.decided_by == visit.person.name)


def get(visit: Visit, request: str) -> Request:
    """One that is theirs, or that they may decide or have decided. Raises `NotThere`."""
    found = Requests(visit.console.state).get(request, visit.now)
    if visit.person.name in (found.person, found.decided_by) or _may_decide(visit, found):
        return found
    raise NotThere("there is no such request", hint="see the list of requests")


def may_decide(visit: Visit, request: Request) -> bool:
    """Whether it waits for whoever asks."""
    return request.state == "open" and _may_decide(visit, request)


def decide(visit: Visit, request: str, *, approve: bool, note: str) -> Request:
    """Approve or refuse it. Raises `NotThere`, `NotAllowed` for their own and for one that is over."""
    found = get(visit, request)
    if found.person == visit.person.name:
        raise NotAllowed("nobody approves what they have asked for themselves", hint="somebody else must do it")
    if not may_decide(visit, found):
        raise NotAllowed("this request is over", hint="it may have to be asked for anew")
    now = visit.now
    expires = max(found.expires, now + TO_DO_IT) if approve else found.expires
    decided = replace(
        found,
        state="approved" if approve else "refused",
        decided_by=visit.person.name,
        decided=now,
        note=note.strip()[:LONGEST_REASON],
        expires=expires,
    )
    if found.task and approve:
        decided = replace(decided, state="used")
    with _about(visit, found) as (context, projects):
        with visit.console.state.transaction():
            if not Requests(visit.console.state).change(decided, only_in=["open"]):
                raise NotAllowed("somebody else has decided it", hint="see the list of requests")
            if found.task:
                _to_task(visit.console, decided, approve=approve)
        _log(context, projects, decided, "approve" if approve else "refuse-approval")
    visit.console.tasks.wake.set()
    visit.console.post.tell(found.person, letters.approval_is_decided(decided))
    return decided


def withdraw(visit: Visit, request: str) -> Request:
    """Take back one's own. Raises `NotThere`, `NotAllowed` where it is over."""
    found = get(visit, request)
    withdrawn = replace(found, state="withdrawn")
    if found.person != visit.person.name:
        raise NotAllowed("only whoever asked can take it back")
    with visit.console.state.transaction():
        if found.state not in ("open", "approved") or not Requests(visit.console.state).change(
            withdrawn, only_in=["open", "approved"]
        ):
            raise NotAllowed("this request is over")
        if found.task:
            _to_task(visit.console, withdrawn, approve=False)
    return withdrawn


def _waiting(visit: Visit, action: Action, project: str, what: What) -> Request | None:
    """One's own request for this very thing that nobody has decided."""
    found = Requests(visit.console.state).of_action(visit.person.name, project, action, visit.now)
    return next((one for one in found if one.state == "open" and one.what == dict(what)), None)


def expire(console: Console) -> None:
    """What is late is over: a task that waits for it is refused, and whoever asked hears of it, once."""
    requests = Requests(console.state)
    for one in requests.late(console.clock.now()):
        expired = replace(one, state="expired")
        with console.state.transaction():
            if not requests.change(expired, only_in=["open", "approved"]):
                continue
            if one.task:
                _to_task(console, expired, approve=False)
        console.post.tell(one.person, letters.approval_has_expired(expired))


def _deciders(console: Console, request: Request) -> list[str]:
    """Who may decide, of those that the console knows now and that have an address of mail."""
    names = {one.name for one in console.accounts.local.all()} | {one.identity.name for one in console.accounts.sessions.of()}
    now, found = console.clock.now(), []
    for name in sorted(one for one in names if "@" in one):
        person = console.people(name)
        if person is not None and may_person_decide(person, request, now):
            found.append(name)
    return found


def _newest(visit: Visit) -> tuple[Request, ...]:
    return Requests(visit.console.state).newest(visit.now)


def _may_decide(visit: Visit, request: Request) -> bool:
    return may_person_decide(visit.person, request, visit.now)


def may_person_decide(person: Person, request: Request, now: datetime) -> bool:
    """Somebody else, who may do the same with all of it."""
    if not request.project:
        return request.person != person.name and person.may_everywhere(request.action, now)
    if request.person == person.name or not person.may(Action.SEE, now, request.project):
        return False
    own = person.scope(request.action, request.project, now)
    return own.is_everything or (bool(own) and set(request.scope.parts) <= set(own.parts))


def _request(visit: Visit, action: Action, project: str, scope: Scope, what: What, reason: str, task: str) -> Request:
    reason = reason.strip()[:LONGEST_REASON]
    if not reason:
        raise UsageError("a reason is missing", hint="say in a sentence why this is to be done: the second person reads it")
    console = visit.console
    return Request(
        id=console.randomness.token(16).hex(),
        person=visit.person.name,
        project=project,
        action=action,
        scope=scope,
        what=dict(what),
        reason=reason,
        asked=visit.now,
        expires=visit.now + console.limits.approval_within,
        task=task,
    )


@contextmanager
def _about(visit: Visit, request: Request) -> Iterator[tuple[Context, list[StoredProject]]]:
    """The projects that a request is about. Raises as `checks.opened`."""
    if request.project:
        with checks.opened(visit, request.project) as (repository, project):
            yield repository.context, [project.stored]
        return
    with checks.acting(visit), visit.console.repositories.lent() as repository:
        yield repository.context, [one.stored for one in repository.projects()]


def _log(context: Context, projects: Sequence[StoredProject], request: Request, action: str) -> None:
    facts = {
        "request": request.id,
        "approved_action": request.action.value,
        "asked_by": request.person,
        "reason": request.reason,
        "what": request.what,
        "note": request.note,
    }
    with recorded(context, action, projects, facts) as entry:
        entry.begin()


def _to_task(console: Console, request: Request, *, approve: bool) -> None:
    tasks, now = Tasks(console.state), console.clock.now()
    task = tasks.get(request.task)
    if task.state != "asked":
        return
    if approve:
        tasks.change(replace(task, state=begun_anew(task), due=now, approved_by=request.decided_by))
    else:
        why = request.note or _WHY.get(request.state, "")
        tasks.change(replace(task, state="refused", ended=now, error=why, hint=_AGAIN if request.state == "expired" else ""))
