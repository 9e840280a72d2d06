"""What every command starts with: settings, store, repository, identities, projects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct, field
from msgspec.structs import replace

from strongroom import available_projects, environment, notices, settings, store_access
from strongroom.settings import Settings
from vault.errors import Damaged, KeyRefused, NoRepository, RefusedByRule, StrongroomError, UsageError
from vault.problems import Problem
from vault.repository.services import Services
from vault.wording import counted

if TYPE_CHECKING:
    from vault.age import Identity
    from vault.repository.client_memory import ClientMemory
    from vault.repository.missing_objects import Missing
    from vault.repository.project import Project
    from vault.repository.repository import Repository
    from vault.storage.contract import Store
    from vault.storage.counting import CountingStore


class Context(Struct, frozen=True):
    """An opened repository, and whose it is.

    traffic: counts the requests to the store · memory: what this machine knows of it · cache: the folder with copies of its
    small objects · first: of a copy in the place of the repository, what this machine knows of the repository's own store ·
    log: that one then, which takes the log · zones: of projects that the settings do not name
    """

    settings: Settings
    repository: Repository
    identities: Sequence[Identity]
    traffic: CountingStore
    memory: ClientMemory
    cache: Path
    first: ClientMemory | None = None
    log: Store | None = None
    refused: list[Problem] = field(default_factory=list)
    zones: dict[str, ZoneInfo] = field(default_factory=dict)

    def project(self, name: str) -> Project:
        """The project of that name. Raises `UsageError` with the nearest name."""
        return self.projects([name])[0]

    def projects(self, names: Sequence[str]) -> list[Project]:
        """The projects of these names, or all that open (see `available`). Raises `KeyRefused` where one has other keys than
        this machine knows, `Damaged` where it does not open."""
        if not names:
            return self.available([])
        found = available_projects.ask(self.repository, self._wanted(names), self.identities, self.memory.projects())
        self._meet_erased()
        for refused in found.refused:
            raise refused.error
        notices.problems(found.problems)
        return [self._verified(project) for project in found.projects]

    def available(self, names: Sequence[str]) -> list[Project]:
        """The projects of these names, or all, that open and have the keys that this machine knows; the others are told as
        problems, and are among `refused`."""
        found = available_projects.ask(self.repository, self._wanted(names), self.identities, self.memory.projects())
        self._meet_erased()
        errors: list[tuple[str, StrongroomError]] = [
            (self.settings.name_of(one.name, one.name), one.error) for one in found.refused
        ]
        notices.problems(found.problems)
        good = []
        for project in found.projects:
            try:
                good.append(self._verified(project))
            except KeyRefused as error:
                errors.append((project.name, error))
        if errors and not good:
            raise errors[0][1]
        errors = self._without_erased(errors)
        problems = [Problem(name.encode(), "refused-project", f"left out: {error} ({error.hint})") for name, error in errors]
        notices.problems(problems)
        self.refused.extend(problems)
        return good

    def _meet_erased(self) -> None:
        """What this machine has cached of erased projects goes."""
        if self.repository.has_erasures:
            from strongroom import erased_projects

            erased_projects.meet(self)

    def _without_erased(self, errors: list[tuple[str, StrongroomError]]) -> list[tuple[str, StrongroomError]]:
        """Those that are something to worry about. A project that was erased is told as a notice."""
        from strongroom.erased_projects import leftover
        from vault.repository.erasures import ProjectErased

        for name, error in errors:
            if isinstance(error, ProjectErased):
                notices.notice(f"{error}; {leftover(name, self.settings.file)}")
        return [(name, error) for name, error in errors if not isinstance(error, ProjectErased)]

    def _wanted(self, names: Sequence[str]) -> list[str]:
        """By what the repository is asked for these projects: by their ids, where the settings have other names for them."""
        return [self.settings.project_id(name) or name for name in names]

    def _verified(self, project: Project) -> Project:
        """A project under the name that it has in the settings. Raises `KeyRefused` where it has other keys than this machine
        knows by that name, or by the one that is stored; of a copy, also than the first store has."""
        self._verify_keys(project)
        self.memory.note_capability(project.capability)
        name = self.settings.name_of(project.id, project.name)
        if name == project.name:
            return project
        named = replace(project, capability=replace(project.capability, name=name))
        self._verify_keys(named)
        return named

    def _verify_keys(self, project: Project) -> None:
        from vault.repository import key_trust

        capability, first = project.capability, self.first
        if first is not None and first.has_other_keys(capability) and not key_trust.is_signed(project, first):
            raise KeyRefused(
                f"project {capability.name!r} has other keys in the copy {self.settings.copy!r} than in the repository",
                hint="somebody may have put keys of their own into that store: use nothing of it until you know",
            )
        key_trust.verify(project, self.memory)

    def uncached(self) -> Context:
        """The same repository as a machine would find it that knows nothing of it: read below this machine's cache, from which
        goes what differs."""
        from vault.storage.caching import uncached

        return replace(self, repository=replace(self.repository, store=uncached(self.repository.store)))

    def zone(self, project: str) -> ZoneInfo:
        """The time zone in which the periods of a project are meant: that of the settings, and of a project that they do not
        name, that of its newest snapshot."""
        if project not in self.settings.projects and project not in self.zones:
            found = self._zone_of_snapshots(project)
            if found is not None:
                self.zones[project] = found
        return self.zones.get(project) or ZoneInfo(self.settings.zone(project))

    def _zone_of_snapshots(self, name: str) -> ZoneInfo | None:
        """The zone that the newest snapshot's record names; None where there is none, or it is not known here."""
        from vault.repository import snapshots

        records = snapshots.committed(self.project(name), rolled=True).records
        for record in sorted(records, key=lambda one: one.taken_at, reverse=True):
            try:
                return ZoneInfo(record.zone) if record.zone else None
            except (ZoneInfoNotFoundError, ValueError):
                return None
        return None

    def missing(self, project: Project) -> list[Missing]:
        """Whatever of a project was here and is gone; each is told as a notice."""
        from vault.repository import missing_objects

        found = missing_objects.look(project, self.memory)
        self._warn_of_snapshots(project, [one.id for one in found if one.what == "snapshot"])
        others = [one for one in found if one.what != "snapshot"]
        for one in others:
            notices.warn(f"project {project.name}: {one.message}")
        if others:
            notices.notice(f"hint: {missing_objects.acknowledgement(project)}")
        return found

    def gone(self, project: Project) -> list[str]:
        """The snapshots of a project that this machine has seen, or that others name, and that are gone; each is told as a
        notice."""
        from vault.repository import missing_snapshots

        gone = missing_snapshots.gone(project, self.memory)
        self._warn_of_snapshots(project, gone)
        return gone

    def gone_as_reader(self, project: Project) -> list[str]:
        """As `gone`, for who only reads: of thousands of snapshots it does not list all."""
        from vault.repository import missing_snapshots

        gone = missing_snapshots.look_as_reader(project, self.memory)
        self._warn_of_snapshots(project, gone)
        return gone

    def _warn_of_snapshots(self, project: Project, gone: Sequence[str]) -> None:
        from vault.repository import missing_snapshots

        copies = "If a copy has it, `strongroom repair` puts it back. " if self.settings.copies else ""
        for snapshot in gone:
            notices.warn(
                f"snapshot {snapshot} of project {project.name} was here and is gone, and nothing says that it was "
                f"forgotten; what is shown may be older than what there was. {copies}To accept the loss: "
                f"{missing_snapshots.acceptance(project, snapshot)}"
            )

    def holds_gone(self, project: Project) -> list[Missing]:
        """The holds that were here and are gone: what they were on is not known any more."""
        from vault.repository import missing_objects

        return [missing_objects.Missing("hold", one) for one in missing_objects.holds_gone(project, self.memory)]

    def refuse_lost_holds(self, project: Project) -> None:
        """For whoever lets go of anything; a copy first gets the holds that the first store has. Raises `RefusedByRule` where a
        hold was here and is gone."""
        from vault.repository import missing_objects

        if self.first is not None:
            from strongroom import copies

            copies.take_over_holds(self, project)
        for one in self.holds_gone(project):
            hint = missing_objects.acknowledgement(project)
            raise RefusedByRule(f"nothing of {project.name} may be deleted: {one.message}", hint=hint)


def _repository(store: Store, services: Services, memory: ClientMemory) -> Repository:
    """Opened; of a lost or damaged descriptor, the error says where a copy is."""
    from vault.format.descriptor import Descriptor
    from vault.repository.project_lookup import LOST_DESCRIPTOR
    from vault.repository.repository import Repository, in_use

    try:
        data = Repository.stored_descriptor(store)
        repository = Repository(store, Descriptor.decode(data), services, data, memory)
    except (NoRepository, Damaged) as error:
        if isinstance(error, NoRepository) and not in_use(store):
            raise
        copy = memory.descriptor_copy()
        hint = f"this machine has a copy in {copy}: put it back as strongroom.json" if copy else LOST_DESCRIPTOR
        what = f"is damaged: {error}" if isinstance(error, Damaged) else "is gone, and its keys and projects stand"
        raise Damaged(f"the descriptor (strongroom.json) of the repository at {store.describe()} {what}", hint=hint) from error
    memory.verify_repository(repository.descriptor.repository)
    memory.save_descriptor(data)
    return repository


@contextmanager
def opened(
    config: Path | None,
    identity: list[Path] | None = None,
    *,
    brief: bool = False,
    commits: bool = False,
    address: str | None = None,
    copy: str | None = None,
    wrap: Callable[[Store], Store] | None = None,
) -> Iterator[Context]:
    """Settings read, repository opened, identities loaded.

    brief: for a command that only asks something · commits: for one that commits or prunes, and so may rely on create-once ·
    address: of a repository that is opened without settings · copy: the name of a copy that is opened in its place · wrap: puts
    another store round the one at the address, as tests do that have it fail

    Raises `SettingsError`, `UsageError`, `NoRepository`, `KeyRefused`, …
    """
    if address is not None and copy is not None:
        raise UsageError("--repository and --from exclude each other", hint="leave one of them out")
    found = read_settings(config, address) if copy is None else read_settings(config, address).of_copy(copy)
    with opened_by(found, identity, brief=brief, commits=commits, wrap=wrap) as context:
        yield context


@contextmanager
def opened_with(
    at_hand: Sequence[Identity], config: Path | None, *, brief: bool = False, address: str | None = None
) -> Iterator[Context]:
    """As `opened`, with identities that were loaded, such as those of a recovery kit; no other is."""
    with opened_by(read_settings(config, address), brief=brief, at_hand=at_hand) as context:
        yield context


def read_settings(config: Path | None, address: str | None = None) -> Settings:
    """Those of a file, or of a repository by its address. Raises `SettingsError`, `UsageError`."""
    if address is not None and config is not None:
        raise UsageError("--repository and --config exclude each other", hint="leave one of them out")
    found = settings.load(settings.find(config)) if address is None else settings.of_address(address)
    notices.step(f"settings: {found.file}" if address is None else "no settings: a repository by its address")
    return found


@contextmanager
def opened_by(
    found: Settings,
    identity: list[Path] | None = None,
    *,
    brief: bool = False,
    commits: bool = False,
    hurried: bool = False,
    wrap: Callable[[Store], Store] | None = None,
    at_hand: Sequence[Identity] = (),
) -> Iterator[Context]:
    """As `opened`, with settings that were read. hurried: another store has what this one does not give."""
    from strongroom import cache_folder, copies, identities
    from vault.repository import store_trust
    from vault.storage import cache_lock
    from vault.storage.caching import CachingStore
    from vault.storage.contract import ChoosesChecksum

    everything = environment.services()
    store = store_access.open_store(found, brief=brief, hurried=hurried, wrap=wrap)
    try:
        memory, first = store.memory, None if found.first is None else store_access.memory_of_settings(found, found.first)
        repository = _repository(store.patient, everything, memory)
        if first is not None and first.repository() not in (None, repository.descriptor.repository):
            raise KeyRefused(
                f"another repository is at the address of the copy {found.copy!r} than this machine knows",
                hint="correct the address of the copy in the settings",
            )
        if isinstance(store.bare, ChoosesChecksum) and first is None:  # what the descriptor says is about the first store
            store.bare.choose_checksum(repository.descriptor.trust.checksum)
        described = repository.descriptor
        cache = cache_folder.chosen(described.repository, store.place, everything.randomness, copy=first is not None)
        cached = CachingStore(store.patient, cache, everything.randomness)
        notices.step(f"opened the repository {described.repository} at {store.patient.describe()}")
        mine = list(at_hand) or identities.load(found.identity, identity or [])
        notices.step(f"opened {counted(len(mine), 'identity', 'identities')}")
        believed = store_trust.prove(store.counting, described, memory) if commits else store_trust.believed(described, memory)
        try:
            with cache_lock.shared(cache, everything.clock):
                whole = replace(repository, store=cached, descriptor=believed)
                with copies.log_of_first(found) as log:
                    yield Context(found, whole, mine, store.counting, memory, cache, first, log)
        except store_trust.PromiseBroken as error:
            store_trust.lower(memory, described.repository, str(error))
            raise
        cached.close()
    finally:
        store.bare.close()
