"""All errors, hints, problems, alerts and notices of the source as one text, to be read and reviewed:
`python -m tests.docs.messages`.

What a text fills in stands in braces, as the source has it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.docs.generated import all_errors
from tests.docs.pages import ROOT

PACKAGES = ("classify", "cli", "console", "policies", "restore", "strongroom", "vault")
KINDS = {"notice": "notice", "warn": "warning", "Problem": "problem", "Alert": "alert"}
"""Calls beside those of errors whose texts are shown."""


class Message(NamedTuple):
    """kind: the error's name, or `problem`, `alert`, `notice`, `warning` · hint: empty where it has none of its own."""

    place: str
    kind: str
    text: str
    hint: str


def messages() -> Iterator[Message]:
    """All of them, file by file."""
    known = error_names()
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            yield from _of_file(file, known)


def error_names() -> set[str]:
    """The errors of the tree, and all that the source derives from them."""
    known = {one.__name__ for one in all_errors()} | {"StrongroomError"}
    classes = [
        (node.name, {base.id for base in node.bases if isinstance(base, ast.Name)})
        for package in PACKAGES
        for file in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    while more := {name for name, bases in classes if bases & known} - known:
        known |= more
    return known


def _of_file(file: Path, known: set[str]) -> Iterator[Message]:
    tree = ast.parse(file.read_text("utf-8"))
    constants = {
        node.targets[0].id: text
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and (text := _text(node.value, {}))
    }
    for node in ast.walk(tree):
        place = f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            kind = name if name in known else KINDS.get(name)
            said = [_text(argument, constants) for argument in node.args]
            hint = next((_text(one.value, constants) for one in node.keywords if one.arg == "hint"), "")
            if kind is not None and any(said):
                yield Message(place, kind, " · ".join(said), hint)
        elif isinstance(node, ast.ClassDef) and node.name in known:
            for one in node.body:
                if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "hint":
                    yield Message(place, node.name, "(whatever it is)", _text(one.value, constants))


def _text(node: ast.expr, constants: dict[str, str]) -> str:
    """A text as the source has it; what it is made of stands in braces. constants: of the module."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(one, constants) for one in node.values)
    if isinstance(node, ast.FormattedValue):
        return f"{{{ast.unparse(node.value)}}}"
    if isinstance(node, ast.IfExp):
        return f"{_text(node.body, constants)} | {_text(node.orelse, constants)}"
    if isinstance(node, ast.BinOp):
        return _text(node.left, constants) + _text(node.right, constants)
    return constants.get(ast.unparse(node)) or f"{{{ast.unparse(node)}}}"


def main() -> None:
    """Print them."""
    file = ""
    for one in messages():
        now, _, line = one.place.partition(":")
        if now != file:
            file = now
            sys.stdout.write(f"\n{file}\n")
        sys.stdout.write(f"  {line:>4} {one.kind}: {one.text}\n")
        if one.hint:
            sys.stdout.write(f"       hint: {one.hint}\n")


if __name__ == "__main__":
    main()
