"""What a host and the console say to one another, in JSON. Neither believes the other: every text and number is bounded here,
for both ends.

A host asks for work (`AskBody`, `AskAnswer`), says how far it is (`ReportBody`, `ReportAnswer`), and what came of it
(`FinishBody`, `FinishAnswer`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

LARGEST_WORK = 8 << 20
"""Bytes of a restore that is given to a host: 50,000 ticked files with long names."""

MOST_PROJECTS, MOST_FOLDERS, MOST_TROUBLES, MOST_ENTRIES = 1000, 50, 200, 60_000

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Key = Annotated[str, Meta(min_length=1, max_length=100)]
Text = Annotated[str, Meta(max_length=2000)]
Path = Annotated[str, Meta(max_length=65_536)]
Count = Annotated[int, Meta(ge=0, le=1 << 62)]
Seconds = Annotated[float, Meta(ge=0, le=1e9)]


class ProjectOffer(Struct, frozen=True, forbid_unknown_fields=True):
    """What a host would do in a project, by its own settings. folders: by the names that it gives them."""

    in_place: bool = False
    folders: Annotated[list[Name], Meta(max_length=MOST_FOLDERS)] = []


class AskBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A host asks for work. machine: its name · projects: that it can read, with what it would do there."""

    machine: Name
    projects: Annotated[dict[Name, ProjectOffer], Meta(max_length=MOST_PROJECTS)]


class EntryLine(Struct, frozen=True):
    """Something that was ticked. name: a path, its bytes percent-quoted, or a period."""

    sort: Literal["item", "folder", "period"]
    name: Path
    kind: Annotated[str, Meta(max_length=255)] = ""
    at: Annotated[str, Meta(max_length=64)] = ""
    deleted: Literal["without", "only", "with"] = "without"


class ScopePart(Struct, frozen=True):
    """Items that somebody may have: of these kinds and patterns of paths, each empty for all."""

    kinds: Annotated[list[Annotated[str, Meta(max_length=255)]], Meta(max_length=1000)] = []
    paths: Annotated[list[Annotated[str, Meta(max_length=4096)]], Meta(max_length=1000)] = []


class Work(Struct, frozen=True):
    """A restore to be carried out.

    lease: by which the host says that it is at it · seconds: for which that is good · task: its id · person, approved_by: who
    asked, and a second person · goal, folder: where to · existing to verify: as whoever asked chose · moment: that `now` means
    · replacing: so much that exists may be replaced in place · entries: what was ticked · scopes: all of them bound it
    """

    lease: Key
    seconds: Annotated[float, Meta(ge=1, le=86_400)]
    task: Key
    project: Name
    person: Name
    goal: Literal["place", "folder"]
    entries: Annotated[list[EntryLine], Meta(min_length=1, max_length=MOST_ENTRIES)]
    scopes: Annotated[list[Annotated[list[ScopePart], Meta(max_length=1000)]], Meta(min_length=1, max_length=8)]
    moment: Annotated[str, Meta(max_length=64)]
    approved_by: Annotated[str, Meta(max_length=200)] = ""
    folder: Annotated[str, Meta(max_length=200)] = ""
    existing: Literal["", "newer", "replace", "skip", "keep-both"] = ""
    format: Literal["", "xlsx", "csv", "ods", "jsonl", "json", "parquet", "feather", "sqlite", "html"] = ""
    merge: bool = False
    people: bool = False
    incomplete: bool = False
    verify: bool = False
    replacing: Count = 0


class AskAnswer(Struct, frozen=True):
    """work: null where nothing waits for this host."""

    work: Work | None


class ReportBody(Struct, frozen=True, forbid_unknown_fields=True):
    """How far a host is; that it says so renews its lease."""

    lease: Key
    phase: Annotated[str, Meta(max_length=100)] = ""
    items: Count = 0
    of_items: Count = 0
    size: Count = 0
    of_bytes: Count = 0
    took: Seconds = 0.0


class ReportAnswer(Struct, frozen=True):
    """go_on: false where its person has cancelled it · seconds: for which the lease is good from now on."""

    go_on: bool
    seconds: Annotated[float, Meta(ge=1, le=86_400)]


class HostTrouble(Struct, frozen=True, forbid_unknown_fields=True):
    """An item that something is wrong with."""

    path: Path
    what: Annotated[str, Meta(max_length=100)]
    message: Text


class HostPlan(Struct, frozen=True, forbid_unknown_fields=True):
    """What a host would do. names: of the first of those that would be replaced."""

    files: Count = 0
    size: Count = 0
    replacing: Count = 0
    kept_newer: Count = 0
    skipped: Count = 0
    beside: Count = 0
    already_there: Count = 0
    where: Text = ""
    names: Annotated[list[Path], Meta(max_length=MOST_TROUBLES)] = []


class HostOutcome(Struct, frozen=True, forbid_unknown_fields=True):
    """What a host has done. problems: of single items, in all · troubles: the first of them."""

    files: Count = 0
    bytes: Count = 0
    already_there: Count = 0
    problems: Count = 0
    troubles: Annotated[list[HostTrouble], Meta(max_length=MOST_TROUBLES)] = []
    where: Text = ""
    verified: Count | None = None


class FinishBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What came of it.

    result: `restored`, with an outcome · `confirm`, with the plan: it would replace what nobody has confirmed · `failed` ·
    `again`: what was in the way may pass · `stopped`: the host ends, or was told to stop
    """

    lease: Key
    result: Literal["restored", "confirm", "failed", "again", "stopped"]
    outcome: HostOutcome = HostOutcome()
    plan: HostPlan | None = None
    error: Text = ""
    hint: Text = ""


class FinishAnswer(Struct, frozen=True):
    """state: of the task, now."""

    state: Annotated[str, Meta(max_length=100)]


class HostLine(Struct, frozen=True):
    """A host, for operators. projects: that it may take work of, and that whoever asks may watch · asked: when it asked for
    work last · tasks: how many it is at."""

    name: str
    machine: str
    projects: list[str]
    until: datetime
    asked: datetime | None
    tasks: int
