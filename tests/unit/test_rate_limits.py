"""What servers say of limits, and how far apart requests are sent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.support.clock import StillClock
from vault.rate_limits import RequestPace, seconds_to_wait

NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 120 ", 120.0),
        ("Sat, 14 Mar 2026 12:01:30 GMT", 90.0),
        ("Sat, 14 Mar 2026 11:00:00 GMT", 0.0),
        ("9" * 400, 999_999_999.0),
        ("-5", 0.0),
        ("soon", 0.0),
        ("٣", 0.0),
        ("", 0.0),
        (None, 0.0),
    ],
)
def test_how_long_a_server_asks_to_wait(text: str | None, seconds: float) -> None:
    assert seconds_to_wait(text, NOW) == seconds


def test_requests_are_as_far_apart_as_the_settings_say() -> None:
    clock = StillClock()
    pace = RequestPace(clock, 4.0)
    for _ in range(9):
        pace.wait_for_turn()
    assert sum(clock.slept) == pytest.approx(2.0) and pace.limits().requests == 9
    free = RequestPace(clock)
    for _ in range(9):
        free.wait_for_turn()
    assert sum(clock.slept) == pytest.approx(2.0) and free.limits().per_second is None


def test_what_answers_say_of_limits_is_kept_and_bounded() -> None:
    pace = RequestPace(StillClock())
    pace.heard(200, {"Content-Type": "text/plain", "X-RateLimit-Limit": "100"})
    pace.heard(200, {"X-RateLimit-Limit": "99", "RateLimit": "\x1b[2Jr=1"})
    pace.heard(503, {"Retry-After": "3"})
    pace.heard(429, {"Retry-After": "2"})
    limits = pace.limits()
    assert dict(limits.stated) == {"x-ratelimit-limit": "99", "ratelimit": "\\x1b[2Jr=1", "retry-after": "2"}
    assert (limits.refusals, limits.longest_wait) == (2, 3.0)
    for number in range(100):
        pace.heard(200, {f"X-RateLimit-{number}": "x" * 10_000})
    assert len(pace.limits().stated) == 20 and max(len(value) for _, value in pace.limits().stated) == 200
