"""The one place where the errors of an S3 client become ours.

An answer is judged by its code first and by its HTTP status second: stores that are not AWS invent codes, and a HEAD
has none. Whatever came from the wire and is not understood counts as transient; the patience of the caller is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from vault.errors import (
    ObjectExists,
    ObjectNotFound,
    StorageDenied,
    StorageError,
    StorageFull,
    TransientStorageError,
)
from vault.rate_limits import http_moment, seconds_to_wait

_FULL = frozenset({"QuotaExceeded", "StorageQuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "ServiceQuotaExceeded"})
_PASSING = frozenset(
    {
        *("SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests", "InternalError"),
        *("RequestTimeout", "ServiceUnavailable", "ConditionalRequestConflict", "OperationAborted"),
        # the bytes were damaged on their way: the next attempt brings good ones
        *("BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "IncompleteBody"),
    }
)
_DENIED = frozenset(
    {
        *("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
        *("InvalidToken", "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"),
    }
)
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"})
"""Codes of credentials that were good once."""
_RENEW = "the credentials have expired: renew them where the AWS tools find them"

_REGION = frozenset({"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"})
_CREDENTIALS = (
    "no usable credentials were found",
    "set them up the way the AWS tools expect them: a profile, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role",
)


@contextmanager
def s3_errors(verb: str, name: str) -> Iterator[None]:
    """Raises what the store's contract names for each error of the client in the block; the cause stays attached.

    Keep the block to the client's call: botocore answers some odd replies with a TypeError or the like, which would
    otherwise be told from a bug of ours by nobody.
    """
    try:
        yield
    except StorageError:
        raise
    except (OSError, TypeError, AttributeError, KeyError, ValueError) as error:
        raise TransientStorageError(f"cannot {verb} {name}: {_reason(error)}") from error
    except RecursionError as error:
        raise _in_a_circle(f"cannot {verb} {name}") from error
    except Exception as error:
        translated = _translate(error, f"cannot {verb} {name}", name)
        if translated is None:
            raise
        raise translated from error


def _translate(error: Exception, what: str, name: str) -> StorageError | None:
    # not at the head of the module: who never meets S3 does not pay for botocore
    from botocore import exceptions
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError

    if isinstance(error, exceptions.ClientError):
        return _from_answer(error.response, what, name)
    if isinstance(
        error,
        exceptions.NoCredentialsError
        | exceptions.PartialCredentialsError
        | exceptions.CredentialRetrievalError
        | exceptions.TokenRetrievalError
        | exceptions.ProfileNotFound
        | exceptions.UnauthorizedSSOTokenError
        | exceptions.SSOTokenLoadError,
    ):
        return StorageDenied(f"{what}: {_CREDENTIALS[0]} ({_reason(error)})", hint=_CREDENTIALS[1])
    if isinstance(error, exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return StorageError(
            f"{what}: the server's certificate is not trusted",
            hint="check the endpoint; for a certificate authority of your own set `ca_bundle` in the AWS configuration",
        )
    if isinstance(error, exceptions.EndpointConnectionError | exceptions.ConnectTimeoutError | exceptions.ProxyConnectionError):
        return TransientStorageError(
            f"{what}: {_reason(error)}", hint="is the server running, and are the endpoint's scheme, host and port right?"
        )
    if isinstance(error, exceptions.HTTPClientError) and isinstance(error.kwargs.get("error"), RecursionError):
        return _in_a_circle(what)
    if isinstance(
        error,
        exceptions.HTTPClientError | exceptions.ConnectionError | exceptions.IncompleteReadError | ResponseParserError,
    ):
        return TransientStorageError(f"{what}: {_reason(error)}")
    if isinstance(error, exceptions.BotoCoreError):
        return StorageError(f"{what}: {_reason(error)}", hint="check the endpoint, the region and the bucket's name")
    if isinstance(error, HTTPError):
        return TransientStorageError(f"{what}: {_reason(error)}")
    return None


def _in_a_circle(what: str) -> StorageError:
    """botocore asks a server that sends it elsewhere for the bucket's region, is sent elsewhere with that too, and so on."""
    return StorageError(
        f"{what}: the server sends every request elsewhere, and does not say to which region",
        hint="is the endpoint that of an S3 server (a web page or a proxy with a login answers so), and is the region right?",
    )


def _from_answer(answer: object, what: str, name: str) -> StorageError:
    code, status, words = _facts_of(answer)
    message = f"{what}: {words or 'no reason given'} ({code or status})"
    if code == "NoSuchBucket":
        hint = "check its name and the endpoint, or make it with `strongroom init ADDRESS --create-bucket`"
        return StorageError(message, hint=hint)
    if code in _REGION:
        return StorageError(message, hint="the bucket is in another region; name that region in the settings")
    if code in _FULL or status == 507:
        return StorageFull(message)
    if code in _PASSING or status in {409, 429} or (status >= 500 and status != 501):
        passing = TransientStorageError(message)
        passing.retry_after = _asked_to_wait(answer)
        return passing
    if code == "InvalidObjectState":
        return StorageError(message, hint="the provider moved the object to an archive tier; bring it back there first")
    if code == "RequestTimeTooSkewed":
        return StorageDenied(message, hint="this machine's clock is wrong; set it and run the command again")
    if status in {401, 403} or code in _DENIED:
        return StorageDenied(message, hint=_RENEW if code in EXPIRED else None)
    if code == "NoSuchKey" or status == 404:
        return ObjectNotFound(f"{name} is not in the store")
    if status == 412:
        return ObjectExists(f"{name} exists already")
    return StorageError(message)


def _facts_of(answer: object) -> tuple[str, int, str]:
    """Code, HTTP status (0 where there is none) and words of an error answer, which may lack any of them."""
    outer = answer if isinstance(answer, dict) else {}
    error, metadata = outer.get("Error"), outer.get("ResponseMetadata")
    status = metadata.get("HTTPStatusCode") if isinstance(metadata, dict) else None
    fields = error if isinstance(error, dict) else {}
    code, words = fields.get("Code"), fields.get("Message")
    return (
        code if isinstance(code, str) else "",
        status if isinstance(status, int) else 0,
        " ".join(words.split())[:300] if isinstance(words, str) else "",
    )


def _asked_to_wait(answer: object) -> float:
    """Seconds; a moment counts from that of the answer itself, since the two clocks need not agree."""
    metadata = answer.get("ResponseMetadata") if isinstance(answer, dict) else None
    headers = metadata.get("HTTPHeaders") if isinstance(metadata, dict) else None
    found = headers if isinstance(headers, dict) else {}
    text, sent = found.get("retry-after"), http_moment(str(found.get("date") or ""))
    return seconds_to_wait(text if isinstance(text, str) else None, sent or datetime.max.replace(tzinfo=UTC))


def status_of(error: StorageError) -> int:
    """The HTTP status that an error of ours came from; 0 where it did not come from an answer."""
    return _facts_of(getattr(error.__cause__, "response", None))[1]


def code_of(error: StorageError) -> str:
    """The code of S3 that an error of ours came from; "" where it did not come from an answer."""
    return _facts_of(getattr(error.__cause__, "response", None))[0]


def _reason(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:300]
