"""The table `[console]`: where the console listens, who may do what there, and who vouches for people."""

import ipaddress
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from strongroom.settings.tables import Field, Table, Unfit, table_check
from strongroom.settings.value_readers import After, Before
from strongroom.settings.value_types import Glob, Length, Place, PlainUrl, Text, Texts, Word, Zone, checked
from vault.errors import SettingsError

Approvable: TypeAlias = Literal["restore-in-place", "export-project", "erase", "shorten-retention", "release-hold"]
"""What can ask for a second person's approval, by the names of the console's actions."""


def listens(text: str) -> tuple[str, int]:
    """Address and port of `127.0.0.1:8440` or `[::1]:8440`. Raises `SettingsError`."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or not int(port) < 65536:
        raise SettingsError(f"{text!r} is not an address with a port", hint="write '127.0.0.1:8440'")
    return host, int(port)


def _issuer(text: str) -> None:
    """A URL without anything that could be a secret; a provider's path may look like one (a tenant's id)."""
    try:
        url = urlsplit(text)
        whole = bool(url.hostname) and (url.port or 1) > 0
    except ValueError:
        whole = False
    if not whole or url.username is not None or url.query or url.fragment or not text.isprintable():
        raise SettingsError("is not a provider's URL", hint="write https://login.example.org")
    if url.scheme != "https" and not (url.scheme == "http" and url.hostname in ("127.0.0.1", "::1", "localhost")):
        raise SettingsError("would be asked unprotected", hint="write https://login.example.org")


def _network(text: str) -> None:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise SettingsError(f"{text!r} is not an address or a network", hint="write '10.0.0.5' or '10.0.0.0/24'") from error


def _header(text: str) -> None:
    if not text.isascii() or not text.replace("-", "").isalnum():
        raise SettingsError(f"{text!r} is not the name of a header", hint="write 'X-Remote-User'")


def _last_day(value: object, _folder: Path | None) -> object:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return value


def _day(text: str, _folder: Path | None) -> str:
    try:
        date.fromisoformat(text)
    except ValueError as error:
        raise Unfit("must be a day", hint="write '2026-12-31'") from error
    return text


Network: TypeAlias = Annotated[str, checked(_network)]
Issuer: TypeAlias = Annotated[str, checked(_issuer)]
Header: TypeAlias = Annotated[str, checked(_header)]
Day: TypeAlias = Annotated[str, Before(_last_day, str), After(_day)]


class ConsoleRole(Table):
    """A role that people have. What nobody is given, nobody may."""

    role: Literal["viewer", "exporter", "restorer", "operator", "auditor", "administrator"] = Field(
        description="what they may: see [who may what](console.md#who-may-what)"
    )
    people: Texts = Field(default=(), description="by the names with which they sign in")
    groups: Texts = Field(default=(), description="by groups: of local accounts, or of whoever vouches for people")
    projects: Texts = Field(default=("*",), description="names of projects, with `*` for any letters")
    kinds: tuple[Word, ...] = Field(default=(), description="only these kinds; else all")
    paths: tuple[Glob, ...] = Field(
        default=(), description="only items that match one of these patterns, the kind in front: `reports/2024/**`; else all"
    )
    until: Day | None = Field(default=None, description="the last day on which they have it: `2026-12-31`; else it has no end")

    @table_check
    def _somebody(self) -> None:
        if not self.people and not self.groups:
            raise Unfit("needs people or groups", hint='write people = ["anna"]')


class OpenIdSettings(Table):
    """Sign in with OpenID Connect: the provider vouches for people, and may name their groups."""

    issuer: Issuer = Field(description="the provider's URL, below which it has `.well-known/openid-configuration`")
    client_id: Text = Field(description="by which the provider knows the console; its redirect URI is URL`/login/openid/back`")
    secret_file: Place | None = Field(
        default=None, description="a file whose first line is the client's secret, where it has one"
    )
    name_claim: Text = Field(
        default="email",
        description="which claim is the person's name here; people must not be able to change it themselves. An `email` counts "
        "only where the provider says that it is verified",
    )
    groups_claim: Text = Field(default="groups", description="which claim is the list of their groups")
    title: Text = Field(default="OpenID Connect", description="what is written on the button")
    scopes: Texts = Field(default=("openid", "email", "profile"), description="what the provider is asked for")


class ProxySettings(Table):
    """A reverse proxy in front of the console. Its headers count only where the request comes from one of its addresses."""

    addresses: Annotated[tuple[Network, ...], Field(min_length=1)] = Field(
        description="addresses or networks of the proxy; from others its headers count for nothing"
    )
    header: Header | None = Field(
        default=None, description="who has signed in at the proxy: `X-Remote-User`; else the console's own login counts"
    )
    groups_header: Header | None = Field(default=None, description="their groups, with commas between them")


class ConsoleSettings(Table):
    """The console, which `strongroom console` serves."""

    listen: Annotated[str, checked(listens)] = Field(
        default="127.0.0.1:8440", description="address and port; others than loopback need a certificate"
    )
    url: PlainUrl | None = Field(
        default=None,
        description="what people type: `https://console.example.org`; needed with a proxy, OpenID Connect, or an address other "
        "than loopback",
    )
    certificate_file: Place | None = Field(
        default=None, description="the certificate for HTTPS, and those that vouch for it, as PEM"
    )
    key_file: Place | None = Field(default=None, description="its private key, as PEM")
    zone: Zone = Field(default="UTC", description="in which moments are shown")
    language: Literal["en", "ru", "uk"] = Field(
        default="en",
        description="of pages and messages where neither the person nor the browser says one, and of notification channels",
    )
    connections: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=500, description="so many connections are open at a time; each is a file that the process has open"
    )
    connections_by_address: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=100,
        description="so many of them from one address, of IPv6 from a network of 64 bits; behind a proxy, so many requests "
        "that are worked on. More where many people share an address",
    )
    session: Length = Field(default="12 hours", description="after that a person signs in again")
    idle: Length = Field(default="1 hour", description="after that without a request, too")
    second_factor: bool = Field(
        default=False, description="whether local accounts need a one-time password: who has none sets it up first"
    )
    restore_folders: tuple[Place, ...] = Field(
        default=(), description="folders of this machine into which restorers may restore; else none"
    )
    bag_folders: tuple[Place, ...] = Field(
        default=(), description="folders of this machine with bags that auditors may verify; else none"
    )
    approvals: tuple[Approvable, ...] = Field(
        default=("erase", "shorten-retention", "release-hold"), description="what a second person must approve"
    )
    approval_within: Length = Field(default="1 day", description="how long after a request it can be approved")
    masked_columns: Texts = Field(
        default=(), description="columns of tables that previews do not show, by name, with `*` for any letters"
    )
    roles: tuple[ConsoleRole, ...] = Field(default=(), description="who may what: tables `[[console.roles]]`")
    openid: OpenIdSettings | None = Field(default=None, description="sign in with OpenID Connect")
    proxy: ProxySettings | None = Field(default=None, description="a reverse proxy in front")

    @table_check
    def _whole(self) -> None:
        if (self.certificate_file is None) != (self.key_file is None):
            raise Unfit("needs both certificate_file and key_file, or neither")
        if self.url is None and (self.openid is not None or self.proxy is not None):
            raise Unfit("needs url, as people reach it", hint="write url = 'https://console.example.org'")
        if self.url is not None and urlsplit(self.url).path.strip("/"):
            raise Unfit("has a url with a path", hint="the console has a host of its own")
