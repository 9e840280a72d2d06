"""What `--to` means.

-                       standard output             s3://bucket/prefix      objects of a bucket
FILE.zip, FILE.tar, FILE.tar.gz, FILE.tar.zst       an archive
FILE.csv, FILE.xlsx, …                              one table, where a format or --merge is asked for
anything else, and any folder that is there         a folder
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from restore.local_fs.syscalls import is_folder
from restore.tables.registry import FORMATS
from vault.errors import UsageError
from vault.storage.address import BucketAddress, parse_address

ARCHIVES = {
    ".zip": "zip",
    ".tar": "none",
    ".tar.gz": "gzip",
    ".tgz": "gzip",
    ".tar.zst": "zstd",
    ".tzst": "zstd",
}


@dataclass(frozen=True, slots=True)
class Stdout:
    """Standard output."""

    text: str = "standard output"


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder; items lie in it as KIND/path."""

    path: Path

    @property
    def text(self) -> str:
        """For people."""
        return str(self.path)


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive. packing: zip, or how a tar archive is compressed: none, gzip, zstd."""

    path: Path
    packing: str

    @property
    def text(self) -> str:
        """For people."""
        return str(self.path)


@dataclass(frozen=True, slots=True)
class OneFile:
    """A file that one table becomes. format: that its name tells."""

    path: Path
    format: str

    @property
    def text(self) -> str:
        """For people."""
        return str(self.path)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Objects of a bucket."""

    address: BucketAddress

    @property
    def text(self) -> str:
        """For people."""
        return self.address.text


Destination = Stdout | Folder | Archive | OneFile | Bucket


def expanded(text: str) -> Path:
    """A path as somebody typed it, `~` and all. Raises `UsageError`."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{text}: there is no such home folder", hint="write the path without the ~") from error


def parse(text: str, *, tables: bool) -> Destination:
    """The destination that is meant. tables: whether a format or a merged table is asked for. Raises `UsageError`."""
    if text == "-":
        return Stdout()
    if text.lower().startswith("s3:"):
        address = parse_address(text)
        if not isinstance(address, BucketAddress):
            raise UsageError(f"invalid address of a bucket: {text}", hint="write s3://bucket/prefix")
        return Bucket(address)
    path = expanded(text)
    if text.endswith("/") or is_folder(path):
        return Folder(path)
    name = path.name.lower()
    for ending, packing in ARCHIVES.items():
        if name.endswith(ending) and name != ending:
            return Archive(path, packing)
    if tables:
        for known in FORMATS.values():
            if path.suffix.lower().lstrip(".") in known.endings:
                return OneFile(path, known.name)
    return Folder(path)
