"""Restores of one project, and of all projects one after another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cli import output
from cli.restoring.destinations import Folder, parse
from cli.restoring.request import Request
from cli.restoring.selecting import selected, versions_of, with_versions
from cli.wishes import Asked, tell_beyond, tell_consistency
from vault.errors import Interrupted, NothingFound, StrongroomError, UsageError
from vault.wording import counted

if TYPE_CHECKING:
    from cli.workplace import Workplace
    from vault.repository.project import Project

DONE_WITH_PROBLEMS = 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many versions are asked for, as it was typed."""

    text: str

    @property
    def number(self) -> int | None:
        """None for all. Raises `UsageError`."""
        return versions_of(self.text)


def of_project(place: Workplace, project: Project, asked: Asked, request: Request, wanted: Wanted) -> None:
    """Restore what is asked for of one project. Raises what `restore` raises, and `typer.Exit` after problems."""
    from cli.restoring.runs import run
    from cli.restoring.work import Work

    number = wanted.number
    project.capability.reading()
    missing = place.gone(project)
    wish = replace(asked.wish(place, project), versions=number)
    selection, wish = selected(project, wish, several_places=request.in_place)
    tell_beyond(selection, asked.periods)
    tell_consistency(selection.table)
    selection = with_versions(place, selection, wish, quiet=request.quiet or request.as_json)
    typed = asked.as_json() | ({} if number == 1 else {"versions": wanted.text})
    run(Work(place, selection, wish, request, typed, missing))


def everything(place: Workplace, asked: Asked, request: Request, wanted: Wanted) -> None:
    """Restore what is asked for of every project that opens. One that fails does not stop the others. Raises `typer.Exit` with
    the greatest exit code, `NothingFound` where no project has any of it, `UsageError`."""
    if request.as_json:
        raise UsageError("--all-projects tells of each project in words", hint="for JSON restore one project a command")
    if not request.in_place and not isinstance(parse(request.to, tables=request.tables.wanted), Folder):
        raise UsageError("all projects are restored to a folder", hint="name a folder with --to, or say --in-place")
    projects = place.available([])
    worst, done = DONE_WITH_PROBLEMS if place.refused else 0, 0
    for project in projects:
        output.notice(f"project {project.name}:")
        own = request if request.in_place else replace(request, to=str(Path(request.to) / folder_of(project)))
        try:
            of_project(place, project, asked, own, wanted)
            done += 1
        except typer.Exit as end:
            worst, done = max(worst, end.exit_code), done + 1
        except NothingFound as error:
            output.notice(f"nothing to restore: {error}")
        except Interrupted:
            raise
        except StrongroomError as error:
            output.failure(error)
            worst = max(worst, error.exit_code)
    if not done and not worst:
        raise NothingFound("no project has anything that was asked for", hint="see what there is: `strongroom list`")
    output.result(f"{counted(done, 'project')} of {len(projects)} restored")
    if worst:
        raise typer.Exit(worst)


def folder_of(project: Project) -> str:
    """A project's name as one that every file system takes."""
    from restore.export.names import portable

    return portable(project.name.encode())
