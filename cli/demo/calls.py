"""The invented contact centre: three clients, their calls and their tickets.

Everything is a pure function of (seed, client, day): the same day looks the same whether it is written at once or hour
by hour, and a report can be checked against the raw records that it was made from. Names, numbers and texts are
invented, yet they carry what real ones carry: phone numbers that begin with `+`, codes that begin with zeros, Cyrillic,
quotation marks, line breaks, emoji, and nulls.
"""

from __future__ import annotations

import json
import math
import struct
from datetime import UTC, date, datetime, timedelta
from functools import cache
from json.encoder import encode_basestring
from typing import NamedTuple

from blake3 import blake3
from msgspec import Struct

AGENTS_A_CLIENT = 48
CALLERS_A_CLIENT = 60000
_DRAW = struct.Struct("<16sIHHHHHH")  # the randomness of one call
_QUANTILES = tuple(-math.log(1 - (step + 0.5) / 1024) for step in range(1024))  # exponential distribution, mean 1
_HOURLY_LOAD = (1, 1, 1, 1, 1, 2, 4, 8, 16, 24, 28, 28, 24, 26, 27, 25, 22, 19, 14, 10, 7, 5, 3, 2)
_HOURS = tuple(hour for hour, load in enumerate(_HOURLY_LOAD) for _ in range(load))

_FAMILY = (
    "Иванова", "Smith", "Petrenko", "Öztürk", "Кузнецов", "Müller", "Соколова", "O'Brien", "Нурланова", "García",
    "Лебедев", "Kowalska", "Абдуллаев", "Novák", "Морозова", "Łukasik",
)  # fmt: skip
_GIVEN = ("Anna", "Олег", "Maria", "Тимур", "John", "Светлана", "Zoë", "Айгуль", "Peter", "Ирина", "José", "Kim")
_OPENINGS = (
    "Клиент просит перезвонить", "Customer asks about", "Повторное обращение:", "Called back,", "Жалоба:",
    "Уточнил данные,", "Promised an answer by Friday:", "Спасибо за помощь 🙏", "Line was bad,", "VIP ⭐",
    "Перевод на вторую линию,", "Wants a supervisor;", "Передано в отдел качества:", "Callback after 18:00,",
    'Said "never again",', "Вопрос решён 👍", "Не дозвонились,", "Asked twice about",
)  # fmt: skip
_ENDINGS = (
    "", ", срочно", ", closed", "; ждёт ответа до конца недели", " — see the ticket", ", без претензий", " 😡", " 🙂",
    ", отправлено письмо", ", a copy went to the client's manager", "; номер уточнить", ", SMS sent",
)  # fmt: skip
_DISPOSITIONS = ("transferred", "voicemail", *["answered"] * 6)
_CODECS = ("opus", "g711a", "g711u", "g729")
_STATUSES = ("new", "open", "pending", "solved", "closed")
_PRIORITIES = ("low", "normal", "high", "urgent")


class SeededRandomness:
    """A `vault.randomness.Randomness` that repeats itself: the BLAKE3 stream of a seed. For data sets, never for keys."""

    def __init__(self, seed: str) -> None:
        self._stream = blake3(seed.encode())
        self._position = 0

    def token(self, size: int) -> bytes:
        """The next `size` bytes of the stream."""
        start, self._position = self._position, self._position + size
        return self._stream.digest(length=size, seek=start)

    def fraction(self) -> float:
        """The next number in [0, 1)."""
        return (int.from_bytes(self.token(8), "little") >> 11) / (1 << 53)


class Client(Struct, frozen=True):
    """One client of the contact centre. `queues` maps a queue's code (leading zeros and all) to its name."""

    name: str
    title: str
    code: str
    line: str
    mobile: str
    daily_calls: int
    weekend: float
    queues: tuple[tuple[str, str], ...]
    topics: tuple[str, ...]


CLIENTS = (
    Client(
        "parcelo", "Parcelo Courier", "0041", "+74950410000", "+791", 88, 0.6,
        (("007", "tracking"), ("010", "delivery"), ("011", "returns"), ("020", "pickup-points"), ("099", "complaints")),
        ("посылка", "parcel", "адрес доставки", "a customs form", "возврат", "the courier's phone", "пункт выдачи",
         "a damaged box", "оплата при получении", "the tracking number"),
    ),
    Client(
        "nordbank", "Nordbank", "0102", "+358900102000", "+3584", 62, 0.4,
        (("001", "cards"), ("002", "loans"), ("003", "online-bank"), ("009", "fraud")),
        ("a blocked card", "лимит по карте", "mortgage rate", "an unknown payment", "выписка", "the mobile app",
         "IBAN transfer", "PIN letter", "закрытие счёта", "an instalment of 1,250.00"),
    ),
    Client(
        "medikum", "Medikum Clinics", "0007", "+498900700", "+4915", 38, 0.2,
        (("0001", "appointments"), ("0002", "laboratory"), ("0003", "insurance")),
        ("an appointment", "результаты анализов", "Überweisung", "a vaccination", "полис ДМС", "X-ray images",
         "Rezept", "запись к врачу", "a bill; second reminder", "parking at the clinic"),
    ),
)  # fmt: skip


class Call(NamedTuple):
    """One call. `second` counts from midnight UTC; wait, talk, hold are seconds; nobody answered: `agent` is None."""

    call_id: str
    session: str
    second: int
    caller: str
    queue: int
    agent: int | None
    wait: int
    talk: int
    hold: int
    disposition: str
    quality: int
    comment: str


class Agent(NamedTuple):
    """Someone who answers. The id has five digits, leading zeros included."""

    agent_id: str
    name: str


@cache
def agents_of(client: Client) -> tuple[Agent, ...]:
    """The client's agents, the same for ever; two clients' agents differ."""
    base = int(client.code)
    return tuple(
        Agent(
            f"{base % 97:02d}{number:03d}",
            f"{_GIVEN[(base + number) * 7 % len(_GIVEN)]} {_FAMILY[(base + number) * 5 % len(_FAMILY)]}",
        )
        for number in range(AGENTS_A_CLIENT)
    )


def clock_time(second: int) -> str:
    """A second of the day as HH:MM:SS."""
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def volume_of(client: Client, day: date, seed: str) -> int:
    """How many calls that day has: quiet weekends, slow growth over the years, some weather."""
    weather = 0.85 + 0.3 * SeededRandomness(f"{seed}/{client.name}/{day}/weather").fraction()
    growth = 1 + 0.08 * (day.year - 2024 + day.month / 12)
    return max(1, int(client.daily_calls * growth * weather * (client.weekend if day.weekday() > 4 else 1)))


def calls_of(client: Client, day: date, seed: str, *, volume: int | None = None) -> list[Call]:
    """The day's calls, by time. `volume` overrides the client's usual number of calls."""
    count = volume_of(client, day, seed) if volume is None else volume
    drawn = SeededRandomness(f"{seed}/{client.name}/{day}/calls").token(count * _DRAW.size)
    prefix = f"{client.code}{day:%y%m%d}"
    exponential, queue_count, mobile = _QUANTILES, len(client.queues), client.mobile
    starts = sorted(
        (_HOURS[when % len(_HOURS)] * 3600 + minute % 3600, number)
        for number, (_, _, when, minute, *_) in enumerate(_DRAW.iter_unpack(drawn))
    )
    calls = []
    for number, (second, place) in enumerate(starts, 1):
        session, who, _, _, waited, talked, outcome, words = _DRAW.unpack_from(drawn, place * _DRAW.size)
        wait = int(24 * exponential[waited & 1023])
        lost = wait > 75 or outcome < 1300
        calls.append(
            Call(
                f"{prefix}{number:06d}",
                session.hex(),
                second,
                f"{mobile}{1046527 * (who % CALLERS_A_CLIENT + 1) % 100000000:08d}",
                (who >> 20) * queue_count >> 12,
                None if lost else words % AGENTS_A_CLIENT,
                wait,
                0 if lost else 12 + int(190 * exponential[talked & 1023]),
                0 if lost or talked & 0xC000 else int(40 * exponential[talked >> 4 & 1023]),
                "abandoned" if lost else _DISPOSITIONS[outcome >> 13],
                200 + outcome % 250,
                "" if lost or words % 3 == 0 else _comment(client, words, waited),
            )
        )
    return calls


def _comment(client: Client, words: int, number: int) -> str:
    topic = client.topics[words % len(client.topics)]
    text = f"{_OPENINGS[words // 10 % len(_OPENINGS)]} {topic}{_ENDINGS[words // 180 % len(_ENDINGS)]}"
    return f"{text} №{number:06d}" if number & 1 else text


def call_lines(client: Client, day: date, calls: list[Call]) -> list[str]:
    """Each call as a line of JSON, as the telephone system writes it, with its line feed."""
    agents: dict[int | None, str] = {None: "null"}
    for number, agent_of in enumerate(agents_of(client)):
        agents[number] = f'{{"id":"{agent_of.agent_id}","name":"{agent_of.name}"}}'
    queues = [f'"line":"{client.line}","queue":{{"code":"{code}","name":"{name}"}}' for code, name in client.queues]
    today, folder, ending = f"{day}T", f'"rec/{day:%Y/%m/%d}/', '.wav"'
    return [
        f'{{"call_id":"{call_id}","session":"{session}","started_at":"{today}{clock_time(second)}Z",'
        f'"direction":"in","caller":"{caller}",{queues[queue]},"agent":{agents[agent]},'
        f'"wait_s":{wait},"talk_s":{talk},"hold_s":{hold},"disposition":"{disposition}",'
        f'"codec":"{_CODECS[quality & 3]}","mos":{quality / 100},'
        f'"recording":{folder + call_id + ending if talk else "null"},"comment":{encode_basestring(comment)}}}\n'
        for call_id, session, second, caller, queue, agent, wait, talk, hold, disposition, quality, comment in calls
    ]


class Ticket(NamedTuple):
    """One ticket; `second` counts from midnight UTC, `line` is its JSON with the line feed."""

    second: int
    line: str


def tickets_of(client: Client, day: date, seed: str, calls: list[Call], *, every: int = 6) -> list[Ticket]:
    """The tickets that the day's `calls` led to, by time: one for `every` so many calls that have a comment."""
    randomness = SeededRandomness(f"{seed}/{client.name}/{day}/tickets")
    return [_ticket(client, day, call, randomness.token(4)) for call in [call for call in calls if call.comment][::every]]


def _ticket(client: Client, day: date, call: Call, drawn: bytes) -> Ticket:
    opened = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=call.second + call.talk)
    queue, priority = client.queues[call.queue][1], _PRIORITIES[drawn[2] % len(_PRIORITIES)]
    email = f"customer{call.caller[-7:]}@example.com" if drawn[3] & 1 else None
    fields = {
        "ticket_id": f"T{call.call_id}",
        "created_at": f"{opened:%Y-%m-%dT%H:%M:%SZ}",
        "updated_at": f"{opened + timedelta(minutes=drawn[0] * 11):%Y-%m-%dT%H:%M:%SZ}",
        "status": _STATUSES[drawn[1] % len(_STATUSES)],
        "priority": priority,
        "queue": queue,
        "subject": call.comment.split(",")[0],
        "requester": {"phone": call.caller, "email": email},
        "assignee": None if call.agent is None else agents_of(client)[call.agent].name,
        "tags": [priority, queue, "callback" if drawn[3] & 2 else "phone"],
        "satisfaction": drawn[3] % 6 or None,
        "call_id": call.call_id,
        "body": f"{call.comment}\n\n-- \n{client.title}, {client.line}",
    }
    return Ticket(call.second, json.dumps(fields, ensure_ascii=False) + "\n")
