"""A test that hangs is a failure too, and must not hold up the others' results."""

from __future__ import annotations

import faulthandler
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 120.0


@contextmanager
def no_hang(seconds: float = PATIENCE) -> Iterator[None]:
    """End the process, with every thread's stack, if the block takes so long: worker threads that wait for each other
    cannot be ended in any other way."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=2)  # the process's own stderr, whatever stands in for it
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
