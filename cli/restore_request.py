"""What a restore is asked for, as a value: the options that say where to and how, checked against each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from cli import output
from restore.planning.conflict_policy import ConflictPolicy
from strongroom import destinations
from strongroom.destinations import Folder, InPlace, Stdout, TableFile
from strongroom.table_options import TableOptions
from vault.errors import UsageError

if TYPE_CHECKING:
    from strongroom.context import Context
    from strongroom.database_restore import Database
    from strongroom.destinations import Archive, Bucket, Dav, Mail
    from strongroom.record_restore import RestPlace
    from strongroom.remote_destinations import RemoteFolder
    from strongroom.restore_options import RestoreOptions
    from strongroom.selection import SelectedItems


class RunOptions(Struct, frozen=True, kw_only=True):
    """What restore and export have in common: how to go about it. document: takes the schema's name and the JSON document."""

    dry_run: bool = False
    yes: bool = False
    quiet: bool = False
    as_json: bool = False
    document: Callable[[str, dict[str, Any]], None] = output.document


class RestoreRequest(Struct, frozen=True, kw_only=True):
    """The options of a restore but for its selection.

    to, in_place: neither, where a destination is to be proposed · where: a condition on rows of a database · existing: None
    where nothing is said · endpoint, region: of a bucket that is restored to · report: a file that names what was left alone ·
    pages: records become pages for people · records, key: of records only some, by the field that has their ids · id_map: the
    file of the old and new ids of records that go to an interface
    """

    to: str = ""
    in_place: bool = False
    where: str | None = None
    existing: ConflictPolicy | None = None
    tables: TableOptions = field(default_factory=TableOptions)
    incomplete: bool = False
    endpoint: str | None = None
    region: str | None = None
    verify: bool = False
    report: Path | None = None
    pages: bool = False
    records: tuple[str, ...] = ()
    key: str = ""
    id_map: Path | None = None
    run: RunOptions = field(default_factory=RunOptions)

    def check(self, *, periods: bool) -> None:
        """Raises `UsageError` for what makes no sense."""
        if self.to and self.in_place:
            raise UsageError("--to and --in-place exclude each other", hint="leave one of them out")
        if self.in_place and self.tables.wanted:
            raise UsageError(
                "--in-place excludes --as, --merge and --rows-in-period: what goes back in place is not converted",
                hint="name another place with --to",
            )
        if (self.endpoint or self.region) and not self.to.lower().startswith("s3:"):
            raise UsageError(
                "--endpoint and --region need --to s3://bucket/prefix", hint="name it with --to s3://bucket/prefix"
            )
        if self.verify and self.to == "-":
            raise UsageError(
                "--verify excludes --to -: a stream cannot be read again", hint="restore to a file, or leave it out"
            )
        if self.report is not None and self.to == "-":
            raise UsageError("--report excludes --to -: one file is written, or none", hint="leave one of them out")
        if self.where is not None and self.undecided:
            raise UsageError(
                "--where needs a database: --to sqlite:FILE, --to postgresql://…, --to mariadb://… or --in-place",
                hint="name the database that the rows go to",
            )
        self.tables.check(periods=periods)
        self._check_records()
        self._check_pages()

    def _check_records(self) -> None:
        interface = self.to.lower().startswith("rest:")
        if self.id_map is not None and not interface:
            raise UsageError(
                "--id-map needs an interface that creates records: --to rest:NAME", hint="name it with --to rest:NAME"
            )
        if (self.records and not self.pages and not interface) or (self.key and not self.pages):
            raise UsageError(
                "--record needs --as pages or --to rest:NAME, and --key needs --as pages",
                hint="what became of a record tells `strongroom history PROJECT --record ID`",
            )

    def _check_pages(self) -> None:
        if not self.pages:
            return
        if not self.to or self.to == "-":
            raise UsageError("--as pages needs a folder or an archive", hint="name one: --to DIR, or --to FILE.zip")
        if self.tables.wanted or self.verify or self.report is not None or self.where is not None:
            raise UsageError(
                "--as pages excludes --merge, --rows-in-period, --verify, --report and --where: pages are not tables",
                hint="leave it out; the records themselves are restored without --as",
            )

    def interface(self, context: Context, selected: SelectedItems) -> RestPlace | None:
        """The interface that records go to; None where they go elsewhere. Raises `UsageError`."""
        from strongroom import record_restore

        return record_restore.named(context, selected, self.to) if record_restore.is_interface(self.to) else None

    def database(self, context: Context, selected: SelectedItems) -> Database | None:
        """The database that rows go to; None where files go somewhere. Raises `UsageError`."""
        from strongroom import database_restore

        if database_restore.is_database(self.to):
            return database_restore.named(self.to)
        found = database_restore.in_place(context, selected) if self.in_place else None
        if found is None and self.where is not None:
            raise UsageError(
                "--where is for rows of databases",
                hint="restore them with --to sqlite:FILE, --to postgresql://…, --to mariadb://…, or --in-place",
            )
        return found

    @property
    def undecided(self) -> bool:
        """Whether a destination is to be proposed."""
        return not self.to and not self.in_place

    def destination(self) -> Folder | Archive | TableFile | Bucket | Dav | RemoteFolder | Mail | InPlace | Stdout:
        """Where it goes. Raises `UsageError`."""
        if self.in_place:
            return InPlace()
        return destinations.parse(self.to, tables=self.tables.wanted, endpoint=self.endpoint, region=self.region)

    def options(self) -> RestoreOptions:
        """For the library."""
        from strongroom.restore_options import RestoreOptions

        return RestoreOptions(on_conflict=self.existing, tables=self.tables, incomplete=self.incomplete, verify=self.verify)
