"""For tests that prove restores: fixtures for pytest, and what they are made of.

    def test_reports_come_back(strongroom_project):
        (strongroom_project.source / "2024-05.csv").write_text("agent,calls\nolena,17\n")
        strongroom_project.backup()
        assert_restores(strongroom_project.select(), equals=strongroom_project.source)

The plugin (`strongroom.testing.plugin`) comes with the package, and imports nothing of it until a fixture is asked for. The
extra `testing` brings pytest and moto. docs/testing.md has examples.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strongroom.testing.assertions import assert_restores
    from strongroom.testing.faults import Faults, PowerCut
    from strongroom.testing.frozen_clock import FrozenClock
    from strongroom.testing.throwaway import ThrowawayProject, ThrowawayRepository

__all__ = ["Faults", "FrozenClock", "PowerCut", "ThrowawayProject", "ThrowawayRepository", "assert_restores"]

_PLACES = {
    "Faults": "faults",
    "FrozenClock": "frozen_clock",
    "PowerCut": "faults",
    "ThrowawayProject": "throwaway",
    "ThrowawayRepository": "throwaway",
    "assert_restores": "assertions",
}


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"strongroom.testing.{_PLACES[name]}"), name)
