"""Where a restore writes to, and what `--to` means.

-                       standard output             s3://bucket/prefix      objects of a bucket
webdavs://host/path     a collection of a WebDAV server
sftp://host/path        a folder on a server of files
imaps://host/mailbox    mailboxes of an IMAP server
FILE.zip, FILE.tar, FILE.tar.gz, FILE.tar.zst       an archive
FILE.csv, FILE.xlsx, …                              one table, where a format or --merge is asked for
anything else, and any folder that exists           a folder
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from restore.local_fs.syscalls import is_folder
from restore.tables.formats import FORMATS
from strongroom import own_paths, remote_destinations
from strongroom.remote_destinations import RemoteFolder
from strongroom.source_kinds import registry
from vault.errors import UsageError
from vault.problems import printable
from vault.storage.address import BucketAddress, parse_address

if TYPE_CHECKING:
    from strongroom.context import Context
    from strongroom.settings import Settings
    from strongroom.settings.projects import SourceSettings
    from vault.repository.project import Project
    from vault.source.imap.address import ImapAddress
    from vault.source.imap.client import ImapClient
    from vault.source.webdav.client import DavAddress, DavClient
    from vault.storage.s3_client import S3Options
    from vault.storage.s3_objects import S3Objects
    from vault.storage.s3_source_objects import S3SourceObjects

ARCHIVES = {
    ".zip": "zip",
    ".tar": "none",
    ".tar.gz": "gzip",
    ".tgz": "gzip",
    ".tar.zst": "zstd",
    ".tzst": "zstd",
}
"""How an archive is packed, by the ending of its name."""


DAV = ("webdav", "webdavs")
DAV_PARAMETERS = ("password_file", "certificates", "requests_per_second")
"""What the address of a WebDAV server may say besides, after a question mark."""

MAIL = ("imap", "imaps")
MAIL_PARAMETERS = ("password_file", "token_file", "certificates", "sizes")
"""The same of an IMAP server."""


class InPlace(Struct, frozen=True):
    """Back below the folders of the sources, as the settings name them."""


class Stdout(Struct, frozen=True):
    """Standard output."""


class Folder(Struct, frozen=True):
    """A folder; items lie in it as KIND/path."""

    path: Path

    @property
    def text(self) -> str:
        """For people."""
        return str(self.path)


class Archive(Struct, frozen=True):
    """An archive. packing: zip, or how a tar archive is compressed: none, gzip, zstd."""

    path: Path
    packing: str

    @property
    def text(self) -> str:
        """For people."""
        return str(self.path)


class TableFile(Struct, frozen=True):
    """A file that one table becomes. format: the one that its name says, as `restore.tables.registry` names it."""

    path: Path
    format: str

    @property
    def text(self) -> str:
        """For people."""
        return str(self.path)


class Bucket(Struct, frozen=True):
    """Objects of a bucket. endpoint, region: of its server; None for both: as the settings reach the repository · source: in
    place, how the source's own is reached; items lie in it under their keys then, not as KIND/path."""

    address: BucketAddress
    endpoint: str | None = None
    region: str | None = None
    source: S3Options | None = None

    @property
    def in_place(self) -> bool:
        """Whether items go back to where they came from."""
        return self.source is not None

    @property
    def text(self) -> str:
        """For people."""
        return self.address.text


class Dav(Struct, frozen=True):
    """A collection of a WebDAV server. in_place: items lie in it by their paths in their source, not as KIND/path."""

    address: DavAddress
    in_place: bool = False

    @property
    def text(self) -> str:
        """For people."""
        return self.address.text


class Mail(Struct, frozen=True):
    """Mailboxes of an IMAP server; items lie in it by their paths in their source. base: path of the mailbox below which they
    go, empty for the server's own top · estimated: whether the server only estimates sizes · in_place: whether they came from
    there."""

    address: ImapAddress
    base: bytes = b""
    estimated: bool = False
    in_place: bool = False

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.address.text}/{printable(self.base)}"


Destination = InPlace | Folder | Archive | TableFile | Bucket | Dav | RemoteFolder | Mail


def expanded(text: str) -> Path:
    """A path as somebody typed it, `~` and all. Raises `UsageError`."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{text}: there is no such home folder", hint="write the path without the ~") from error


def parse(
    text: str, *, tables: bool, endpoint: str | None = None, region: str | None = None
) -> Folder | Archive | TableFile | Bucket | Dav | RemoteFolder | Mail | Stdout:
    """The destination that a text means.

    tables: whether tables are to be converted or merged · endpoint, region: of a bucket. Raises `UsageError`.
    """
    if text == "-":
        return Stdout()
    if text.lower().startswith("s3:"):
        address = parse_address(text)
        if not isinstance(address, BucketAddress):
            raise UsageError(f"invalid address of a bucket: {text}", hint="write s3://bucket/prefix")
        return Bucket(address, endpoint, region)
    if registry.scheme_of(text) == "rest":
        raise UsageError(
            "an interface takes records of one project, as they are", hint="strongroom restore PROJECT --to rest:NAME"
        )
    if registry.scheme_of(text) in DAV:
        return _dav(text)
    server = remote_destinations.named(text)
    if server is not None:
        return server
    if registry.scheme_of(text) in MAIL:
        return _mail(text)
    path = expanded(text)
    if text.endswith("/") or is_folder(path):
        return Folder(path)
    return _file(path, tables=tables) or Folder(path)


def _file(path: Path, *, tables: bool) -> Archive | TableFile | None:
    """What the ending of a path says; None for that of a folder."""
    name = path.name.lower()
    for ending, packing in ARCHIVES.items():
        if name.endswith(ending) and name != ending:
            return Archive(path, packing)
    if tables:
        for known in FORMATS.values():
            if path.suffix.lower().lstrip(".") in known.endings:
                return TableFile(path, known.name)
    return None


def _dav(text: str) -> Dav:
    """`webdavs://USER@host/path?password_file=FILE`. Raises `UsageError`, which does not repeat it."""
    from strongroom.source_kinds import options as option
    from strongroom.source_kinds import webdav

    url, options = option.server_and_parameters(text, DAV_PARAMETERS)
    try:
        webdav.check(url, options)
        return Dav(webdav.address_of(url, options, Path.cwd()))
    except UsageError as error:
        hint = error.hint or "write --to webdavs://USER@host/path?password_file=FILE"
        raise UsageError(f"the address after --to {error}", hint=hint) from error


def _mail(text: str) -> Mail:
    """`imaps://USER@host/mailbox?password_file=FILE`. Raises `UsageError`, which does not repeat it."""
    from strongroom.source_kinds import imap
    from strongroom.source_kinds import options as option

    url, options = option.server_and_parameters(text, MAIL_PARAMETERS)
    try:
        imap.check(url, options)
        address = imap.address_of(url, options, Path.cwd())
        return Mail(address, imap.base_of(url), options.get("sizes") == "estimated")
    except UsageError as error:
        hint = error.hint or "write --to imaps://USER@host/?password_file=FILE"
        raise UsageError(f"the address after --to {error}", hint=hint) from error


def mail_of_source(context: Context, source: SourceSettings) -> Mail | None:
    """Where the messages of a source go back to, if it is an IMAP server. Raises `SettingsError` where no password can be
    had."""
    from strongroom.source_kinds import imap
    from strongroom.source_kinds import options as option

    if source.url is None or registry.scheme_of(source.url) not in MAIL:
        return None
    folder = context.settings.file.absolute().parent
    address = imap.address_of(source.url, option.writer_of(source.options), folder)
    return Mail(address, estimated=source.options.get("sizes") == "estimated", in_place=True)


def dav_of_source(context: Context, source: SourceSettings) -> Dav | None:
    """Where the files of a source go back to, if it is a WebDAV server. Raises `SettingsError` where no password can be had."""
    from strongroom.source_kinds import options as option
    from strongroom.source_kinds import webdav

    if source.url is None or registry.scheme_of(source.url) not in DAV:
        return None
    folder = context.settings.file.absolute().parent
    return Dav(webdav.address_of(source.url, option.writer_of(source.options), folder), in_place=True)


def bucket_of_source(source: SourceSettings) -> Bucket | None:
    """Where the objects of a source go back to, if it is a bucket."""
    from strongroom.source_kinds import bucket
    from strongroom.source_kinds import options as option

    if source.url is None or registry.scheme_of(source.url) != "s3":
        return None
    s3 = bucket.s3_options(option.writer_of(source.options))
    return Bucket(bucket.address_of(source.url), s3.endpoint, s3.region, s3)


@contextmanager
def opened_dav(dav: Dav, project: Project) -> Iterator[DavClient]:
    """A client of the server."""
    from vault.source.webdav.client import DavClient

    client = DavClient(dav.address, project.services.clock)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def opened_mail(mail: Mail, project: Project) -> Iterator[ImapClient]:
    """A client of the server."""
    from vault.source.imap.client import ImapClient

    client = ImapClient(mail.address, project.services.clock)
    try:
        yield client
    finally:
        client.close()


def project_folder(project: Project) -> str:
    """A project's name as that of a folder which every file system takes."""
    from restore.export.payload_names import portable

    return portable(project.name.encode())


def refuse_own(settings: Settings, destination: Destination) -> None:
    """Raises `RefusedByRule` where a destination is Strongroom's own."""
    match destination:
        case Folder(path):
            own_paths.refuse_target(settings, path, folder=True)
        case Archive(path) | TableFile(path):
            own_paths.refuse_target(settings, path, folder=False)
        case Bucket(address, endpoint):
            own_paths.refuse_bucket(settings, address, endpoint=endpoint)


@contextmanager
def opened_bucket(context: Context, project: Project, bucket: Bucket) -> Iterator[S3Objects]:
    """The objects of a bucket, reached as the settings say where the destination says nothing. Raises `StorageError`."""
    from strongroom.store_access import store_options
    from vault.storage.s3_client import S3Options
    from vault.storage.s3_objects import S3Objects

    options, services = store_options(context.settings.repository), project.services
    own = bucket.endpoint or bucket.region
    elsewhere = S3Options(bucket.endpoint, bucket.region, profile=options.s3.profile) if own else options.s3
    s3 = elsewhere if bucket.source is None else bucket.source
    address = bucket.address
    objects = S3Objects(address.bucket, address.prefix, s3, options.patience, services.clock, services.randomness)
    try:
        yield objects
    finally:
        objects.close()


@contextmanager
def opened_source_bucket(context: Context, project: Project, bucket: Bucket) -> Iterator[S3SourceObjects]:
    """What lies in the bucket of a source, for whoever puts something back. Raises `StorageError`."""
    from strongroom.store_access import store_options
    from vault.storage.s3_client import S3Options
    from vault.storage.s3_source_objects import S3SourceObjects

    patience, services, address = store_options(context.settings.repository).patience, project.services, bucket.address
    s3 = bucket.source or S3Options()
    objects = S3SourceObjects(address.bucket, address.prefix, s3, patience, services.clock, services.randomness)
    try:
        yield objects
    finally:
        objects.close()
