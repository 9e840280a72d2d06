"""Repair of the log: entries and time stamps that are damaged or gone come back from second copies. Nobody can write one anew:
what no copy has is named, and `audit verify` goes on naming it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from strongroom import audit_verification, notices
from strongroom.audited_projects import AuditedProject, log_keys
from strongroom.repair_repository import RepositoryRepair

if TYPE_CHECKING:
    from strongroom.context import Context
    from vault.repository.audit.entries import Listing
    from vault.repository.project import Project
    from vault.repository.repair.object_copies import WholeCopy
    from vault.storage.contract import Store

MENDABLE = ("damaged-entry", "missing-entry", "cut-off", "written-anew")
"""Findings about a chain that the object's bytes would mend; others tell that somebody wrote what should not be there."""

BROKEN = "broken-chain"
"""A finding about the entry after one that is not what was written: such as may look as if it were sealed for others."""


def repair_log(context: Context, projects: Sequence[Project], others: Sequence[Store], *, write: bool) -> RepositoryRepair:
    """Put back what copies have, or say what would be. projects: whose log is looked at, as far as it may be read · others:
    stores with a copy of the repository · write: whether it is done. Raises `StorageError`."""
    from vault.storage.memory import MemoryStore
    from vault.storage.overlaid import OverlaidStore

    audited, repaired = [AuditedProject.of_project(one) for one in projects], RepositoryRepair()
    if not any(one.keys for one in audited):
        if any(one.has_log for one in audited):
            notices.notice("the log is left out: this identity may not read it")
        return repaired
    store = context.repository.store
    look = _Look(context, audited, others)
    whole = MemoryStore()
    for name, copy in look.copies():
        whole.put(name, copy.data)
        if write:
            _replace(context, name, copy.data)
        repaired.steps[name] = f"{name} of the log is damaged or gone; it is put back from {copy.origin}"
    after = OverlaidStore(store, dict.fromkeys(repaired.steps, whole))
    repaired.unrepaired |= look.left(store if write else after)
    return repaired


def _replace(context: Context, name: str, data: bytes) -> None:
    """Store it, once what stood there is kept on this machine."""
    from vault.errors import ObjectNotFound

    store = context.repository.store
    with suppress(ObjectNotFound):
        context.memory.save_replaced(name, store.get(name))
    store.put(name, data)


class _Look:
    def __init__(self, context: Context, audited: Sequence[AuditedProject], others: Sequence[Store]) -> None:
        self._context = context
        self._audited = audited
        self._others = others
        self._keys = log_keys(audited)
        self._id = context.repository.descriptor.repository

    def copies(self) -> Iterator[tuple[str, WholeCopy]]:
        """What the store lacks or has damaged, and a copy has whole, by name."""
        from vault.errors import StorageError
        from vault.repository.audit import entries
        from vault.repository.repair.object_copies import WholeCopy, origin_of

        store, found = self._context.repository.store, set[str]()
        there = entries.listed(store)
        bad = {*self._damaged(store, there), *self._before_broken(store, there)}
        names = _names(there)
        for other in self._others:
            try:
                listing = entries.listed(other)
                wanted = ((_names(listing) - names) | bad) - found
                unfit = set(self._damaged(other, _only(listing, wanted)))
                for name in sorted((wanted & _names(listing)) - unfit):
                    data = other.get(name)
                    if name not in names or store.get(name) != data:
                        yield name, WholeCopy(data, origin_of(other))
                        found.add(name)
            except StorageError:
                continue  # the next copy may be reached

    def left(self, store: Store) -> dict[str, str]:
        """What stays damaged or gone, in words, by the object's name, or that of the chain where a number is missing."""
        from vault.format import layout
        from vault.repository.audit import entries

        said, found = "no copy has it, and `strongroom audit verify` goes on saying so", dict[str, str]()
        for name in self._before_broken(store, entries.listed(store)):
            found[name] = f"the entry {name} of the log is not the one that the next entry names; {said}"
        for chain in audit_verification.verify_chains(self._context, self._audited, store):
            for one in (it for it in chain.findings if it.what in MENDABLE):
                name = layout.audit_name(one.principal, one.entry) if one.entry else layout.audit_folder(one.principal)
                found[name] = f"{one.message}; {said}"
        for name in self._damaged(store, entries.listed(store)._replace(entries=[])):
            found[name] = f"the time stamp {name} is damaged; the entry is stamped again with `strongroom audit stamp`"
        return found

    def _before_broken(self, store: Store, listing: Listing) -> set[str]:
        """The names of entries whose bytes are not those that the entry after them names."""
        by_number: dict[tuple[str, int], set[str]] = {}
        for one in listing.entries:
            by_number.setdefault((one.principal, one.sequence), set()).add(one.name)
        chains = audit_verification.verify_chains(self._context, self._audited, store)
        broken = [(one.principal, int(one.entry[:12]) - 1) for it in chains for one in it.findings if one.what == BROKEN]
        return set[str]().union(*(by_number.get(one, set()) for one in broken))

    def _damaged(self, store: Store, listing: Listing) -> Iterable[str]:
        """The names of entries and time stamps that cannot be used."""
        from vault.repository.audit import entries, stamps

        for entry in entries.read_all(store, listing.entries, self._keys, self._id):
            if entry.damage is not None:
                yield entry.stored.name
        for one in listing.stamps:
            if stamps.read(store, one, self._keys, self._id).damage is not None:
                yield stamps.name_of(one)


def _names(listing: Listing) -> set[str]:
    from vault.repository.audit import stamps

    return {*(one.name for one in listing.entries), *map(stamps.name_of, listing.stamps)}


def _only(listing: Listing, names: set[str]) -> Listing:
    from vault.repository.audit import stamps

    entries = [one for one in listing.entries if one.name in names]
    return listing._replace(entries=entries, stamps=[one for one in listing.stamps if stamps.name_of(one) in names])
