"""A message for people to look at: who wrote to whom, what was written as plain text, what is attached. Nothing of HTML is left
but its text, and nothing is fetched."""

from __future__ import annotations

import re
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from html.parser import HTMLParser

from msgspec import Struct

from vault.errors import Damaged

LONGEST_TEXT = 200_000
LONGEST_HEADER = 2_000
MOST_PARTS = 200
SHOWN_HEADERS = ("From", "To", "Cc", "Date", "Subject")


class MailAttachment(Struct, frozen=True):
    """A part that is no text. size: bytes, decoded."""

    name: str
    type: str
    size: int


class ShownMail(Struct, frozen=True):
    """A message. headers: (name, value) of those that people read · text: of its body; "" where it has none · from_html:
    whether that is what was left of HTML · cut: whether it goes on."""

    headers: tuple[tuple[str, str], ...]
    text: str
    from_html: bool
    cut: bool
    attachments: tuple[MailAttachment, ...]


def preview_mail(content: bytes) -> ShownMail:
    """content: of the message, as it was received. Raises `Damaged` for what no reader of mail can make sense of."""
    try:
        message = BytesParser(policy=policy.default).parsebytes(content)
        return _shown(message)
    except (ValueError, LookupError, TypeError, AttributeError, IndexError, RecursionError) as error:
        # the standard library's parser raises any of these for one header or other
        raise Damaged(f"it cannot be read as a message: {type(error).__name__}", hint="restore it to look at it") from error


def _shown(message: EmailMessage) -> ShownMail:
    headers = [(name, _header(message, name)) for name in SHOWN_HEADERS]
    plain = html = ""
    attachments: list[MailAttachment] = []
    for number, part in enumerate(message.walk()):
        if number >= MOST_PARTS:
            break
        if part.is_multipart():
            continue
        kind = part.get_content_type()
        if part.get_filename() or part.get_content_disposition() == "attachment" or not kind.startswith("text/"):
            body = part.get_payload(decode=True)
            size = len(body) if isinstance(body, bytes) else 0
            attachments.append(MailAttachment(str(part.get_filename() or "")[:LONGEST_HEADER], kind[:100], size))
        elif kind == "text/html":
            html = html or _body(part)
        else:
            plain = f"{plain}\n{_body(part)}" if plain else _body(part)
    text = plain if plain.strip() else text_of_html(html)
    return ShownMail(
        headers=tuple((name, value) for name, value in headers if value),
        text=text[:LONGEST_TEXT],
        from_html=not plain.strip() and bool(html),
        cut=len(text) > LONGEST_TEXT,
        attachments=tuple(attachments),
    )


def _header(message: EmailMessage, name: str) -> str:
    try:
        value = str(message.get(name, ""))
    except (ValueError, LookupError, TypeError, AttributeError, IndexError):  # of a header that breaks every rule
        value = next((str(text) for key, text in message.raw_items() if key.lower() == name.lower()), "")
    return " ".join(value.split())[:LONGEST_HEADER]


def _body(part: EmailMessage) -> str:
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    charset = part.get_content_charset() or "utf-8"
    try:
        return content.decode(charset, "replace")
    except LookupError:
        return content.decode("utf-8", "replace")


_BREAKS = frozenset({"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "blockquote", "pre", "table"})
_SILENT = frozenset({"script", "style", "head", "template", "noscript", "title"})


class _TextReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent.append(tag)
        if tag in _BREAKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if self._silent and tag == self._silent[-1]:
            self._silent.pop()
        if tag in _BREAKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)


def text_of_html(html: str) -> str:
    """What a reader would read of it, without any of its markup."""
    reader = _TextReader()
    reader.feed(html)
    text = "".join(reader.parts)
    lines = [" ".join(line.split()) for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
