"""Repair of what belongs to no single project: the descriptor, key objects, copies of settings.

The descriptor comes first: without it the repository does not open.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from strongroom import environment, identities, notices, settings, settings_copy, store_access
from vault.errors import Damaged, NoRepository, StrongroomError, UnsupportedFormat

if TYPE_CHECKING:
    from strongroom.context import Context
    from strongroom.settings import Settings
    from vault.age import Identity
    from vault.repository.client_memory import ClientMemory
    from vault.repository.project import Project
    from vault.repository.repair.descriptor_copies import DescriptorFinding
    from vault.repository.repair.key_copies import BadKey
    from vault.repository.services import Services
    from vault.storage.contract import Store


class RepositoryRepair(Struct):
    """What is mended, or was, outside of the projects. steps: in words, by the object's name · unrepaired: what cannot be, by
    the object's name."""

    steps: dict[str, str] = field(default_factory=dict)
    unrepaired: dict[str, str] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Whether there is nothing to do and nothing left."""
        return not self.steps and not self.unrepaired

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        parts = (("repaired_objects", self.steps), ("unrepaired_objects", self.unrepaired))
        return {name: [{"object": one, "message": said} for one, said in found.items()] for name, found in parts}


class FoundDescriptor(Struct, frozen=True):
    """The descriptor as a store has it. store: that it lies in · memory: of this machine."""

    store: Store
    memory: ClientMemory
    finding: DescriptorFinding

    @property
    def whole(self) -> bool:
        """Whether the repository can be opened."""
        return self.finding.state == "whole"

    def put_back(self) -> bool:
        """Store the right one; returns whether it stands. Raises `StorageError`."""
        from vault.repository.repair import descriptor_copies

        return descriptor_copies.put_back(self.store, self.memory, self.finding)

    def overlaid(self, store: Store) -> Store:
        """A store as it will be once the descriptor is put back, which cannot be written to."""
        from vault.format import layout
        from vault.storage.memory import MemoryStore
        from vault.storage.overlaid import OverlaidStore

        if self.whole or self.finding.copy is None:
            return store
        copy = MemoryStore()
        copy.put(layout.DESCRIPTOR, self.finding.copy.data)
        return OverlaidStore(store, {layout.DESCRIPTOR: copy})


@contextmanager
def found_descriptor(config: Path | None, address: str | None, identity: list[Path] | None = None) -> Iterator[FoundDescriptor]:
    """Look at the descriptor of the repository that the settings name. identity: as for `context.opened`; asked for only where
    the descriptor is not as this machine knows it, or copies are named and it knows none. Raises `SettingsError`,
    `NoRepository` where nothing of ours is there, `KeyRefused`, `StorageError`."""
    from vault.repository.repair import descriptor_copies
    from vault.repository.repository import in_use
    from vault.storage.address import open_store

    found = settings.load(settings.find(config)) if address is None else settings.of_address(address)
    place = store_access.settings_address(found)
    services = environment.services()
    store = open_store(place, store_access.store_options(found.repository), services.clock, services.randomness)
    try:
        memory = store_access.client_memory(place, found.repository)
        finding = descriptor_copies.look(store, memory)
        if finding.state == "gone" and not in_use(store):
            raise NoRepository(f"there is no repository at {store.describe()}")
        if finding.state != "whole" or (found.copies and memory.descriptor_copy() is None):
            mine = identities.load(found.identity, identity or [])
            with _stores_of_copies(found) as others:
                digests = _named_by_keys(store, memory, services, mine, others)
                finding = descriptor_copies.look(store, memory, others, digests)
        yield FoundDescriptor(store, memory, finding)
    finally:
        store.close()


@contextmanager
def _stores_of_copies(found: Settings) -> Iterator[Sequence[Store]]:
    """Of the copies that the settings name, as far as they can be reached; nothing of them is known to be right."""
    with ExitStack() as stack:
        stores = []
        for name in found.copies:
            try:
                store = store_access.open_store(found.of_copy(name), brief=True)
            except StrongroomError as error:
                notices.warn(f"the copy {name!r} is left out: {error}")
                continue
            stack.callback(store.bare.close)
            stores.append(store.patient)
        yield stores


def _named_by_keys(
    store: Store, memory: ClientMemory, services: Services, mine: Sequence[Identity], others: Sequence[Store]
) -> frozenset[bytes]:
    """The SHA-256 of the descriptors that are right, as the key objects say that these identities open; none where they do not
    say it. Key objects name the repository, and any descriptor at hand may say its id. Raises `StorageError`."""
    from vault.format.descriptor import Descriptor
    from vault.repository.repair import descriptor_copies
    from vault.repository.repository import Repository

    found = frozenset[bytes]()
    for data in descriptor_copies.at_hand(store, memory, others):
        with suppress(Damaged, UnsupportedFormat):
            opened = Repository(store, Descriptor.decode(data), services, data, memory).open_keys(mine, everywhere=True)
            found |= {digest for one in opened.capabilities for digest in one.descriptors}
    return found


def plan_repository(opened: Context, projects: Sequence[Project], others: Sequence[Store] = ()) -> RepositoryRepair:
    """What would be mended of key objects and copies of settings. projects: those of interest. Raises `StorageError`."""
    return _work(opened, projects, others, write=False)


def repair_repository(opened: Context, projects: Sequence[Project], others: Sequence[Store] = ()) -> RepositoryRepair:
    """Mend it. Raises `StorageError`."""
    return _work(opened, projects, others, write=True)


def _work(opened: Context, projects: Sequence[Project], others: Sequence[Store], *, write: bool) -> RepositoryRepair:
    from vault.repository.repair import grant_copies, granted_keys, key_copies
    from vault.storage.caching import uncached

    store, repaired = uncached(opened.repository.store), RepositoryRepair()
    for project in projects:
        if opened.repository.has_grants and project.capability.grant is not None:
            believed = replace(project, store=grant_copies.overlaid(project, opened.memory, others))
            bad = granted_keys.look(believed, opened.identities, opened.memory)
        else:
            bad = key_copies.look(
                store, project.id, opened.identities, opened.memory, opened.repository.descriptor.repository, others
            )
        stands = {one.name for one in key_copies.put_back(store, opened.memory, bad)} if write else set[str]()
        for one in bad:
            if one.copy is None or (write and one.name not in stands):
                repaired.unrepaired[one.name] = _stays(one)
            else:
                repaired.steps[one.name] = f"{one.message}; it is put back from {one.copy.origin}"
    _settings_copies(opened, projects, repaired, write=write)
    return repaired


def _stays(one: BadKey) -> str:
    if one.ungranted:
        return one.message
    return f"{one.message}; nobody at hand has a copy that can be believed"


def _settings_copies(opened: Context, projects: Sequence[Project], repaired: RepositoryRepair, *, write: bool) -> None:
    """The newest copy of these settings is written anew where it is damaged or gone; those of other machines write theirs."""
    bad = _bad_copies(opened)
    if not bad or not opened.settings.projects:
        return
    if not write:
        repaired.steps |= {name: f"{said}; a new copy of these settings is written" for name, said in bad.items()}
        return
    kept = settings_copy.of_context(opened, [project.capability for project in projects])
    left = _bad_copies(opened)
    for name, said in bad.items():
        if name in left:
            repaired.unrepaired[name] = said if kept.problem is None else f"{said}; {kept.problem}"
        else:
            repaired.steps[name] = f"{said}; {kept.name} says what these settings are"


def _bad_copies(opened: Context) -> dict[str, str]:
    """Newest copies of settings that are damaged or gone, and what is wrong with them, by their names."""
    from vault.repository import check_objects

    found = check_objects.of_repository(opened.repository, opened.identities, opened.memory)
    bad = [one for one in found.problems if one.what in ("damaged-settings-copy", "missing-settings-copy")]
    return {one.path.decode(): one.message for one in bad}
