"""Operations on what is under way: tasks, requests for approval, and for hosts, which carry tasks out. Those take the token of
a host, and no other operation does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from msgspec import Struct

from console.api.routing import Call, Operation
from console.approvals.records import Request
from console.gateway import approvals, hosting, tasks
from console.hosts.messages import AskAnswer, AskBody, FinishAnswer, FinishBody, ReportAnswer, ReportBody
from console.tasks.records import FoundPlan, Outcome, Task
from console.visit import Visit


class DecisionBody(Struct, frozen=True, forbid_unknown_fields=True):
    """decision: on what somebody else has asked for · note: words for them."""

    decision: Literal["approve", "refuse"]
    note: str = ""


class ConfirmBody(Struct, frozen=True, forbid_unknown_fields=True):
    """replacing: of `to_confirm`, which was looked at · reason: for a second person, where one must approve it."""

    replacing: int
    reason: str = ""


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """An empty object."""


class TaskAnswer(Struct, frozen=True):
    """A task. goal: where it brings things back, or what else it does: `export`, `bag`, `erasure` · address: of its download,
    for a while; "" where there is none · hosted, host: a host carries it out, and which one · to_confirm: what that one would
    do, where it waits to be confirmed."""

    id: str
    project: str
    goal: str
    state: str
    created: datetime
    ended: datetime | None
    files: int
    bytes: int
    error: str
    hint: str
    approved_by: str
    outcome: Outcome
    address: str
    hosted: bool
    host: str
    to_confirm: FoundPlan | None


class TaskList(Struct, frozen=True):
    """One's own tasks, the newest first."""

    tasks: list[TaskAnswer]


class RequestLine(Struct, frozen=True):
    """A request for approval."""

    id: str
    person: str
    project: str
    action: str
    reason: str
    state: str
    asked: datetime
    expires: datetime
    decided_by: str
    note: str


class RequestList(Struct, frozen=True):
    """waiting: for whoever asks · mine: that they have made themselves."""

    waiting: list[RequestLine]
    mine: list[RequestLine]


def task_answer(call: Call, task: Task) -> TaskAnswer:
    """A task, with the address of what it has made."""
    return TaskAnswer(
        id=task.id,
        project=task.project,
        goal=task.kind,
        state=task.state,
        created=task.created,
        ended=task.ended,
        files=task.files,
        bytes=task.size,
        error=task.error,
        hint=task.hint,
        approved_by=task.approved_by,
        outcome=task.outcome,
        address=tasks.made_at(call.visit, task),
        hosted=task.hosted,
        host=task.host,
        to_confirm=task.found if task.state == "confirm" else None,
    )


def _tasks(call: Call) -> TaskList:
    return TaskList([task_answer(call, one) for one in tasks.mine(call.visit)])


def _of_task(act: Callable[[Visit, str], Task]) -> Callable[[Call], TaskAnswer]:
    """What an act makes of the task that the path names."""
    return lambda call: task_answer(call, act(call.visit, call.visit.value("task")))


def _confirm(call: Call) -> TaskAnswer:
    body: ConfirmBody = call.body
    return task_answer(call, tasks.confirm(call.visit, call.visit.value("task"), body.replacing, body.reason))


def _request(one: Request) -> RequestLine:
    return RequestLine(
        id=one.id,
        person=one.person,
        project=one.project,
        action=one.action.value,
        reason=one.reason,
        state=one.state,
        asked=one.asked,
        expires=one.expires,
        decided_by=one.decided_by,
        note=one.note,
    )


def _requests(call: Call) -> RequestList:
    waiting, mine = approvals.for_me(call.visit), approvals.mine(call.visit)
    return RequestList([_request(one) for one in waiting], [_request(one) for one in mine])


def _decide(call: Call) -> RequestLine:
    body: DecisionBody = call.body
    name = call.visit.value("request")
    return _request(approvals.decide(call.visit, name, approve=body.decision == "approve", note=body.note))


def _withdraw(call: Call) -> RequestLine:
    return _request(approvals.withdraw(call.visit, call.visit.value("request")))


def _take_work(call: Call) -> AskAnswer:
    body: AskBody = call.body
    return hosting.take(call.visit.console, call.host, body)


def _report_work(call: Call) -> ReportAnswer:
    body: ReportBody = call.body
    return hosting.report(call.visit.console, call.host, body)


def _finish_work(call: Call) -> FinishAnswer:
    body: FinishBody = call.body
    return hosting.finish(call.visit.console, call.host, body)


OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "/tasks", "tasks", "Your tasks.", _tasks, (), TaskList),
    Operation("GET", "/tasks/{task}", "task", "One of them.", _of_task(tasks.get), (), TaskAnswer),
    Operation("POST", "/tasks/{task}/cancel", "cancel", "End it soon.", _of_task(tasks.cancel), (), TaskAnswer, Nothing),
    Operation(
        "POST", "/tasks/{task}/again", "again", "Go on with one that failed.", _of_task(tasks.again), (), TaskAnswer, Nothing
    ),
    Operation(
        "POST",
        "/tasks/{task}/confirm",
        "confirm",
        "Confirm what a host found that it would replace.",
        _confirm,
        (),
        TaskAnswer,
        ConfirmBody,
    ),
    Operation("GET", "/approvals", "requests", "What waits for an approval.", _requests, (), RequestList),
    Operation("POST", "/approvals/{request}/decide", "decide", "Approve or refuse.", _decide, (), RequestLine, DecisionBody),
    Operation("POST", "/approvals/{request}/withdraw", "withdraw", "Take back your own.", _withdraw, (), RequestLine, Nothing),
    Operation(
        "POST", "/host/work", "take_work", "Take a restore that waits.", _take_work, (), AskAnswer, AskBody, by_host=True
    ),
    Operation(
        "POST", "/host/progress", "report_work", "Say how far it is.", _report_work, (), ReportAnswer, ReportBody, by_host=True
    ),
    Operation(
        "POST", "/host/outcome", "finish_work", "Say what came of it.", _finish_work, (), FinishAnswer, FinishBody, by_host=True
    ),
)
