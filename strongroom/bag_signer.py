"""Who signs what this machine exports: the principal whose identity is at hand, with a time stamp where the settings name an
authority."""

from __future__ import annotations

from typing import TYPE_CHECKING

from restore.export.signature import NAMESPACE, BagSigner
from strongroom import environment
from vault.age import HybridIdentity
from vault.format.principal import Principal, sign

if TYPE_CHECKING:
    from strongroom.context import Context


def of_context(context: Context) -> BagSigner | None:
    """None where no identity can sign."""
    from strongroom import time_stamps

    identity = next((one for one in context.identities if isinstance(one, HybridIdentity)), None)
    if identity is None:
        return None
    public, authority = Principal.of(identity), context.settings.document.audit.timestamp
    return BagSigner(
        name=environment.person(),
        key=public.signing_key or b"",
        fingerprint=public.fingerprint,
        sign=lambda data: sign(identity, data, NAMESPACE),
        stamp=None if authority is None else lambda data: time_stamps.stamp(authority, data),
        authority=authority or "",
    )
