"""The same done to several things at once: in order, with errors, and without a thread where there is nothing to wait for."""

from __future__ import annotations

import threading

import pytest

from vault.at_once import each_of


def test_what_is_made_comes_in_the_order_of_the_things() -> None:
    assert each_of(range(50), lambda number: number * 2, most=4, name="x") == [number * 2 for number in range(50)]


def test_several_are_done_by_threads_of_that_name_and_one_by_whoever_asks() -> None:
    def thread(_: int) -> str:
        return threading.current_thread().name

    assert each_of([1], thread, most=4, name="x") == [threading.current_thread().name]
    assert {name.partition("_")[0] for name in each_of([1, 2, 3], thread, most=2, name="x")} == {"x"}
    assert each_of([], thread, most=4, name="x") == []


def test_what_is_at_hand_is_done_by_whoever_asks_in_its_place() -> None:
    def thread(number: int) -> tuple[int, str]:
        return number, threading.current_thread().name.partition("_")[0]

    here = threading.current_thread().name.partition("_")[0]
    found = each_of(range(6), thread, most=2, name="x", at_hand=lambda number: number % 2 == 0)
    assert found == [(0, here), (1, "x"), (2, here), (3, "x"), (4, here), (5, "x")]
    assert each_of(range(4), thread, most=2, name="x", at_hand=lambda number: number != 2) == [(n, here) for n in range(4)]
    with pytest.raises(ZeroDivisionError):
        each_of([1, 0, 2, 3], lambda number: 1 / number, most=2, name="x", at_hand=lambda number: number < 2)


def test_an_error_is_raised() -> None:
    for things in ([0], [1, 0, 2]):
        with pytest.raises(ZeroDivisionError):
            each_of(things, lambda number: 1 / number, most=2, name="x")
