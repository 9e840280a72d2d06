"""Restores of one project, and of all projects one after another."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli import output
from cli.restoring.destinations import Folder, parse
from cli.restoring.request import RestoreRequest
from cli.restoring.selecting import selected, versions_of, with_versions
from cli.selection_options import SelectionOptions, tell_beyond, tell_consistency
from vault.errors import Interrupted, NothingFound, StrongroomError, UsageError
from vault.wording import counted

if TYPE_CHECKING:
    from strongroom.context import Context
    from vault.repository.project import Project

DONE_WITH_PROBLEMS = 3


@dataclass(frozen=True, slots=True)
class VersionCount:
    """How many versions are asked for, as it was typed."""

    text: str

    @property
    def number(self) -> int | None:
        """None for all. Raises `UsageError`."""
        return versions_of(self.text)


def of_project(
    place: Context, project: Project, asked: SelectionOptions, request: RestoreRequest, wanted: VersionCount
) -> None:
    """Restore what is asked for of one project. Raises what `restore` raises, and `typer.Exit` after problems."""
    from cli.restoring.runs import run
    from cli.restoring.work import RestoreJob

    number = wanted.number
    project.capability.reading()
    missing = place.gone(project)
    query = replace(asked.query(place, project), versions=number)
    selection, query = selected(project, query, several_places=request.in_place)
    tell_beyond(selection, asked.periods)
    tell_consistency(selection.table)
    selection = with_versions(place, selection, query, quiet=request.quiet or request.as_json)
    typed = asked.as_json() | ({} if number == 1 else {"versions": wanted.text})
    run(RestoreJob(place, selection, query, request, typed, missing))


@dataclass(slots=True)
class _Told:
    """What became of one project. found: whether it has anything of what was asked for · document: for `--json`, without the
    project's name."""

    exit_code: int = 0
    found: bool = True
    document: dict[str, Any] = field(default_factory=dict)

    def as_json(self, project: Project) -> dict[str, Any]:
        """For `--json`."""
        about = {"project": project.name, "project_id": project.id, "found": self.found, "exit_code": self.exit_code}
        return about | self.document


def everything(place: Context, asked: SelectionOptions, request: RestoreRequest, wanted: VersionCount) -> None:
    """Restore what is asked for of every project that opens. One that fails does not stop the others. Raises `typer.Exit` with
    the greatest exit code, `NothingFound` where no project has any of it, `UsageError`."""
    if not request.in_place and not isinstance(parse(request.to, tables=request.tables.wanted), Folder):
        raise UsageError(
            "--all-projects needs --to DIR or --in-place: each project is restored to a folder",
            hint="name a folder with --to, or say --in-place",
        )
    projects = place.available([])
    outcomes = []
    for project in projects:
        output.notice(f"project {project.name}:")
        own = request if request.in_place else replace(request, to=str(Path(request.to) / folder_of(project)))
        outcomes.append(_one_of_all(place, project, asked, own, wanted))
    worst = max([one.exit_code for one in outcomes] + [DONE_WITH_PROBLEMS if place.refused else 0])
    done = sum(one.found and "error" not in one.document for one in outcomes)
    if not done and not worst:
        raise NothingFound("no project has anything that was asked for", hint="see what there is: `strongroom list`")
    if request.as_json:
        told = [one.as_json(project) for project, one in zip(projects, outcomes, strict=True)]
        output.document({"projects": told, "refused": [one.as_json() for one in place.refused]})
    else:
        end = "would be restored" if request.dry_run else "restored"
        output.result(f"{counted(done, 'project')} of {len(projects)} {end}")
    if worst:
        raise typer.Exit(worst)


def _one_of_all(
    place: Context, project: Project, asked: SelectionOptions, request: RestoreRequest, wanted: VersionCount
) -> _Told:
    told = _Told()
    try:
        of_project(place, project, asked, replace(request, document=told.document.update), wanted)
    except typer.Exit as end:
        told.exit_code = end.exit_code
    except NothingFound as error:
        output.notice(f"nothing to restore: {error}")
        told.found = False
    except Interrupted:
        raise
    except StrongroomError as error:
        output.failure(error)
        told.exit_code = error.exit_code
        told.document["error"] = {"message": str(error), "hint": error.hint, "exit_code": error.exit_code}
    return told


def folder_of(project: Project) -> str:
    """A project's name as one that every file system takes."""
    from restore.export.payload_names import portable

    return portable(project.name.encode())
