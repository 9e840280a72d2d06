"""Projects that were erased, as this machine meets them: its own copies go, and its settings may still name them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom import local_state

if TYPE_CHECKING:
    from strongroom.context import Context
    from vault.repository.client_memory import ClientMemory
    from vault.repository.erasures import ErasedProject

CLEARED = "erased-cleared"
"""The list in a machine's memory that says that nothing of an erased project is in its cache any more."""

_OBJECTS = re.compile(r"[0-9a-f]{2}\Z")
"""Folders of the cache with stored objects, whose files do not tell of which project they are."""


def meet(context: Context) -> list[ErasedProject]:
    """The projects that are known here and were erased; what this machine has cached of them, and what their sources have
    remembered, goes."""
    from vault.repository import erasures

    found = []
    for project in sorted(set(context.memory.projects().values())):
        erased = erasures.remembered(context.memory, project)
        if erased is None:
            continue
        found.append(erased)
        context.memory.key_copies.delete(project)
        for name in [name for name, known in context.memory.projects().items() if known == project]:
            shutil.rmtree(local_state.of_sources(context.settings, name), ignore_errors=True)
        if not context.memory.lines(CLEARED, project):
            _clear(context.cache, project)
            context.memory.save_lines(CLEARED, project, [erased.erasure])
    return found


def named_by_settings(context: Context) -> dict[str, ErasedProject]:
    """Those of them that the settings still name, by the names there."""
    settings, known = context.settings, context.memory.projects()
    erased = {one.project: one for one in meet(context)}
    ids = {name: settings.project_id(name) or known.get(name) for name in settings.projects}
    unknown = [name for name, project in ids.items() if project is None or project not in {*erased, *known.values()}]
    return {name: erased[project] for name, project in ids.items() if project in erased} | _asked_for(context, unknown)


def _asked_for(context: Context, names: Sequence[str]) -> dict[str, ErasedProject]:
    """Those of these projects, of which this machine knows nothing, that the repository says were erased."""
    repository, settings = context.repository, context.settings
    if not names or not repository.has_erasures:
        return {}
    there = {text for one in repository.open_keys(context.identities).capabilities for text in (one.name, one.project)}
    wanted = {name: settings.project_id(name) or name for name in names}
    found = {name: repository.erased_by_name(one, context.identities) for name, one in wanted.items() if one not in there}
    return {name: one for name, one in found.items() if one is not None}


def leftover(name: str, file: Path) -> str:
    """What to do about one that the settings still name."""
    return f"take [projects.{name}] out of {file}"


def _clear(cache: Path, project: str) -> None:
    """Everything that names the project, and all stored objects: others' are fetched again when they are asked for."""
    for path in sorted(cache.rglob("*"), reverse=True) if cache.is_dir() else ():
        parts = path.relative_to(cache).parts
        if project in path.relative_to(cache).as_posix() or _OBJECTS.match(parts[0]):
            with suppress(OSError):
                path.unlink() if not path.is_dir() else path.rmdir()


def forget_memory(memory: ClientMemory, project: str) -> None:
    """Of a project that was just erased by this machine: what it remembered of objects that are gone."""
    for kind in ("snapshots", "holds", "forgotten", "keys", "locks", "legal-holds"):
        if memory.lines(kind, project):
            memory.save_lines(kind, project, [])
