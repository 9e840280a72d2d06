"""A reverse proxy in front: who has signed in there, and from which address. Its headers count from its own addresses alone."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from console.accounts.sessions import Identity

if TYPE_CHECKING:
    from starlette.requests import Request

    from strongroom.settings.console import ProxySettings

LONGEST_NAME = 200
MOST_GROUPS = 500


def is_from_proxy(settings: ProxySettings | None, request: Request) -> bool:
    """Whether a request was sent by the proxy."""
    if settings is None or request.client is None:
        return False
    return is_proxy(settings, request.client.host)


def is_proxy(settings: ProxySettings | None, host: str) -> bool:
    """Whether an address is one of the proxy's."""
    return settings is not None and _is_one_of(settings, host)


def counted_as(address: str) -> str:
    """For whom an address counts where it is counted: of IPv6 the network of 64 bits, which one customer has."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if parsed.version == 6 else None
    if mapped is not None or parsed.version == 4:
        return str(mapped or parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def address(settings: ProxySettings | None, request: Request) -> str:
    """Of the client: behind the proxy as that says, the last address in front of it that is not a proxy's own."""
    own = request.client.host if request.client is not None else ""
    if settings is None or not is_from_proxy(settings, request):
        return own
    said = [one.strip() for line in request.headers.getlist("x-forwarded-for") for one in line.split(",")]
    for one in reversed(said[-50:]):
        if not _is_address(one):
            return own
        if not _is_one_of(settings, one):
            return str(ipaddress.ip_address(one))
    return own


def identity(settings: ProxySettings | None, request: Request) -> Identity | None:
    """Who has signed in at the proxy; None where nobody has, or what it says is no name."""
    if settings is None or settings.header is None or not is_from_proxy(settings, request):
        return None
    names = request.headers.getlist(settings.header)
    if len(names) != 1:
        return None  # two of them: one may be the client's own
    name = names[0].strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        return None
    said = request.headers.getlist(settings.groups_header) if settings.groups_header else []
    groups = [one.strip() for line in said for one in line.split(",")][:MOST_GROUPS] if len(said) == 1 else []
    return Identity(name, name, frozenset(one for one in groups if one), "proxy")


def _is_one_of(settings: ProxySettings, host: str) -> bool:
    if not _is_address(host):
        return False
    parsed = ipaddress.ip_address(host)
    mapped = parsed.ipv4_mapped if parsed.version == 6 else None
    return any((mapped or parsed) in ipaddress.ip_network(one) for one in settings.addresses)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
