"""Whether the process that a run belongs to still lives."""

from __future__ import annotations

import subprocess
import sys

import pytest

from policies.scheduling import process_identity


def test_this_process_is_alive_and_has_one_marker() -> None:
    assert process_identity.marker() == process_identity.marker()
    assert process_identity.is_alive(process_identity.marker())


def test_a_process_that_has_ended_is_not_alive() -> None:
    command = [
        sys.executable,
        "-c",
        "from policies.scheduling import process_identity; print(process_identity.marker(), flush=True); input()",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        marked = child.stdout.readline().strip()
        alive = process_identity.is_alive(marked)
        child.communicate("\n")
    assert alive
    assert not process_identity.is_alive(marked)


def test_another_process_under_the_same_number_is_another_one() -> None:
    boot, number, began = process_identity.marker().split()
    assert not process_identity.is_alive(f"{boot} {number} {int(began) + 1}")
    assert not process_identity.is_alive(f"{boot[::-1]} {number} {began}")


@pytest.mark.parametrize("marked", ["", "x", "a b c", "- 0 -", "boot 99999999999999999999 1", "one two 3 four"])
def test_a_marker_that_is_none_is_of_no_living_process(marked: str) -> None:
    assert not process_identity.is_alive(marked)
