"""Every setting of a project, with its default: the tables `[defaults]` and `[projects.NAME]`.

What a project does not say it has from `[defaults]`, key by key; `inherited` puts the two together before they are read.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from strongroom.settings.tables import Field, Table, Unfit, field_check, table_check
from strongroom.settings.value_readers import Before
from strongroom.settings.value_types import (
    Count,
    Cron,
    Every,
    Glob,
    HookCommand,
    ItemRuleText,
    Layouts,
    Length,
    Place,
    ProjectId,
    PublicationPlace,
    Share,
    SourceUrl,
    SpanText,
    Text,
    Texts,
    Window,
    Word,
    Zone,
)
from vault.errors import UsageError

Unit = Literal["hour", "day", "weekday", "week", "month", "quarter", "year"]
_SHORT = {"hourly": "hour", "daily": "day", "weekly": "week", "monthly": "month", "quarterly": "quarter", "yearly": "year"}
_InShort = Literal["hourly", "daily", "weekly", "monthly", "quarterly", "yearly"]


class Expectation(Table):
    """Items that must appear in a source: one for every hour, day, …"""

    path: Glob = Field(default="**", description="the items that count, below the source: `hourly/**`")
    every: Unit = Field(description="there is one for each")
    grace: Length = Field(default="1 hour", description="how long after the end of its hour, day, … it may come")
    column: Text | None = Field(
        default=None, description="a column of times: then each of these tables must have a row for every hour, day, …"
    )


def _in_short(value: object, _folder: Path | None) -> object:
    """A word stands for a table of its own."""
    if isinstance(value, str):
        if value not in _SHORT:
            raise Unfit(f"must be one of {', '.join(map(repr, _SHORT))}, or a list of tables")
        return [{"every": _SHORT[value]}]
    return value


class HookSettings(Table):
    """Commands before and after the backup of a source, for dumps: what a source does not say it has from its project, key by
    key, and a project from `[defaults]`. They run in the folder of the settings file, without a shell, and without the
    credentials that reach the repository."""

    before: HookCommand = Field(
        default=(), description='a command before the source is read: `["pg_dump", "-f", "/srv/dumps/crm.sql", "crm"]`'
    )
    after: HookCommand = Field(default=(), description="one that always runs when the backup has ended, whatever came of it")
    on_failure: HookCommand = Field(
        default=(), description="one that runs before `after` where `before` failed or no snapshot was made"
    )
    timeout: Length = Field(default="1 hour", description="then a command is ended, with all that it has started")
    when_it_fails: Literal["backup", "skip"] = Field(
        default="backup",
        description="where `before` fails: back up all the same, or skip the source; either way it is a problem, and the exit "
        "code is 3",
    )


class SourceSettings(Table):
    """What is backed up: a folder (`path`), or something else that a URL names (`url`): the output of a command, a database, a
    bucket."""

    kind: Word = Field(
        description="`reports`, `tickets`, `raw` or another: small letters, digits, `-`, `_`, at most 40. "
        "An item's path begins with it"
    )
    path: Place | None = Field(default=None, description="the folder; either this or `url` must be there")
    url: SourceUrl | None = Field(
        default=None,
        description="of another source: `command:pg_dump -Fc crm`, `sqlite:/srv/cdr.db`; see [sources](sources.md)",
    )
    name: Word = Field(
        default_factory=lambda known: known.get("kind", ""), description="unique in the project; where it is not said: the kind"
    )
    include: Texts = Field(default=(), description="patterns in gitignore's grammar; with any, only what matches is taken")
    exclude: Texts = Field(default=(), description="patterns of what is left out; `!pattern` brings back")
    layout: Layouts = Field(
        default=(), description="how paths below the folder say their period: `{year}/{month:02}/{day:02}/report-{hour:02}.csv`"
    )
    time_column: Text | None = Field(
        default=None, description="the column of times that tells the period of a table whose path tells none"
    )
    one_file_system: bool = Field(
        default=False, description="folders where another file system is mounted are kept without what is in them"
    )
    ignore_changes_of: tuple[Literal["inode", "ctime"], ...] = Field(
        default=(),
        description="where a file system gives other inode numbers or times of change with every mount: `inode`, `ctime`, "
        "which then do not make a file read again. Without `ctime`, a change that keeps size and modification time is not seen",
    )
    header: bool | Annotated[tuple[Text, ...], Field(min_length=1)] | None = Field(
        default=None,
        description="whether the first row of a CSV names its columns: `true`, `false`, or the names of the columns of files "
        "without such a row; where it is not said, what the rows look like",
    )
    expected: Annotated[tuple[Expectation, ...], Before(_in_short, _InShort | list[Expectation])] = Field(
        default=(), description='what must appear: `"hourly"`, or tables as below'
    )

    options: Mapping[Text, Text] = Field(
        default={},
        description="of a source with a URL: what [its kind](sources.md) knows; secrets are named as files or commands",
    )

    hooks: HookSettings | None = Field(default=None, description="commands before and after its backup; see below")

    @property
    def place(self) -> str:
        """Where it is, for people: its folder or its URL."""
        return str(self.path) if self.path is not None else self.url or ""

    @property
    def folder(self) -> Path:
        """Its folder. Raises `UsageError` where it is none."""
        if self.path is None:
            raise UsageError(f"the source {self.name!r} is not a folder: it is {self.url}", hint="name a source that is one")
        return self.path

    @table_check
    def _one_place(self) -> None:
        if self.path is None and self.url is None:
            hint = "write the folder: path = '…', or the address of another source: url = '…'"
            raise Unfit("is missing", at=("path",), hint=hint)
        if self.path is not None and self.url is not None:
            raise Unfit("has both path and url", hint="leave one of them out")
        if self.url is not None:
            self._check_options(self.url)
        elif self.options:
            raise Unfit("is for sources with a url alone", at=("options",))

    def _check_options(self, url: str) -> None:
        from strongroom.source_kinds.registry import OptionFault, check_options

        try:
            check_options(url, self.options)
        except OptionFault as error:
            raise Unfit(str(error), hint=error.hint, at=("options", error.name)) from error


class JobSettings(Table):
    """When a job runs, and how. It runs only where `every` or `cron` is said."""

    every: Every | None = Field(
        default=None,
        description="`hour at :05`, `15 minutes`, `day at 02:30`, `week on sunday at 04:00`, `month on last`, `quarter`; "
        "`never` where the defaults say otherwise",
    )
    cron: Cron | None = Field(default=None, description="the same in cron's five fields")
    catch_up: Literal["once", "all", "skip"] = Field(
        default="once", description="what becomes of runs that were missed: one for all of them, each of them, or none"
    )
    jitter: Length | None = Field(default=None, description="start up to so much later, by a share that is each project's own")
    window: Window | None = Field(default=None, description="start only then: `22:00-06:00`")
    timeout: Length = Field(default="1 day", description="then the run is asked to stop")
    retries: Annotated[int, Field(ge=0, le=100)] = Field(default=2, description="how often a run that failed is tried again")
    back_off: Length = Field(default="5 minutes", description="the wait before the first retry; it doubles, up to an hour")

    @table_check
    def _one(self) -> None:
        if self.every is not None and self.cron is not None:
            raise Unfit("has both every and cron", hint="leave one of them out")


class CheckJob(JobSettings):
    """When stored data is read and verified: a share of it each time."""

    all_within: Length = Field(default="30 days", description="so that everything is read within this time")


class Schedules(Table):
    """The jobs of a project, in its time zone."""

    backup: JobSettings = Field(default=JobSettings.model_construct(), description="snapshots of all sources")
    check: CheckJob = Field(default=CheckJob.model_construct(), description="stored data is read and verified")
    drill: JobSettings = Field(
        default=JobSettings.model_construct(),
        description="a random sample and the newest report are restored to a scratch folder, and compared",
    )
    retention: JobSettings = Field(
        default=JobSettings.model_construct(), description="snapshots that no rule wants are forgotten"
    )
    prune: JobSettings = Field(
        default=JobSettings.model_construct(), description="what nothing needs any more is deleted from the store"
    )
    copy_: JobSettings = Field(
        alias="copy", default=JobSettings.model_construct(), description="what is new is copied to each of the copies"
    )


class PublicationSettings(JobSettings):
    """A folder or bucket that is kept at the current state, in a form that others read. `strongroom publish PROJECT --name
    NAME` brings it up to date, and so does the daemon where it is said when: `after_backup`, `every` or `cron`."""

    name: Word = Field(description="unique in the project")
    to: PublicationPlace = Field(description="a folder, or `s3://bucket/prefix`; nothing else is to be published to the same")
    endpoint: Text | None = Field(default=None, description="URL of that bucket's server; else as the repository's bucket")
    region: Text | None = Field(default=None, description="that bucket's region")
    as_: Literal["csv", "xlsx", "jsonl", "json", "parquet", "feather", "ods", "sqlite", "html"] | None = Field(
        alias="as", default=None, description="tables in this format; where it is not said: files as they are"
    )
    kinds: Texts = Field(default=(), description="only items of these kinds")
    paths: Texts = Field(default=(), description="only items that match one of these patterns: `reports/**/*.csv`")
    periods: Texts = Field(default=(), description="only items about these periods: `last-quarter`, `2026`")
    formats: Texts = Field(default=(), description="only items of these formats: `csv`, `jsonl`")
    source: Word | None = Field(default=None, description="only items of this source")
    include_deleted: bool = Field(
        default=False,
        description="rows of deleted items and records too: every table gets a column `strongroom_deleted_at`; needs `as`",
    )
    keep_removed: bool = Field(default=False, description="files of what is no longer there stay")
    profile: Literal["exact", "people"] | None = Field(default=None, description="for machines, or safe in a spreadsheet")
    delimiter: Text | None = Field(default=None, description="between the columns of a CSV")
    bom: bool = Field(default=False, description="begin a CSV with a byte order mark")
    after_backup: bool = Field(
        default=False, description="the daemon publishes after its backups of the project, besides what `every` or `cron` say"
    )

    @table_check
    def _marked(self) -> None:
        if self.include_deleted and self.as_ is None:
            raise Unfit("needs `as`", at=("include_deleted",), hint="write as = 'parquet'")


class KeepSettings(Table):
    """Which snapshots of a source stay: any that one of these wants. Without any of them: whole for 90 days, one a day for a
    year, one a month for ever."""

    last: Count | None = Field(default=None, description="so many newest ones; a number, or `all`")
    hourly: Count | None = Field(default=None, description="the newest one of each of so many hours that have any")
    daily: Count | None = Field(default=None, description="the same by days")
    weekly: Count | None = Field(default=None, description="by weeks, from Monday")
    monthly: Count | None = Field(default=None, description="by months")
    quarterly: Count | None = Field(default=None, description="by quarters")
    yearly: Count | None = Field(default=None, description="by years")
    within: SpanText | None = Field(default=None, description="all that are younger; where it is not said: `90 days`")


class LockSettings(Table):
    """Object Lock, where the store has it: what was uploaded can be deleted by nobody for some time."""

    mode: Literal["none", "governance", "compliance"] = Field(
        default="none", description="`governance` can be lifted with a special right, `compliance` by nobody at all"
    )
    days: Annotated[int, Field(ge=1, le=36500)] | None = Field(default=None, description="for how long; needed with a mode")

    @table_check
    def _whole(self) -> None:
        if self.mode != "none" and self.days is None:
            raise Unfit("has a mode without days", hint="write for how many days: days = 30")


class AlertSettings(Table):
    """What of a new snapshot raises an alert and freezes retention until a person looks."""

    deleted_share: Share = Field(default=0.3, description="this share of a source's files vanished, at once or within a day")
    vanished: Annotated[int, Field(ge=1)] = Field(default=50, description="so many of them vanished, whatever share that is")
    folder: Annotated[int, Field(ge=0)] = Field(
        default=5,
        description="a folder of at least so many files vanished as a whole, or everything about a day or a month; 0 for never",
    )
    rewritten_share: Share = Field(
        default=0.5, description="this share of them was rewritten as a whole: rows that are added are not"
    )
    entropy: bool = Field(default=True, description="files look encrypted now or do not open any more, as after ransomware")
    emptied: bool = Field(default=True, description="files, or a column in tables, were emptied")
    problems_in_a_row: Annotated[int, Field(ge=1)] = Field(
        default=3, description="so many runs with problems, one after another"
    )


class DefaultSettings(Table):
    """For every project, unless it says otherwise itself. Tables are put together key by key."""

    zone: Zone = Field(default="UTC", description="the time zone of periods, schedules and retention: `Europe/Kyiv`")
    dates: Literal["day-first", "month-first"] = Field(
        default="day-first",
        description="what 01.02.2024 means in names and tables: the first of February, or the second of January",
    )
    rpo: Length | None = Field(default=None, description="no source may be without a success for longer: `1 hour`")
    copy_within: Length | None = Field(
        default=None, description="no copy may be without what the repository has for longer: `6 hours`"
    )
    schedule: Schedules = Field(default=Schedules.model_construct(), description="when what runs")
    compression: Literal["fast", "small"] = Field(
        default="fast",
        description="of what is backed up from now on: `small` takes a sixth to a third less room, and two to six times as "
        "much processor time; see [compression](operations.md#compression)",
    )
    keep: KeepSettings = Field(default=KeepSettings.model_construct(), description="which snapshots stay")
    item_retention: Mapping[Word, ItemRuleText] = Field(
        default={},
        description="by kind, how long items stay that the source no longer has: `7 years after period`, `90 days after "
        "deletion`, `1 year after backup`, `forever`. A kind that is not named stays for ever",
    )
    hooks: HookSettings = Field(
        default=HookSettings.model_construct(), description="commands before and after the backup of each source"
    )
    lock: LockSettings = Field(default=LockSettings.model_construct(), description="Object Lock")
    alerts: AlertSettings = Field(default=AlertSettings.model_construct(), description="what raises an alert")


class ProjectSettings(DefaultSettings):
    """A client. What it does not say it has from `[defaults]`."""

    id: ProjectId | None = Field(
        default=None,
        description="the project's id in the repository, where it has another name there; `project rename` writes it",
    )
    sources: tuple[SourceSettings, ...] = Field(default=(), description="what is backed up")

    publications: tuple[PublicationSettings, ...] = Field(
        default=(), description="what is published, and where; see [publishing](publishing.md)"
    )

    @field_check("publications")
    @classmethod
    def _each_publication_once(
        cls, publications: tuple[PublicationSettings, ...], _before: Mapping[str, object]
    ) -> tuple[PublicationSettings, ...]:
        names = [one.name for one in publications]
        for number, one in enumerate(publications):
            if one.name in names[:number]:
                raise Unfit(
                    f"has two publications named {one.name!r}",
                    at=(number,),
                    hint="give one of them a name of its own: name = '…'",
                )
        return publications

    @field_check("sources")
    @classmethod
    def _each_name_once(cls, sources: tuple[SourceSettings, ...], _before: Mapping[str, object]) -> tuple[SourceSettings, ...]:
        names: list[str] = []
        for number, source in enumerate(sources):
            if source.name in names:
                raise Unfit(
                    f"has two sources named {source.name!r}",
                    at=(number,),
                    hint="give one of them a name of its own: name = '…'",
                )
            names.append(source.name)
        return sources


def inherited(own: object, above: object) -> object:
    """A table of a project with what it has from [defaults]. Whoever says `every` or `cron` has said when."""
    if not isinstance(own, dict) or not isinstance(above, dict):
        return own
    when = {"every", "cron"}
    taken = {name: value for name, value in above.items() if name not in when or not when & own.keys()}
    return {**taken, **{name: inherited(value, taken.get(name)) for name, value in own.items()}}
