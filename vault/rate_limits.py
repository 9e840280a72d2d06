"""Requests to somebody else's server, politely: so many a second at most, and what its answers say of limits, remembered."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct

from vault.clock import Clock
from vault.problems import printable

BUSY = frozenset({429, 503})
"""Statuses by which a server asks for fewer requests."""

_PREFIXES = ("x-ratelimit", "x-rate-limit", "ratelimit", "x-retry-after")
RETRY_AFTER = "retry-after"
_MOST_HEADERS = 20
_LONGEST_VALUE = 200


class RateLimits(Struct, frozen=True):
    """What is known of a server's limits.

    - `per_second`: requests at most, as the settings say; None where they say nothing
    - `requests`: that were sent
    - `stated`: headers of its answers that speak of limits, the last value of each, by name
    - `refusals`: answers that asked for fewer requests
    - `longest_wait`: seconds that an answer asked to wait, the most of all
    """

    per_second: float | None = None
    requests: int = 0
    stated: tuple[tuple[str, str], ...] = ()
    refusals: int = 0
    longest_wait: float = 0.0


class RequestPace:
    """Keeps the requests to one server apart, and listens to its answers. Used by several threads."""

    def __init__(self, clock: Clock, per_second: float = 0.0) -> None:
        """per_second: requests at most; 0 for no limit."""
        self._clock = clock
        self._per_second = per_second
        self._lock = threading.Lock()
        self._next_at = 0.0
        self._requests = 0
        self._refusals = 0
        self._longest_wait = 0.0
        self._stated: dict[str, str] = {}

    def wait_for_turn(self) -> None:
        """Before each request."""
        with self._lock:
            self._requests += 1
            if not self._per_second:
                return
            now = self._clock.monotonic()
            at = max(now, self._next_at)
            self._next_at = at + 1 / self._per_second
        if at > now:
            self._clock.sleep(at - now)

    def heard(self, status: int, headers: Mapping[str, str]) -> None:
        """An answer has come. headers: by names in any letters."""
        found = {name.lower(): value for name, value in headers.items()}
        limits = {name: value for name, value in found.items() if name == RETRY_AFTER or name.startswith(_PREFIXES)}
        if status not in BUSY and not limits:
            return
        now = http_moment(found.get("date")) or self._clock.now()
        wait = seconds_to_wait(found.get(RETRY_AFTER), now) if status in BUSY else 0.0
        with self._lock:
            self._refusals += status in BUSY
            self._longest_wait = max(self._longest_wait, wait)
            for name, value in limits.items():
                if name in self._stated or len(self._stated) < _MOST_HEADERS:
                    self._stated[name] = printable(value[:_LONGEST_VALUE].encode("utf-8", "surrogateescape"))

    def limits(self) -> RateLimits:
        """What is known by now."""
        with self._lock:
            stated = tuple(sorted(self._stated.items()))
            return RateLimits(self._per_second or None, self._requests, stated, self._refusals, self._longest_wait)


def seconds_to_wait(text: str | None, now: datetime) -> float:
    """What a header `Retry-After` asks for, in seconds from now; 0 where it asks for nothing that makes sense. now: by the
    clock of the server that names a moment, which need not be ours."""
    if text and text.strip().isascii() and text.strip().isdigit():
        return float(text.strip()[:9])
    moment = http_moment(text)
    return 0.0 if moment is None else max(0.0, (moment - now).total_seconds())


def http_moment(text: str | None) -> datetime | None:
    """A moment as HTTP writes it; None for another text."""
    from email.utils import parsedate_to_datetime  # 3 ms, with sockets: every backup knows this module

    try:
        found = parsedate_to_datetime(text or "")
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
