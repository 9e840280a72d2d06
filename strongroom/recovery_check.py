"""Does a recovery kit still open everything? Every project's keys, its newest snapshot and a pack of content; the copies of the
settings. What came of it is noted on this machine, for `policies.monitoring.kit_reminders`.

The kit alone is used, never this machine's identity: what is shown is what the kit can do.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from strongroom import command_log, environment, local_state, recovery_kit, settings_copy, settings_restore
from vault.errors import Damaged, KeyRefused, StrongroomError
from vault.format import strict_json
from vault.progress import Stop, never
from vault.repository import content_proof, key_objects
from vault.repository.content_proof import ContentProof
from vault.wording import counted

if TYPE_CHECKING:
    from policies.monitoring.alerts import Alert
    from strongroom.context import Context
    from strongroom.settings import Settings
    from vault.age import HybridIdentity
    from vault.repository.project import Project


ACTION = "kit-check"
"""What it is called in the log: content is read. The kit signs, as nobody else is at work."""


class ProjectProof(Struct, frozen=True):
    """Of one project. name: its id, where this machine knows no other · found: what the kit has opened; None where it has not ·
    error: why not."""

    project: str
    name: str
    found: ContentProof | None = None
    error: StrongroomError | None = None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        found = self.found or ContentProof()
        return {
            "project": self.name,
            "project_id": self.project,
            "opens": self.found is not None,
            "snapshot": found.snapshot,
            "items": found.items,
            "pack": found.pack and found.pack.hex(),
            "chunks": found.chunks,
            "bytes": found.bytes,
            "error": self.error and self.error.as_json(),
        }


class KitProof(Struct, frozen=True):
    """What a kit opens. kit: what it is called · key: under which word it is noted · in_settings: whether they name it, None
    where there are none · settings_copy: the moment of the newest copy that it opens · at: when this was found."""

    kit: str
    key: str
    at: datetime
    projects: tuple[ProjectProof, ...]
    in_settings: bool | None
    settings_copy: datetime | None

    @property
    def error(self) -> StrongroomError | None:
        """Why it does not open everything; None where it does."""
        failed = [one for one in self.projects if one.error is not None]
        if not failed or failed[0].error is None:
            return None
        first = failed[0].error
        if len(self.projects) > 1:
            many = f"{counted(len(failed), 'project')} of {len(self.projects)}"
            message = f"{many} cannot be opened with it; {failed[0].name}: {first}"
            worst = next((one.error for one in failed if isinstance(one.error, Damaged)), first)
            return type(worst)(message, hint=first.hint)
        return type(first)(f"{failed[0].name}: {first}", hint=first.hint)

    @property
    def shortfalls(self) -> tuple[str, ...]:
        """What is not as it should be, though it opens every project."""
        found = []
        if self.in_settings is False:
            found.append("the settings do not name this kit: projects to come will not be sealed to it")
        if self.settings_copy is None:
            found.append("no copy of the settings opens with it: they would have to be written anew")
        return tuple(found)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "kit": self.kit,
            "at": self.at.isoformat(),
            "opens_everything": self.error is None,
            "in_settings": self.in_settings,
            "settings_copy_written_at": self.settings_copy and strict_json.write_moment(self.settings_copy),
            "projects": [one.as_json() for one in self.projects],
            "shortfalls": list(self.shortfalls),
        }


def check_kit(opened: Context, kit: HybridIdentity, *, stop: Stop = never) -> KitProof:
    """Prove what a kit opens, and note it. Of what it does not open the reason is part of the result. opened: with the kit
    alone. Raises `StorageError` where the store does not answer."""
    own = replace(opened, identities=[kit])
    names = _names(opened)
    listed = sorted({one.scope for one in key_objects.listed(opened.repository.store)} | names.keys())
    projects = []
    with command_log.recorded(own, ACTION, [], {"kit": recovery_kit.fingerprint(kit)}):
        for scope in listed:
            stop()
            projects.append(_project(own, scope, names.get(scope, scope)))
    with_settings = bool(opened.settings.text)
    proof = KitProof(
        kit=recovery_kit.fingerprint(kit),
        key=recovery_kit.note_key(kit.recipient),
        at=opened.repository.services.clock.now(),
        projects=tuple(projects),
        in_settings=kit.recipient in settings_copy.recovery_of(opened.settings) if with_settings else None,
        settings_copy=_newest_copy(own),
    )
    _note(opened, proof)
    return proof


def _names(opened: Context) -> dict[str, str]:
    """What projects are called on this machine, by their ids."""
    names = {project: name for name, project in opened.memory.projects().items()}
    return names | {one.id: name for name, one in opened.settings.document.projects.items() if one.id is not None}


def _project(own: Context, scope: str, name: str) -> ProjectProof:
    """own: with the kit alone."""
    try:
        project = _opened(own, scope)
        name = own.settings.name_of(scope, project.name)
        with command_log.recorded(own, ACTION, [project]) as entry:
            entry.begin()
            found = content_proof.prove(project)
    except (KeyRefused, Damaged) as error:
        return ProjectProof(scope, name, error=error)
    return ProjectProof(scope, name, found)


def _opened(own: Context, scope: str) -> Project:
    """A project with the keys that the store has for the kit, whatever copies this machine keeps, if they are those that this
    machine knows. Raises `KeyRefused`, `Damaged`."""
    from vault.repository import key_trust

    opened = replace(own.repository, memory=None).open_keys_of(scope, own.identities)
    if scope in opened.damaged:
        raise opened.damaged[scope]
    if scope in opened.refused:
        raise opened.refused[scope].error
    if not opened.capabilities:
        raise KeyRefused(
            "it has no key object for this kit",
            hint="`strongroom keys kit --existing FILE` seals to a kit what it lacks, with an identity that may read",
        )
    (capability,) = opened.capabilities
    project = own.repository.opened_project(capability)
    key_trust.verify(project, own.memory)
    return project


def _newest_copy(own: Context) -> datetime | None:
    """When the newest copy of settings was written that the kit opens."""
    found = settings_restore.copies(own).found
    return found[0].copy.written_at if found else None


def _note(opened: Context, proof: KitProof) -> None:
    from policies.monitoring import kit_reminders

    message = "" if proof.error is None else str(proof.error)[: local_state.LONGEST_MESSAGE]
    with local_state.noted(opened.settings) as state:
        if state is not None:
            if proof.error is None:
                state.note("", kit_reminders.PROVEN, proof.key, proof.at, {"projects": len(proof.projects)})
            state.note("", kit_reminders.ATTEMPTED, proof.key, proof.at, {"trouble": message})


def reminders(settings: Settings) -> tuple[Alert, ...]:
    """Of the kits of the settings that were not proven for long. This machine knows of each of them from now on."""
    from policies.monitoring import kit_reminders
    from strongroom import daemon_config

    kits, now = daemon_config.kits(settings), environment.services().clock.now()
    with local_state.noted(settings) as state:
        return () if state is None else kit_reminders.reminders(kits, kit_reminders.states(kits, state, now), now)
