"""Which snapshots a copy of the repository keeps: what its rules let go there, and having others.

A copy goes by the rules of each project, unless `[copies.NAME.keep]` says others: these count for all projects in it.

    planned = plan_copy_rules(context, "offsite", read_keep({"monthly": "all"}))
    planned.shorter                                   empty where everything is kept at least as long as before
    change_copy_rules(context, projects, planned, reason="contract 17")
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from strongroom import command_log, copies, settings_copy
from strongroom.retention import plan_retention
from strongroom.retention_settings import shorter_keep
from strongroom.settings import resolve, toml_edits
from strongroom.settings.edit import SettingsFile
from vault.errors import RefusedByRule

if TYPE_CHECKING:
    from datetime import datetime

    from policies.retention.rules import Keep
    from strongroom.context import Context
    from strongroom.retention import ProjectRetention
    from strongroom.settings import Settings
    from vault.repository.project import Project


class PlannedCopyRules(Struct, frozen=True):
    """What other rules of a copy would change. before, after: None: as each project says · shorter: what is kept for less time
    then, or may be, in sentences · text: of the settings file then; None where it is not changed here · by_hand: what to write
    into it then."""

    copy: str
    before: Keep | None
    after: Keep | None
    shorter: tuple[str, ...]
    text: str | None
    by_hand: str

    @property
    def changes(self) -> bool:
        """Whether anything is other than before."""
        return _as_json(self.before) != _as_json(self.after)


def rules_of_copy(context: Context, copy: str) -> Keep | None:
    """Its own; None where it goes by those of each project. Raises `UsageError` where the settings name no such copy."""
    return _own(context.settings, copy)


def plan_in_copy(
    context: Context, copy: str, projects: Sequence[str], *, on: datetime | None = None, keep: Keep | None = None
) -> tuple[ProjectRetention, ...]:
    """What retention would let go of some projects in a copy. Nothing is changed. on, keep: as for `plan_retention`. Raises as
    `copies.opened_copy` and `plan_retention`."""
    with copies.opened_copy(context, copy, brief=True) as there:
        found = there.context.projects(projects)
        return tuple(plan_retention(there.context, one, on=on, keep=keep) for one in found)


def plan_copy_rules(context: Context, copy: str, wanted: Keep | None) -> PlannedCopyRules:
    """What other rules would change. wanted: None: as each project says. Nothing is changed, and no store is asked. Raises
    `UsageError` where the settings name no such copy."""
    settings = context.settings
    before = _own(settings, copy)
    keep = None if wanted is None else wanted.as_json()
    text, by_hand = None, ""
    try:
        text = _text(settings, copy, keep)
    except toml_edits.ByHand as error:
        by_hand = error.hint or str(error)
    if not toml_edits.is_writable(settings.file):
        text, by_hand = None, toml_edits.copy_keep_by_hand(copy, keep)
    return PlannedCopyRules(copy, before, wanted, tuple(_shorter(settings, before, wanted)), text, by_hand)


def change_copy_rules(context: Context, projects: Sequence[Project], planned: PlannedCopyRules, *, reason: str) -> None:
    """Write them into the settings file. projects: that the copy holds; they are what the entry of the log is about · reason:
    why; it stays in the log. Raises `RefusedByRule` where the file has changed meanwhile, or is not changed by a program;
    `UsageError` where it cannot be written."""
    from strongroom import settings as settings_module

    read = context.settings
    if planned.text is None:
        raise RefusedByRule(f"{read.file} cannot be changed from here", hint=planned.by_hand)
    what = {
        "copy": planned.copy,
        "before": _as_json(planned.before),
        "after": _as_json(planned.after),
        "shorter": [*planned.shorter],
        "reason": reason,
    }
    with command_log.recorded(context, "retention-change", projects, what) as entry:
        entry.begin(destructive=bool(planned.shorter))
        SettingsFile(read.file.resolve(), read.text).replace(planned.text)
    capabilities = settings_copy.opened(context.repository, context.identities, context.memory)
    settings_copy.of_context(context, capabilities, settings_module.load(read.file))


def _text(settings: Settings, copy: str, keep: dict[str, Any] | None) -> str:
    """The settings file with them. Raises `ByHand`."""
    if SettingsFile.read(settings.file).text != settings.text:
        by_hand = toml_edits.copy_keep_by_hand(copy, keep)
        raise toml_edits.ByHand("the settings file has changed, or has line ends of another system", hint=by_hand)
    return toml_edits.with_copy_keep(settings.text, copy, keep)


def _own(settings: Settings, copy: str) -> Keep | None:
    found = settings.of_copy(copy).copies[copy].keep  # of_copy says which names there are
    return None if found is None else resolve.keep(found)


def _shorter(settings: Settings, before: Keep | None, after: Keep | None) -> Iterator[str]:
    """By rules of its own the same for all projects, else by those of each."""
    if before is not None and after is not None:
        yield from shorter_keep(before, after)
        return
    named = {name: resolve.keep(one.keep) for name, one in settings.document.projects.items()}
    others = resolve.keep(settings.document.defaults.keep)
    for name, of_project in (named | {"other projects": others}).items():
        for line in shorter_keep(before or of_project, after or of_project):
            yield f"{name}: {line}"


def _as_json(keep: Keep | None) -> dict[str, Any] | None:
    return None if keep is None else keep.as_json()
