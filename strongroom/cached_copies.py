"""What is damaged or gone in the store, and whole in this machine's cache, is put back where that is safe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom import local_state, notices, object_lock

if TYPE_CHECKING:
    from strongroom.context import Context
    from vault.repository.project import Project


def put_back(context: Context, project: Project) -> list[str]:
    """Store again what this machine's cache has whole (see `vault.repository.cached_copies`); gives the names. That the store
    refuses it is told, and ends nothing."""
    from vault.errors import Interrupted, StrongroomError
    from vault.format import layout
    from vault.repository import cached_copies

    try:
        if all(one.withheld for one in cached_copies.look(project)):
            return []
        object_lock.begun(context, project)
        names = cached_copies.put_back(project)
    except Interrupted:
        raise
    except StrongroomError as error:
        notices.warn(f"{project.name}: whole copies out of this machine's cache could not be put back: {error} ({error.hint})")
        return []
    for name in names:
        notices.notice(f"{project.name}: {name} was damaged or gone, and was put back out of this machine's cache")
    note_whole(context, project, frozenset(pack for pack in map(layout.pack_sha256, names) if pack is not None))
    return names


def note_whole(context: Context, project: Project, packs: frozenset[bytes]) -> None:
    """Backups may rely on these packs again, whatever a check has found."""
    if not packs:
        return
    with local_state.noted(context.settings) as state_store:
        if state_store is not None:
            seen = state_store.packs(project.name)
            whole_again = {pack: seen[pack]._replace(whole=True) for pack in packs & seen.keys()}
            state_store.write_packs(project.name, {**seen, **whole_again})
