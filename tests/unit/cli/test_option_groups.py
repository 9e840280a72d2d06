"""Groups of options: typer sees each option by itself, where the group stands; the command gets values."""

from __future__ import annotations

from typing import Annotated

import pytest
import typer
from typer.main import get_command

from cli.option_groups import AccessOptions, ConversionOptions, PastItemOptions, grouped
from cli.registry import CommandsByName
from strongroom.selection import SelectionOptions
from strongroom.table_options import TableOptions

Got = tuple[str, SelectionOptions, TableOptions, AccessOptions, bool]


def _called(*words: str) -> tuple[list[str], Got]:
    """The names of the parameters that a command has for typer, and what it gets for these words."""
    got: list[Got] = []

    @grouped
    def command(
        project: Annotated[str, typer.Argument()],
        *,
        items: PastItemOptions,
        conversion: ConversionOptions,
        access: AccessOptions,
        dry_run: Annotated[bool, typer.Option("--dry-run")] = False,
    ) -> None:
        got.append((project, items.selection(["a*"], "s"), conversion.to_format("csv"), access, dry_run))

    app = typer.Typer(add_completion=False)
    app.command()(command)
    made = get_command(app)
    made(list(words), standalone_mode=False)
    return [str(one.name) for one in made.params], got[0]


def test_options_stand_where_their_group_does_and_nothing_but_defaults_is_asked_for() -> None:
    names, got = _called("acme")

    assert names == [
        "project",
        *PastItemOptions.__struct_fields__,
        *ConversionOptions.__struct_fields__,
        *AccessOptions.__struct_fields__,
        "dry_run",
    ]
    assert got == (
        "acme",
        SelectionOptions(patterns=["a*"], source="s"),
        TableOptions(format="csv"),
        AccessOptions(),
        False,
    )


def test_every_option_of_a_group_reaches_the_value() -> None:
    words = (
        "--kind raw --kind tickets --period 2024 --overlapping --before 2025 --deleted --bom --sheet 1 --merge --from second"
    )
    _, (_, selection, tables, access, dry_run) = _called("acme", *words.split(), "--dry-run")

    assert selection == SelectionOptions(
        ["a*"], kinds=["raw", "tickets"], periods=["2024"], overlapping=True, before="2025", deleted=True, source="s"
    )
    assert tables == TableOptions(format="csv", bom=True, sheets=("1",), merge=True)
    assert access == AccessOptions(from_copy="second")
    assert dry_run


@pytest.mark.parametrize("name", ["restore", "export", "publish", "query", "diff", "find", "history", "ls"])
def test_commands_that_take_groups_have_no_option_twice(name: str) -> None:
    options = [flag for one in CommandsByName()[name].params for flag in one.opts]  # type: ignore[attr-defined]

    assert len(options) == len(set(options)) > 10
