"""Numbers in sentences: one item, two items."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from vault.wording import counted, size_in_bytes

ROOT = Path(__file__).parents[2]
THINGS = (
    "items|files|snapshots|projects|packs|rows|problems|tables|sources|folders|errors|jobs|runs|versions|objects|cells|days|kinds|"
    "times|promises|lines|minutes|holds|notes|requests|segments|claims|reports|backups"
)
ALWAYS_SEVERAL = frozenset(
    {
        "len(faults)",  # one fault has a sentence of its own
        "files.num_rows",  # where several match though one was wanted
        "len(rows)",  # where some of them are looked at
        "hours // 24",  # two at least
        "days",  # so far from 1970 that no calendar has it
        "case.files",  # fewer than five never count
        "now.files",
        "table.num_rows",  # more than a bound
        "file.metadata.num_rows",
        "self._most_rows",
        "most",  # such bounds are large
        "len(ids)",  # that one beginning has
        "number[:20]",  # as somebody wrote it
        "path",  # these are texts
        "name",
        "one.name",
        "one.grant.name",
        "one.grants[0].name",
        "done.half.name",
        "len(self.projects)",  # more than a bound
        "what",
        "folder",
        "pattern",
    }
)


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 items"), (1, "1 item"), (2, "2 items"), (21, "21 items"), (12345, "12 345 items")]
)
def test_one_thing_is_named_in_the_singular(number: int, text: str) -> None:
    assert counted(number, "item") == text
    assert counted(number, "item is", "items are") == f"{text} {'is' if number == 1 else 'are'}"


def _bare_numbers(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, after in zip(node.values, node.values[1:], strict=False):
            if not isinstance(value, ast.FormattedValue) or not isinstance(after, ast.Constant):
                continue
            what = ast.unparse(value.value)
            is_constant = what.lstrip("_").isupper()
            if re.match(rf" (more |further |other |matching )?({THINGS})\b", str(after.value)) and not is_constant:
                yield what


def test_every_number_of_things_in_a_message_goes_through_one_helper() -> None:
    """Else it says "1 items are" one day."""
    found = {
        f"{file.relative_to(ROOT)}: {what}"
        for folder in ("cli", "policies", "restore", "vault")
        for file in sorted((ROOT / folder).rglob("*.py"))
        for what in _bare_numbers(file)
        if what not in ALWAYS_SEVERAL
    }
    assert not found


@pytest.mark.parametrize(
    ("text", "bytes_meant"),
    [("2048", 2048), ("500M", 500 << 20), ("1.5 GiB", 3 << 29), (" 10gb ", 10 << 30), ("1P", 1 << 50), ("7 B", 7)],
)
def test_a_size_is_read_as_people_write_it(text: str, bytes_meant: int) -> None:
    assert size_in_bytes(text) == bytes_meant


@pytest.mark.parametrize("text", ["", "G", "ten", "-5M", "5X", "1e9", "5 G G", "٥M", "9" * 16])
def test_what_is_no_size_is_none(text: str) -> None:
    assert size_in_bytes(text) is None
