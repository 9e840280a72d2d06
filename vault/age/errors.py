"""What can be wrong with an age file or with a key to it.

    Damaged
    ├── ArmorDamaged            the ASCII armor is not the one form that encoders write
    ├── HeaderDamaged           the header, or a stanza of a known type, breaks the format
    │   └── HeaderIncomplete    the bytes at hand end before the header does: read more, or the file is cut off
    ├── HeaderTampered          the header reads well, its MAC does not fit: somebody changed it
    └── PayloadDamaged          a segment does not open, or the length is one that no payload has
    KeyRefused
    ├── NoMatchingIdentity      no identity at hand is among the recipients, or the passphrase is wrong
    └── KeyUnreadable           the text of an identity or a recipient is cut off, mistyped or something else

No message ever holds a secret.
"""

from __future__ import annotations

from vault.errors import Damaged, KeyRefused


class ArmorDamaged(Damaged):
    """The ASCII armor is not in its one strict form."""

    hint = "copy the whole text again, from the BEGIN line to the END line, with its line ends as they were"


class HeaderDamaged(Damaged):
    """The header breaks the format, or a stanza of a type that an identity knows is malformed."""


class HeaderIncomplete(HeaderDamaged):
    """The bytes at hand end before the header does."""


class HeaderTampered(Damaged):
    """The header's MAC does not fit the header."""


class PayloadDamaged(Damaged):
    """A segment of the payload does not open, or the payload has a length that no payload can have."""


class NoMatchingIdentity(KeyRefused):
    """None of the identities at hand opens this file."""


class KeyUnreadable(KeyRefused):
    """The text of an identity or a recipient cannot be read as one."""

    hint = "copy the key again, whole, from where it was made"
