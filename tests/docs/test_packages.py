"""What a package's docstring says of its modules: newcomers read it first, and a module that was renamed stays there unseen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(
    file
    for top in ("classify", "vault", "restore", "policies", "strongroom", "console", "cli")
    for file in (ROOT / top).rglob("__init__.py")
)

_ENTRY = re.compile(r"(?m)^ *((?:[a-z_0-9]+, )*[a-z_0-9]+)(?:\.py)?  +\S")
"""A line of the table in a docstring: one or several names, a gap, and what is in them."""

_NO_MODULES = {"restore/export/__init__.py": {"report.json"}, "classify/__init__.py": {"path", "content"}}
"""What stands in the place of a module's name and is none."""


def listed(text: str) -> set[str]:
    """The names that the table of a docstring begins with; of two columns, the first one."""
    return {name for entry in _ENTRY.findall(text) for name in entry.split(", ")}


@pytest.mark.parametrize("file", PACKAGES, ids=lambda file: str(file.parent.relative_to(ROOT)))
def test_a_package_names_only_modules_that_it_has(file: Path) -> None:
    text = file.read_text("utf-8").partition('"""')[2].partition('"""')[0]
    there = {path.stem for path in file.parent.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert listed(text) - there - _NO_MODULES.get(str(file.relative_to(ROOT)), set()) == set()


def test_a_name_that_is_no_module_is_seen() -> None:
    assert listed("    gone    what it was\n    one, two    both") == {"gone", "one", "two"}
