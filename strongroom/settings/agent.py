"""The table `[agent]`: what people may ask of this host in a console that cannot read content itself."""

from collections.abc import Mapping
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from strongroom.settings.tables import Field, Table, Unfit, table_check
from strongroom.settings.value_types import Length, Place, Text, Texts, checked
from vault.errors import SettingsError

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def console_url(text: str) -> None:
    """Raises `SettingsError` where it is no address of a console, or a token would go there unprotected."""
    try:
        url = urlsplit(text)
        whole = bool(url.hostname) and (url.port or 1) > 0
    except ValueError:
        whole = False
    if not whole or url.username is not None or url.query or url.fragment or url.path.strip("/") or not text.isprintable():
        raise SettingsError("is not the address of a console", hint="write https://console.example.org")
    if url.scheme != "https" and not (url.scheme == "http" and url.hostname in LOOPBACK):
        raise SettingsError("would get the token unprotected", hint="write https://console.example.org")


ConsoleUrl: TypeAlias = Annotated[str, checked(console_url)]


class AgentRule(Table):
    """What may be asked for in some projects. What no rule allows is not done, whatever a console says."""

    projects: Annotated[Texts, Field(min_length=1)] = Field(description="names of projects, with `*` for any letters")
    in_place: bool = Field(default=False, description="whether files may go back to where they were")
    folders: Texts = Field(default=(), description="names of folders (`agent.folders`) into which they may be restored")


class AgentSettings(Table):
    """This host carries out restores that people ask for in a console which cannot read content: `strongroom console agent`."""

    console: ConsoleUrl | None = Field(default=None, description="the console's address: `https://console.example.org`")
    token_file: Place | None = Field(
        default=None, description="a file whose first line is the token that an administrator of the console made for this host"
    )
    ca_file: Place | None = Field(
        default=None, description="certificates by which that of the console is verified, as PEM; else those of the system"
    )
    every: Length = Field(default="15 seconds", description="how often it asks for work")
    daemon: bool = Field(default=False, description="whether the daemon does it, too, so that no other service is needed")
    folders: Mapping[Text, Place] = Field(
        default={}, description="folders of this host into which may be restored, by the names that people see"
    )
    allow: tuple[AgentRule, ...] = Field(
        default=(), description="what may be asked for: tables `[[agent.allow]]`; else nothing"
    )

    @table_check
    def _whole(self) -> None:
        if self.daemon and (self.console is None or self.token_file is None):
            raise Unfit("needs console and token_file for the daemon to ask with")
        for rule in self.allow:
            for name in rule.folders:
                if name not in self.folders:
                    raise Unfit(f"allows the folder {name!r}, which it does not name", hint="add it to [agent.folders]")
