"""For auditors: the log, whether it is whole, evidence, holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from console.access.rights import Action
from console.accounts.account_log import ACTIONS
from console.gateway import erasing, proofs, watching
from console.gateway.proofs import LogQuestion
from console.routing import page
from console.visit import Visit
from console.vocabulary import LOG_ACTIONS

MOST = 1000
PIECE = 1 << 16
TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}


def prove(visit: Visit) -> Response:
    """The projects whose log may be read."""
    accounts = proofs.may_read_accounts(visit)
    return visit.render("prove/prove.html", projects=proofs.auditable(visit), accounts=accounts, erased=erasing.erased(visit))


def account_log(visit: Visit) -> Response:
    """Who signed in, and what was done with accounts."""
    question = _question(visit.asked)
    found = proofs.account_log(visit, question)
    return visit.render("prove/accounts.html", found=found, question=question, results=proofs.RESULTS, actions=found.actions)


def log(visit: Visit) -> Response:
    """The entries about a project."""
    project, question = visit.value("project"), _question(visit.asked)
    found = proofs.log(visit, project, question)
    actions = (set(LOG_ACTIONS) - set(ACTIONS)) | {*found.actions} | ({question.action} - {""})
    return visit.render(
        "prove/log.html", project=project, found=found, question=question, results=proofs.RESULTS, actions=actions
    )


def log_file(visit: Visit) -> Response:
    """The same as a file."""
    project = visit.value("project")
    format_ = "jsonl" if visit.sent("format") == "jsonl" else "csv"
    question = _question(visit.sent)
    found = proofs.log_file(visit, project, question, "jsonl" if format_ == "jsonl" else "csv")
    return download(found, f"log-{project}.{format_}", TYPES[format_])


def verify(visit: Visit) -> Response:
    """Whether the log is whole, or what is new of it."""
    project, only_new = visit.value("project"), visit.sent("new") == "1"
    found = proofs.verified_log(visit, project, visit.sent("heads"), only_new=only_new)
    return visit.render("prove/verified.html", project=project, found=found, only_new=only_new)


def evidence(visit: Visit) -> Response:
    """A signed bag for a period."""
    name, file = proofs.evidence_file(visit, visit.value("project"), visit.sent("period"))
    return download(file, name, "application/zip")


def holds(visit: Visit) -> Response:
    """The holds of a project and their history."""
    project = visit.value("project")
    lines, problems = proofs.project_holds(visit, project)
    items, snapshot = visit.asked("items"), visit.asked("snapshot")
    return visit.render(
        "prove/holds.html",
        project=project,
        lines=lines,
        problems=problems,
        may_release=visit.may(Action.RELEASE_HOLD, project),
        may_hold=visit.may(Action.HOLD, project),
        may_watch=visit.person.scope(Action.WATCH, project, visit.now).is_everything,
        placed=visit.asked("placed"),
        items=int(items) if items.isascii() and items.isdigit() and len(items) < 10 else None,
        snapshot=watching.holdable(visit, project, snapshot) if snapshot else None,
    )


def download(file: BinaryIO, name: str, media_type: str) -> Response:
    """A file that the browser saves. It is closed at its end."""

    def pieces() -> Iterator[bytes]:
        with file:
            while piece := file.read(PIECE):
                yield piece

    plain = "".join(char if char.isascii() and (char.isalnum() or char in "-._") else "_" for char in name)
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    headers = {"content-disposition": disposition, "content-security-policy": "default-src 'none'; sandbox"}
    return StreamingResponse(pieces(), 200, headers, media_type=media_type)


def _question(read: Callable[[str], str]) -> LogQuestion:
    """read: a field by its name."""
    last = read("last")
    number = int(last) if last.isascii() and last.isdigit() and len(last) < 6 else proofs.MOST_SHOWN
    return LogQuestion(
        action=read("action"),
        user=read("user"),
        result=read("result"),
        since=read("since"),
        until=read("until"),
        last=max(1, min(number, MOST)),
    )


ROUTES = (
    page("GET", "/prove", prove),
    page("GET", "/prove/accounts", account_log),
    page("GET", "/projects/{project}/log", log),
    page("POST", "/projects/{project}/log/file", log_file),
    page("POST", "/projects/{project}/log/verify", verify),
    page("POST", "/projects/{project}/evidence", evidence),
    page("GET", "/projects/{project}/holds", holds),
)
