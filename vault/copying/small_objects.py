"""What is copied as it is, whole: the descriptor, key objects, copies of settings, holds, and whatever else is small, lies
under a name of its own and is never edited.

Key objects and the descriptor may be other ones after an upgrade or a change of keys: then the first store's count, unless they
cannot be read there. Nothing is deleted in the second store.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from msgspec import Struct

from vault import age
from vault.age import Identity
from vault.age.stream import NONCE_SIZE
from vault.copying.pair import CopyPair, of_the_copy
from vault.errors import Damaged, ObjectNotFound, RefusedByRule, StorageError
from vault.format import envelope, layout
from vault.format.descriptor import Descriptor
from vault.format.hold import read as read_hold
from vault.problems import Problem
from vault.repository import key_objects, settings_copies
from vault.repository.repository import Repository
from vault.storage.caching import uncached
from vault.storage.contract import ObjectInfo, Store

SHARED = ("settings", "audit")
"""Folders of a repository whose objects are copied as they are."""

OF_PROJECT = ("grants", "holds")
"""Folders of a project whose objects are copied as they are."""

KEYS = "keys"
"""The folder of a project in which further copies of its key objects may lie."""

AT_ONCE = 8
"""Objects that are on their way at once: each waits for two round trips."""


class CopiedObjects(Struct):
    """copied: names · problems: what could not be."""

    copied: list[str]
    problems: list[Problem]


def refuse_another(first: Repository, second: Store) -> Descriptor | None:
    """The descriptor at the second store; None where it has none, or a damaged one, which is written again. Raises
    `RefusedByRule` where something else is there than a copy of this repository."""
    where, own = second.describe(), first.descriptor.repository
    try:
        found = Descriptor.decode(second.get(layout.DESCRIPTOR))
    except (ObjectNotFound, Damaged):
        there, projects = ({one.scope for one in key_objects.listed(store)} for store in (second, first.store))
        if there and there.isdisjoint(projects):
            raise RefusedByRule(
                f"what is left of another repository is at {where}", hint="choose another address for the copy"
            ) from None
        return None
    if found.repository != own:
        raise RefusedByRule(
            f"another repository ({found.repository}) is at {where}, and not a copy of this one ({own})",
            hint="choose another address for the copy",
        )
    return found


def copy_keys(pair: CopyPair, identities: Sequence[Identity]) -> CopiedObjects:
    """The key objects of the project, then the descriptor: before anything that needs them. Raises `StorageError`."""
    first, second, repository = pair.first.store, pair.target, pair.first.descriptor.repository
    done = CopiedObjects([], [])
    there = {one.name: one for one in key_objects.listed(second, pair.first.id)}
    for one in key_objects.listed(first, pair.first.id):
        try:
            data = first.get(one.name)
            if one.name in there and second.get(one.name) == data:
                continue
            data = read_surely(first, one.name)
            if key_objects.decode(data, one, identities, repository) is None:
                _sealed(data, one.name)
        except ObjectNotFound:
            continue  # it was taken away since the listing
        except Damaged as error:
            done.problems.append(Problem(one.name.encode(), "damaged-key", f"not copied: {error}"))
            continue
        pair.put(one.name, data)
        done.copied.append(one.name)
    _copy_as_it_is(pair, [*(info.name for info in _ours(first, pair.first.folder(KEYS))), layout.DESCRIPTOR], done)
    return done


def _copy_as_it_is(pair: CopyPair, names: Iterable[str], done: CopiedObjects) -> None:
    """Objects that may have been written anew in the first store."""
    for name in names:
        if _read(pair.target, name) != pair.first.store.get(name):
            pair.put(name, read_surely(pair.first.store, name))
            done.copied.append(name)


def read_surely(store: Store, name: str) -> bytes:
    """An object of which no key at hand may tell whether it is whole: the same bytes twice, below this machine's cache. Raises
    `ObjectNotFound`, `Damaged` where three answers are three."""
    below = uncached(store)
    first, second = store.get(name), below.get(name)
    if first == second:
        return first
    third = below.get(name)
    if third not in (first, second):
        raise Damaged(f"the object {name} is read otherwise each time")
    return third


def missing(pair: CopyPair, folders: Sequence[str]) -> Iterator[ObjectInfo]:
    """The objects of these folders that the second store lacks, or has with another length."""
    for folder in folders:
        listed = list(_ours(pair.first.store, folder))
        there = {info.name: info.size for info in _ours(pair.target, folder)} if listed else {}
        yield from (info for info in sorted(listed, key=lambda one: one.name) if there.get(info.name) != info.size)


def of_project(pair: CopyPair) -> list[str]:
    """The folders of the project that are copied as they are."""
    return [pair.first.folder(name) for name in OF_PROJECT]


def copy_missing(pair: CopyPair, folders: Sequence[str]) -> CopiedObjects:
    """Copy what is missing of these folders; each is looked at first. Raises `StorageError`."""
    done = CopiedObjects([], [])

    def carry(info: ObjectInfo) -> str | Problem:
        try:
            data = read_surely(pair.first.store, info.name)
            _verify(pair, info.name, data)
        except ObjectNotFound:
            return ""
        except Damaged as error:
            return Problem(info.name.encode(), "damaged-object", f"not copied: {error}")
        pair.put(info.name, data)
        return info.name

    wanted = list(missing(pair, folders))
    with ThreadPoolExecutor(min(AT_ONCE, len(wanted)) or 1, thread_name_prefix="objects") as pool:
        for outcome in pool.map(carry, wanted):
            if isinstance(outcome, Problem):
                done.problems.append(outcome)
            elif outcome:
                done.copied.append(outcome)
    return done


def copy_shared(pair: CopyPair) -> CopiedObjects:
    """What belongs to no single project. Of copies of settings the second store keeps as many as the first."""
    done = copy_missing(pair, SHARED)
    if any(name.startswith("settings/") for name in done.copied):
        settings_copies.thin(pair.target, settings_copies.listed(pair.target))
    return done


def _verify(pair: CopyPair, name: str, data: bytes) -> None:
    """Raises `Damaged` where it is not what its name says, as far as the keys at hand tell."""
    if name.startswith(f"{pair.first.folder('holds')}/"):
        leaf, key = name.rpartition("/")[2], pair.first.capability.tag_key
        read_hold(envelope.decode(pair.first.open_catalogue(data), key, name, pair.first.id, f"the hold {leaf}"), leaf)
    else:
        _sealed(data, name)


def _sealed(data: bytes, name: str) -> None:
    """Raises `Damaged` where it is not an age file, whoever it is sealed to."""
    try:
        header = age.parse_header(data)
        age.plain_length(len(data) - header.length - NONCE_SIZE)
    except Damaged as error:
        raise Damaged(f"the object {name} is damaged: {error}") from error


def _ours(store: Store, folder: str) -> Iterator[ObjectInfo]:
    """What the format knows of a folder."""
    return (info for info in store.list(folder) if layout.is_ours(info.name))


def _read(store: Store, name: str) -> bytes | None:
    try:
        return store.get(name)
    except ObjectNotFound:
        return None
    except StorageError as error:
        raise of_the_copy(error, store) from error
