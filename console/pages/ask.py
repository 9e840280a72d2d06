"""Questions in SQL to the tables of a project; some are kept."""

from __future__ import annotations

from starlette.responses import Response

from console.access.rights import Action
from console.errors import NotThere
from console.gateway import asking
from console.gateway.asking import Answer, Asked, TableInfo
from console.pages.prove import download
from console.responses import status_of
from console.routing import page
from console.visit import Visit
from vault.errors import Busy, NothingFound, StrongroomError, UsageError

TYPES = {"csv": "text/csv; charset=utf-8", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
FIRST = "select * from reports limit 100"


def form(visit: Visit) -> Response:
    """Where a question is written, or one that was kept."""
    project = visit.value("project")
    kept = asking.question(visit, project, visit.asked("question"))
    asked = Asked(kept.sql, kept.at) if kept else Asked(visit.asked("sql"), visit.asked("at"), visit.asked("sheets"))
    tables = asking.tables(visit, project, asked) if visit.asked("tables") == "yes" else None
    return _page(visit, project, asked, tables=tables, title=kept.title if kept else "")


def ask(visit: Visit) -> Response:
    """Answer a question, as a page or a file; or keep it."""
    project = visit.value("project")
    asked = Asked(visit.sent("sql"), visit.sent("at"), visit.sent("sheets"))
    try:
        return _answered(visit, project, asked, visit.sent("do"))
    except NotThere:
        raise
    except (UsageError, NothingFound, Busy) as error:
        return _page(visit, project, asked, title=visit.sent("title"), problem=error)


def _answered(visit: Visit, project: str, asked: Asked, wanted: str) -> Response:
    if wanted in ("csv", "xlsx"):
        found = asking.answer_file(visit, project, asked, "csv" if wanted == "csv" else "xlsx")
        return download(found, f"{project}.{wanted}", TYPES[wanted])
    if wanted == "keep":
        kept = asking.keep(visit, project, asked, visit.sent("title"), shared=visit.sent("shared") == "yes")
        return visit.redirect(visit.path_to("projects", project, "ask", question=kept.id))
    return _page(visit, project, asked, answer=asking.answer(visit, project, asked))


def remove(visit: Visit) -> Response:
    """Remove a question that was kept."""
    project = visit.value("project")
    asking.remove(visit, project, visit.sent("question"))
    return visit.redirect(visit.path_to("projects", project, "ask"))


def _page(
    visit: Visit,
    project: str,
    asked: Asked,
    *,
    answer: Answer | None = None,
    tables: list[TableInfo] | None = None,
    title: str = "",
    problem: StrongroomError | None = None,
) -> Response:
    """problem: why there is no answer; what was typed stays."""
    return visit.render(
        "ask/ask.html",
        200 if problem is None else status_of(problem),
        problem=problem,
        project=project,
        asked=asked,
        first=FIRST,
        questions=asking.questions(visit, project),
        can_ask=asking.can_ask(visit, project),
        may_download=visit.may(Action.DOWNLOAD, project),
        answer=answer,
        tables=tables,
        title=title,
    )


ROUTES = (
    page("GET", "/projects/{project}/ask", form),
    page("POST", "/projects/{project}/ask", ask),
    page("POST", "/projects/{project}/ask/remove", remove),
)
