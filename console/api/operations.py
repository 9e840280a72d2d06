"""All operations of the interface for scripts; here those that look into items, watch and ask.

Each calls the gateway, which checks rights and records, as a page does.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct
from starlette.responses import Response

from console.api import finding, keeping, proving, returning, tasks
from console.api.finding import AT, PATH, SOURCE
from console.api.routing import PROJECT, Call, Operation, Parameter, answered
from console.gateway import asking, home, previews, watching
from console.gateway.asking import Answer, Asked
from console.gateway.previews import ItemPlace, TableView
from console.pages import previews as preview_pages
from console.pages.ask import TYPES as ASK_TYPES
from console.pages.prove import download
from console.previews.sorts import TYPES as BROWSER_TYPES


class QuestionBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A question in SQL. at: a moment; "" for now · sheets: names of sheets of workbooks, apart by commas."""

    sql: str
    at: str = ""
    sheets: str = ""


class QuestionFile(QuestionBody, frozen=True, forbid_unknown_fields=True):
    """The same, and the format of the file."""

    format: Literal["csv", "xlsx"] = "csv"


class KeptQuestion(QuestionBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same, to be kept."""

    title: str
    shared: bool = False


class RunBody(Struct, frozen=True, forbid_unknown_fields=True):
    """job: by its whole name, as `backup reports`."""

    job: str


class AcceptBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Flagged snapshots that are as they should be, by their ids."""

    snapshots: list[str]
    reason: str


class ProjectLine(Struct, frozen=True):
    """A project. taken_at: of its newest snapshot; null where there is none, or it is still being read · snapshots: how many
    there are · items, bytes: files that whoever asks may see."""

    name: str
    taken_at: datetime | None
    snapshots: int
    items: int
    bytes: int


class ProjectList(Struct, frozen=True):
    """The projects that may be seen."""

    projects: list[ProjectLine]


class RunAnswer(Struct, frozen=True):
    """run: its id."""

    run: str


class AcceptedAnswer(Struct, frozen=True):
    """accepted: ids of snapshots · frozen: why retention still is."""

    accepted: list[str]
    frozen: list[str]


class KeptAnswer(Struct, frozen=True):
    """question: its id."""

    question: str


class RemovedQuestion(Struct, frozen=True, forbid_unknown_fields=True):
    """question: its id, as `questions` gives it."""

    question: str


class QuestionList(Struct, frozen=True):
    """Questions that may be used."""

    questions: list[Any]


def _projects(call: Call) -> ProjectList:
    cards = home.cards(call.visit)
    return ProjectList([ProjectLine(one.name, one.taken_at, one.snapshots, one.items, one.bytes) for one in cards])


def _place(call: Call) -> ItemPlace:
    return ItemPlace.of(call.project, call.text("path"), call.text("at"), call.text("source"))


def _preview(call: Call) -> object:
    view = TableView(
        call.text("sheet"), call.number("first"), call.text("sort"), descending=bool(call.values.get("descending", False))
    )
    record = call.number("record") if "record" in call.values else None
    found = previews.preview(call.visit, _place(call), view, record)
    item = found.item
    return {
        "path": found.place.shown_path,
        "snapshot": found.snapshot,
        "size": item.size,
        "kind": item.kind,
        "sort": found.sort.sort,
        "format": found.sort.format,
        "vanished_at": item.vanished_at,
        "cut": found.cut,
        "trouble": found.trouble,
        "table": found.table,
        "record": found.thread,
        "attachments": [previews.shown_name(one.path) for one in found.attachments],
        "mail": found.mail,
        "text": found.text,
        "has_content": found.may_embed,
    }


def _content(call: Call) -> Response:
    return preview_pages.content(call.visit)


def _overview(call: Call) -> object:
    found = watching.overview(call.visit)
    return {
        "level": found.level,
        "sources_total": found.sources,
        "sources_backed_up": found.backed_up,
        "daemon": found.daemon,
        "troubles": found.troubles,
        "sources": [one.as_json() for one in found.rows],
        "projects": found.projects,
        "hosts": found.hosts,
    }


def _watched(call: Call) -> object:
    found = watching.watched(call.visit, call.project)
    return {
        "details": found.details.as_json(),
        "status": found.status.as_json() | {"alerts": [one.as_json() for one in found.status.alerts]},
        "drills": [one.as_json() for one in found.drills],
        "jobs": [one.as_json() for one in found.jobs],
        "storage": found.points,
    }


def _runs(call: Call) -> object:
    return {"runs": [one.as_json() for one in watching.runs(call.visit, call.project, call.text("job"))]}


def _run_now(call: Call) -> RunAnswer:
    return RunAnswer(watching.run_now(call.visit, call.project, call.body.job))


def _flagged(call: Call) -> object:
    return {"flagged": [one.as_json() for one in watching.flagged(call.visit, call.project)]}


def _accept(call: Call) -> AcceptedAnswer:
    done = watching.accept(call.visit, call.project, call.body.snapshots, call.body.reason)
    return AcceptedAnswer([one.snapshot for one in done.accepted], list(done.frozen))


def _asked(body: QuestionBody) -> Asked:
    return Asked(body.sql, body.at, body.sheets)


def _ask(call: Call) -> Answer:
    return asking.answer(call.visit, call.project, _asked(call.body))


def _ask_file(call: Call) -> Response:
    format_ = call.body.format
    file = asking.answer_file(call.visit, call.project, _asked(call.body), format_)
    return download(file, f"{call.project}.{format_}", ASK_TYPES[format_])


def _tables(call: Call) -> object:
    found = asking.tables(call.visit, call.project, Asked("", call.text("at"), call.text("sheets")))
    return {"tables": [one.as_json() for one in found]}


def _remove_question(call: Call) -> KeptAnswer:
    asking.remove(call.visit, call.project, call.body.question)
    return KeptAnswer(call.body.question)


def _questions(call: Call) -> QuestionList:
    return QuestionList(list(asking.questions(call.visit, call.project)))


def _keep(call: Call) -> KeptAnswer:
    body: KeptQuestion = call.body
    kept = asking.keep(call.visit, call.project, _asked(body), body.title, shared=body.shared)
    return KeptAnswer(kept.id)


def _document(call: Call) -> Response:
    from console.api.openapi import document

    _ = call.visit.caller
    return answered(msgspec.Raw(document()))


OPERATIONS: tuple[Operation, ...] = (
    *finding.OPERATIONS,
    *returning.OPERATIONS,
    *tasks.OPERATIONS,
    *keeping.OPERATIONS,
    *proving.OPERATIONS,
    Operation("GET", "/openapi.json", "document", "This description.", _document),
    Operation("GET", "/projects", "projects", "The projects that you may see.", _projects, answer=ProjectList),
    Operation(
        "GET",
        f"{PROJECT}/item/preview",
        "preview",
        "What can be shown of an item.",
        _preview,
        (
            *(PATH, AT, SOURCE),
            Parameter("sheet", "of a workbook"),
            Parameter("first", "the row to begin with, from 0", kind="integer"),
            Parameter("sort", "by this column"),
            Parameter("descending", "the greatest first", kind="boolean"),
            Parameter("record", "this row, in full", kind="integer"),
        ),
    ),
    Operation(
        "GET",
        f"{PROJECT}/item/content",
        "content",
        "Bytes of pictures, sound, film and PDF; takes `Range`.",
        _content,
        (PATH, AT, SOURCE),
        media_types=tuple(media_type for _, media_type in BROWSER_TYPES.values()),
    ),
    Operation("GET", "/watch", "overview", "How everything is.", _overview),
    Operation("GET", f"{PROJECT}/watch", "watched", "One project: sources, jobs, drills, storage.", _watched),
    Operation(
        "GET", f"{PROJECT}/runs", "runs", "Runs of jobs, with what they said.", _runs, (Parameter("job", "only of this job"),)
    ),
    Operation("POST", f"{PROJECT}/runs", "run_now", "Have the daemon run a job.", _run_now, answer=RunAnswer, body=RunBody),
    Operation("GET", f"{PROJECT}/flagged", "flagged", "Snapshots that wait for acceptance.", _flagged),
    Operation(
        "POST",
        f"{PROJECT}/flagged",
        "accept",
        "Accept flagged snapshots.",
        _accept,
        answer=AcceptedAnswer,
        body=AcceptBody,
    ),
    Operation("POST", f"{PROJECT}/ask", "ask", "Ask a question in SQL.", _ask, answer=Answer, body=QuestionBody),
    Operation(
        "POST",
        f"{PROJECT}/ask/file",
        "ask_file",
        "All rows of an answer, as a file.",
        _ask_file,
        body=QuestionFile,
        media_types=tuple(ASK_TYPES.values()),
    ),
    Operation(
        "GET",
        f"{PROJECT}/tables",
        "tables",
        "Which tables can be asked.",
        _tables,
        (AT, Parameter("sheets", "names of sheets of workbooks, apart by commas")),
    ),
    Operation("GET", f"{PROJECT}/questions", "questions", "Questions that are kept.", _questions, answer=QuestionList),
    Operation("POST", f"{PROJECT}/questions", "keep_question", "Keep a question.", _keep, answer=KeptAnswer, body=KeptQuestion),
    Operation(
        "POST",
        f"{PROJECT}/questions/remove",
        "remove_question",
        "Remove a question of one's own that was kept.",
        _remove_question,
        answer=KeptAnswer,
        body=RemovedQuestion,
    ),
)
