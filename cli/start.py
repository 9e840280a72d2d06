"""Where the console script begins. Until the command listens to signals itself, Ctrl-C ends the process without a word: nothing
was done yet, and a traceback out of an import helps nobody."""

from __future__ import annotations

import signal


def run() -> None:
    """Import the command line, and run it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from cli.main import run as run_command

    run_command()
