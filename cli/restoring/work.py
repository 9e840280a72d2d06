"""What every restore has in common: what it is to do, whether it may begin, how it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli import output
from cli.restoring import showing
from strongroom import environment
from vault.errors import UsageError
from vault.problems import Problem
from vault.wording import counted

if TYPE_CHECKING:
    from cli.restoring.request import RestoreRequest
    from restore.outputs.conversion import Conversion
    from restore.planning.plan import RestorePlan
    from restore.selection.query import ItemQuery
    from restore.selection.select import Selection
    from strongroom.context import Context

DONE_WITH_PROBLEMS = 3


@dataclass(frozen=True, slots=True)
class RestoreJob:
    """One restore. asked: the selection in plain values, for the report · missing: ids of snapshots that are gone."""

    place: Context
    selection: Selection
    query: ItemQuery
    request: RestoreRequest
    asked: dict[str, Any]
    missing: Sequence[str] = ()

    @property
    def project(self) -> str:
        """Its name."""
        return self.selection.project.name

    @property
    def today(self) -> date:
        """For names of what is kept beside."""
        return self.selection.project.services.clock.now().astimezone().date()

    @property
    def conversion(self) -> Conversion | None:
        """What is to be done with tables."""
        return self.request.tables.conversion(self.query, self.place, self.project)


@dataclass(frozen=True, slots=True)
class ShownTarget:
    """Where it goes, for showing. folder: whose disk must have room · replaces: how many files that stand there go, apart from
    those of the plan."""

    text: str
    folder: Path | None = None
    replaces: int = 0


def forecast(work: RestoreJob, plans: Sequence[RestorePlan]) -> showing.Forecast:
    """What the plans come to."""
    address = work.place.settings.repository.address
    return showing.forecast_of(plans, work.place.zone(work.project), address)


def agreed(work: RestoreJob, plans: Sequence[RestorePlan], goal: ShownTarget) -> bool:
    """Whether to write: the plan is shown, and asked about where it replaces or alters anything that stands.

    Raises what `restore.execution.executor.refuse` raises, `typer.Abort` where a person says no, and `UsageError` where nobody
    can be asked.
    """
    from restore.execution.executor import refuse

    request = work.request
    if not request.as_json:
        moment = showing.Moment(work.place.zone(work.project), work.query.at_words)
        showing.show(plans, work.selection, goal.text, forecast(work, plans), moment)
    if goal.folder is not None:
        showing.warn_of_space(sum(plan.bytes_to_write for plan in plans), goal.folder)
    if request.dry_run:
        if request.as_json:
            told = showing.plan_document(plans, forecast(work, plans))
            request.document({"plan": told, "missing_snapshots": [*work.missing]})
        output.problems(work.selection.damage)
        return False
    for plan in plans:
        refuse(plan.without_missing() if request.incomplete else plan)
    replacing = sum(len(plan.replacing) for plan in plans) + goal.replaces
    setting = sum(plan.attributes_only for plan in plans)
    if (replacing or setting) and not request.yes:
        _ask(replacing, setting)
    return True


def _ask(replacing: int, setting: int) -> None:
    """Raises `typer.Abort` where a person says no, `UsageError` where nobody can be asked."""
    parts = [f"replace {counted(replacing, 'item')}"] if replacing else []
    parts += [f"set the attributes of {counted(setting, 'item')}"] if setting else []
    what = " and ".join(parts)
    if not environment.is_interactive():
        raise UsageError(
            f"this would {what}, and there is no terminal to confirm it; nothing was written", hint="run it again with --yes"
        )
    typer.confirm(f"{what[0].upper()}{what[1:]}?", err=True, abort=True)


def end(work: RestoreJob, problems: Sequence[Problem], document: dict[str, Any] | None) -> None:
    """The JSON document, the problems, and the exit code that they deserve."""
    if work.request.as_json and document is not None:
        work.request.document(document | {"missing_snapshots": [*work.missing]})
    output.problems(problems)
    if problems:
        raise typer.Exit(DONE_WITH_PROBLEMS)
