"""RFC 3161 time stamps: an authority that nobody here controls says when a hash was there. For heads of the log, and for the
signatures of exports.

What is stamped is the SHA-256 of bytes; `openssl ts -verify -data FILE -in RESPONSE -CAfile CERTIFICATES` verifies the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from vault.errors import Damaged, NothingFound, StrongroomError, UsageError
from vault.format.log_head import LogHead
from vault.format.log_stamp import LARGEST_RESPONSE

if TYPE_CHECKING:
    from types import ModuleType

    from strongroom.context import Context
    from vault.age import HybridIdentity
    from vault.format.log_stamp import LogStamp
    from vault.repository.audit.verify import Finding, KnownHead
    from vault.repository.project import Project

LARGEST_CERTIFICATES = 1024 * 1024
QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"
SHA256_OID = "2.16.840.1.101.3.4.2.1"


class NotStamped(StrongroomError):
    """The authority did not stamp it."""


class NewStamp(Struct, frozen=True):
    """A head that was just stamped. at: when, as the authority says."""

    head: LogHead
    at: datetime

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"head": self.head.as_text(), "stamped_at": self.at.isoformat()}


class StampReport(Struct):
    """What the time stamps of the log came to. verified: by the authority's certificate · only_compared: that fit their entry,
    and whose authority is not verified, as the settings name no certificate · latest: the newest moment that is verified ·
    heads: what the stamps say was there."""

    verified: int = 0
    only_compared: int = 0
    unopened: int = 0
    latest: datetime | None = None
    heads: list[KnownHead] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "stamps_verified": self.verified,
            "stamps_compared": self.only_compared,
            "stamps_unopened": self.unopened,
            "latest_stamp_at": self.latest and self.latest.isoformat(),
        }


def stamp(url: str, data: bytes) -> bytes:
    """An authority's answer for the SHA-256 of bytes: a TimeStampResp in DER, compared with what was asked. Raises
    `NotStamped`, `UsageError` where the library is not installed."""
    from policies.notifications import http
    from policies.notifications.channels import NotDelivered

    library = _library()
    request = library.TimestampRequestBuilder().data(data).hash_algorithm(library.HashAlgorithm.SHA256).build()
    try:
        response = http.ask(url, request.as_bytes(), QUERY, largest=LARGEST_RESPONSE)
    except NotDelivered as error:
        raise NotStamped(f"no time stamp: {error}", hint="try again later; what is not stamped today is tomorrow") from error
    found = _parsed(response)
    if found.tst_info.nonce != request.nonce:
        raise NotStamped("no time stamp: the authority has answered another request than this one")
    _compare(found, sha256(data).digest())
    return response


def verify(response: bytes, digest: bytes, certificates: Path | None) -> datetime:
    """When an authority has seen a SHA-256 (32 bytes). certificates: the authority's root and those below it, as PEM; without,
    the answer is compared with the hash, and nobody vouches for it. Raises `Damaged` where it is not about this hash, or not
    signed by that authority; `UsageError` where the certificates cannot be read."""
    found = _parsed(response)
    _compare(found, digest)
    if certificates is not None:
        _verify_signature(found, digest, certificates)
    moment: datetime = found.tst_info.gen_time
    return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def stamp_heads(context: Context, projects: Sequence[Project]) -> list[NewStamp]:
    """Have the head of every chain stamped that is not, by the authority of the settings. projects: whose auditors may read the
    stamps. Raises `UsageError` where the settings name no authority, `NothingFound` where there is no log, `NotStamped`,
    `StorageError`."""
    from vault.format.log_entry import MOST_PROJECTS
    from vault.repository.audit import entries, stamps

    url, repository = context.settings.document.audit.timestamp, context.repository
    if url is None:
        raise UsageError("the settings name no time-stamp authority", hint="write its URL: [audit] timestamp = 'https://…'")
    keys = [one.capability.audit_recipient for one in projects if one.capability.audit_recipient is not None]
    listing = entries.listed(repository.store)
    if not keys or not listing.entries:
        raise NothingFound("there is no log to stamp", hint="it begins with the first command that is recorded")
    stamped = {(one.principal, one.sequence) for one in listing.stamps}
    made = []
    for one in {one.principal: one for one in listing.entries}.values():
        if (one.principal, one.sequence) in stamped:
            continue
        data = repository.store.get(one.name)
        response = stamp(url, data)
        digest, now = sha256(data), repository.services.clock.now()
        head = LogHead(one.principal, one.sequence, digest.hexdigest())
        stamps.write(repository, repository.store, head, keys[:MOST_PROJECTS], at=now, authority=url, response=response)
        made.append(NewStamp(head, verify(response, digest.digest(), None)))
    return made


def verify_stamps(context: Context, keys: Sequence[HybridIdentity]) -> StampReport:
    """Every time stamp of the log. keys: of projects' logs. What is wrong is part of the result. Raises `StorageError`."""
    from vault.repository.audit import entries, stamps
    from vault.repository.audit.verify import Finding

    store, repository = context.repository.store, context.repository.descriptor.repository
    report, certificates = StampReport(), context.settings.document.audit.certificates
    for one in entries.listed(store).stamps:
        read = stamps.read(store, one, keys, repository)
        if read.damage is not None:
            report.findings.append(Finding("damaged-stamp", one.principal, one.id, str(read.damage)))
        elif read.stamp is None:
            report.unopened += 1
        else:
            _verify_one(report, read.stamp, certificates)
    return report


def _verify_one(report: StampReport, found: LogStamp, certificates: Path | None) -> None:
    from vault.repository.audit.verify import Finding, KnownHead

    try:
        at = verify(found.response, bytes.fromhex(found.head.sha256), certificates)
    except Damaged as error:
        report.findings.append(Finding("damaged-stamp", found.head.principal, found.id, f"the time stamp {found.id}: {error}"))
        return
    if certificates is None:
        report.only_compared += 1
    else:
        report.verified += 1
        report.latest = max(report.latest or at, at)
    report.heads.append(KnownHead(found.head, f"the time stamp of {at:%Y-%m-%d %H:%M} UTC by {found.authority}"))


def _library() -> ModuleType:
    try:
        import rfc3161_client
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is not installed", hint="pip install 'strongroom[timestamp]'") from error
    return rfc3161_client


def _parsed(response: bytes) -> Any:  # noqa: ANN401 (the library's own class)
    """Raises `Damaged`."""
    library = _library()
    try:
        found = library.decode_timestamp_response(response)
        granted = library.PKIStatus(found.status) == library.PKIStatus.GRANTED
        if granted:
            _ = found.tst_info
    except (ValueError, TypeError) as error:
        raise Damaged("the authority's answer is not a time stamp") from error
    if not granted:
        raise Damaged("the authority has refused to stamp it")
    return found


def _compare(found: Any, digest: bytes) -> None:  # noqa: ANN401
    imprint = found.tst_info.message_imprint
    if imprint.hash_algorithm.dotted_string != SHA256_OID or imprint.message != digest:
        raise Damaged("the time stamp is about something else")


def _verify_signature(found: Any, digest: bytes, certificates: Path) -> None:  # noqa: ANN401
    from cryptography import x509

    library = _library()
    try:
        with certificates.open("rb") as file:
            chain = x509.load_pem_x509_certificates(file.read(LARGEST_CERTIFICATES))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the certificates {certificates} cannot be read", hint="[audit] certificates names a PEM file of the authority"
        ) from error
    builder = library.VerifierBuilder()
    for one in chain:
        is_root = one.issuer == one.subject
        builder = builder.add_root_certificate(one) if is_root else builder.add_intermediate_certificate(one)
    try:
        builder.build().verify(found, digest)
    except (library.VerificationError, ValueError) as error:
        raise Damaged(f"the time stamp is not signed by the authority of {certificates}: {error}") from error
