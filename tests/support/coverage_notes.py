"""What a test run could not cover, said out loud at its end.

A test that lacks a program or a network calls `not_covered` before it skips; the run's summary then has a line
`not covered: …` for it, so that a green run never hides what it left out. `tests/conftest.py` imports
`pytest_terminal_summary` from here, which is all the wiring there is.
"""

from __future__ import annotations

import pytest

# One list for the run: pytest calls the hook below without a way to hand it anything from inside a helper.
_notes: list[str] = []


def not_covered(reason: str) -> None:
    """Record a line for the summary; the same reason is shown once."""
    if reason not in _notes:
        _notes.append(reason)


def notes() -> tuple[str, ...]:
    """What has been recorded so far, in order."""
    return tuple(_notes)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """pytest's hook: print the lines, in quiet runs too."""
    for reason in _notes:
        terminalreporter.write_line(f"not covered: {reason}", yellow=True)
