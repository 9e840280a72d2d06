"""Erasing a project, by the library's own steps: somebody asks, somebody with another identity approves, then it is destroyed.

The console signs with the identity of its host. What two people of the console want comes to the repository from one identity:
where that asks for two, the other one approves at another machine (`strongroom project erase NAME --approve`), or asks there,
and somebody approves here. Where the settings ask for one identity only, the console's own second person approves.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from console.access.rights import Action
from console.errors import NotAllowed, NotThere
from console.gateway import approvals, checks, working
from console.gateway.watching import said_reason
from console.letters import erasing_is_asked
from console.tasks.records import PROBLEMS_KEPT, ErasureWork, Outcome, Task, Tasks, Trouble
from console.visit import Visit
from strongroom import command_log, erasure_act, erasure_plan, project_erasure
from strongroom.erasure_outlook import ErasureOutlook, erased_names, erasure_of, erasure_outlook
from strongroom.erasure_plan import ErasureOptions, PlannedErasure
from vault.errors import RefusedByRule, UsageError
from vault.format.erasure import sort_of
from vault.format.erasure_chain import Erasure
from vault.problems import printable

if TYPE_CHECKING:
    from console.approvals.records import Request
    from console.tasks.signals import RunningTask
    from console.visit import Console

BEGINS = ("erase", "go-on")


class ShownErasure(Struct, frozen=True):
    """Where the erasing of a project stands. approval: whether a second person of the console must approve it; where the
    repository asks for two identities it is theirs to approve · own: whether whoever looks has asked for it under their own
    name elsewhere · running: the task of whoever looks that does it; "" where there is none."""

    name: str
    outlook: ErasureOutlook
    approval: bool
    own: bool
    running: str


class ShownStatement(Struct, frozen=True):
    """A signed statement. sort: request, approval, destruction or completion."""

    sort: str
    by: str
    at: datetime


class ShownAct(Struct, frozen=True):
    """What is left of a project that was erased. commands: that verify the statements, with OpenSSH."""

    erasure: Erasure
    statements: tuple[ShownStatement, ...]
    commands: tuple[str, ...]


def shown(visit: Visit, name: str) -> ShownErasure:
    """Where it stands, and what the next step is. Nothing is changed. Raises `NotThere`, `NotAllowed`, `StorageError`."""
    checks.allowed_whole(visit, Action.ERASE, name)
    found = _outlook(visit, name)
    needs = found.approvals == 1 and approvals.is_needed(visit, Action.ERASE)
    return ShownErasure(name, found, needs, _is_own(visit, found), _running(visit, name))


def ask(visit: Visit, name: str, reason: str, confirm: str) -> Request | Task | None:
    """Ask for it. confirm: the project's name, typed. Gives None where the request is in the repository, for another identity
    to approve; where one is enough the console's request that waits, or the task that erases. Raises `NotThere`, `NotAllowed`,
    `UsageError`, and as `strongroom.erasure_plan.plan_erasure`."""
    checks.allowed_whole(visit, Action.ERASE, name)
    reason = said_reason(reason)
    _confirmed(name, confirm)
    found = _outlook(visit, name)
    if found.step != "ask":
        raise RefusedByRule("somebody has asked for it meanwhile", hint="look at the page again")
    if found.obstacle is not None:
        raise found.obstacle
    if found.approvals == 1:
        what: dict[str, str | int | list[str]] = {"project_id": found.project}
        with approvals.approved(visit, Action.ERASE, name, what, reason) as waits:
            return waits or working.begin(visit, working.new_task(visit, name, Action.ERASE, ErasureWork(reason)))
    said = f"{reason} (asked for in the console by {visit.person.name})"
    if not said.isprintable():
        raise UsageError("the reason has characters that cannot be shown", hint="write it in plain words, in one line")
    with checks.acting(visit), visit.console.repositories.lent() as repository:
        planned = erasure_plan.plan_erasure(repository.context, name, ErasureOptions(said))
        try:
            project_erasure.erase_project(repository.context, planned, ErasureOptions(said))
        finally:
            visit.console.repositories.renew()
    visit.console.post.tell_all(erasing_is_asked(visit.person.name, name, reason))
    return None


def approve(visit: Visit, name: str, confirm: str) -> None:
    """Approve what somebody with another identity has asked for. Raises as `ask`, `NotAllowed` for one's own."""
    checks.allowed_whole(visit, Action.ERASE, name)
    _confirmed(name, confirm)
    found = _outlook(visit, name)
    if _is_own(visit, found):
        raise NotAllowed("nobody approves what they have asked for themselves", hint="somebody else must do it")
    options = ErasureOptions(approve=True)
    with checks.acting(visit), visit.console.repositories.lent() as repository:
        planned = erasure_plan.plan_erasure(repository.context, name, options)
        project_erasure.erase_project(repository.context, planned, options)


def begin(visit: Visit, name: str, confirm: str) -> Task:
    """Erase what enough people want, or go on where it was cut off, as a task. Raises as `ask`."""
    checks.allowed_whole(visit, Action.ERASE, name)
    _confirmed(name, confirm)
    found = _outlook(visit, name)
    if found.step not in BEGINS:
        raise RefusedByRule("not enough people want it yet", hint="look at the page again")
    if found.obstacle is not None:
        raise found.obstacle
    running = _running(visit, name)
    if running:
        return Tasks(visit.console.state).get(running, visit.person.name)
    return working.begin(visit, working.new_task(visit, name, Action.ERASE, ErasureWork()))


def carry_out(console: Console, task: Task, work: ErasureWork, running: RunningTask) -> Outcome:
    """Destroy, or go on with that. Raises `NotAllowed` where its person may not do it any more and it has not begun,
    `RefusedByRule` where not enough people want it any more, and as `strongroom.erasure_plan.plan_erasure`."""
    from console.gateway.restoring import scopes_of

    options = ErasureOptions(work.reason, stop=running, progress=running)
    with command_log.acting_as(task.person, "console"), console.repositories.lent() as repository:
        planned = erasure_plan.plan_erasure(repository.context, task.project, options)
        if planned.erasure is None:
            scopes_of(console, task)
            _refuse_more(planned, work)
        try:
            done = project_erasure.erase_project(repository.context, planned, options)
        finally:
            console.repositories.renew()
    problems = [Trouble(printable(one.path), one.what, one.message) for one in islice(done.problems, PROBLEMS_KEPT)]
    gone = done.destroyed
    return Outcome(
        files=0 if gone is None else gone.key_objects + gone.objects,
        bytes=0 if gone is None else gone.bytes,
        problems=len(done.problems),
        troubles=tuple(problems),
        where=task.project,
    )


def act(visit: Visit, name: str) -> ShownAct:
    """The act of destruction, for people. Raises as `erasure`."""
    found = erasure(visit, name)
    statements = tuple(ShownStatement(sort_of(one), one.by.name, one.at) for one in found.statements)
    return ShownAct(found, statements, tuple(erasure_act.commands(found)))


def erasure(visit: Visit, name: str) -> Erasure:
    """The statements about a project that was erased, for whoever may erase it or audit it. Raises `NotThere`, `NotAllowed`,
    `StorageError`."""
    asked = Action.AUDIT if visit.person.scope(Action.AUDIT, name, visit.now).is_everything else Action.ERASE
    checks.allowed_whole(visit, asked, name)
    with checks.acting(visit), visit.console.repositories.lent() as repository:
        try:
            found = erasure_of(repository.context, name)
        except UsageError as error:
            raise checks.no_project() from error
    if found is None:
        raise NotThere("this project was not erased", hint="its page is among your projects")
    return found


def act_file(visit: Visit, name: str) -> bytes:
    """The act of destruction with its signed statements, as a ZIP file. Raises as `erasure`."""
    found, out = erasure(visit, name), io.BytesIO()
    with (
        tempfile.TemporaryDirectory(prefix="strongroom-act-") as folder,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bag,
    ):
        for path in erasure_act.write_act(found, Path(folder)):
            bag.write(path, f"act-of-destruction/{path.name}")
    return out.getvalue()


def erased(visit: Visit) -> list[str]:
    """Names of the projects that were erased, and that whoever asks may audit. Raises `StorageError`."""
    with checks.acting(visit), visit.console.repositories.lent() as repository:
        names = list(erased_names(repository.context))
    return [one for one in names if visit.person.scope(Action.AUDIT, one, visit.now).is_everything]


def _outlook(visit: Visit, name: str) -> ErasureOutlook:
    with checks.acting(visit), visit.console.repositories.lent() as repository:
        try:
            return erasure_outlook(repository.context, name)
        except UsageError as error:
            raise checks.no_project() from error


def _refuse_more(planned: PlannedErasure, work: ErasureWork) -> None:
    """A task destroys; it asks nobody. Raises `RefusedByRule`."""
    if planned.step == "erase" or (planned.step == "ask" and planned.approvals == 1 and work.reason):
        return
    raise RefusedByRule("not enough people want it any more: grants, holds or the settings have changed", hint="ask anew")


def _confirmed(name: str, typed: str) -> None:
    if typed != name:
        raise UsageError("the project's name was not typed as it is", hint="type it as it stands on the page, to confirm")


def _is_own(visit: Visit, found: ErasureOutlook) -> bool:
    """Whether an open request has the name of whoever looks, with which somebody has asked at another machine."""
    if found.step != "approve" or found.request is None:
        return False
    return found.request.by.name.casefold() in {visit.person.name.casefold(), visit.person.name.partition("@")[0].casefold()}


def _running(visit: Visit, name: str) -> str:
    """The id of one's own task that erases it, and is not over."""
    found = Tasks(visit.console.state).of_person(visit.person.name)
    return next((one.id for one in found if one.project == name and isinstance(one.work, ErasureWork) and not one.is_over), "")
