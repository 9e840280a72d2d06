"""Values of JSON from storage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import Damaged
from vault.format import strict_json


@given(st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(9999, 12, 31), timezones=st.just(UTC)))
def test_a_moment_is_read_back_as_it_was_written(moment: datetime) -> None:
    assert strict_json.moment({"at": strict_json.write_moment(moment)}, "at", "it") == moment


def test_a_moment_elsewhere_is_written_in_utc() -> None:
    kyiv = datetime(2026, 11, 30, 2, 0, tzinfo=timezone(timedelta(hours=2)))
    assert strict_json.write_moment(kyiv) == "2026-11-30T00:00:00.000000Z"


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-30T24:00:00.000000Z",
        "2026-02-30T00:00:00.000000Z",
        "2026-11-30T00:00:60.000000Z",
        "0000-01-01T00:00:00.000000Z",
        "2026-11-30T00:00:00.000000+00:00",
        "2026-11-30T00:00:00Z",
        "2026-11-30 00:00:00.000000Z",
        "2026-11-30T00:00:00.000000Z\n",
        "٢٠٢٦-11-30T00:00:00.000000Z",
        "",
    ],
)
def test_what_is_no_moment_is_damage(text: str) -> None:
    with pytest.raises(Damaged, match="'at' is not a moment in UTC"):
        strict_json.moment({"at": text}, "at", "it")
