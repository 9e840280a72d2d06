"""Before anything is written over an object, or it is deleted, since it is damaged: it is looked at once more, and what stands
there is kept on this machine. Bad memory looks like bad storage."""

from __future__ import annotations

from vault.errors import ObjectNotFound, TargetError
from vault.repository import object_proof
from vault.repository.client_memory import ClientMemory
from vault.repository.project import Project
from vault.storage.caching import uncached


def keep_replaced(project: Project, memory: ClientMemory, name: str) -> bool:
    """Keep what stands under a name of a project, if it still cannot be used; returns whether that is so. False also where
    nothing stands there. Raises `StorageError`, `TargetError` where this machine cannot keep it."""
    store = uncached(project.store)
    try:
        data = store.get(name)
        if object_proof.proves(project, name, data):
            return False
    except ObjectNotFound:
        return False
    memory.save_replaced(name, data)
    if not memory.has_replaced(name, data):
        raise TargetError(
            f"what stands in the store as {name} cannot be kept in {memory.folder}, so it was not replaced",
            hint="free some room there, or correct the permissions of that folder; then run the repair again",
        )
    return True
