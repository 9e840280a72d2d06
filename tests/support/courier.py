"""A courier's two years: calls as its telephone system has them, and the tickets that they became, the same from the same seed.

year = two_years(calls_a_day=3)
year.calls, year.tickets, year.answer()         the client's question, answered in plain Python

The question: how many requests about deliveries came from mobile phones in the second quarter, and how many comments did such a
ticket have on average?
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

FIRST, DAYS = datetime(2024, 7, 1, tzinfo=UTC), 730
QUARTER = (datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
MOBILE, LANDLINE = ("+38050", "+38067", "+38093"), ("+38044", "+38032")
TOPICS = ("delivery", "payment", "claim", "other")
TABLE = (
    "create table calls (call_id text primary key, started_at timestamptz not null, caller text not null, "
    "seconds int not null, ticket int)"
)
COLUMNS = "call_id, started_at, caller, seconds, ticket"
IN_SQL = f"""
select count(*) as requests, avg(len(t.comments)) as comments
from calls c join tickets t on t.id = c.ticket
where t.topic = 'delivery' and ({" or ".join(f"c.caller like '{one}%'" for one in MOBILE)})
  and c.period_start >= '2026-04-01' and c.period_end <= '2026-07-01'
"""
"""The question to `strongroom query`."""


class Call(NamedTuple):
    """ticket: the number of the one that it became; None for none."""

    call_id: str
    started_at: datetime
    caller: str
    seconds: int
    ticket: int | None


class Ticket(NamedTuple):
    """comments: their texts."""

    number: int
    created: datetime
    topic: str
    comments: tuple[str, ...]


class TwoYears(NamedTuple):
    """See this module's text."""

    calls: Sequence[Call]
    tickets: Sequence[Ticket]

    def answer(self) -> tuple[int, float]:
        """How many requests, and how many comments on average."""
        tickets = {one.number: one for one in self.tickets}
        found = [
            len(tickets[call.ticket].comments)
            for call in self.calls
            if call.ticket is not None
            and QUARTER[0] <= call.started_at < QUARTER[1]
            and call.caller.startswith(MOBILE)
            and tickets[call.ticket].topic == "delivery"
        ]
        return len(found), sum(found) / len(found)


def two_years(calls_a_day: int, seed: str = "courier") -> TwoYears:
    """Every third call becomes a ticket, within a quarter of an hour."""
    chance = random.Random(seed)
    calls: list[Call] = []
    tickets: list[Ticket] = []
    for day in range(DAYS):
        for place, second in enumerate(sorted(chance.randrange(86_400) for _ in range(calls_a_day))):
            at = FIRST + timedelta(days=day, seconds=second)
            ticket = None
            if chance.random() < 1 / 3:
                ticket = len(tickets) + 1
                comments = tuple(_comment(chance) for _ in range(chance.choice((0, 1, 2, 2, 3, 5))))
                tickets.append(Ticket(ticket, at + timedelta(seconds=chance.randrange(900)), chance.choice(TOPICS), comments))
            caller = chance.choice(MOBILE + LANDLINE) + f"{chance.randrange(10**7):07}"
            calls.append(Call(f"{day:03}-{place:05}", at, caller, chance.randrange(5, 900), ticket))
    return TwoYears(calls, tickets)


def rows(calls: Sequence[Call]) -> Iterator[dict[str, Any]]:
    """As columns of the table."""
    return (one._asdict() for one in calls)


def _comment(chance: random.Random) -> str:
    return f"the parcel is at branch {chance.randrange(400)}, " + "we have called the courier; " * chance.randrange(1, 4)
