"""Which projects of a repository open, also with what copies have of their keys."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec.structs import replace

from vault.errors import Damaged, StrongroomError
from vault.format import layout

if TYPE_CHECKING:
    from vault.age import Identity
    from vault.repository.project import Project
    from vault.repository.project_lookup import Available, Known, Refused
    from vault.repository.repository import Repository
    from vault.storage.fallback import FallbackStore


def ask(repository: Repository, names: Sequence[str], identities: Sequence[Identity], known: Known) -> Available:
    """The projects of these names or ids, or all: what the repository says; of those that do not open, what copies say that
    stand behind its store. known: as for `Repository.available`. Raises as that does."""
    from vault.storage.fallback import FallbackStore

    found, store = repository.available(names, identities, known), repository.store
    if not isinstance(store, FallbackStore):
        return found
    refused = []
    for one in found.refused:
        opened = _from_copies(repository, store, one, identities, known) if isinstance(one.error, Damaged) else None
        if opened is None:
            refused.append(one)
        else:
            found.projects.append(opened)
    return found._replace(refused=refused)


def _from_copies(
    repository: Repository, store: FallbackStore, refused: Refused, identities: Sequence[Identity], known: Known
) -> Project | None:
    """A project whose key objects are damaged or gone, opened with those of a copy."""
    for other in store.others():
        with suppress(StrongroomError):
            (opened,) = replace(repository, store=other.store).choose([refused.name], identities, known)
            store.notes.add(layout.keys_folder(opened.id), refused.error, other.name)
            return replace(opened, store=store)
    return None
