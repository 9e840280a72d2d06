"""Who holds keys, as settings and identities at hand name them: the person or host here, and the recovery kits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from strongroom import environment
from vault import age
from vault.age import HybridIdentity, HybridRecipient
from vault.format.principal import Principal

if TYPE_CHECKING:
    from strongroom.settings import Settings
    from vault.age import Identity
    from vault.repository.granting import Holder


def parse_recovery(text: str) -> Principal | None:
    """What the settings say of a recovery kit: `age1pq1…`, and its signing key where that is known (`ssh-ed25519 …`). None for
    an X25519 recipient, which projects are not encrypted for. Raises `KeyUnreadable`."""
    if not isinstance(age.parse_recipient(text.split()[0] if text.split() else text), HybridRecipient):
        return None
    return Principal.parse(text)


def recovery_kits(settings: Settings) -> list[Principal]:
    """The recovery kits of the settings."""
    return [one for one in map(parse_recovery, settings.recovery) if one is not None]


def own_holders(identities: Sequence[Identity]) -> list[Holder]:
    """The identities at hand, named after whoever runs this."""
    from vault.repository.granting import Holder

    own = [one for one in identities if isinstance(one, HybridIdentity)]
    names = [environment.person(), *(f"{environment.person()} ({number})" for number in range(2, len(own) + 1))]
    return [Holder(name, Principal.of(one)) for name, one in zip(names, own, strict=False)]


def recovery_holders(settings: Settings) -> list[Holder]:
    """The recovery kits, with the names that they have in grants."""
    from vault.repository.granting import KIT, Holder

    kits = recovery_kits(settings)
    return [Holder(KIT if number == 1 else f"{KIT} {number}", kit) for number, kit in enumerate(kits, 1)]
