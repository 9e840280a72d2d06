"""Programs that tests and benchmarks keep as texts, to run them in processes of their own: what they import is there.

Neither the type checker nor a renaming looks into a text.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
OURS = re.compile(r"\b(?:from|import) (?:classify|vault|restore|policies|strongroom|cli)\b")


def programs() -> Iterator[tuple[str, str]]:
    """Each statement that imports something of ours within a text, with its place."""
    for file in sorted({*ROOT.glob("tests/**/*.py"), *ROOT.glob("benchmarks/**/*.py")} - {Path(__file__)}):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and OURS.search(node.value):
                for line in textwrap.dedent(node.value).splitlines():
                    for statement in line.split(";"):
                        if OURS.match(statement.strip()):
                            yield f"{file.relative_to(ROOT)}:{node.lineno}", statement.strip()


def unresolved(statement: str) -> list[str]:
    """What a statement imports and nothing has; of what is no statement, nothing."""
    try:
        (found,) = ast.parse(statement).body
    except SyntaxError:
        return []
    if not isinstance(found, ast.ImportFrom) or found.module is None:
        return []
    try:
        module = import_module(found.module)
    except ModuleNotFoundError:
        return [found.module]
    return [name.name for name in found.names if not hasattr(module, name.name) and not _is_module(found.module, name.name)]


def _is_module(package: str, name: str) -> bool:
    try:
        import_module(f"{package}.{name}")
    except ModuleNotFoundError:
        return False
    return True


def test_what_programs_in_texts_import_is_there() -> None:
    found = list(programs())
    assert len(found) > 10
    wrong = [f"{place}: {statement}: no {name}" for place, statement in found for name in unresolved(statement)]
    assert not wrong, "\n".join(wrong)


def test_a_name_that_went_is_seen() -> None:
    assert unresolved("from restore.tables.write_options import Nobody, WriteOptions") == ["Nobody"]
    assert unresolved("from restore.nowhere import anything") == ["restore.nowhere"]
    assert unresolved("from vault import clock") == []
