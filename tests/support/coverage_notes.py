"""What a test run could not cover, said out loud at its end.

A test that lacks a program or a network calls `not_covered` before it skips; the run's summary then has a line
`not covered: …` for it, so that a green run never hides what it left out. `tests/conftest.py` imports the hooks from here,
which is all the wiring there is. Where workers share the tests among them (pytest-xdist), each hands its lines to the
process that prints the summary.
"""

from __future__ import annotations

from typing import Any

import pytest

_HANDED_OVER = "not_covered"

# One list for the run: pytest calls the hooks below without a way to hand it anything from inside a helper.
_notes: list[str] = []


def not_covered(reason: str) -> None:
    """Record a line for the summary; the same reason is shown once."""
    if reason not in _notes:
        _notes.append(reason)


def notes() -> tuple[str, ...]:
    """What has been recorded so far, in order."""
    return tuple(_notes)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """pytest's hook: in a worker, hand the lines over."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_HANDED_OVER] = list(_notes)


class Gathering:
    """The hook of pytest-xdist, which may be absent: the process that prints hears what a worker noted."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker ended; one that crashed hands nothing over, and its test is reported as failed."""
        for reason in getattr(node, "workeroutput", {}).get(_HANDED_OVER, ()):
            not_covered(reason)


def pytest_configure(config: pytest.Config) -> None:
    """pytest's hook: gather from workers, if there are any."""
    config.pluginmanager.register(Gathering())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """pytest's hook: print the lines, in quiet runs too."""
    for reason in _notes:
        terminalreporter.write_line(f"not covered: {reason}", yellow=True)
