"""The marks of prunes: packs that a prune is about to delete, so that nothing new refers to them, and writers that a prune
does not wait for. How long a prune waits for others is in `vault.repository.claims`.

A mark is deleted only by the prune that wrote it, or once none of its packs exists: nobody can know of another prune that
it will not delete any more. A mark that a dead prune left does no harm: what a snapshot carries forward from a committed one
may stay where it lies, marked or not, and waste under it goes with the next prune, which marks it too. Where content has moved
to a pack under such a mark, the packs that it came from stay for a month.

A mark that names evicted writers names no packs and stays for a month, whatever becomes of its prune. A claim may come back
after its eviction, by a request that was late; what such a mark says is never taken back while its writer may live.

A mark that cannot be read may name anything: as long as it exists nothing new refers to any stored pack, and nobody is kept
from working. Only a person can know that its prune has ended, and take it away.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from vault.errors import Damaged, ObjectNotFound
from vault.format import layout
from vault.format.mark import UNKNOWN_MOMENT, Mark
from vault.problems import Problem
from vault.repository.project import Project
from vault.wording import quoted

EVICTIONS_STAY = timedelta(days=30)
"""How long it stays on record that a writer was evicted: far longer than a writer can be asleep and commit after all."""

PRUNES_LAST = EVICTIONS_STAY
"""A prune whose mark is older will not delete any more what it names: it read the records anew before it would have."""

UNREADABLE = "a prune's mark cannot be read, so what is new is stored without looking for it among what is stored"


class Marks(Struct, frozen=True):
    """All marks of two listings, by name. damaged: those that cannot be read."""

    by_name: dict[str, Mark]
    damaged: tuple[Problem, ...] = ()

    @property
    def unreadable(self) -> frozenset[str]:
        """The names of those that cannot be read."""
        return frozenset(one.path.decode() for one in self.damaged)

    @property
    def packs(self) -> frozenset[bytes]:
        """Those under any of the marks."""
        return self.packs_except(())

    def packs_except(self, known: Container[str], since: datetime | None = None) -> frozenset[bytes]:
        """The packs under those of the marks that are not among `known` (names of marks). since: without those that were
        written before."""
        others = (one for name, one in self.by_name.items() if name not in known)
        return frozenset().union(
            *(one.packs for one in others if since is None or one.started_at >= since or one.started_at == UNKNOWN_MOMENT)
        )

    def evicted(self) -> dict[str, datetime]:
        """The writers that were evicted, by the ids of their snapshots to be, and when that was, the last time."""
        moments: dict[str, datetime] = {}
        for one in self.by_name.values():
            for writer in one.evicted:
                moments[writer] = max(one.started_at, moments.get(writer, one.started_at))
        return moments


def read(project: Project) -> Marks:
    """Every mark.

    They are listed twice: a listing is no picture of one moment, and of two marks, the second of which was written
    before the first was taken away, one listing may miss both.
    """
    first = dict(_read(project, ()))
    found = first | dict(_read(project, first))
    marks = {name: one for name, one in found.items() if isinstance(one, Mark)}
    return Marks(marks, tuple(one for one in found.values() if isinstance(one, Problem)))


def marked(project: Project) -> frozenset[bytes]:
    """The packs under any mark that can be read."""
    return read(project).packs


def read_by_name(project: Project) -> dict[str, frozenset[bytes]]:
    """The packs of every mark that can be read, by the mark's name."""
    return {name: frozenset(one.packs) for name, one in _read(project, ()) if isinstance(one, Mark) and not one.evicted}


def write(project: Project, packs: Sequence[bytes]) -> str:
    """Mark these packs, at most `MAX_PACKS_IN_MARK`; gives the name of the mark."""
    return _write(project, tuple(packs), ())


def write_evictions(project: Project, writers: Iterable[str]) -> str:
    """Say that these writers are evicted, before anything is done about them; gives the name of the mark."""
    return _write(project, (), tuple(writers))


def old_evictions(project: Project) -> list[str]:
    """The names of those marks that say of writers a month ago that they were evicted: they may go."""
    before = project.services.clock.now() - EVICTIONS_STAY
    return [name for name, one in _read(project, ()) if isinstance(one, Mark) and one.evicted and one.started_at < before]


def _write(project: Project, packs: tuple[bytes, ...], evicted: tuple[str, ...]) -> str:
    services = project.services
    mark = Mark(layout.new_id(services.randomness.token(16)), packs, services.host, services.clock.now(), evicted)
    name = layout.mark_name(project.id, mark.id)
    project.put_record(name, mark.as_json())
    return name


def _read(project: Project, known: Container[str]) -> Iterator[tuple[str, Mark | Problem]]:
    for name in [info.name for info in project.store.list(project.folder("marks"))]:
        leaf = name.rpartition("/")[2]
        if name in known or not layout.is_id(leaf):
            continue
        try:
            yield name, Mark.from_json(project.read_record(name, f"the mark {name}"), leaf)
        except ObjectNotFound:
            continue  # that prune has ended
        except Damaged as error:
            message = (
                f"{UNREADABLE}: {error}; once no prune of the project is running on any machine: "
                f"`strongroom check {quoted(project.name)} --acknowledge REASON`"
            )
            yield name, Problem(name.encode(), "damaged-mark", message)


def write_empty(project: Project, mark: str) -> None:
    """Write a mark that names nothing over one that cannot be read: a person knows that no prune relies on it any more."""
    services = project.services
    value = Mark(mark, (), services.host, services.clock.now())
    project.put_record(layout.mark_name(project.id, mark), value.as_json())
