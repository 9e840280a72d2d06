"""Telling by e-mail, through somebody's mail server. Subject and text are made in `message`."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Literal

from msgspec import Struct

from policies.notifications.channels import TIMEOUT, NotDelivered, PartlyDelivered, Secret
from policies.notifications.deadline import Deadline
from policies.notifications.message import Message

Protection = Literal["starttls", "tls", "none"]


class Email(Struct, frozen=True):
    """protection: of the connection · user: None where there is no login · context: which certificates are trusted."""

    host: str
    port: int
    protection: Protection
    sender: str
    to: tuple[str, ...]
    user: str | None = None
    password: Secret | None = None
    context: Callable[[], ssl.SSLContext] = ssl.create_default_context

    @property
    def name(self) -> str:
        return "email"

    def send(self, message: Message) -> None:
        """One message to all, or to those who have not got it. Raises `NotDelivered`, `PartlyDelivered`, `SettingsError`."""
        to = [one for one in self.to if one in message.only] or list(self.to)
        password = self.password() if self.password is not None else None
        try:
            with Deadline() as deadline:
                refused = self._submit(self._mail(message), to, password, deadline)
        except smtplib.SMTPRecipientsRefused as error:
            raise NotDelivered(f"{self.host} refuses {_named(error.recipients)}") from error
        except smtplib.SMTPAuthenticationError as error:
            raise NotDelivered(f"{self.host} refuses the user {self.user!r} or the password (code {error.smtp_code})") from None
        except smtplib.SMTPResponseException as error:
            raise NotDelivered(f"{self.host} refuses the mail (code {error.smtp_code})") from error
        except (OSError, smtplib.SMTPException) as error:
            raise NotDelivered(f"no mail could be given to {self.host}:{self.port}: {type(error).__name__}: {error}") from error
        if refused:
            raise PartlyDelivered(f"{self.host} refuses {_named(refused)}; the others have got it", sorted(refused))

    def _submit(
        self, mail: EmailMessage, to: Sequence[str], password: str | None, deadline: Deadline
    ) -> dict[str, tuple[int, bytes]]:
        """Gives those who were refused. Once the server has taken the message nothing that it says is an error any more: the
        message would be sent again and again."""
        server = (
            _WatchedTls(deadline, self.host, self.port, self.context())
            if self.protection == "tls"
            else _Watched(deadline, self.host, self.port)
        )
        try:
            if self.protection == "starttls":
                server.starttls(context=self.context())
            if self.user is not None and password is not None:
                server.login(self.user, password)
            refused = server.send_message(mail, self.sender, to)
            with suppress(OSError, smtplib.SMTPException):
                server.quit()
            return refused
        finally:
            server.close()

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["From"], mail["To"] = self.sender, ", ".join(self.to)
        mail["Subject"] = " ".join(message.subject.split())
        mail["Date"] = format_datetime(message.at)
        mail["Message-ID"] = make_msgid(domain="strongroom.invalid")
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text())
        return mail


class _Watched(smtplib.SMTP):
    """Its connection ends at the deadline."""

    def __init__(self, deadline: Deadline, host: str, port: int) -> None:
        self._deadline = deadline
        super().__init__(host, port, timeout=TIMEOUT)  # connects

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connected = socket.create_connection((host, port), timeout)
        self._deadline.watch(connected)
        return connected


class _WatchedTls(_Watched):
    """The same, by TLS from the first byte on."""

    def __init__(self, deadline: Deadline, host: str, port: int, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(deadline, host, port)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._context.wrap_socket(super()._get_socket(host, port, timeout), server_hostname=host)


def _named(refused: Mapping[str, tuple[int, bytes]]) -> str:
    return ", ".join(f"the recipient {one} (code {answer[0]})" for one, answer in sorted(refused.items()))
