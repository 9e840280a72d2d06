"""A new recovery kit for a repository that is in use, and completing one: every project is sealed to it, and the settings name
it.

    the kit         made, and written to the files that a person has named
    key objects     one for each project
    shown           where no file was named: by then it opens everything that there is
    settings        its recipient, so that projects to come are sealed to it, and copies of the settings
    a copy          of the settings, sealed to it

A run that ends in between leaves nothing that is in the way: `complete` goes on with the kit, and of a kit that nobody has seen
there are key objects that nobody opens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from strongroom import environment, key_grants, local_state, recovery_kit, settings, settings_copy
from strongroom.recovery_kit import KitOptions, RecoveryKit
from strongroom.settings import toml_edits
from strongroom.settings.edit import SettingsFile
from vault.errors import RefusedByRule
from vault.format.principal import Principal
from vault.problems import Problem
from vault.repository.granting import KIT

if TYPE_CHECKING:
    from strongroom.context import Context
    from vault.age import HybridIdentity, HybridRecipient
    from vault.repository.project import Project


class SealedKit(Struct, frozen=True):
    """A kit that opens every project. kit: what it is called · projects: by name · sealed: those of them that were not sealed
    to it before · in_settings: whether they named it before · files: that have it · shares, threshold: None where it is in one
    piece, or nothing was made · refused: projects that do not open, and are not sealed to it."""

    kit: str
    recipient: str
    projects: tuple[str, ...]
    sealed: tuple[str, ...]
    in_settings: bool
    files: tuple[Path, ...] = ()
    shares: int | None = None
    threshold: int | None = None
    refused: tuple[Problem, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For `--json`; the kit itself is not in it."""
        return {
            "kit": self.kit,
            "recovery_recipient": self.recipient,
            "projects": list(self.projects),
            "sealed": list(self.sealed),
            "in_settings_before": self.in_settings,
            "recovery_kit_files": [str(one) for one in self.files],
            "shares": self.shares,
            "threshold": self.threshold,
            "refused": [one.as_json() for one in self.refused],
        }


def make_kit(context: Context, options: KitOptions, show: Callable[[str], None]) -> SealedKit:
    """Make a kit, and have it open everything. show: hears its text, where no file is named.

    Raises `UsageError`, `RefusedByRule` where a file would be overwritten or the settings cannot be changed, `KeyRefused` where
    these identities may not read a project, `StorageError`.
    """
    from vault.age import HybridIdentity

    identity_file = context.settings.identity.file or environment.identity_file()
    options.check(None if context.settings.identity.command is not None else identity_file)
    services = context.repository.services
    identity = HybridIdentity.generate(services.randomness)
    projects = _projects(context)
    changed = _changed_settings(context, identity)
    descriptor = context.repository.descriptor.repository
    kit = RecoveryKit.of(identity, context.settings.repository, descriptor, services.clock.now(), options)
    kit.write(options)
    sealed = key_grants.seal(context, projects, identity, KIT)
    if options.shown:
        show(kit.whole_text)
    _write_settings(context, changed, projects)
    note_kit(context, identity.recipient)
    return SealedKit(
        kit=kit.fingerprint,
        recipient=identity.recipient.encode(),
        projects=tuple(one.name for one in projects),
        sealed=sealed,
        in_settings=False,
        files=options.files,
        shares=options.shares,
        threshold=options.needed,
        refused=tuple(context.refused),
    )


def complete(context: Context, kits: Sequence[HybridIdentity]) -> list[SealedKit]:
    """Have kits open everything that are there already: what they lack is sealed to them. Raises as `make_kit`."""
    projects = _projects(context)
    completed = []
    for identity in kits:
        changed = _changed_settings(context, identity)
        sealed = key_grants.seal(context, projects, identity, KIT)
        _write_settings(context, changed, projects)
        note_kit(context, identity.recipient)
        completed.append(
            SealedKit(
                kit=recovery_kit.fingerprint(identity),
                recipient=identity.recipient.encode(),
                projects=tuple(one.name for one in projects),
                sealed=sealed,
                in_settings=changed is None,
                refused=tuple(context.refused),
            )
        )
    return completed


def note_kit(context: Context, recipient: HybridRecipient) -> None:
    """From now on this machine knows of the kit: it is time to look at it again when the time of the settings is over."""
    with local_state.noted(context.settings) as state:
        if state is not None:
            state.first_seen("", f"kit {recovery_kit.note_key(recipient)}", context.repository.services.clock.now())


def _projects(context: Context) -> list[Project]:
    """All that open. Raises `KeyRefused` where one of them may not be read: what is not at hand cannot be handed on."""
    projects = context.available([])
    for one in projects:
        one.capability.reading()
    return projects


def _changed_settings(context: Context, kit: HybridIdentity) -> tuple[SettingsFile, str] | None:
    """The settings file, and its text with one more kit; None where it is there. Raises `RefusedByRule`."""
    before = SettingsFile.read(context.settings.file)
    text = toml_edits.with_recovery(before.text, Principal.of(kit).as_line())
    if text == before.text:
        return None
    if not toml_edits.is_writable(before.file):
        raise RefusedByRule(
            f"{before.file} cannot be written, and it must name the new recovery kit; nothing was made",
            hint="run it as the user whom the file belongs to",
        )
    return before, text


def _write_settings(context: Context, changed: tuple[SettingsFile, str] | None, projects: Sequence[Project]) -> None:
    """And a copy of them in the repository."""
    if changed is not None:
        before, text = changed
        before.replace(text)
    now = settings.load(context.settings.file, tell_old_names=False)
    settings_copy.of_context(context, [one.capability for one in projects], now)
