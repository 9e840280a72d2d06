"""Destroying a project once that was stated: its key objects first, then everything else, then the completion.

It takes no keys of the project: whoever may delete in the store, and can read the statements, goes on where somebody was cut
off. As soon as the last key object is deleted nobody opens anything of it any more; the rest gives the room back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from msgspec import Struct, field

from vault.age import HybridIdentity, HybridRecipient
from vault.errors import StorageDenied, StorageError
from vault.format import layout
from vault.format.erasure import Completion, digest, signed
from vault.format.erasure_chain import Erasure
from vault.format.grant import Grant, Signer
from vault.format.principal import Principal
from vault.problems import Problem
from vault.progress import NoProgress, Progress, Stop, never
from vault.repository import erasures
from vault.repository.erasure_rules import key_names
from vault.repository.key_objects import key_id
from vault.repository.services import Services
from vault.storage.contract import ObjectInfo, Store
from vault.storage.object_versions import Versions, versions_of

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 8
"""Deletions under way."""

ROUNDS = 5
"""Listings after which a store that lists what it has deleted is not asked again."""

LISTINGS = 2
"""In a row that must find nothing: an answer may be wrong."""


class Destroyed(Struct):
    """What was deleted, and what the store would not delete (names with the reason)."""

    key_objects: int = 0
    objects: int = 0
    bytes: int = 0
    left: dict[str, StorageError] = field(default_factory=dict)

    @property
    def problems(self) -> list[Problem]:
        """What stays."""
        return [Problem(name.encode(), "not-deleted", str(error)) for name, error in sorted(self.left.items())]


class DestructionOptions(Struct, frozen=True):
    """stop: called often; what it raises ends the work · progress: hears how far it is."""

    stop: Stop = never
    progress: Progress = field(default_factory=NoProgress)


def destroy(
    store: Store, project: str, identities: Iterable[HybridIdentity], options: DestructionOptions | None = None
) -> Destroyed:
    """Delete everything of a project. identities: their own key objects go last, so that they can go on where it is cut off.
    Raises `StorageError` where a key object cannot be deleted."""
    run = _Run(store, project, options or DestructionOptions())
    run.delete_keys({key_id(one.recipient, project) for one in identities})
    run.delete_rest()
    return run.done


def old_versions(store: Store, project: str) -> int | None:
    """Versions of a project's objects that the bucket keeps; None where it does not say."""
    try:
        versions = versions_of(store)
        return 0 if versions is None else versions.count(layout.project_folder(project))
    except StorageError:
        return None


def complete(
    store: Store, found: Erasure, done: Destroyed, identity: HybridIdentity, services: Services, log: str
) -> Completion | None:
    """Write the completion; None where this identity may not sign it. log: the newest entry of its log. Raises
    `StorageError`."""
    one, own = found.destruction, Principal.of(identity)
    grants = [it for it in one.grants if isinstance(it, Grant)]
    name = next((it.name for it in grants if it.principal == own), None)
    if name is None or own.signing_key is None:
        return None
    made = Completion(
        repository=one.repository,
        project=one.project,
        id=layout.new_id(services.randomness.token(16)),
        name=one.name,
        destruction=digest(one),
        key_objects=done.key_objects,
        objects=done.objects,
        bytes=done.bytes,
        left=len(done.left),
        old_versions=old_versions(store, one.project),
        log=log,
        by=Signer(name, own.signing_key),
        at=services.clock.now(),
    )
    statement = signed(made, identity)
    recipients = [own.recipient, *(it.principal.recipient for it in grants)]
    erasures.write(store, statement, _unique(recipients), services.randomness)
    return statement


def _unique(recipients: Sequence[HybridRecipient]) -> list[HybridRecipient]:
    return list(dict.fromkeys(recipients))


class _Run:
    def __init__(self, store: Store, project: str, options: DestructionOptions) -> None:
        self._store = store
        self._project = project
        self._options = options
        self._versions: Versions | None = versions_of(store)
        self.done = Destroyed()

    def delete_keys(self, own: set[str]) -> None:
        """All key objects with their versions, in both places: those of others first. own: ids of those that go last. Raises
        `StorageError`."""
        empty = rounds = 0
        while empty < LISTINGS:
            self._options.stop()
            names = self._keys()
            empty = 0 if names else empty + 1
            rounds += bool(names)
            if rounds > ROUNDS:
                raise StorageError(f"the store answers that it deletes key objects such as {names[0]}, and still lists them")
            if names:
                self._options.progress.phase("deleting key objects", items=len(names))
            last = [name for name in names if name.rpartition("/")[2].removesuffix(".age") in own]
            for group in ([name for name in names if name not in last], last):
                for _ in self._each(group, self._delete_key):
                    self.done.key_objects += 1
                    self._options.progress.advance(items=1)

    def _keys(self) -> list[str]:
        folders = (layout.keys_folder(self._project), layout.second_keys_folder(self._project))
        found = {info.name for folder in folders for info in self._store.list(folder)}
        if self._versions is not None:
            found |= {name for folder in folders for name in self._versions.names(folder)}
        return key_names(found, self._project)

    def _delete_key(self, name: str) -> None:
        self._store.delete(name)
        if self._versions is not None:
            self._versions.delete(name)

    def delete_rest(self) -> None:
        """Everything else. What the store refuses to delete stays, and is named."""
        empty = rounds = 0
        listed: list[ObjectInfo] = []
        while empty < LISTINGS and rounds <= ROUNDS:
            self._options.stop()
            found = [one for one in self._store.list(layout.project_folder(self._project)) if one.name not in self.done.left]
            listed = sorted(found, key=lambda one: one.name)
            empty = 0 if listed else empty + 1
            rounds += bool(listed)
            if listed:
                self._options.progress.phase("deleting", items=len(listed), size=sum(one.size for one in listed))
            for one, refused in zip(listed, self._each(listed, self._delete_object), strict=True):
                if refused is not None:
                    self.done.left[one.name] = refused
                    continue
                self.done.objects += 1
                self.done.bytes += one.size
                self._options.progress.advance(items=1, size=one.size)
        for one in listed if empty < LISTINGS else ():
            self.done.left[one.name] = StorageError(f"{one.name} is still listed after it was deleted")

    def _delete_object(self, one: ObjectInfo) -> StorageError | None:
        """Why it stays; None where it is gone."""
        try:
            self._store.delete(one.name)
        except StorageDenied as error:
            return error
        return None

    def _each(self, things: Sequence[T], action: Callable[[T], R]) -> Iterator[R]:
        """Several at once; the first error ends it, once those under way have ended."""

        def attempt(thing: T) -> R:
            self._options.stop()
            return action(thing)

        with ThreadPoolExecutor(min(AT_ONCE, len(things)) or 1, thread_name_prefix="erase") as pool:
            futures = [pool.submit(attempt, one) for one in things]
            try:
                for future in futures:
                    yield future.result()
            finally:
                for future in futures:
                    future.cancel()
