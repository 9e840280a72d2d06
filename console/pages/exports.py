"""For auditors and exporters: items with proof as a signed bag, the bags that were made, and whether a bag is what it says."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from console.access.rights import Action
from console.gateway import bags, exporting
from console.routing import page
from console.tasks.records import ExportWork
from console.visit import Visit
from vault.errors import UsageError

VERSIONS = {"": 1, "all": None}


def show_export(visit: Visit) -> Response:
    """What an export would come to, where the form was sent; else the form."""
    project = visit.value("project")
    exporting.may(visit, project)
    work = work_of(visit.asked)
    planned = exporting.plan(visit, project, work) if visit.asked("plan") else None
    return visit.render(
        "prove/export.html",
        project=project,
        work=work,
        planned=planned,
        formats=exporting.FORMATS,
        versions=visit.asked("versions"),
    )


def start_export(visit: Visit) -> Response:
    """Make the bag, as a task."""
    task = exporting.start(visit, visit.value("project"), work_of(visit.sent))
    return visit.redirect(visit.path_to("tasks", task.id))


def show_bags(visit: Visit) -> Response:
    """The bags that were made, and those that can be verified."""
    project = visit.value("project")
    listed = bags.listed(visit, project)
    audits = bags.may_list(visit, project)
    return visit.render(
        "prove/bags.html",
        project=project,
        made=bags.made(visit, project) if audits else (),
        audits=audits,
        listed=listed,
        most=visit.console.limits.upload,
    )


def verify(visit: Visit) -> Response:
    """Verify a bag that was brought (`bag`), or one that is listed (`folder`, `name`), as a task."""
    project = visit.value("project")
    if visit.upload is not None:
        task = bags.verify_brought(visit, project, visit.upload)
    elif visit.sent("name"):
        task = bags.verify_listed(visit, project, visit.sent("folder"), visit.sent("name"))
    else:
        bags.listed(visit, project)  # whoever may not is told that, and nothing else
        raise UsageError("no bag was chosen", hint="choose a ZIP file with a bag")
    return visit.redirect(visit.path_to("tasks", task.id))


def work_of(read: Callable[[str], str]) -> ExportWork:
    """What a form says. read: a field by its name. Raises `UsageError`."""
    versions = read("versions").strip()
    if versions not in VERSIONS and not (versions.isascii() and versions.isdigit() and 0 < int(versions[:9]) < 10_000):
        raise UsageError("this is no number of versions", hint="write a number, or choose all")
    return ExportWork(
        kinds=_words(read("kinds")),
        periods=_words(read("periods")),
        formats=_words(read("formats")),
        paths=_words(read("paths")),
        overlapping=read("overlapping") == "1",
        at=read("at").strip(),
        deleted=read("deleted") == "1",
        versions=VERSIONS[versions] if versions in VERSIONS else int(versions),
        table_format=read("format"),
        people=read("people") == "1",
        reason=read("reason"),
    )


def _words(text: str) -> tuple[str, ...]:
    """What is apart by commas."""
    return tuple(one.strip() for one in text.split(",") if one.strip())


ROUTES = (
    page("GET", "/projects/{project}/export", show_export),
    page("POST", "/projects/{project}/export", start_export),
    page("GET", "/projects/{project}/bags", show_bags),
    page("POST", "/projects/{project}/bags/verify", verify, upload=Action.EXPORT_BAG),
)
