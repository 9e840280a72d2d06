"""Whether an interface minds what its description relies on: that another page has other records, and that what was modified
can be asked for. An interface that does not know a parameter ignores it more often than it says so."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from vault.source.rest import exact_json, times
from vault.source.rest.client import Nonsense
from vault.source.rest.description import Incremental, Resource
from vault.source.rest.description_faults import duration
from vault.source.rest.paging import Listing, ListingQuestion, Page, PageState

COUNTED = ("page", "offset", "keyset")
"""Paging by a parameter of ours."""


class InterfaceCheck:
    """Asks again what a first page was the answer to. notes: what was found, as sentences."""

    def __init__(self, listing: Listing, name: str, resource: Resource, zone: ZoneInfo) -> None:
        """zone: of times without one."""
        self._listing, self._name, self._resource, self._zone = listing, name, resource, zone
        self.notes: list[str] = []

    def run(self, first: Page, state: PageState) -> None:
        """state: that the page was asked with. Raises `Nonsense` where pages are all the same, `SourceError`."""
        if self._resource.paging.type in COUNTED:
            self._look_at_pages(first, state)
        if self._resource.incremental is not None:
            self._look_at_modifications(first, self._resource.incremental)

    def _look_at_pages(self, first: Page, state: PageState) -> None:
        paging, listing, size = self._resource.paging, self._listing, self._resource.paging.size
        if len(first.records) < 2:
            return
        if len(first.records) < size and paging.size_parameter:
            listing, size = listing.altered(_one_a_page), 1
            first = listing.page(state)
        if len(first.records) > size and paging.size_parameter:
            self.notes.append(f"{self._name}: {paging.size_parameter} is ignored, pages have {len(first.records)} records")
        following = first.following
        second = None if following is None else listing.page(following)
        if second is None or not second.records:
            return
        if self._keys(second) <= self._keys(first):
            text = f"the second page of {self._name} has the records of the first one: {paging.parameter} is ignored"
            raise Nonsense(text, hint="name the right parameter, or say type = 'none' where one answer has all")
        self.notes.append(f"{self._name}: the second page has other records than the first")

    def _look_at_modifications(self, first: Page, incremental: Incremental) -> None:
        newest = max((one for one in map(self._modified, first.records) if one is not None), default=None)
        if newest is None:
            if first.records:
                self.notes.append(f"{self._name}: no record has a moment at {incremental.field!r}")
            return
        early = newest - duration(incremental.overlap).total_seconds()
        if all((self._modified(one) or newest) >= early for one in first.records):
            return  # an interface that ignores it would answer the same
        found = map(self._modified, self._listing.page(PageState(since=newest)).records)
        if any(one is not None and one < early for one in found):
            self.notes.append(f"{self._name}: that it is asked for what was modified is ignored, so that each run lists all")
        else:
            self.notes.append(f"{self._name}: what was modified can be asked for")

    def _keys(self, page: Page) -> set[str | None]:
        return {exact_json.as_text(exact_json.at(one, self._resource.key)) for one in page.records}

    def _modified(self, record: dict[str, Any]) -> float | None:
        incremental = self._resource.incremental
        if incremental is None:
            return None
        form = incremental.field_format or self._resource.time_format
        found = times.moment(exact_json.at(record, incremental.field), form, self._zone)
        return None if found is None else found.timestamp()


def _one_a_page(question: ListingQuestion) -> ListingQuestion:
    return replace(question, paging=replace(question.paging, size=1))
