"""Verifying a bag all in one: every checksum, nothing beside them, the signature and whose it is, the time stamp; and, with the
repository at hand, that the content is what the snapshots hold.

found = verify_bag(Path("audit.zip"), BagTrust(allowed_signers=Path("signers")))
found.sound, found.findings
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from blake3 import blake3
from msgspec import Struct, field

from restore.export import bag_files, tags
from restore.export.bag_files import BagBounds, BagFiles
from restore.export.signature import NAMESPACE
from strongroom import time_stamps
from vault.errors import Damaged, UsageError
from vault.format import ssh_signature
from vault.problems import Problem
from vault.progress import Stop, never

if TYPE_CHECKING:
    from strongroom.context import Context
    from vault.repository.project import Project

Key: TypeAlias = bytes
"""A public key, 32 bytes."""

MOST_FINDINGS = 10_000
LARGEST_SIGNERS = 1024 * 1024


class BagTrust(Struct, frozen=True):
    """What is known beside the bag. allowed_signers: a file in OpenSSH's format; None where there is none · keys: names of
    signers by their public keys (32 bytes), where there is no such file · certificates: of the time-stamp authority, as PEM."""

    allowed_signers: Path | None = None
    keys: dict[bytes, str] = field(default_factory=dict)
    certificates: Path | None = None


class VerifiedBag(Struct):
    """What a verification came to.

    - `files`, `bytes`: of the payload, that are what the manifest says
    - `signing_key`: that signed it; None where nobody did, or the signature is wrong
    - `signer`: whose key that is; empty where nobody here knows
    - `stamped_at`: by the time stamp; `stamp_verified`: whether its authority is known
    - `compared`: files whose content is that of a snapshot · `converted`: tables, of which the original is
    - `snapshots_asked`: whether the repository was at hand
    - `findings`: what is wrong
    """

    path: Path
    files: int = 0
    bytes: int = 0
    signing_key: Key | None = None
    signer: str = ""
    stamped_at: datetime | None = None
    stamp_verified: bool = False
    compared: int = 0
    converted: int = 0
    snapshots_asked: bool = False
    findings: list[Problem] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong. A bag that nobody has signed, or somebody unknown, may be."""
        return not self.findings

    def found(self, what: str, name: str, message: str) -> None:
        """Something is wrong."""
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Problem(name.encode("utf-8", "surrogateescape"), what, message))

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "bag": str(self.path),
            "files": self.files,
            "bytes": self.bytes,
            "signed": self.signing_key is not None,
            "signing_key": None if self.signing_key is None else ssh_signature.public_line(self.signing_key),
            "signer": self.signer or None,
            "stamped_at": self.stamped_at and self.stamped_at.isoformat(),
            "stamp_verified": self.stamp_verified,
            "files_in_snapshots": self.compared,
            "originals_in_snapshots": self.converted,
            "snapshots_asked": self.snapshots_asked,
            "problem_list": [one.as_json() for one in self.findings],
            "sound": self.sound,
        }


def verify_bag(
    path: Path,
    trust: BagTrust,
    context: Context | None = None,
    *,
    stop: Stop = never,
) -> VerifiedBag:
    """Verify a bag, a folder or a ZIP file. context: the repository at hand; None where there is none. What is wrong is part of
    the result. Raises `TargetError` where there is no bag, `UsageError` for files that cannot be used, `StorageError`."""
    with bag_alone(path, trust, stop=stop) as bag:
        if context is not None and bag.origin is not None:
            project = next((one for one in context.available([]) if one.id == bag.origin.project), None)
            bag.compare(None if project is None else StoredContents(*stored_digests(project, bag.origin)))
    return bag.found


class BagOrigin(Struct, frozen=True):
    """Where a bag says that its content is from. project: its id · snapshots: their ids."""

    project: str
    snapshots: tuple[str, ...]


class StoredContents(Struct, frozen=True):
    """What a repository has of the snapshots that a bag names. known: each path with the BLAKE3 of a content that it has there,
    as one digest (16 bytes) each · missing: ids of snapshots that are not there any more."""

    known: Container[bytes]
    missing: tuple[str, ...] = ()


class BagAlone:
    """A bag that was looked at by itself: `found` has what is wrong so far · `origin`: None where it says nothing of one, as
    evidence does not."""

    def __init__(self, found: VerifiedBag) -> None:
        self.found = found
        self.origin: BagOrigin | None = None
        self._files: BagFiles | None = None
        self._payload: dict[str, str] = {}

    def look(self, files: BagFiles, trust: BagTrust, stop: Stop) -> None:
        """Checksums, signature, time stamp, and where it says that it is from. Raises `Damaged`."""
        self._files = files
        self._payload = _checksums(self.found, files, stop)
        _signature(self.found, files, trust)
        if tags.REPORT in files.names():
            head, _ = bag_files.read_report(files)
            named = [str(one.get("snapshot")) for one in _listed(head, "snapshots")]
            self.origin = BagOrigin(str(head.get("project_id")), tuple(named))

    def compare(self, stored: StoredContents | None) -> None:
        """Whether the content is that of the snapshots. stored: None where the project is not one that opens here. What is
        wrong is among what was found."""
        if stored is None or self._files is None:
            message = "the report names a project that this identity does not open here"
            self.found.found("other-project", tags.REPORT, message)
            return
        self.found.snapshots_asked = True
        for one in stored.missing:
            self.found.found("missing-snapshot", tags.REPORT, f"snapshot {one} is not in the repository any more")
        _, items = bag_files.read_report(self._files)
        for item in items:
            if item.get("type") == "file" and isinstance(item.get("blake3"), str):
                _item(self.found, item, stored.known, self._payload)


@contextmanager
def bag_alone(
    path: Path,
    trust: BagTrust,
    *,
    stop: Stop = never,
    bounds: BagBounds = BagBounds(),  # noqa: B008 (a constant)
    found: VerifiedBag | None = None,
) -> Iterator[BagAlone]:
    """Look at a bag by itself; what the block meets of damage is part of what was found. found: what hears of it while it is
    looked at. Raises as `verify_bag`."""
    bag = BagAlone(found or VerifiedBag(path))
    with bag_files.opened(path, bounds) as files:
        with _noted(bag.found):
            bag.look(files, trust, stop)
        with _noted(bag.found):
            yield bag


@contextmanager
def _noted(found: VerifiedBag) -> Iterator[None]:
    """What is damaged is among what was found."""
    try:
        yield
    except Damaged as error:
        found.found("damaged-bag", found.path.name, str(error))


def stored_digests(project: Project, origin: BagOrigin) -> tuple[set[bytes], tuple[str, ...]]:
    """What the repository has of the snapshots that a bag names, and which of these are missing: the parts of `StoredContents`.
    Raises `StorageError`, `Damaged`."""
    from vault.problems import printable
    from vault.repository import snapshots
    from vault.repository.catalog_chunks import MetaReader
    from vault.repository.chunk_index import ChunkIndex
    from vault.repository.orphan_packs import repaired_index

    records = {one.id: one for one in snapshots.committed(project).records}
    reader = MetaReader(project, repaired_index(project, ChunkIndex.load(project)))
    contents: set[bytes] = set()
    for one in dict.fromkeys(origin.snapshots):
        if one not in records:
            continue
        table = snapshots.read_manifest(reader, records[one], columns=["path", "blake3"])
        for path, digest in zip(table["path"].to_pylist(), table["blake3"].to_pylist(), strict=True):
            if digest is not None:
                contents.add(_content(printable(path), digest.hex()))
    return contents, tuple(one for one in dict.fromkeys(origin.snapshots) if one not in records)


def signers_of(file: Path) -> dict[bytes, str]:
    """The signers of a list in OpenSSH's format (`ssh-keygen`, ALLOWED SIGNERS) that may sign exports, by their keys. Raises
    `UsageError`."""
    try:
        with file.open("rb") as opened:
            lines = opened.read(LARGEST_SIGNERS).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the allowed signers {file} cannot be read: {error}", hint="a signer a line: NAME ssh-ed25519 KEY"
        ) from error
    found: dict[bytes, str] = {}
    for line in lines:
        name, _, rest = line.strip().partition(" ")
        start = rest.find(ssh_signature.KEY_TYPE)
        if not name or name.startswith("#") or start < 0:
            continue
        options = rest[:start]
        if "namespaces=" in options and NAMESPACE not in options:
            continue
        try:
            found[ssh_signature.parse_public_line(rest[start:])] = name
        except Damaged as error:
            raise UsageError(
                f"{file} has a line that is no key: {error}", hint="a signer a line: NAME ssh-ed25519 KEY"
            ) from error
    return found


def _checksums(found: VerifiedBag, files: BagFiles, stop: Stop) -> dict[str, str]:
    """The BLAKE3 of each file of the payload that is what its checksum says. Raises `Damaged`."""
    if not bag_files.declared(files):
        raise Damaged("bagit.txt does not say that this is a bag")
    names = files.names()
    listed = bag_files.parse_manifest(bag_files.read_text(files, tags.MANIFEST), tags.MANIFEST)
    tagged = bag_files.parse_manifest(bag_files.read_text(files, tags.TAG_MANIFEST), tags.TAG_MANIFEST)
    payload: dict[str, str] = {}
    for name, digest in (*tagged.items(), *listed.items()):
        stop()
        try:
            actual = bag_files.digests(files, name)
        except KeyError:
            found.found("missing", name, f"{name} is in a manifest, and not in the bag")
            continue
        except Damaged as error:
            found.found("damaged", name, str(error))
            continue
        if actual.sha256 != digest:
            found.found("damaged", name, f"{name} is not what its checksum says")
        elif bag_files.is_payload(name):
            payload[name] = actual.blake3
            found.files += 1
            found.bytes += actual.size
    for name in sorted(names - listed.keys() - tagged.keys() - {tags.TAG_MANIFEST, tags.SIGNATURE, tags.STAMP}):
        found.found("unlisted", name, f"{name} is in no manifest: nobody says that it belongs to the bag")
    for name in sorted(({tags.MANIFEST, tags.REPORT, tags.INFO, tags.BAGIT} & names) - tagged.keys()):
        found.found("unlisted", name, f"{name} is not in {tags.TAG_MANIFEST}: its checksum is not signed")
    return payload


def _signature(found: VerifiedBag, files: BagFiles, trust: BagTrust) -> None:
    """Raises `Damaged`."""
    if tags.SIGNATURE not in files.names():
        return
    signature = bag_files.read_text(files, tags.SIGNATURE)
    data = bag_files.read_text(files, tags.TAG_MANIFEST)
    try:
        key = ssh_signature.verify(signature.decode("ascii", "replace"), data, NAMESPACE)
    except Damaged as error:
        found.found("wrong-signature", tags.SIGNATURE, str(error))
        return
    known = trust.keys if trust.allowed_signers is None else signers_of(trust.allowed_signers)
    found.signing_key, found.signer = key, known.get(key, "")
    if trust.allowed_signers is not None and not found.signer:
        found.found(
            "unknown-signer", tags.SIGNATURE, f"the bag is signed with a key that {trust.allowed_signers} does not allow"
        )
    if tags.STAMP in files.names():
        _time_stamp(found, bag_files.read_text(files, tags.STAMP), signature, trust)


def _time_stamp(found: VerifiedBag, response: bytes, signature: bytes, trust: BagTrust) -> None:
    try:
        found.stamped_at = time_stamps.verify(response, sha256(signature).digest(), trust.certificates)
        found.stamp_verified = trust.certificates is not None
    except Damaged as error:
        found.found("wrong-stamp", tags.STAMP, str(error))


def _content(path: str, digest: str) -> bytes:
    return blake3(f"{digest} {path}".encode("utf-8", "surrogatepass")).digest(length=16)


def _item(found: VerifiedBag, item: dict[str, Any], known: Container[bytes], payload: dict[str, str]) -> None:
    path, digest = str(item.get("path")), item["blake3"]
    if _content(path, digest) not in known:
        found.found("not-in-snapshot", path, f"{path} has another content in the snapshots than the report says")
        return
    files = [payload[str(one.get("file"))] for one in _listed(item, "files") if str(one.get("file")) in payload]
    if item.get("given_as") not in (None, "original"):
        found.converted += 1
    elif files and all(one == digest for one in files):
        found.compared += 1
    elif files:
        found.found("not-in-snapshot", path, f"the file of {path} in the bag is not what the snapshots hold")


def _listed(value: dict[str, Any], name: str) -> Sequence[dict[str, Any]]:
    """Objects of a list in a report that somebody may have made."""
    found = value.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
