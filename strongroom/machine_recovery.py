"""Setting up a machine that knows nothing, by a recovery kit and the repository's address: its identity, its settings, what it
remembers of the repository. What would be done is a value first.

    identity    a new one, made where the settings say, unless one is there; every project is sealed to it
    settings    the newest copy in the repository, unless a file for this repository is there
    memory      the ids of the repository and its projects, their keys, the snapshots that there are

The steps come in an order that can be cut anywhere: what a run has done the next one finds, and goes on.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from strongroom import environment, identities, key_grants, notices, settings, settings_restore, store_access
from strongroom.settings import toml_edits
from strongroom.settings_restore import Choice, Found, SettingsNeeds
from vault.errors import Busy, KeyRefused, NothingFound, RefusedByRule
from vault.format.principal import Principal
from vault.problems import printable

if TYPE_CHECKING:
    from strongroom.context import Context
    from strongroom.settings import Settings
    from strongroom.settings.models import IdentitySettings, RepositorySettings
    from vault.age import HybridIdentity
    from vault.repository.project import Project

NOTHING_NEEDED = SettingsNeeds({}, {}, [])


class RecoveryOptions(Struct, frozen=True, kw_only=True):
    """What to set up. settings: where they go · identity: where the identity of this machine lies; None: where the settings
    say · no_identity: make none, the kit is used for now · choice: which copy of the settings."""

    settings: Path
    identity: Path | None = None
    no_identity: bool = False
    choice: Choice = Choice()


class SettingsStep(Struct, frozen=True):
    """file: where they go · copy: where they come from; None where they are there, or the repository has no copy · text: to be
    written, empty for new ones, None where they are there · changed: what is not as in the copy, in words · needs: what they
    need on this machine."""

    file: Path
    copy: Found | None
    text: str | None
    changed: tuple[str, ...] = ()
    needs: SettingsNeeds = NOTHING_NEEDED

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        about = {
            "file": str(self.file),
            "there_before": self.text is None,
            "copy": None if self.copy is None else self.copy.as_json(),
            "settings_adapted": list(self.changed),
        }
        return about | self.needs.as_json()


class IdentityStep(Struct, frozen=True):
    """file: None where none is wanted · existing: the identity that is there; None: one is made · unsealed: the projects that
    are to be sealed to it."""

    file: Path | None
    existing: HybridIdentity | None
    unsealed: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        there = self.existing is not None
        file = None if self.file is None else str(self.file)
        return {"identity": file, "identity_there_before": there, "sealed": list(self.unsealed)}


class MachineRecovery(Struct, frozen=True):
    """What would be done. projects: those that the kit opens · granted: whether keys are granted here, and can be revoked."""

    repository: str
    address: str
    projects: tuple[Project, ...]
    settings: SettingsStep
    identity: IdentityStep
    granted: bool

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "repository": self.repository,
            "address": self.address,
            "projects": [{"project": one.name, "project_id": one.id} for one in self.projects],
            "settings": self.settings.as_json(),
            **self.identity.as_json(),
        }


def plan(opened: Context, options: RecoveryOptions) -> MachineRecovery:
    """What would be done. opened: by the repository's address, with the kit alone. Nothing is written but what this machine
    remembers of the repository.

    Raises `KeyRefused` where the kit opens nothing, `RefusedByRule` where settings of another repository are there, or nothing
    proves who wrote the copy, `UsageError` where copies of several machines are there (see `copies_to_choose_from`),
    `StorageError`.
    """
    projects = tuple(opened.available([]))
    step = _settings_step(opened, options)
    identity = _identity_step(opened, options, step, projects)
    repository = opened.repository
    place = repository.store.describe()
    return MachineRecovery(repository.descriptor.repository, place, projects, step, identity, repository.has_grants)


def copies_to_choose_from(opened: Context, choice: Choice) -> list[Found]:
    """The newest copy of each settings file that fits the choice, where these are several; else none."""
    newest: dict[str, Found] = {}
    for one in settings_restore.copies(opened).found:
        if (one.verified or choice.unverified) and choice.host in (None, one.copy.host):
            newest.setdefault(one.stored.origin, one)
    several = len({one.copy.text for one in newest.values()}) > 1
    return list(newest.values()) if several and choice.id is None else []


def _settings_step(opened: Context, options: RecoveryOptions) -> SettingsStep:
    file = options.settings.absolute()
    if file.exists():
        there = settings.load(file)
        if not _is_same_place(there.repository, file, opened):
            raise RefusedByRule(
                f"{file} exists and is about another repository; it was left alone", hint="name another file with --config FILE"
            )
        return SettingsStep(file, None, None)
    try:
        found = options.choice.of(settings_restore.copies(opened))
    except NothingFound:
        if options.choice != Choice():
            raise
        return SettingsStep(file, None, "", needs=_of_new_settings())
    text, changed, notes = _adapted(opened, found.copy.text, file, options.identity)
    needs = settings_restore.needs(opened, replace(found, copy=replace(found.copy, text=text)), file)
    return SettingsStep(file, found, text, changed, replace(needs, notes=[*needs.notes, *notes]))


def _of_new_settings() -> SettingsNeeds:
    note = (
        "the repository has no copy of settings that this kit opens: new ones name the repository and the identity, no sources"
    )
    return SettingsNeeds({}, {}, [note])


def _is_same_place(repository: RepositorySettings, file: Path, opened: Context) -> bool:
    named = opened.settings.repository
    here = store_access.settings_address(opened.settings)
    there = store_access.resolve_address(repository.address, file.parent)
    return there.text == here.text and repository.endpoint == named.endpoint


def _adapted(opened: Context, text: str, file: Path, identity: Path | None) -> tuple[str, tuple[str, ...], list[str]]:
    """The settings with the address at which the repository is now, and with the identity's file where a person names one; what
    has changed, in words; and what is to be changed by hand."""
    from strongroom.settings import reader
    from strongroom.settings.errors import SettingsInvalid

    try:
        document = reader.read(file, text)
    except SettingsInvalid:
        return text, (), []  # what is wrong is among what they need
    values: dict[str, dict[str, object]] = {}
    changed = []
    named = opened.settings.repository
    if not _is_same_place(document.repository, file, opened):
        here = store_access.settings_address(opened.settings).text
        values["repository"] = {"address": here, "endpoint": named.endpoint}
        if named.region is not None:
            values["repository"]["region"] = named.region
        changed.append(f"the repository's address: {printable(document.repository.address.encode())} becomes {named.address}")
    if identity is not None and (document.identity.file != identity.absolute() or document.identity.command is not None):
        values["identity"] = {"file": str(identity.absolute()), "command": None}
        changed.append(f"the identity's file: {identity.absolute()}")
    if not values:
        return text, (), []
    try:
        return toml_edits.with_values(text, values), tuple(changed), []
    except toml_edits.ByHand as error:
        return text, (), [f"{error}: {error.hint}"]


def _identity_step(opened: Context, options: RecoveryOptions, step: SettingsStep, projects: Sequence[Project]) -> IdentityStep:
    if options.no_identity:
        return IdentityStep(None, None, ())
    wanted = _identity_settings(step)
    file = (options.identity or (wanted.file if wanted is not None else None) or environment.identity_file()).absolute()
    if not file.exists():
        return IdentityStep(file, None, tuple(one.name for one in projects))
    existing = _hybrid(file, wanted)
    return IdentityStep(file, existing, tuple(one.name for one in key_grants.not_sealed(opened, projects, existing)))


def _hybrid(file: Path, wanted: IdentitySettings | None) -> HybridIdentity:
    """The identity that is there. Raises `KeyRefused`."""
    from strongroom.settings.models import IdentitySettings
    from vault.age import HybridIdentity

    found = [one for one in identities.load(wanted or IdentitySettings(), [file]) if isinstance(one, HybridIdentity)]
    if not found:
        raise KeyRefused(f"{file} is no post-quantum identity", hint="name another file with --identity FILE")
    return found[0]


def _identity_settings(step: SettingsStep) -> IdentitySettings | None:
    """What the settings say of the identity, those that are there or those that will be; None where they cannot be read. The
    passphrase of one that is encrypted is asked for: commands of a copy are not run before a person has seen them."""
    from strongroom.settings import reader
    from strongroom.settings.errors import SettingsInvalid

    if step.text is None:
        return settings.load(step.file).identity
    try:
        tomllib.loads(step.text)
        found = reader.read(step.file, step.text).identity if step.text else None
    except (SettingsInvalid, tomllib.TOMLDecodeError):
        return None
    return None if found is None else found.model_copy(update={"passphrase_command": None, "command": None})


def make_identity(opened: Context, planned: MachineRecovery, passphrase: Callable[[], str] | None) -> HybridIdentity | None:
    """The first step: the identity of this machine, and every project sealed to it. passphrase: asked for one to encrypt a new
    identity with. None where none is wanted. Raises `RefusedByRule`, `UsageError`, `StorageError`."""
    step = planned.identity
    if step.file is None:
        return None
    identity = step.existing
    if identity is None:
        secret = None if passphrase is None else passphrase()
        randomness = opened.repository.services.randomness
        identity = identities.make(step.file, randomness, secret, identities.WHOSE)
    try:
        key_grants.seal(opened, planned.projects, identity, environment.person())
    except Busy as error:  # it opens what the kit opens, and a lost machine may have left a rotation in the middle
        notices.warn(f"{error}; {error.hint}")
    return identity


def write_settings(planned: MachineRecovery, opened: Context, kits: Sequence[HybridIdentity]) -> None:
    """The second step: the settings file, which only its owner may read. Raises `RefusedByRule`, `UsageError`."""
    step = planned.settings
    if step.text is None:
        return
    text = step.text or _new_settings(planned, opened.settings, kits)
    identities.write_secret(step.file, text.encode())


def _new_settings(planned: MachineRecovery, named: Settings, kits: Sequence[HybridIdentity]) -> str:
    """Where the repository has no copy: what `init` would write."""
    from strongroom.settings import writer
    from strongroom.settings.models import IdentitySettings

    place = store_access.settings_address(named).text
    repository = named.repository.model_copy(update={"address": place})
    identity = IdentitySettings(file=planned.identity.file or environment.identity_file())
    return writer.text_of(repository, identity, [Principal.of(one).as_line() for one in kits])


def remember(opened: Context, planned: MachineRecovery) -> int:
    """The third step: which snapshots, holds, notes and keys there are. Gives how many snapshots. What is gone is said."""
    for project in planned.projects:
        opened.missing(project)
    return sum(len(opened.memory.lines("snapshots", project.id)) for project in planned.projects)
