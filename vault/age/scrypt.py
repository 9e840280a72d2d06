"""age's passphrase recipient, `scrypt`.

A stanza has two arguments: a salt (16 bytes) and the base-two logarithm of the work factor. It must be the only stanza
of its header: who opens a file with a passphrase expects that it was written by somebody who knows the passphrase.
Source: C2SP `age`, section "The scrypt recipient type"; scrypt itself: RFC 7914.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from vault.age import unpadded
from vault.age.contract import Stanza
from vault.age.derivation import check_body, unwrap_file_key, wrap_file_key
from vault.age.errors import HeaderDamaged, KeyUnreadable
from vault.errors import KeyRefused, UsageError
from vault.randomness import Randomness

STANZA_TYPE: Final = "scrypt"
USUAL_WORK_FACTOR: Final = 18
"""256 MiB and one to two seconds; what the reference implementation uses."""

LARGEST_WORK_FACTOR: Final = 22
"""4 GiB and half a minute: the most that a file may ask of us; the reference implementation draws the line here too."""

_LABEL = b"age-encryption.org/v1/scrypt"
_SALT_SIZE = 16
_BLOCK_SIZE = 8
_WORK_FACTOR = re.compile(r"[1-9][0-9]*")


class ScryptRecipient:
    """Whoever knows the passphrase.

    work_factor: base-two logarithm; each step doubles time and memory (2^work_factor KiB). Raises `UsageError` for an
    empty passphrase or a factor outside 1 to `LARGEST_WORK_FACTOR`, and `KeyUnreadable` for text that is not Unicode.
    """

    __slots__ = ("_passphrase", "_work_factor")

    def __init__(self, passphrase: str, work_factor: int = USUAL_WORK_FACTOR) -> None:
        if not passphrase:
            raise UsageError(
                "the passphrase is empty and would protect nothing", hint="choose one of at least five random words"
            )
        if not 1 <= work_factor <= LARGEST_WORK_FACTOR:
            raise UsageError(f"a work factor is 1 to {LARGEST_WORK_FACTOR}, not {work_factor}")
        self._passphrase = _utf8(passphrase)
        self._work_factor = work_factor

    def wrap(self, file_key: bytes, randomness: Randomness) -> Stanza:
        """As `Recipient.wrap`. Raises `KeyRefused` where this machine has not the memory."""
        salt = randomness.token(_SALT_SIZE)
        body = wrap_file_key(file_key, _stretch(self._passphrase, salt, self._work_factor))
        return Stanza(STANZA_TYPE, (unpadded.encode(salt).decode("ascii"), str(self._work_factor)), body)

    def __repr__(self) -> str:
        return f"ScryptRecipient(work_factor={self._work_factor})"


class ScryptIdentity:
    """Somebody who types a passphrase.

    largest_work_factor: a file that asks for more is refused before any work is done.
    """

    __slots__ = ("_largest_work_factor", "_passphrase")

    def __init__(self, passphrase: str, largest_work_factor: int = LARGEST_WORK_FACTOR) -> None:
        self._passphrase = _utf8(passphrase)
        self._largest_work_factor = largest_work_factor

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes | None:
        """As `Identity.unwrap`.

        Raises `HeaderDamaged` also where a scrypt stanza has company or asks for too much work, and `KeyRefused` where
        this machine has not the memory.
        """
        if all(stanza.type != STANZA_TYPE for stanza in stanzas):
            return None
        if len(stanzas) != 1:
            raise HeaderDamaged("the header mixes a passphrase with other recipients")
        (stanza,) = stanzas
        salt, work_factor = self._cost(stanza)
        check_body(stanza.body)
        return unwrap_file_key(stanza.body, _stretch(self._passphrase, salt, work_factor))

    def _cost(self, stanza: Stanza) -> tuple[bytes, int]:
        if len(stanza.arguments) != 2:
            raise HeaderDamaged(f"a {STANZA_TYPE} stanza has {len(stanza.arguments)} arguments instead of two")
        salt = unpadded.decode(stanza.arguments[0].encode("ascii"))
        if salt is None or len(salt) != _SALT_SIZE:
            raise HeaderDamaged(f"a {STANZA_TYPE} stanza has no salt of {_SALT_SIZE} bytes")
        digits = stanza.arguments[1]
        if not _WORK_FACTOR.fullmatch(digits):
            raise HeaderDamaged(f"a {STANZA_TYPE} stanza's work factor is not a plain decimal number")
        if len(digits) > 2 or int(digits) > self._largest_work_factor:
            raise HeaderDamaged(f"a {STANZA_TYPE} stanza asks for more work than a factor of {self._largest_work_factor}")
        return salt, int(digits)

    def __repr__(self) -> str:
        return f"ScryptIdentity(largest_work_factor={self._largest_work_factor})"


def _utf8(passphrase: str) -> bytes:
    try:
        return passphrase.encode("utf-8")
    except UnicodeEncodeError:
        # The cause would quote the passphrase.
        raise KeyUnreadable("the passphrase is not valid UTF-8", hint="type it again") from None


def _stretch(passphrase: bytes, salt: bytes, work_factor: int) -> bytes:
    try:
        return Scrypt(salt=_LABEL + salt, length=32, n=1 << work_factor, r=_BLOCK_SIZE, p=1).derive(passphrase)
    except MemoryError as error:
        need = 1 << work_factor
        raise KeyRefused(
            f"the passphrase's work factor {work_factor} takes {need >> 10} MiB of memory, more than there is",
            hint="use a machine with more memory",
        ) from error
