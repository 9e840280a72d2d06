"""The tables `[notify.…]`: whom the daemon notifies when an alert fires, and when it is resolved."""

from typing import Literal

from strongroom.settings import secrets
from strongroom.settings.tables import Field, Table, Unfit, table_check
from strongroom.settings.value_types import People, Place, PlainUrl, Port, Text

_PORTS = {"starttls": 587, "tls": 465, "none": 25}


class EmailSettings(Table):
    """By e-mail."""

    host: Text = Field(description="the mail server")
    tls: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="how the connection is protected; without protection no password is sent"
    )
    port: Port = Field(
        default_factory=lambda known: _PORTS[known.get("tls", "starttls")],
        description="587, with `tls` 465, with `none` 25, where it is not said",
    )
    sender: Text = Field(alias="from", description="the sender's address")
    to: People = Field(description="who gets them")
    user: Text | None = Field(default=None, description="the name at the mail server; else there is no login")
    password_command: Text | None = Field(default=None, description="a command that prints the password")

    @table_check
    def _login(self) -> None:
        if (self.user is None) != (self.password_command is None):
            raise Unfit("has a user without a password_command, or the other way round")
        if self.user is not None and self.tls == "none":
            raise Unfit("would send a password unprotected", hint="write tls = 'starttls', or leave the user out")


class _Url(Table):
    """A URL, mostly one that is a secret itself."""

    url_file: Place | None = Field(default=None, description="a file whose first line is the URL")
    url_command: Text | None = Field(default=None, description="a command that prints the URL; no shell is involved")
    url: PlainUrl | None = Field(
        default=None,
        description="the URL itself, only where whoever knows it can do no harm: one with a user, a query, or anything "
        "like a token in its path is refused",
    )

    @table_check
    def _one(self) -> None:
        if sum(one is not None for one in (self.url_file, self.url_command, self.url)) != 1:
            raise Unfit("needs one of url_file, url_command, url", hint=secrets.INSTEAD)


class WebhookSettings(_Url):
    """By a POST of a JSON document."""


class HealthchecksSettings(_Url):
    """By pings, in the manner of healthchecks: at the URL after each round in which every promise is kept, at URL`/fail`
    otherwise. Who hears no ping raises the alert, also when this machine is gone."""


class AppriseSettings(Table):
    """By whatever apprise knows (the extra `apprise`). Its URLs bear secrets."""

    urls_file: Place | None = Field(default=None, description="a file with a URL a line")
    urls_command: Text | None = Field(default=None, description="a command that prints a URL a line; no shell is involved")

    @table_check
    def _one(self) -> None:
        if (self.urls_file is None) == (self.urls_command is None):
            raise Unfit("needs one of urls_file, urls_command", hint=secrets.INSTEAD)


class NotifySettings(Table):
    """Who is notified when an alert fires, once, and again when it is resolved."""

    email: EmailSettings | None = Field(default=None, description="by e-mail")
    webhook: WebhookSettings | None = Field(default=None, description="by a POST of a JSON document")
    healthchecks: HealthchecksSettings | None = Field(default=None, description="by pings that stop when something is wrong")
    apprise: AppriseSettings | None = Field(default=None, description="by whatever apprise knows")
