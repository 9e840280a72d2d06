"""`source test` finds out whether an interface minds its parameters: one that does not know them ignores them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom.source_kinds import rest
from tests.support.clock import StillClock
from tests.support.rest_double import Answered, Asked, ModelDesk, serving
from tests.support.rest_sources import INCREMENTAL, STYLES, described, source_of
from tests.support.vendor_doubles import NaumenDouble
from vault.errors import SourceError
from vault.progress import never
from vault.source.contract import Scan
from vault.source.rest.client import RestClient
from vault.source.rest.credentials import Credentials
from vault.source.rest.source import RestOptions, RestSource


def looked_at(desk: ModelDesk, style: str, **more: Any) -> Scan:
    source = source_of(desk, described(style, **more), None, sample=True)
    try:
        return source.scan(never)
    finally:
        source.close()


def naumen(desk: NaumenDouble, folder: Path) -> Scan:
    description = rest.described("rest:naumen", folder)
    clock = StillClock()
    client = RestClient(description, desk.url, Credentials("naumen-secret-key"), clock)
    source = RestSource(RestOptions(description, desk.url, None, ("requests", "teams"), sample=True), client, b"x", clock)
    try:
        return source.scan(never)
    finally:
        source.close()


@pytest.mark.parametrize("count", [5, 250])
@pytest.mark.parametrize("ignored", ["", "offset", "limit"])
def test_whether_a_tenant_of_naumen_knows_pages_is_said(tmp_path: Path, ignored: str, count: int) -> None:
    with serving(NaumenDouble()) as desk:
        desk.ignored = frozenset({ignored} - {""})
        created = {"creationDate": "2024.05.17 10:00:00"}
        desk.classes["serviceCall"] = [{"UUID": f"serviceCall${number}"} | created for number in range(count)]
        desk.classes["team"] = [{"UUID": "team$1"}]
        found = naumen(desk, tmp_path)
    messages = [one.message for one in found.problems]
    if not ignored:
        assert (messages, found.notes) == ([], ("requests: the second page has other records than the first",))
    elif ignored == "offset":
        assert "has the records of the first one: offset is ignored" in messages[0]
    else:
        assert (messages, found.notes) == ([], (f"requests: limit is ignored, pages have {count} records",))


@pytest.mark.parametrize("style", STYLES)
def test_an_interface_that_minds_its_parameters_is_no_problem(style: str) -> None:
    with serving(ModelDesk()) as desk:
        for number in range(9):
            desk.add(title=f"{number}")
            desk.now += timedelta(hours=1)
        found = looked_at(desk, style, size=4, incremental=INCREMENTAL)
    assert found.problems == [] and "tickets: what was modified can be asked for" in found.notes
    assert len(found.notes) == 1 + (style in ("page", "offset", "keyset"))


def test_what_was_modified_and_is_not_minded_is_said() -> None:
    class Deaf(ModelDesk):
        def _answered(self, asked: Asked) -> Answered:
            asked.query.pop("modified_from", None)
            return super()._answered(asked)

    with serving(Deaf()) as desk:
        for number in range(9):
            desk.add(title=f"{number}")
            desk.now += timedelta(hours=1)
        found = looked_at(desk, "page", incremental=INCREMENTAL)
        assert "tickets: that it is asked for what was modified is ignored, so that each run lists all" in found.notes
        found = looked_at(desk, "page", incremental=INCREMENTAL | {"field": "changed"})
        assert "tickets: no record has a moment at 'changed'" in found.notes


def test_an_interface_all_of_whose_pages_are_one_is_an_error() -> None:
    class Deaf(ModelDesk):
        def _answered(self, asked: Asked) -> Answered:
            asked.query.pop("page", None)
            return super()._answered(asked)

    with serving(Deaf()) as desk:
        for number in range(9):
            desk.add(title=f"{number}")
        with pytest.raises(SourceError, match="page is ignored") as error:
            looked_at(desk, "page", size=4)
        assert "type = 'none'" in (error.value.hint or "")
