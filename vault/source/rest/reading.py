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

from collections import Counter
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from vault.clock import Clock
from vault.problems import Problem
from vault.progress import Stop
from vault.source.rest import attachments, exact_json, templates, times
from vault.source.rest.client import Nonsense, NotThere, RestClient
from vault.source.rest.description import Resource
from vault.source.rest.description_faults import duration
from vault.source.rest.interface_check import InterfaceCheck
from vault.source.rest.mirror import Mirror, NewRecord, ResourceState
from vault.source.rest.paging import Listing, ListingQuestion, Page, PageState
from vault.source.rest.patience import BurstPace
from vault.source.rest.whole_records import RecordReader, shown, without
from vault.source.sql.layout import UNDATED, Step

MOST_PASSES = 5
MOST_ROUNDS = 10
"""Of asking for what was modified."""

RESUMED_WITHIN = 86_400.0
"""Seconds for which the place of an interrupted pass is worth anything."""

SAMPLED = 3
"""Records of a look."""

_DIGESTS = 1 << 64
REPEATED_PAGES = 3
MOST_WAITS = 3
"""For what a listing leaves out since it was modified just now."""

MOST_MISSING = 20
"""Records whose own page or children are not there, before any that are."""


class Unsettled(Nonsense):
    """It changed during each of several readings."""


class ReadingContext(Struct, frozen=True):
    """What all resources of a source share. prefix: of paths · zone: of the project · own_zone: of the interface."""

    client: RestClient
    mirror: Mirror
    clock: Clock
    stop: Stop
    prefix: bytes
    zone: ZoneInfo
    own_zone: ZoneInfo
    step: Step
    full_every: float


class _Outcome(Struct):
    """Of one pass.

    - `changed`: records that are others now · `keyless`: records without a key
    - `filled`: pages with records · `is_short`: whether the first had fewer than asked for
    - `asked`: requests beside those for pages · `missing`: that found nothing there
    - `digest`: of all that was listed
    - `again`: records that came on more than one page, where that means that they have moved
    - `began`: by the server's clock · `newest`: of the modifications that were seen; both seconds since 1970
    - `resumed`: whether it is the rest of an interrupted one
    - `met`: hashes of the keys of an incremental one, where it matters whether some come twice
    """

    changed: int = 0
    pages: int = 0
    filled: int = 0
    is_short: bool = False
    asked: int = 0
    missing: int = 0
    keyless: int = 0
    digest: int = 0
    again: int = 0
    began: float | None = None
    newest: float | None = None
    resumed: bool = False
    met: set[bytes] = field(default_factory=set)

    @property
    def is_one_answer(self) -> bool:
        """Whether all of it was in the first answer, so that it is of one moment."""
        is_whole = self.pages == 1 or (self.filled <= 1 and self.is_short)
        return is_whole and not self.asked and not self.resumed


class ResourceReading(Struct):
    """One resource in one run. problems: what is wrong with single records · full: whether everything was asked for."""

    context: ReadingContext
    name: str
    resource: Resource
    problems: list[Problem] = field(default_factory=list)
    full: bool = False
    wrong: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    """What a look has found of the interface."""
    total: int | None = None
    """How many records there are, after a look; None where the interface does not say."""
    with_secret: int = 0
    """Records that were read, in which the interface repeats a secret."""
    missing: NotThere | None = None
    """Of what belongs to a record."""
    _pace: BurstPace | None = None

    def __post_init__(self) -> None:
        if self.resource.pages_per_minute:
            self._pace = BurstPace(self.context.clock, self.resource.pages_per_minute / 60)
            self._pace.stop = self.context.stop

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
        state = PageState(since=self._full_from())
        page = self._listing().page(state)
        check = InterfaceCheck(self._listing(), self.name, self.resource, self.context.own_zone)
        check.run(page, state)
        self.notes = check.notes
        self.total = len(page.records) if page.following is None else page.total
        first = replace(page, records=page.records[:SAMPLED])
        self._take_page(first, _Outcome(), is_full=False, refetch=True)
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
            done = self._pass(None, refetch=number == 0)
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
            done = self._pass(self._overlapped(watermark), refetch=False)
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
            self._pass(self._overlapped(began - wait), refetch=False, is_full=True)

    def _now(self) -> float:
        return self.context.clock.now().timestamp()

    def _is_quiet(self, began: float | None) -> bool:
        """Whether nothing was modified any more since a full pass, and the interface counts as many records as the mirror."""
        if self.resource.incremental is None or began is None or not self.resource.paging.skips_nothing:
            return False
        for _ in range(MOST_ROUNDS):
            total = self._listing().total()
            if total is None and not self.resource.incremental.shows_deletions:
                return False
            if not self._pass(self._overlapped(began), refetch=False).changed:
                return total is None or total == self.context.mirror.count(self.name)
        return False

    def _overlapped(self, moment: float) -> float:
        incremental = self.resource.incremental
        return moment - (duration(incremental.overlap).total_seconds() if incremental is not None else 0.0)

    def _refuse_unsettled(self, times: int, last: _Outcome) -> None:
        if self.missing is not None:
            raise self.missing
        if last.again:
            text = f"{self.name} come in another order each time, so that pages overlap: {times} readings found no end"
            raise Unsettled(text, hint="have them sorted by what does not change, with `parameters` of the description")
        text = f"{self.name} changed during each of {times} readings: its items stay as they were at the last snapshot"
        raise Unsettled(text, hint="run the backup again when less is written")

    # one pass

    def _pass(self, since: float | None, *, refetch: bool, is_full: bool = False) -> _Outcome:
        """Read all pages. since: None for a full one · refetch: whether children are asked for although their record is as it
        was listed before · is_full: it belongs to a full one."""
        mirror, state = self.context.mirror, self._state()
        now = self.context.clock.now().timestamp()
        done, at = _Outcome(), self._resumed(state, now) if since is None and refetch else None
        if at is None:
            at = PageState(since=self._full_from() if since is None else since)
            state = replace(state, began=now, since=None, passing=None)
            if since is None:
                mirror.begin_pass(self.name)
        else:
            done.resumed, done.began, done.newest = True, state.since, at.newest
        listing, repeated, pace = self._listing(), 0, self._pace
        while at is not None:
            self.context.stop()
            if pace is not None:
                pace.wait_for_turn()
            page = listing.page(at)
            done.began = page.server_time if done.began is None else done.began
            done.is_short |= not done.pages and len(page.records) < self.resource.paging.size
            done.pages += 1
            done.filled += bool(page.records)
            fresh = self._take_page(page, done, is_full=is_full or since is None, refetch=refetch)
            repeated = 0 if fresh or not page.records or self.resource.paging.most_pages else repeated + 1
            if since is None and repeated >= REPEATED_PAGES and self.resource.paging.type in ("page", "offset"):
                raise Nonsense(f"{self.context.client.text} gives the same records of {self.name} page after page")
            at = self._following(page, at, done)
            if since is None:
                place = None if at is None else at.as_text()
                mirror.set_state(self.name, replace(state, passing=place, since=done.began))
            mirror.commit()
        if done.keyless:
            self.wrong[f"has no {self.resource.key!r}, and was left out"] = done.keyless
        return done

    def _resumed(self, state: ResourceState, now: float) -> PageState | None:
        if state.passing is None or state.began is None or abs(now - state.began) > RESUMED_WITHIN:
            return None
        try:
            return PageState.of_text(state.passing)
        except (msgspec.DecodeError, ValueError):
            return None

    def _full_from(self) -> float | None:
        incremental = self.resource.incremental
        if incremental is None or not incremental.full_from:
            return None
        found = times.moment(incremental.full_from, "iso", self.context.own_zone)
        return found.timestamp() if found is not None else 0.0

    def _following(self, page: Page, at: PageState, done: _Outcome) -> PageState | None:
        """The next page; where no more of them may be asked for, the listing begins anew with the newest modification."""
        following, most = page.following, self.resource.paging.most_pages
        if following is None:
            return None
        if not most or following.pages < most:
            return replace(following, newest=done.newest)
        if done.newest is None or (at.since is not None and done.newest <= at.since):
            raise Nonsense(f"more than {most} pages of {self.name} are of one moment, and no more may be asked for")
        return PageState(since=done.newest, newest=done.newest)

    def _listing(self) -> Listing:
        return Listing(self.context.client, self._question, self.name)

    def _question(self, state: PageState) -> ListingQuestion:
        resource = self.resource
        own, body = dict(resource.parameters), dict(resource.body) if resource.method == "POST" else None
        if state.since is not None and resource.incremental is not None:
            text = times.written(state.since, resource.incremental.format, self.context.own_zone)
            more = templates.values(resource.incremental.parameters, lambda _: text)
            if body is None:
                own |= more
            else:
                body |= more
        return ListingQuestion(resource.path, own, body, resource.records, resource.paging, resource.key, resource.records_in)

    # records

    def _take_page(self, page: Page, done: _Outcome, *, is_full: bool, refetch: bool) -> int:
        """Keep the records of a page; gives how many were not met before."""
        fresh = 0
        in_page: dict[str, bytes] = {}
        for entry in page.records:
            key = exact_json.as_text(exact_json.at(entry, self.resource.key))
            if not key:
                done.keyless += 1
                continue
            listed = _hashed(entry, self.resource.drop)
            is_twice_in_page = key in in_page
            if in_page.setdefault(key, listed) != listed:
                raise Nonsense(
                    f"{self.context.client.text} gives {self.name} {shown(key)} twice in one answer, with other content"
                )
            if self.context.mirror.meet(self.name, key) if is_full else self._meet(key, done):
                fresh += 1
            elif self._shows_order and not is_twice_in_page:
                done.again += 1
            done.digest = (
                done.digest
                + int.from_bytes(blake2b(listed + key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
            ) % _DIGESTS
            self._note_newest(entry, done)
            self._take(key, entry, listed, done, refetch=refetch)
        return fresh

    @property
    def _shows_order(self) -> bool:
        """Whether a record that comes on two pages shows that there is no order. Windows overlap, and cursors may."""
        paging = self.resource.paging
        return paging.type in ("page", "offset") and not paging.stable and not paging.most_pages

    def _meet(self, key: str, done: _Outcome) -> bool:
        """Whether an incremental pass meets a record for the first time, where that tells something."""
        if not self._shows_order:
            return True
        mark = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        if mark in done.met:
            return False
        done.met.add(mark)
        return True

    def _note_newest(self, entry: dict[str, Any], done: _Outcome) -> None:
        if self.resource.incremental is None:
            return
        value = exact_json.at(entry, self.resource.incremental.field)
        form = self.resource.incremental.field_format or self.resource.time_format
        found = times.moment(value, form, self.context.own_zone)
        if found is not None:
            done.newest = max(done.newest or 0.0, found.timestamp())

    def _take(self, key: str, entry: dict[str, Any], listed: bytes, done: _Outcome, *, refetch: bool) -> None:
        mirror, resource = self.context.mirror, self.resource
        reader = RecordReader(self.context.client, self.context.stop, self.name, resource)
        old = mirror.record(self.name, key)
        if old is not None and old.listed == listed and not (refetch and reader.has_more):
            return
        try:
            record = reader.whole(key, entry)
        except NotThere as error:
            self.missing, done.missing = error, done.missing + 1
            if done.missing == done.asked + reader.asked > MOST_MISSING:
                raise  # it is nowhere
            done.changed += 1  # it was deleted meanwhile: another pass will tell
            return
        finally:
            done.asked += reader.asked
        label = self._label(key, record)
        plain = exact_json.dump(without(record, self._dropped)) + b"\n"
        line = self.context.client.without_secrets(plain)
        self.with_secret += line != plain
        if mirror.put(self.name, NewRecord(key, label, listed, line), old):
            done.changed += 1
        if resource.attachments is not None:
            found, bad = attachments.found_in(record, key, resource.attachments)
            mirror.put_attachments(self.name, key, found)
            if bad:
                self.wrong["has attachments that cannot be fetched: there is no key or address"] += 1

    @property
    def _dropped(self) -> list[str]:
        """Pointers within a whole record."""
        of_children = (f"{name}.{one}" for name, child in self.resource.children.items() for one in child.drop)
        return [*self.resource.drop, *of_children]

    def _label(self, key: str, record: dict[str, Any]) -> str:
        """Of the item that a record belongs to; empty where all are one."""
        resource, context = self.resource, self.context
        if not resource.time:
            return ""
        values = exact_json.all_at(record, resource.time)
        found = [times.moment(one, resource.time_format, context.own_zone) for one in values]
        first = min((one for one in found if one is not None), default=None)
        return (None if first is None else times.label(first, context.step, context.zone)) or UNDATED

    def _tell_wrong(self) -> None:
        for what, count in self.wrong.items():
            which = f"a record of {self.name}" if count == 1 else f"each of {count} records of {self.name}"
            path = self.context.prefix + b"/" + self.name.encode()
            self.problems.append(Problem(path, "unusable-record", f"{which} {what}"))


def _hashed(entry: dict[str, Any], drop: list[str]) -> bytes:
    return blake2b(exact_json.dump(without(entry, drop)), digest_size=16).digest()
