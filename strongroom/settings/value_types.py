"""The kinds of values that settings have. Each is checked by the part of Strongroom that will use it, so that what is accepted
here is never refused later; what is kept is the text, as it was written."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, TypeAlias
from zoneinfo import ZoneInfo, available_timezones

from strongroom import environment
from strongroom.settings import durations, secrets
from strongroom.settings.tables import Field, Unfit
from strongroom.settings.value_readers import After, Before, Instead
from vault.errors import SettingsError, UsageError

KIND = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}\Z")
"""What names of kinds and sources are made of."""

NEVER = "never"
"""As a schedule: the job that [defaults] has is not wanted here."""

_LONGEST_ZONE = 60


def refused(error: UsageError) -> Unfit:
    """An error of ours in the form that models collect."""
    return Unfit(str(error), hint=error.hint)


def checked(check: Callable[[str], object]) -> After:
    """Whatever `check` takes without an error; the text stays as it is."""

    def validate(text: str, _folder: Path | None) -> str:
        try:
            check(text)
        except UsageError as error:
            raise refused(error) from error
        return text

    return After(validate)


def _zone(name: str) -> None:
    """A name of the time-zone database."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        last = {known.rpartition("/")[2].lower(): known for known in sorted(available_timezones())}
        close = difflib.get_close_matches(name, available_timezones(), n=1, cutoff=0.7)
        close = close or [last[one] for one in difflib.get_close_matches(name.rpartition("/")[2].lower(), last, n=1)]
        shown = name if len(name) <= _LONGEST_ZONE else f"{name[:_LONGEST_ZONE]}…"
        hint = f"did you mean {close[0]!r}?" if close else "write a name such as 'Europe/Kyiv' or 'UTC'"
        raise SettingsError(f"unknown time zone {shown!r}", hint=hint) from error


def _word(text: str) -> None:
    if not KIND.match(text):
        raise SettingsError("must be small letters, digits, - and _, at most 40", hint="for example 'reports'")


def _project_id(text: str) -> None:
    from vault.format.layout import is_id

    if not is_id(text):
        raise SettingsError("must be a project's id: 32 digits of 0-9 and a-f", hint="`strongroom project list` shows it")


def _every(text: str) -> None:
    if text != NEVER:
        from policies.scheduling import parser

        parser.read(every=text, zone=ZoneInfo("UTC"))


def _cron(text: str) -> None:
    from policies.scheduling import parser

    parser.read(cron=text, zone=ZoneInfo("UTC"))


def _window(text: str) -> None:
    from policies.scheduling.job_policy import read_window

    read_window(text)


def _layout(text: str) -> None:
    from classify.path_layout import PathLayout

    PathLayout.compiled(text, ZoneInfo("UTC"))


def _span(text: str) -> None:
    from policies.retention.calendar_span import CalendarSpan

    CalendarSpan.parse(text)


def _item_rule(text: str) -> None:
    from policies.retention.rules import ItemRule

    ItemRule.parse("item_retention", text)


def _glob(text: str) -> None:
    from classify.path_patterns import pattern_regex

    pattern_regex(text)


def _source_url(text: str) -> None:
    from strongroom.source_kinds.registry import check_url

    check_url(text)


def _count(value: object, _folder: Path | None) -> object:
    """A number of snapshots or buckets."""
    if value == "all" or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise Unfit("must be a whole number that is not negative, or 'all'")


def _path(value: object, folder: Path | None) -> object:
    """A relative path counts from a folder: the settings file's."""
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value or "\0" in value:
        raise Unfit("must be a text that is not empty")
    return environment.expand(value, folder) if folder is not None else Path(value)


def _publication_place(text: str, folder: Path | None) -> str:
    """A folder or the address of a bucket; a relative path counts as `_path` counts it."""
    if text.lower().startswith("s3:"):
        from vault.storage.address import parse_address

        try:
            parse_address(text)
        except UsageError as error:
            raise refused(error) from error
        return text
    return str(_path(text, folder))


def _several(value: object, _folder: Path | None) -> object:
    return [value] if isinstance(value, str) else value


def _command(value: object, _folder: Path | None) -> object:
    """A program and its arguments, or nothing."""
    if isinstance(value, str):
        raise Unfit(
            "must be a list: a program and its arguments",
            hint='write ["pg_dump", "crm"], or ["sh", "-c", "…"] where a shell is meant',
        )
    if isinstance(value, list | tuple) and any(isinstance(one, str) and "\0" in one for one in value):
        raise Unfit("has a text with a NUL in it")
    if isinstance(value, list | tuple) and value and not value[0]:
        raise Unfit("names no program")
    return value


Text: TypeAlias = Annotated[str, Field(min_length=1)]
Word: TypeAlias = Annotated[str, checked(_word), Field(schema={"pattern": f"^{KIND.pattern}".replace(r"\Z", "$")})]
ProjectId: TypeAlias = Annotated[str, checked(_project_id)]
Zone: TypeAlias = Annotated[str, checked(_zone)]
Every: TypeAlias = Annotated[str, checked(_every)]
Cron: TypeAlias = Annotated[str, checked(_cron)]
Window: TypeAlias = Annotated[str, checked(_window)]
Length: TypeAlias = Annotated[str, checked(durations.read)]
SpanText: TypeAlias = Annotated[str, checked(_span)]
ItemRuleText: TypeAlias = Annotated[str, checked(_item_rule)]
LayoutText: TypeAlias = Annotated[str, checked(_layout)]
Glob: TypeAlias = Annotated[str, Field(min_length=1), checked(_glob)]
SourceUrl: TypeAlias = Annotated[str, Field(min_length=1), checked(_source_url)]
PlainUrl: TypeAlias = Annotated[str, checked(secrets.plain_url)]
Loopback: TypeAlias = Annotated[str, checked(secrets.loopback)]
Share: TypeAlias = Annotated[float, Field(gt=0, le=1)]
Port: TypeAlias = Annotated[int, Field(ge=1, le=65535)]

PublicationPlace: TypeAlias = Annotated[str, Field(min_length=1), After(_publication_place)]
Place: TypeAlias = Annotated[Path, Instead(_path, {"type": "string", "format": "path", "minLength": 1})]
"""A path; absolute once it is read from a file."""

Count: TypeAlias = Annotated[
    int | Literal["all"],
    Instead(_count, {"anyOf": [{"type": "integer", "minimum": 0}, {"const": "all", "type": "string"}]}),
]

HookCommand: TypeAlias = Annotated[tuple[str, ...], Before(_command, list[str])]
Texts: TypeAlias = tuple[Text, ...]
Layouts: TypeAlias = Annotated[tuple[LayoutText, ...], Before(_several, str | list[str])]
People: TypeAlias = Annotated[tuple[Text, ...], Field(min_length=1), Before(_several, str | list[str])]
