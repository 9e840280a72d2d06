"""Options that several commands have together. A command takes them as one value, and typer sees each by itself.

    @grouped
    def ls(project: …, *, items: PastItemOptions, access: AccessOptions, as_json: Json = False) -> None:

The order of parameters is that of the help: those of a group stand where the group does.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer
from msgspec import Struct
from msgspec.structs import fields

from cli.options import (
    TABLES,
    At,
    Before,
    Config,
    Deleted,
    Formats,
    FromCopy,
    Header,
    Identity,
    Kinds,
    Overlapping,
    Paths,
    Periods,
    Repository,
    Sheets,
)
from restore.tables.write_options import Audience
from strongroom.reading import opened_to_look, opened_to_read
from strongroom.selection import SelectionOptions
from strongroom.table_options import TableOptions

if TYPE_CHECKING:
    from strongroom.context import Context

Profile = Annotated[
    Audience | None,
    typer.Option(
        "--profile",
        metavar="exact|people",
        help="For machines (the default), or safe to open in a spreadsheet.",
        rich_help_panel=TABLES,
    ),
]
Delimiter = Annotated[
    str | None, typer.Option("--delimiter", metavar="CHAR", help="Between the columns of a CSV.", rich_help_panel=TABLES)
]
ByteOrderMark = Annotated[bool, typer.Option("--bom", help="Begin a CSV with a byte order mark.", rich_help_panel=TABLES)]
RowsInPeriod = Annotated[
    bool,
    typer.Option(
        "--rows-in-period", help="Of tables, only the rows of the period, by their column of times.", rich_help_panel=TABLES
    ),
]
TimeColumn = Annotated[
    str | None, typer.Option("--time-column", metavar="NAME", help="That column, if not found.", rich_help_panel=TABLES)
]
Merge = Annotated[
    bool, typer.Option("--merge", help="One table out of all of them, with a column `source`.", rich_help_panel=TABLES)
]


class OptionGroup(Struct, frozen=True, kw_only=True):
    """Options that belong together: each field is one, as typer wants a parameter of a command."""


class ItemOptions(OptionGroup, frozen=True, kw_only=True):
    """Which items are meant."""

    paths: Paths = None
    kinds: Kinds = None
    periods: Periods = None
    formats: Formats = None
    overlapping: Overlapping = False

    def selection(self, patterns: Sequence[str] | None, source: str | None) -> SelectionOptions:
        """For the library. patterns: those that are arguments, not options."""
        own = {name: getattr(self, name) for name in self.__struct_fields__}
        return SelectionOptions(patterns=patterns, source=source, **own)


class MomentOptions(ItemOptions, frozen=True, kw_only=True):
    """Which items, and as of when."""

    at: At = None
    before: Before = None


class PastItemOptions(MomentOptions, frozen=True, kw_only=True):
    """Which items as of when, or which of those that the source no longer has."""

    deleted: Deleted = False


class ConversionOptions(OptionGroup, frozen=True, kw_only=True):
    """How tables are converted; to what says --as."""

    profile: Profile = None
    delimiter: Delimiter = None
    bom: ByteOrderMark = False
    rows_in_period: RowsInPeriod = False
    time_column: TimeColumn = None
    header: Header = None
    sheets: Sheets = None
    merge: Merge = False

    def to_format(self, name: str | None) -> TableOptions:
        """For the library. name: of the format; None for none."""
        own = {one: getattr(self, one) for one in self.__struct_fields__}
        return TableOptions(format=name, **own | {"sheets": tuple(self.sheets or ())})


class AccessOptions(OptionGroup, frozen=True, kw_only=True):
    """Which repository is opened, by which settings and identities."""

    from_copy: FromCopy = None
    config: Config = None
    repository: Repository = None
    identity: Identity = None

    def opened_to_read(self) -> AbstractContextManager[Context]:
        """As `strongroom.reading.opened_to_read`."""
        return opened_to_read(self.config, self.identity, address=self.repository, copy=self.from_copy)

    def opened_to_look(self) -> AbstractContextManager[Context]:
        """As `strongroom.reading.opened_to_look`."""
        return opened_to_look(self.config, self.identity, address=self.repository, copy=self.from_copy)


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The same command for typer, with the options of its groups in the place of the groups."""
    declared = inspect.signature(command, eval_str=True)
    groups: dict[str, type[OptionGroup]] = {}
    expanded: list[inspect.Parameter] = []
    for one in declared.parameters.values():
        if isinstance(one.annotation, type) and issubclass(one.annotation, OptionGroup):
            groups[one.name] = one.annotation
            expanded += _parameters(one.annotation)
        else:
            expanded.append(one.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(command)
    def with_values(**values: Any) -> None:  # noqa: ANN401 (whatever the options are of)
        for name, group in groups.items():
            values[name] = group(**{option: values.pop(option) for option in group.__struct_fields__})
        command(**values)

    with_values.__signature__ = declared.replace(parameters=expanded)  # type: ignore[attr-defined]  # what `inspect` looks for
    with_values.__annotations__ = {one.name: one.annotation for one in expanded}
    return with_values


def _parameters(group: type[OptionGroup]) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for one in fields(group):
        yield inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=hints[one.name])
