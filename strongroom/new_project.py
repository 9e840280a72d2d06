"""Adding a project: new keys in the repository, and its sources in the settings file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from strongroom import environment, own_paths, settings
from strongroom.settings import writer
from vault.errors import RefusedByRule, UsageError

if TYPE_CHECKING:
    from strongroom.context import Context
    from strongroom.settings import Settings
    from strongroom.settings.projects import SourceSettings
    from vault.repository.project import Project


class NewProject(Struct, frozen=True):
    """A project that was added. zone: in which its periods are meant · recoverable: whether the recovery kit opens it."""

    project: Project
    zone: str
    sources: tuple[SourceSettings, ...]
    recoverable: bool

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "project": self.project.name,
            "project_id": self.project.id,
            "zone": self.zone,
            "sources": [{"name": source.name, "path": source.place} for source in self.sources],
        }


def add_project(context: Context, name: str, sources: Sequence[SourceSettings], zone: str | None = None) -> NewProject:
    """Make keys for a project, wrapped to the identities at hand and to the recovery kit, and write it into the settings file.
    What is open goes on by the settings as they were read.

    zone: of its periods; None: that of [defaults], or this machine's. Raises `RefusedByRule` where the project is there, or a
    source lies among Strongroom's own data, `UsageError`, `KeyRefused`, `StorageError`.
    """
    from strongroom import holders, settings_copy
    from vault.repository import key_trust

    if name in context.settings.projects:
        raise RefusedByRule(f"the settings have a project {name!r} already", hint=f"edit {context.settings.file}")
    for _, fault in own_paths.faults(context.settings, sources):
        raise RefusedByRule(f"the source {fault.what}", hint=fault.hint)
    own, recovery = holders.own_holders(context.identities), holders.recovery_holders(context.settings)
    if not own:
        raise UsageError("a project needs a post-quantum identity", hint="make one with `strongroom keys new`")
    written_zone = _zone(context.settings, zone)
    made = context.repository.add_project(name, [*own, *recovery], context.identities, context.memory.projects())
    key_trust.verify(made, context.memory)
    writer.add_project(context.settings.file, name, written_zone, sources)
    settings_copy.of_context(context, [made.capability], settings.load(context.settings.file, tell_old_names=False))
    return NewProject(made, written_zone or context.settings.zone(name), tuple(sources), bool(recovery))


def _zone(found: Settings, asked: str | None) -> str | None:
    """The time zone to be written for a new project; None where [defaults] has one. Raises `UsageError`."""
    from strongroom.settings.projects import DefaultSettings
    from strongroom.settings.reader import made

    if asked is None and "zone" in found.document.defaults.model_fields_set:
        return None
    return made(DefaultSettings, {"zone": asked or environment.time_zone() or "UTC"}).zone
