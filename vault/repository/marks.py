"""The marks of prunes: packs that somebody means to delete, so that nothing new leans on them.

A mark is taken away only by the prune that wrote it, or once none of its packs stands: nobody can know of another prune that
it will not delete any more. A mark that a dead prune left does no harm: what a snapshot carries forward from a committed one
may stay where it lies, marked or not, and waste under it goes with the next prune, which marks it too.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from vault.errors import ObjectNotFound
from vault.format import layout
from vault.format.housekeeping import Mark, read_mark
from vault.repository.project import Project


def marked(project: Project) -> frozenset[bytes]:
    """The packs under any mark. Raises `Damaged`.

    The marks are listed twice: a listing is no picture of one moment, and of two marks, the second of which was written
    before the first was taken away, one listing may miss both.
    """
    first = dict(_read(project, ()))
    return frozenset().union(*first.values(), *dict(_read(project, first)).values())


def by_name(project: Project) -> dict[str, frozenset[bytes]]:
    """Every mark that stands. Raises `Damaged`."""
    return dict(_read(project, ()))


def write(project: Project, packs: Sequence[bytes]) -> str:
    """Mark these packs, at most `MOST_IN_MARK`; gives the name of the mark."""
    services = project.services
    mark = Mark(layout.new_id(services.chance.token(16)), tuple(packs), services.host, services.clock.now())
    name = layout.mark_name(project.id, mark.id)
    project.put_record(name, mark.as_json())
    return name


def _read(project: Project, known: Container[str]) -> Iterator[tuple[str, frozenset[bytes]]]:
    for name in [info.name for info in project.store.list(project.folder("marks"))]:
        if name not in known:
            try:
                yield name, read_mark(project.read_record(name, f"the mark {name}"))
            except ObjectNotFound:
                continue  # that prune has ended
