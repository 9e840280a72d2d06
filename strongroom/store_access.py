"""How the store that settings name is reached: its address, how long is waited for it, and what this machine knows of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from strongroom import environment, notices

if TYPE_CHECKING:
    from strongroom.settings import Settings
    from strongroom.settings.models import RepositorySettings
    from vault.repository.client_memory import ClientMemory
    from vault.storage.address import Address, StoreOptions
    from vault.storage.contract import Store
    from vault.storage.counting import CountingStore

BRIEF = 30.0
"""Seconds that a command sits out which only asks something."""

ANSWER_WITHIN = 15.0
"""Seconds in which a store must begin to answer it."""


def store_options(repository: RepositorySettings, *, brief: bool = False, hurried: bool = False) -> StoreOptions:
    """How to reach the store that the settings name. brief: for a question that somebody waits for · hurried: another store has
    what this one does not give."""
    from vault.storage.address import StoreOptions
    from vault.storage.retrying import FOR_UNATTENDED, MINUTES, RetryPolicy
    from vault.storage.s3_client import LONGEST_SILENCE, S3Options

    timeout = ANSWER_WITHIN if brief else LONGEST_SILENCE
    s3 = S3Options(repository.endpoint, repository.region, repository.path_style, repository.profile, timeout)
    s3 = replace(s3, direct=environment.s3_credentials(repository.endpoint))
    unattended = environment.parent() is not None
    total = BRIEF if brief or hurried else MINUTES
    return StoreOptions(s3=s3, patience=RetryPolicy.network(FOR_UNATTENDED if unattended and not hurried else total))


def resolve_address(text: str, folder: Path) -> Address:
    """An address; a relative path in it counts from `folder`. Raises `UsageError`."""
    from vault.storage.address import FolderAddress, parse_address

    address = parse_address(str(environment.expand(text, folder)) if text.startswith("~") else text)
    return FolderAddress(folder / address.path) if isinstance(address, FolderAddress) else address


def settings_address(found: Settings, repository: RepositorySettings | None = None) -> Address:
    """The address of the repository that settings name, or of another store of theirs. Raises `UsageError`."""
    return resolve_address((repository or found.repository).address, found.file.absolute().parent)


def client_memory(address: Address, repository: RepositorySettings) -> ClientMemory:
    """What this machine knows of the store at an address."""
    from vault.repository.client_memory import ClientMemory

    return ClientMemory.of(environment.state_folder(), memory_key(address, repository), environment.services().randomness)


def memory_key(address: Address, repository: RepositorySettings) -> str:
    """By what this machine knows a store: its address, and the server's."""
    return f"{address.text} {repository.endpoint or ''}"


class OpenStore(NamedTuple):
    """A store, with all that is round it.

    place: by what this machine knows it · bare: itself · counting: counts the requests to it · patient: asks it again · memory:
    what this machine knows of it
    """

    place: str
    bare: Store
    counting: CountingStore
    patient: Store
    memory: ClientMemory


def open_store(
    found: Settings,
    *,
    brief: bool = False,
    hurried: bool = False,
    wrap: Callable[[Store], Store] | None = None,
    create_missing: bool = False,
) -> OpenStore:
    """The store that settings name; whoever opens it closes `bare`. brief, hurried, wrap: as for `opened_by` · create_missing:
    make a folder that is not there. Raises `UsageError`, `NoRepository`, `StorageError`."""
    from vault.storage.address import open_bare_store
    from vault.storage.counting import CountingStore
    from vault.storage.retrying import RetryingStore

    everything = environment.services()
    options = store_options(found.repository, brief=brief, hurried=hurried)
    address = settings_address(found)
    bare = open_bare_store(address, options, everything.clock, everything.randomness, create_missing=create_missing)
    counting = CountingStore(bare if wrap is None else wrap(bare))
    listener = notices.RetryNotices()
    patient = RetryingStore(counting, options.patience, everything.clock, everything.randomness, listener=listener)
    return OpenStore(memory_key(address, found.repository), bare, counting, patient, client_memory(address, found.repository))


def memory_of_settings(found: Settings, repository: RepositorySettings | None = None) -> ClientMemory:
    """What this machine knows of the store that settings name, or of another one of theirs. Raises `UsageError`."""
    return client_memory(settings_address(found, repository), repository or found.repository)
