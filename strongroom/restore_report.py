"""A report of a restore: every item that was selected and was left alone, and everything that went wrong, with the reason,
which `restore.planning.plan.RestorePlan.left_alone` gives and `restore.planning.conflicts` decides.

FILE.json       one JSON document, `strongroom.restore-report/1`: `left` and `problem_list`, each with `path`, a word for
                programs and a sentence
other names     text, a line for each item: PATH: WORD: sentence
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from restore.local_fs.syscalls import is_folder
from restore.outputs.archive_file import whole_file
from restore.planning.conflict_policy import ConflictPolicy
from strongroom import own_paths, schemas
from vault.errors import TargetError
from vault.problems import printable

if TYPE_CHECKING:
    from strongroom.context import Context
    from strongroom.restore_plan import PlannedRestore
    from strongroom.restore_result import RestoreResult
    from vault.problems import Problem


def refuse_unwritable(context: Context, path: Path) -> None:
    """Raises `TargetError` where no report can be written, `RefusedByRule` for a place of Strongroom's own: before a restore
    begins."""
    own_paths.refuse_target(context.settings, path, folder=False)
    if is_folder(path):
        raise TargetError(f"the report {path} is a folder", hint="name a file with --report FILE")
    if not is_folder(path.absolute().parent):
        raise TargetError(f"the folder of the report {path} is not there", hint="make it, or name another file")


def write(path: Path, planned: PlannedRestore, result: RestoreResult | None = None) -> None:
    """Write the report of a plan, or of what was done; a file that stands there is replaced. It is private (0600), as it names
    items. Raises `TargetError`."""
    problems = [problem for plan in planned.plans for problem in plan.problems] if result is None else result.problems
    lines = _json(planned, problems) if path.suffix.lower() == ".json" else _text(planned, problems)
    with whole_file(path.absolute(), ConflictPolicy.REPLACE) as out:
        for line in lines:
            out.write(line.encode("utf-8", "backslashreplace") + b"\n")


def _text(planned: PlannedRestore, problems: list[Problem]) -> Iterator[str]:
    named = set()
    for one in planned.left_alone():
        named.add((one.path, one.why))
        yield f"{printable(one.path)}: {one.why}: {one.message}"
    for problem in problems:
        if (problem.path, problem.what) not in named:
            yield f"{printable(problem.path)}: {problem.what}: {problem.message}"


def _json(planned: PlannedRestore, problems: list[Problem]) -> Iterator[str]:
    left = [one.as_json() for one in planned.left_alone()]
    head = {"schema": schemas.identifier("restore-report/1"), "project": planned.selected.project.name, "left": left}
    document = head | {"problem_list": [one.as_json() for one in problems]}
    yield json.dumps(document, ensure_ascii=False, indent=2)
