"""Recipients and identities as people keep them: one line of text each, identities in a file with comments.

    # created: 2026-11-02T09:14:00Z
    # public key: age1pq1…
    AGE-SECRET-KEY-PQ-1…

Messages say what is wrong and in which line, and never quote what may be a secret.
"""

from __future__ import annotations

from vault.age import hybrid, x25519
from vault.age.contract import Identity
from vault.age.errors import KeyUnreadable
from vault.age.hybrid import HybridIdentity, HybridRecipient
from vault.age.x25519 import X25519Identity, X25519Recipient

_SEALED_FILE_MARKS = ("age-encryption.org/", "-----BEGIN AGE ENCRYPTED FILE-----")


def parse_recipient(text: str) -> HybridRecipient | X25519Recipient:
    """From `age1pq1…` or `age1…`, blanks around it passed over. Raises `KeyUnreadable`."""
    text = text.strip()
    if text.upper().startswith(x25519.IDENTITY_PREFIX.upper()):
        raise KeyUnreadable(
            "this is an identity (secret) where a recipient (public) is wanted",
            hint="give the line that begins with `age1`; if the secret was shown to others, make a new one",
        )
    if text.startswith(hybrid.RECIPIENT_PREFIX + "1"):
        return HybridRecipient.parse(text)
    if text.startswith((f"{x25519.RECIPIENT_PREFIX}1tag", f"{x25519.RECIPIENT_PREFIX}1plugin")):
        raise KeyUnreadable("recipients of hardware keys and plugins are not supported", hint="use an `age1pq1…` recipient")
    return X25519Recipient.parse(text)


def parse_identity(text: str) -> HybridIdentity | X25519Identity:
    """From `AGE-SECRET-KEY-PQ-1…` or `AGE-SECRET-KEY-1…`, blanks around it passed over. Raises `KeyUnreadable`."""
    text = text.strip()
    if text.startswith(hybrid.IDENTITY_PREFIX.upper() + "1"):
        return HybridIdentity.parse(text)
    if text.startswith(x25519.IDENTITY_PREFIX.upper() + "1"):
        return X25519Identity.parse(text)
    if text.startswith(_SEALED_FILE_MARKS):
        raise KeyUnreadable("this identity file is itself encrypted with age", hint="open it with its passphrase first")
    if text.startswith(x25519.RECIPIENT_PREFIX + "1"):
        raise KeyUnreadable(
            "this is a recipient (public) where an identity (secret) is wanted",
            hint="give the file with the line that begins with `AGE-SECRET-KEY-`",
        )
    raise KeyUnreadable("this is not an identity: those begin with `AGE-SECRET-KEY-PQ-1` or `AGE-SECRET-KEY-1`, in capitals")


def parse_identities(file_text: str) -> list[Identity]:
    """All identities of an identity file, in its order; empty lines and lines that begin with `#` are passed over.

    Raises `KeyUnreadable`, with the number of the line; also where there is no identity at all.
    """
    found: list[Identity] = []
    for number, line in enumerate(file_text.lstrip("\ufeff").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            found.append(parse_identity(line))
        except KeyUnreadable as error:
            raise KeyUnreadable(f"line {number} of the identity file: {error}", hint=error.hint) from error
    if not found:
        raise KeyUnreadable("the identity file holds no identity", hint="it needs a line that begins with `AGE-SECRET-KEY-`")
    return found
