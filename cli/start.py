"""Where the console script begins. Until the command listens to signals itself, Ctrl-C ends the process without a word: nothing
was done yet, and a traceback out of an import helps nobody. Nor does a search for cycles among modules (`runtime`)."""

from __future__ import annotations

import gc
import signal

COLLECT_EVERY = 150_000
"""New objects. A short command makes up to 90,000, imports included: to look through them cost it 14 ms, and with Python's own
number, 700, another 5 before `runtime` was there to raise it."""


def run() -> None:
    """Import the command line, and run it."""
    gc.set_threshold(COLLECT_EVERY, 20, 100)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from cli.main import run as run_command

    run_command()
