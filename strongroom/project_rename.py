"""Another name for a project.

A project's objects lie under its id, and its name in the repository is sealed in its key objects, which never change. So a
rename is a matter of the settings: they name the project by its id from then on. That is one change of one file. Before it
everything is as it was, after it every command knows the project by its new name and its old one; what this machine remembers
under the old name follows, and where that is interrupted the same command completes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from strongroom import local_state, notices
from strongroom import settings as settings_module
from strongroom.settings import toml_edits
from vault.errors import RefusedByRule, StrongroomError, UsageError
from vault.format.granted_fields import LONGEST_NAME

if TYPE_CHECKING:
    from strongroom.context import Context
    from vault.repository.project import Project


class PlannedRename(Struct, frozen=True):
    """What a rename would do. stored: the name in the repository, which stays · snapshots: how many there are, which all stay
    reachable · text: of the settings file then; None where it names the project by the new name already · by_hand: what to
    change there, where no command can."""

    project: Project
    old: str
    new: str
    snapshots: int
    text: str | None
    by_hand: str

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "project": self.new,
            "project_id": self.project.id,
            "before": self.old,
            "snapshots": self.snapshots,
            "settings_change": self.text is not None or bool(self.by_hand),
            "by_hand": self.by_hand or None,
        }


class DoneRename(Struct, frozen=True):
    """What a rename did. settings_changed: whether the file was written · runs: of the run history that follow · daemon:
    whether one runs here, which must read the settings anew."""

    planned: PlannedRename
    settings_changed: bool
    runs: int
    daemon: bool

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        done = {"settings_changed": self.settings_changed, "runs_renamed": self.runs, "daemon_running": self.daemon}
        return self.planned.as_json() | done


def plan_rename(context: Context, old: str, new: str) -> PlannedRename:
    """What it would do; nothing is changed. Raises `UsageError` for an unfit name, or where the settings name no such project,
    `RefusedByRule` where another project has the new name, `KeyRefused`, `StorageError`."""
    from vault.repository import snapshots

    _refuse_unfit(new)
    read = context.settings
    done = old not in read.projects and new in read.projects
    if old not in read.projects and not done:
        known = ", ".join(read.projects) or "none"
        raise UsageError(f"the settings name no project {old!r}", hint=f"a rename changes the settings; they name: {known}")
    project = context.project(new if done else old)
    if done and not _was_called(context, project, old):
        raise UsageError(
            f"the settings name no project {old!r}, and {new!r} is another one", hint="see `strongroom project list`"
        )
    if not done:
        _refuse_taken(context, project, new)
    text, by_hand = None, ""
    if not done:
        try:
            text = toml_edits.renamed_project(read.text, old, new, project.id)
        except toml_edits.ByHand as error:
            by_hand = error.hint or str(error)
        if not toml_edits.is_writable(read.file):
            text, by_hand = (
                None,
                f'in {read.file}, rename [projects.{toml_edits.written_key(old)}], and add `id = "{project.id}"` to it',
            )
    return PlannedRename(project, old, new, len(snapshots.ids(project)), text, by_hand)


def _refuse_unfit(name: str) -> None:
    if not name or len(name) > LONGEST_NAME or not name.isprintable() or "/" in name or name != name.strip():
        hint = "use printable characters without '/', at most 200, no outer spaces"
        raise UsageError(f"invalid project name {name!r}", hint=hint)


def _was_called(context: Context, project: Project, old: str) -> bool:
    """Whether this machine, or the repository, knows a project by an older name."""
    return context.memory.projects().get(old) == project.id


def _refuse_taken(context: Context, project: Project, new: str) -> None:
    if new in context.settings.projects:
        raise RefusedByRule(f"the settings have a project {new!r} already", hint="choose another name")
    if context.memory.has_other_keys(replace(project.capability, name=new)):
        raise RefusedByRule(f"this machine knows another project by the name {new!r}", hint="choose another name")
    opened = context.repository.open_keys(context.identities)
    for one in opened.capabilities:
        if one.project != project.id and one.name == new:
            raise RefusedByRule(
                f"another project of the repository is called {new!r} ({one.project})", hint="choose another name"
            )


def rename_project(context: Context, planned: PlannedRename) -> DoneRename:
    """Do it. Where the settings must be changed by hand nothing is done but what follows from a change that was made already.
    Raises `RefusedByRule`, `UsageError` where the settings cannot be written."""
    from policies.daemon import heartbeat
    from strongroom import settings_copy

    read = context.settings
    if planned.by_hand:
        raise RefusedByRule(f"{read.file} cannot be changed by this command", hint=planned.by_hand)
    if planned.text is not None:
        toml_edits.replace(read.file, read.text, planned.text)
    after = settings_module.load(read.file)
    context.memory.verify_keys(replace(planned.project.capability, name=planned.new))
    if planned.text is not None:
        settings_copy.of_context(context, settings_copy.opened(context.repository, context.identities, context.memory), after)
    runs = _follow(context, planned)
    beat = heartbeat.read(local_state.folder(read) / local_state.RUN_HISTORY, planned.project.services.clock.now())
    return DoneRename(planned, planned.text is not None, runs, beat.state in ("running", "stuck"))


def _follow(context: Context, planned: PlannedRename) -> int:
    """What this machine remembers takes the new name; gives how many runs. What cannot is said, and costs no data."""
    from policies.scheduling import run_history

    with local_state.noted(context.settings) as state_store:
        if state_store is not None:
            state_store.rename_project(planned.old, planned.new)
    try:
        return run_history.rename_project(
            local_state.folder(context.settings) / local_state.RUN_HISTORY, planned.old, planned.new
        )
    except StrongroomError as error:
        notices.warn(f"the run history keeps the old name: {error}; run the same command again")
        return 0
