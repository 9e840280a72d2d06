"""The marks of prunes: packs that somebody means to delete, so that nothing new leans on them, and writers whom somebody
does not wait for.

A mark is taken away only by the prune that wrote it, or once none of its packs stands: nobody can know of another prune that
it will not delete any more. A mark that a dead prune left does no harm: what a snapshot carries forward from a committed one
may stay where it lies, marked or not, and waste under it goes with the next prune, which marks it too.

A mark that names evicted writers names no packs and stays for a month, whatever becomes of its prune. A claim may come back
after its eviction, by a request that was late; what such a mark says is never taken back while its writer may live.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from vault.errors import ObjectNotFound
from vault.format import layout
from vault.format.housekeeping import Mark
from vault.repository.project import Project

EVICTIONS_STAY = timedelta(days=30)
"""How long it stays on record that a writer was evicted: far longer than a writer can be asleep and commit after all."""


@dataclass(frozen=True, slots=True)
class Marks:
    """All marks that were met in two listings, by name."""

    by_name: dict[str, Mark]

    @property
    def packs(self) -> frozenset[bytes]:
        """Those under any of the marks."""
        return self.packs_beside(())

    def packs_beside(self, known: Container[str]) -> frozenset[bytes]:
        """The packs under those of the marks that are not among `known` (names of marks)."""
        return frozenset().union(*(one.packs for name, one in self.by_name.items() if name not in known))

    def evicted(self) -> dict[str, datetime]:
        """The writers that were evicted, by the ids of their snapshots to be, and when that was, the last time."""
        moments: dict[str, datetime] = {}
        for one in self.by_name.values():
            for writer in one.evicted:
                moments[writer] = max(one.started_at, moments.get(writer, one.started_at))
        return moments


def read(project: Project) -> Marks:
    """Every mark. Raises `Damaged`.

    They are listed twice: a listing is no picture of one moment, and of two marks, the second of which was written
    before the first was taken away, one listing may miss both.
    """
    first = dict(_read(project, ()))
    return Marks(first | dict(_read(project, first)))


def marked(project: Project) -> frozenset[bytes]:
    """The packs under any mark. Raises `Damaged`."""
    return read(project).packs


def by_name(project: Project) -> dict[str, frozenset[bytes]]:
    """Every mark on packs that stands. Raises `Damaged`."""
    return {name: frozenset(one.packs) for name, one in _read(project, ()) if not one.evicted}


def write(project: Project, packs: Sequence[bytes]) -> str:
    """Mark these packs, at most `MOST_IN_MARK`; gives the name of the mark."""
    return _write(project, tuple(packs), ())


def note_evicted(project: Project, writers: Iterable[str]) -> str:
    """Say that these writers are evicted, before anything is done about them; gives the name of the mark."""
    return _write(project, (), tuple(writers))


def clear_evictions(project: Project) -> None:
    """Take away what was said of writers a month ago."""
    before = project.services.clock.now() - EVICTIONS_STAY
    for name, one in list(_read(project, ())):
        if one.evicted and one.started_at < before:
            project.store.delete(name)


def _write(project: Project, packs: tuple[bytes, ...], evicted: tuple[str, ...]) -> str:
    services = project.services
    mark = Mark(layout.new_id(services.chance.token(16)), packs, services.host, services.clock.now(), evicted)
    name = layout.mark_name(project.id, mark.id)
    project.put_record(name, mark.as_json())
    return name


def _read(project: Project, known: Container[str]) -> Iterator[tuple[str, Mark]]:
    for name in [info.name for info in project.store.list(project.folder("marks"))]:
        if name not in known:
            try:
                yield name, Mark.from_json(project.read_record(name, f"the mark {name}"), name.rpartition("/")[2])
            except ObjectNotFound:
                continue  # that prune has ended
