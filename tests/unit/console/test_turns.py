"""Nobody's requests are everybody's trouble: who works at a time, and who waits."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest

from console.errors import TooManyAtOnce
from console.turns import Room, Turns


def test_requests_of_one_person_take_turns_and_others_do_not_wait_for_them() -> None:
    inside: list[str] = []
    most: dict[str, int] = {}

    async def request(turns: Turns, who: str, until: anyio.Event) -> None:
        async with turns.of(who):
            inside.append(who)
            most[who] = max(most.get(who, 0), inside.count(who))
            await until.wait()
            inside.remove(who)

    async def main() -> None:
        turns, until = Turns(2, 30.0), anyio.Event()
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(request, turns, "olena", until)
            await anyio.wait_all_tasks_blocked()
            assert inside == ["olena", "olena"]
            group.start_soon(request, turns, "ivan", until)
            await anyio.wait_all_tasks_blocked()
            assert inside == ["olena", "olena", "ivan"]
            until.set()
        assert most == {"olena": 2, "ivan": 1}

    anyio.run(main)


def test_who_waits_too_long_is_sent_away_and_takes_nobodys_turn() -> None:
    async def main() -> None:
        turns = Turns(1, 0.01)
        async with turns.of("olena"):
            with pytest.raises(TooManyAtOnce):
                async with turns.of("olena"):
                    raise AssertionError("it is not their turn")
        async with turns.of("olena"):
            pass

    anyio.run(main)


def test_whoever_breaks_off_while_waiting_or_working_gives_the_turn_back() -> None:
    async def broken_off(turns: Turns, work: Callable[[], Awaitable[None]]) -> None:
        with anyio.move_on_after(0.01):
            async with turns.of("olena"):
                await work()

    async def main() -> None:
        turns = Turns(1, 30.0)
        await broken_off(turns, anyio.sleep_forever)
        async with turns.of("olena"):
            await broken_off(turns, anyio.sleep_forever)
        with anyio.fail_after(5):
            async with turns.of("olena"):
                pass

    anyio.run(main)


def test_heavy_work_of_one_person_leaves_room_for_another() -> None:
    room, until = Room(2), threading.Event()
    began = threading.Semaphore(0)

    def work(who: str) -> None:
        with room.taken(who, 30.0):
            began.release()
            until.wait(30.0)

    with ThreadPoolExecutor(4) as threads:
        try:
            threads.submit(work, "olena")
            began.acquire(timeout=30.0)
            with pytest.raises(TooManyAtOnce), room.taken("olena", 0.0):
                raise AssertionError("there is room for one of hers only")
            threads.submit(work, "ivan")
            assert began.acquire(timeout=30.0)
            with pytest.raises(TooManyAtOnce), room.taken("vera", 0.0):
                raise AssertionError("there is no room")
        finally:
            until.set()
    with room.taken("olena", 0.0), room.taken("vera", 0.0):
        pass
