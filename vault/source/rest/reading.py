"""Reading one resource into the mirror, until what was read is a state that the interface really had.

Whoever reads page by page while others write reads a mixture. A reading is over, *settled*, when

- one answer had everything, and nothing was asked for beside it; or
- a pass has changed nothing in the mirror that a complete pass had filled before: all of it stood there between the two; or
- after a full pass that can skip nothing, nothing was modified any more, and the interface's own count is that of the mirror.

A listing by pages or offsets skips a record where another one before it is deleted meanwhile. That one was in this listing and
is not in the next, so two listings that are equal have skipped nothing; unless the order is another one each time, which shows
by records that come twice.

The clock that stamps modifications need not be the one that the server tells (`Date`), nor ours. What a reading may have missed
is no older than the newest stamp that it has seen, less the time that it took: from there on is asked.
"""

from __future__ import annotations

from msgspec.structs import replace

from vault.problems import Problem
from vault.source.rest.client import Nonsense
from vault.source.rest.description import Resource
from vault.source.rest.description_faults import duration
from vault.source.rest.interface_check import InterfaceCheck
from vault.source.rest.listing_pass import ListingPasses, PassOutcome, ReadingContext
from vault.source.rest.mirror import ResourceState
from vault.source.rest.paging import PageState

MOST_PASSES = 5
MOST_ROUNDS = 10
"""Of asking for what was modified."""

SAMPLED = 3
"""Records of a look."""

MOST_WAITS = 3
"""For what a listing leaves out since it was modified just now."""


class Unsettled(Nonsense):
    """It changed during each of several readings."""


class ResourceReading:
    """One resource in one run.

    - `problems`: what is wrong with single records · `full`: whether everything was asked for
    - `notes`, `total`: what a look has found of the interface, and how many records there are; None where it does not say
    """

    def __init__(self, context: ReadingContext, name: str, resource: Resource) -> None:
        self.context = context
        self.name = name
        self.resource = resource
        self.problems: list[Problem] = []
        self.full = False
        self.notes: list[str] = []
        self.total: int | None = None
        self._passes = ListingPasses(context, name, resource)

    @property
    def with_secret(self) -> int:
        """How many of the records that were read repeat a secret of the source."""
        return self._passes.with_secret

    def run(self) -> None:
        """Bring the mirror up to date. Raises `SourceError`; `Unsettled`, `Nonsense`, `Forbidden` and `NotThere` concern this
        resource alone."""
        mirror, state = self.context.mirror, self._state()
        due = self._is_full_due(state)
        if not due and self.resource.only_with_full_scan:
            return
        self.full = due or self.resource.incremental is None or state.watermark is None
        try:
            if self.full:
                self._full_scan()
            else:
                self._incremental_run(state.watermark or 0.0)
        except Nonsense:
            mirror.set_state(self.name, replace(self._state(), passing=None))
            mirror.commit()
            raise
        finally:
            self._tell_wrong()

    def sample(self) -> None:
        """A look at the first records. Raises as `run` does."""
        mirror = self.context.mirror
        state = PageState(since=self._passes.full_from())
        page = self._passes.listing().page(state)
        check = InterfaceCheck(self._passes.listing(), self.name, self.resource, self.context.own_zone)
        check.run(page, state)
        self.notes = check.notes
        self.total = len(page.records) if page.following is None else page.total
        first = replace(page, records=page.records[:SAMPLED])
        self._passes.take_page(first, PassOutcome(), is_full=False, refetch=True)
        mirror.commit()

    def _state(self) -> ResourceState:
        return self.context.mirror.state(self.name)

    def _is_full_due(self, state: ResourceState) -> bool:
        if not state.settled or state.full_at is None:
            return True
        age = self.context.clock.now().timestamp() - state.full_at
        return age < 0 or age >= self.context.full_every or state.passing is not None

    def _full_scan(self) -> None:
        mirror, began = self.context.mirror, None
        newest: float | None = None
        started = self._now()
        for number in range(MOST_PASSES):
            was_settled = self._state().settled
            done = self._passes.run(None, refetch=number == 0)
            began = done.began if began is None else began
            started = min(started, self._state().began or started)  # it may be the rest of an earlier one
            newest = max((one for one in (newest, done.newest) if one is not None), default=None)
            self._meet_what_was_left_out(began)
            done.changed += mirror.drop_unmet(self.name, self.context.stop)
            filled = (number > 0 or was_settled) and not done.resumed
            from_when = self._from_when(began, newest, started)
            settled = done.is_one_answer or (filled and not done.changed and not done.again) or self._is_quiet(from_when)
            state = replace(self._state(), settled=settled or was_settled, passing=None)
            if settled:
                watermark = None if newest is None else from_when
                mirror.set_state(self.name, replace(state, full_at=self._now(), watermark=watermark))
                mirror.commit()
                return
            mirror.set_state(self.name, state)
            mirror.commit()
        self._refuse_unsettled(MOST_PASSES, done)

    def _incremental_run(self, watermark: float) -> None:
        mirror = self.context.mirror
        newest, began, before, started = watermark, None, -1, self._now()
        for _ in range(MOST_ROUNDS):
            done = self._passes.run(self._overlapped(watermark), refetch=False)
            began = done.began if began is None else began
            newest = max(newest, done.newest or 0.0)
            skipped_nothing = self.resource.paging.skips_nothing or (done.digest == before and not done.again)
            before = done.digest
            if done.is_one_answer or (not done.changed and skipped_nothing):
                until = self._from_when(began, newest, started)
                mirror.set_state(self.name, replace(self._state(), watermark=max(watermark, until or 0.0), passing=None))
                mirror.commit()
                return
        self._refuse_unsettled(MOST_ROUNDS, done)

    def _from_when(self, began: float | None, newest: float | None, started: float) -> float | None:
        """The moment from which on is to be asked what was modified; see this module's text. began: by the server's clock ·
        newest: stamp · started: by our clock."""
        took = max(0.0, self._now() - started)
        return min((one for one in (began, None if newest is None else newest - took) if one is not None), default=None)

    def _meet_what_was_left_out(self, began: float | None) -> None:
        """Where listings leave out what was modified just now, records that a pass has not met may be among that: they are
        waited for before they are taken for deleted. began: by the server's clock."""
        incremental = self.resource.incremental
        if incremental is None or not incremental.leaves_out or began is None:
            return
        wait = duration(incremental.leaves_out).total_seconds()
        for _ in range(MOST_WAITS):
            if not self.context.mirror.has_unmet(self.name):
                return
            self.context.client.pace.sleep(wait + 1)
            self._passes.run(self._overlapped(began - wait), refetch=False, is_full=True)

    def _now(self) -> float:
        return self.context.clock.now().timestamp()

    def _is_quiet(self, began: float | None) -> bool:
        """Whether nothing was modified any more since a full pass, and the interface counts as many records as the mirror."""
        if self.resource.incremental is None or began is None or not self.resource.paging.skips_nothing:
            return False
        for _ in range(MOST_ROUNDS):
            total = self._passes.listing().total()
            if total is None and not self.resource.incremental.shows_deletions:
                return False
            if not self._passes.run(self._overlapped(began), refetch=False).changed:
                return total is None or total == self.context.mirror.count(self.name)
        return False

    def _overlapped(self, moment: float) -> float:
        incremental = self.resource.incremental
        return moment - (duration(incremental.overlap).total_seconds() if incremental is not None else 0.0)

    def _refuse_unsettled(self, times: int, last: PassOutcome) -> None:
        if self._passes.missing is not None:
            raise self._passes.missing
        if last.again:
            text = f"{self.name} come in another order each time, so that pages overlap: {times} readings found no end"
            raise Unsettled(text, hint="have them sorted by what does not change, with `parameters` of the description")
        text = f"{self.name} changed during each of {times} readings: its items stay as they were at the last snapshot"
        raise Unsettled(text, hint="run the backup again when less is written")

    def _tell_wrong(self) -> None:
        for what, count in self._passes.wrong.items():
            which = f"a record of {self.name}" if count == 1 else f"each of {count} records of {self.name}"
            path = self.context.prefix + b"/" + self.name.encode()
            self.problems.append(Problem(path, "unusable-record", f"{which} {what}"))
