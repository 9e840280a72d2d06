"""The signature of a bag: over its tag manifest, which has the checksum of everything else, in OpenSSH's format.

`ssh-keygen -Y verify` checks it with a list of allowed signers, a line of which the bag's report shows. That the line is right
must be known from elsewhere: whoever makes a bag can put any key into it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from restore.export.tags import SIGNATURE, STAMP, TAG_MANIFEST
from vault.format.ssh_signature import public_line

NAMESPACE = "strongroom-export"

_ODD = re.compile(r"[^A-Za-z0-9@._-]+")
"""What the name of a signer may not have in a list of allowed signers."""


class BagSigner(Struct, frozen=True):
    """Who signs a bag.

    - `name`: user@host
    - `key`: the public key, 32 bytes
    - `fingerprint`: of the principal, to be compared by telephone
    - `sign`: gives the armored signature of bytes, under `NAMESPACE`
    - `stamp`: gives a time stamp (RFC 3161, DER) of bytes; None where no authority is asked
    - `authority`: the URL of that authority
    """

    name: str
    key: bytes
    fingerprint: str
    sign: Callable[[bytes], str]
    stamp: Callable[[bytes], bytes] | None = None
    authority: str = ""

    @property
    def signer(self) -> str:
        """The name, as a list of allowed signers takes it."""
        return signer_name(self.name)

    def as_json(self) -> dict[str, Any]:
        """For the report: how the signature is verified."""
        found = {
            "file": SIGNATURE,
            "over": TAG_MANIFEST,
            "namespace": NAMESPACE,
            "signer": self.signer,
            "key": public_line(self.key),
            "fingerprint": self.fingerprint,
            "allowed_signers": allowed_signers(self.signer, self.key, NAMESPACE),
            "verify": f"ssh-keygen -Y verify -f allowed_signers -I {self.signer} -n {NAMESPACE} "
            f"-s {SIGNATURE} < {TAG_MANIFEST}",
        }
        if self.stamp is not None:
            found |= {
                "time_stamp": STAMP,
                "authority": self.authority,
                "verify_time_stamp": f"openssl ts -verify -data {SIGNATURE} -in {STAMP} -CAfile authority.pem",
            }
        return found


def signer_name(name: str) -> str:
    """Somebody's name, as a list of allowed signers takes it."""
    return _ODD.sub("-", name)


def allowed_signers(name: str, key: bytes, namespace: str) -> str:
    """A line of a list of allowed signers."""
    return f'{name} namespaces="{namespace}" {public_line(key)}'
