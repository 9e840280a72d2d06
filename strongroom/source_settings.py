"""Sources in the settings: adding one to a project, and listing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from strongroom import environment, own_paths
from strongroom import settings as settings_module
from strongroom.settings import toml_edits, writer
from vault.errors import RefusedByRule, SourceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom.context import Context
    from strongroom.settings import Settings
    from strongroom.settings.projects import SourceSettings


class ListedSource(Struct, frozen=True):
    """A source of the settings."""

    project: str
    source: SourceSettings

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        one = self.source
        return {
            "project": self.project,
            "source": one.name,
            "kind": one.kind,
            "path": None if one.path is None else str(one.path),
            "url": one.url,
            "time_column": one.time_column,
            "options": dict(one.options),
        }


class PlannedSource(Struct, frozen=True):
    """A source that is to be added. text: of the settings file then."""

    project: str
    source: SourceSettings
    text: str

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return ListedSource(self.project, self.source).as_json()


def listed(settings: Settings, projects: Sequence[str]) -> Iterator[ListedSource]:
    """The sources of projects; none for those of all. Raises `UsageError` where the settings do not name one."""
    for name in projects:
        _known(settings, name)
    for name in projects or settings.projects:
        for source in settings.projects[name]:
            yield ListedSource(name, source)


def plan_source(
    context: Context,
    project: str,
    kind: str,
    place: str,
    *,
    name: str | None = None,
    more: Mapping[str, Any] | None = None,
) -> PlannedSource:
    """What adding a source would write. Nothing is changed.

    - `kind`: of its items: `reports`, `tickets`, `raw` or another
    - `place`: a folder, or a URL
    - `name`: None for the kind, or that with a number where the project has one of this name
    - `more`: further settings of it: `time_column`, `options`, `include`, …

    Raises `UsageError` where the settings cannot have it, `RefusedByRule`, `SourceError` where the folder is not there.
    """
    from strongroom.settings.projects import SourceSettings
    from strongroom.settings.reader import made

    settings = context.settings
    _known(settings, project)
    taken = {one.name for one in settings.project(project).sources}
    if name is not None and name in taken:
        raise RefusedByRule(f"project {project!r} has a source {name!r} already", hint="choose another name with --name")
    values: dict[str, Any] = {"kind": kind, "name": name or _free_name(kind, taken), **(more or {})}
    values |= _place(place)
    source = made(SourceSettings, values)
    if source.path is not None and not source.path.is_dir():
        raise SourceError(f"the source {source.path} is not a folder", hint="is it mounted, and is the path right?")
    for _, fault in own_paths.faults(settings, [source]):
        raise RefusedByRule(f"the source {fault.what}", hint=fault.hint)
    return PlannedSource(project, source, toml_edits.added_source(settings.text, project, writer.source_values(source)))


def add_source(context: Context, planned: PlannedSource) -> None:
    """Write it into the settings file. Raises `RefusedByRule` where that has changed meanwhile, `UsageError`."""
    from strongroom import settings_copy

    read = context.settings
    toml_edits.replace(read.file, read.text, planned.text)
    capabilities = settings_copy.opened(context.repository, context.identities, context.memory)
    settings_copy.of_context(context, capabilities, settings_module.load(read.file))


def _known(settings: Settings, project: str) -> None:
    if project not in settings.projects:
        there = ", ".join(settings.projects) or "none"
        raise UsageError(f"{settings.file} names no project {project!r}", hint=f"there are: {there}")


def _free_name(kind: str, taken: set[str]) -> str:
    names = [kind, *(f"{kind}-{number}" for number in range(2, len(taken) + 3))]
    return next(one for one in names if one not in taken)


def _place(text: str) -> dict[str, Any]:
    """A folder or a URL. What has a scheme is a URL, so that a slip of the pen in it is not taken for a folder."""
    from strongroom.source_kinds.registry import scheme_of

    if scheme_of(text) and not Path(text).exists():
        return {"url": text}
    return {"path": environment.without_steps_up(Path(text).expanduser().absolute())}
