"""Ctrl-C and SIGTERM: an error like another, raised where the main thread is, so that every `finally` does its work."""

from __future__ import annotations

import signal
from types import FrameType

from vault.errors import Interrupted


def listen() -> None:
    """From now on both signals raise `Interrupted`. Works in the main thread only."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    # a second signal ends the process at once: whoever asks twice means it
    signal.signal(number, signal.SIG_DFL)
    raise Interrupted(f"interrupted by {signal.Signals(number).name}")
