"""One pass over the listing of a resource: its pages, one after the other, and their records into the mirror.

An interrupted full pass goes on with the page at which it was, for a day.
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
from vault.progress import Stop
from vault.source.rest import attachments, exact_json, templates, times
from vault.source.rest.client import Nonsense, NotThere, RestClient
from vault.source.rest.description import Resource
from vault.source.rest.mirror import Mirror, NewRecord, ResourceState
from vault.source.rest.paging import Listing, ListingQuestion, Page, PageState
from vault.source.rest.patience import BurstPace
from vault.source.rest.whole_records import RecordReader, shown, without
from vault.source.sql.layout import UNDATED, Step

RESUMED_WITHIN = 86_400.0
"""Seconds for which the place of an interrupted pass is worth anything."""

REPEATED_PAGES = 3
"""Pages with nothing but records that were met before, after which a listing is taken for one that never ends."""

MOST_MISSING = 20
"""Records whose own page or children are not there, before any that are."""


_DIGESTS = 1 << 64


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


class PassOutcome(Struct):
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


class ListingPasses:
    """The passes of one run over the listing of one resource.

    - `wrong`: how many records were unusable, by what is wrong with them
    - `with_secret`: records that were read, in which the interface repeats a secret
    - `missing`: the last thing that belongs to a record and was not there
    """

    def __init__(self, context: ReadingContext, name: str, resource: Resource) -> None:
        self.context = context
        self.name = name
        self.resource = resource
        self.wrong = Counter[str]()
        self.with_secret = 0
        self.missing: NotThere | None = None
        self._pace: BurstPace | None = None
        if resource.pages_per_minute:
            self._pace = BurstPace(context.clock, resource.pages_per_minute / 60)
            self._pace.stop = context.stop

    def run(self, since: float | None, *, refetch: bool, is_full: bool = False) -> PassOutcome:
        """Read all pages. since: None for a full one · refetch: whether children are asked for although their record is as it
        was listed before · is_full: it belongs to a full one."""
        mirror = self.context.mirror
        state = mirror.state(self.name)
        now = self.context.clock.now().timestamp()
        done, at = PassOutcome(), self._resumed(state, now) if since is None and refetch else None
        if at is None:
            at = PageState(since=self.full_from() if since is None else since)
            state = replace(state, began=now, since=None, passing=None)
            if since is None:
                mirror.begin_pass(self.name)
        else:
            done.resumed, done.began, done.newest = True, state.since, at.newest
        listing, repeated, pace = self.listing(), 0, self._pace
        while at is not None:
            self.context.stop()
            if pace is not None:
                pace.wait_for_turn()
            page = listing.page(at)
            done.began = page.server_time if done.began is None else done.began
            done.is_short |= not done.pages and len(page.records) < self.resource.paging.size
            done.pages += 1
            done.filled += bool(page.records)
            fresh = self.take_page(page, done, is_full=is_full or since is None, refetch=refetch)
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

    def full_from(self) -> float | None:
        """Where an interface lists nothing without a beginning: from when on a full pass asks; seconds since 1970."""
        incremental = self.resource.incremental
        if incremental is None or not incremental.full_from:
            return None
        found = times.moment(incremental.full_from, "iso", self.context.own_zone)
        return found.timestamp() if found is not None else 0.0

    def _following(self, page: Page, at: PageState, done: PassOutcome) -> PageState | None:
        """The next page; where no more of them may be asked for, the listing begins anew with the newest modification."""
        following, most = page.following, self.resource.paging.most_pages
        if following is None:
            return None
        if not most or following.pages < most:
            return replace(following, newest=done.newest)
        if done.newest is None or (at.since is not None and done.newest <= at.since):
            raise Nonsense(f"more than {most} pages of {self.name} are of one moment, and no more may be asked for")
        return PageState(since=done.newest, newest=done.newest)

    def listing(self) -> Listing:
        """The pages of the resource, each when it is asked for."""
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

    def take_page(self, page: Page, done: PassOutcome, *, is_full: bool, refetch: bool) -> int:
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

    def _meet(self, key: str, done: PassOutcome) -> bool:
        """Whether an incremental pass meets a record for the first time, where that tells something."""
        if not self._shows_order:
            return True
        mark = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        if mark in done.met:
            return False
        done.met.add(mark)
        return True

    def _note_newest(self, entry: dict[str, Any], done: PassOutcome) -> None:
        if self.resource.incremental is None:
            return
        value = exact_json.at(entry, self.resource.incremental.field)
        form = self.resource.incremental.field_format or self.resource.time_format
        found = times.moment(value, form, self.context.own_zone)
        if found is not None:
            done.newest = max(done.newest or 0.0, found.timestamp())

    def _take(self, key: str, entry: dict[str, Any], listed: bytes, done: PassOutcome, *, refetch: bool) -> None:
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


def _hashed(entry: dict[str, Any], drop: list[str]) -> bytes:
    return blake2b(exact_json.dump(without(entry, drop)), digest_size=16).digest()
