"""`strongroom schema [NAME]`: the JSON Schemas of what commands print with `--json`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import output
from strongroom import schemas


def schema(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="As a document has it in `schema`, such as strongroom.backup/1.")
    ] = None,
) -> None:
    """Print the JSON Schema (draft 2020-12) of a document that a command prints with --json, or list the names of all."""
    if name is None:
        for one in schemas.names():
            output.result(schemas.identifier(one))
    else:
        with output.standard_output():
            typer.echo(schemas.text(name), nl=False)
