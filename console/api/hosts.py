"""Operations for hosts, which carry out restores: each takes the token of a host, and no other operation does."""

from __future__ import annotations

from console.api.routing import Call, Operation
from console.gateway import hosting
from console.hosts.messages import AskAnswer, AskBody, FinishAnswer, FinishBody, ReportAnswer, ReportBody


def _ask(call: Call) -> AskAnswer:
    body: AskBody = call.body
    return hosting.take(call.visit.console, call.host, body)


def _report(call: Call) -> ReportAnswer:
    body: ReportBody = call.body
    return hosting.report(call.visit.console, call.host, body)


def _finish(call: Call) -> FinishAnswer:
    body: FinishBody = call.body
    return hosting.finish(call.visit.console, call.host, body)


OPERATIONS: tuple[Operation, ...] = (
    Operation("POST", "/host/work", "take_work", "Take a restore that waits.", _ask, (), AskAnswer, AskBody, by_host=True),
    Operation(
        "POST", "/host/progress", "report_work", "Say how far it is.", _report, (), ReportAnswer, ReportBody, by_host=True
    ),
    Operation(
        "POST", "/host/outcome", "finish_work", "Say what came of it.", _finish, (), FinishAnswer, FinishBody, by_host=True
    ),
)
