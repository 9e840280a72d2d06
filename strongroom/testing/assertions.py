"""Assertions about restores."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.folder_comparison import CompareOptions, FolderDifference, compare_folders, compare_items, single
from vault.problems import printable
from vault.wording import counted

if TYPE_CHECKING:
    from strongroom.selection import SelectedItems
    from vault.problems import Problem

SHOWN = 10
"""Differences that are named one by one."""


def assert_restores(
    selection: SelectedItems,
    equals: Path | str | Mapping[str, Path | str],
    *,
    subset: bool = False,
    times: bool = True,
    modes: bool = True,
) -> None:
    """Restore what is selected to a scratch folder, and compare it byte for byte: names, types, contents, times, modes.

    selection: of `project.select(…)` · equals: a folder that holds what is to come back, or a file where one file is selected;
    of items of several kinds, a folder for each kind · subset: the folder may have more than was selected · times, modes:
    whether these are compared.

    Raises AssertionError with the first differences, and whatever a restore raises.
    """
    __tracebackhide__ = True  # pytest shows the line of the test
    options = CompareOptions(times=times, modes=modes)
    with tempfile.TemporaryDirectory(prefix="strongroom-assert-restores-") as scratch:
        problems = _restored(selection, Path(scratch))
        kinds = sorted(os.listdir(scratch))  # noqa: PTH208 (names)
        differences: list[FolderDifference] = []
        for kind, expected in _by_kind(equals, kinds).items():
            differences += _compared(Path(expected), Path(scratch, kind), options, kind, subset=subset)
    if differences or problems:
        raise AssertionError(_message(selection, differences, problems))


def _restored(selection: SelectedItems, folder: Path) -> Sequence[Problem]:
    """Everything as it is, by the functions that `strongroom restore` calls. Gives the problems."""
    from restore.execution.executor import execute
    from restore.local_fs import Target
    from restore.planning.conflict_policy import ConflictPolicy
    from restore.planning.plan import make_plan
    from strongroom.restore_parts import today

    with Target(os.fsencode(folder)) as target:
        plan = make_plan(selection.selection, target, ConflictPolicy.REFUSE, today(selection.project))
        return execute(plan, target, lambda: None).problems


def _by_kind(equals: Path | str | Mapping[str, Path | str], kinds: Sequence[str]) -> dict[str, Path | str]:
    if isinstance(equals, Mapping):
        if equals.keys() != set(kinds):
            restored, expected = ", ".join(kinds), ", ".join(sorted(equals))
            raise AssertionError(f"items of the kinds {restored} were restored, and expected were {expected}")
        return dict(equals)
    if len(kinds) != 1:
        raise AssertionError(
            f"items of {counted(len(kinds), 'kind')} were restored ({', '.join(kinds)}): give a folder for each, "
            "equals={'reports': …, 'tickets': …}"
        )
    return {kinds[0]: equals}


def _compared(expected: Path, found: Path, options: CompareOptions, kind: str, *, subset: bool) -> list[FolderDifference]:
    if not expected.is_dir():
        files = [path for path in found.rglob("*") if not path.is_dir()]
        if len(files) != 1:
            raise AssertionError(f"{expected} is a file, and {counted(len(files), 'file')} were restored: select one")
        return compare_items(single(expected), single(files[0]), options)
    differences = compare_folders(expected, found, options, subset=subset)
    return [
        FolderDifference(os.fsencode(kind) + b"/" * bool(one.path) + one.path, one.what, one.message) for one in differences
    ]


def _message(selection: SelectedItems, differences: Sequence[FolderDifference], problems: Sequence[Problem]) -> str:
    found = [(one.path, one.message) for one in problems] + [(one.path, one.message) for one in differences]
    lines = [f"the restore of {selection.project.name} is not what it should be: {counted(len(found), 'difference')}"]
    lines += [f"  {printable(path)}: {message}" for path, message in found[:SHOWN]]
    if len(found) > SHOWN:
        lines.append(f"  … and {len(found) - SHOWN} more")
    return "\n".join(lines)
