"""Iterators that run ahead of who uses them, work that is done behind who gives it, and the same done to several things
together: in order, with errors, and without a thread where there is nothing to wait for."""

from __future__ import annotations

import threading
from collections.abc import Generator

import pytest

from vault.threads import parallel_map, read_ahead, work_behind


def _numbers(made: list[int], end: int = 1000) -> Generator[int, None, None]:
    try:
        for number in range(end):
            made.append(number)
            yield number
    finally:
        made.append(-1)


def test_items_come_in_their_order_and_the_iterator_is_a_few_ahead_at_most() -> None:
    made: list[int] = []

    with read_ahead(lambda _: _numbers(made), depth=2) as items:
        assert [next(items) for _ in range(10)] == list(range(10))
        assert max(made) <= 10 + 3  # two that wait, one that is given, one that is made

    assert made[-1] == -1
    assert len(made) < 20


def test_what_the_iterator_raises_comes_behind_its_items() -> None:
    def broken() -> Generator[int, None, None]:
        yield 1
        raise ValueError("no more")

    with read_ahead(lambda _: broken()) as items:
        assert next(items) == 1
        with pytest.raises(ValueError, match="no more"):
            next(items)


def test_pieces_of_work_are_done_in_their_order_by_another_thread() -> None:
    done: list[int] = []
    threads: set[int] = set()

    def work(number: int) -> None:
        done.append(number)
        threads.add(threading.get_ident())

    with work_behind() as behind:
        for number in range(100):
            behind(lambda number=number: work(number))  # type: ignore[misc]

    assert done == list(range(100))
    assert threading.get_ident() not in threads


def test_a_single_piece_is_done_without_a_thread() -> None:
    threads: list[int] = []

    with work_behind() as behind:
        behind(lambda: threads.append(threading.get_ident()))

    assert threads == [threading.get_ident()]


def test_what_a_piece_raises_is_raised_where_work_is_given_and_nothing_behind_it_is_done() -> None:
    done: list[str] = []

    def full() -> None:
        raise OSError(28, "no space left")

    with pytest.raises(OSError, match="no space left"), work_behind(depth=1) as behind:
        behind(lambda: done.append("first"))
        behind(full)
        for _ in range(100):
            behind(lambda: done.append("behind it"))

    assert done == ["first"]


def test_what_the_last_piece_raises_is_raised_at_the_end() -> None:
    with pytest.raises(ZeroDivisionError), work_behind() as behind:
        behind(lambda: None)
        behind(lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError), work_behind() as behind:
        behind(lambda: 1 / 0)


def test_work_that_waits_is_not_done_where_the_block_ends_with_an_error() -> None:
    done: list[str] = []

    with pytest.raises(KeyError), work_behind() as behind:
        behind(lambda: done.append("the only one"))
        raise KeyError

    assert done == []
    threads: list[threading.Thread] = []
    with pytest.raises(KeyError), work_behind() as behind:
        behind(lambda: threads.append(threading.current_thread()))
        behind(lambda: None)
        raise KeyError

    assert all(not thread.is_alive() for thread in threads)


def test_what_is_made_comes_in_the_order_of_the_things() -> None:
    assert parallel_map(range(50), lambda number: number * 2, most=4, name="x") == [number * 2 for number in range(50)]


def test_several_are_done_by_threads_of_that_name_and_one_by_whoever_asks() -> None:
    def thread(_: int) -> str:
        return threading.current_thread().name

    assert parallel_map([1], thread, most=4, name="x") == [threading.current_thread().name]
    assert {name.partition("_")[0] for name in parallel_map([1, 2, 3], thread, most=2, name="x")} == {"x"}
    assert parallel_map([], thread, most=4, name="x") == []


def test_what_is_at_hand_is_done_by_whoever_asks_in_its_place() -> None:
    def thread(number: int) -> tuple[int, str]:
        return number, threading.current_thread().name.partition("_")[0]

    here = threading.current_thread().name.partition("_")[0]
    found = parallel_map(range(6), thread, most=2, name="x", at_hand=lambda number: number % 2 == 0)
    assert found == [(0, here), (1, "x"), (2, here), (3, "x"), (4, here), (5, "x")]
    alone = parallel_map(range(4), thread, most=2, name="x", at_hand=lambda number: number != 2)
    assert alone == [(n, here) for n in range(4)]
    with pytest.raises(ZeroDivisionError):
        parallel_map([1, 0, 2, 3], lambda number: 1 / number, most=2, name="x", at_hand=lambda number: number < 2)


def test_an_error_is_raised() -> None:
    for things in ([0], [1, 0, 2]):
        with pytest.raises(ZeroDivisionError):
            parallel_map(things, lambda number: 1 / number, most=2, name="x")
