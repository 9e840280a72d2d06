"""What every test gets: a process cut off from the machine, and the fixtures for stores."""

from __future__ import annotations

from tests.support.coverage_notes import pytest_configure, pytest_sessionfinish, pytest_terminal_summary
from tests.support.hermetic import cut_off

cut_off()

pytest_plugins = [
    "strongroom.testing.plugin",
    "tests.support.age_js",
    "tests.support.store_fixtures",
    "tests.support.timestamp_authority",
]
# the plugin of this checkout, by its module: the entry point of an installed package is switched off in pyproject.toml

__all__ = ["pytest_configure", "pytest_sessionfinish", "pytest_terminal_summary"]
