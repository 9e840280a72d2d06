"""Ctrl-C and SIGTERM: raised where the main thread is, so that every `finally` does its work, but not for long.

What is raised is a KeyboardInterrupt, and an error of ours only once it has come to the top: the SDK takes any `Exception`
that meets it in the middle of a request for the network's, and the request is then sent again. An orderly retreat has
`GRACE` seconds: a request that hangs must not hold a person up, and what is cut off is whole in the store or not at all.
"""

from __future__ import annotations

import os
import signal
from functools import partial
from types import FrameType

from vault.errors import Interrupted

GRACE = 1.5
"""Seconds from the signal to the end of the process, whatever it still waits for."""


class Signalled(KeyboardInterrupt):
    """A signal came; the text is its name."""


def listen(*, grace: float | None = GRACE) -> None:
    """From now on both signals raise `Signalled`. Works in the main thread only. grace: seconds; None: as long as it takes, for
    a command that has much to remove, where a second signal ends the process at once."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, partial(_interrupt, grace=grace))


def error_of(signalled: KeyboardInterrupt) -> Interrupted:
    """The error that a person is told."""
    return Interrupted(f"interrupted by {signalled}")


def _interrupt(number: int, _frame: FrameType | None, *, grace: float | None) -> None:
    # a second signal ends the process at once: whoever asks twice means it
    signal.signal(number, signal.SIG_DFL)
    name = signal.Signals(number).name
    if grace is not None and hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, lambda _number, _frame: _leave(name))
        signal.setitimer(signal.ITIMER_REAL, grace)
    raise Signalled(name)


def _leave(name: str) -> None:
    """Grace is over. Nothing of Python's own output may be used here: the signal may have come in the middle of it."""
    error = error_of(Signalled(name))
    os.write(2, f"strongroom: error: {error}\nhint: {error.hint}\n".encode())
    os._exit(Interrupted.exit_code)
