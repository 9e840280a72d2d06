"""Names of mailboxes as paths and back; values of the protocol as text."""

from __future__ import annotations

from random import Random

import pytest

from vault.source.imap import mailbox_names, messages, syntax
from vault.source.imap.mailbox_names import UnusableName, decoded, encoded, name_of, path_of
from vault.source.imap.syntax import BadSyntax

NAMES = {
    (b"INBOX", b"/"): b"INBOX",
    (b"inbox", b"."): b"INBOX",
    (b"Inbox/a", b"/"): b"INBOX/a",
    (b"Clients.2024", b"."): b"Clients/2024",
    (b"Clients/2024", b"."): b"Clients%2F2024",
    (b"&BBcEMgQ+BD0EOgQ4-", b"/"): "Звонки".encode(),
    (b"R&-D", b"/"): b"R&D",
    (b"..", b"/"): b"%2E%2E",
    (b"a/./b", b"/"): b"a/%2E/b",
    (b"a//b", b"/"): b"a/%/b",
    (b"50%", b"/"): b"50%25",
    (b"report.eml", b"/"): b"report%2Eeml",
    (b"2024-05", b""): b"2024-05",
    (b"a\x01b", b"/"): b"%&a%01b",
    (b"&AGE-", b"/"): b"%&%26AGE-",
    (b"&never ends", b"/"): b"%&%26never ends",
    (b"a&AAE-b", b"/"): b"a%01b",
    ("звонки".encode("koi8-r"), b"/"): b"%&%DA%D7%CF%CE%CB%C9",
}


@pytest.mark.parametrize(("name", "delimiter"), NAMES)
def test_a_name_is_a_path_that_every_file_system_takes_and_comes_back(name: bytes, delimiter: bytes) -> None:
    path = path_of(name, delimiter)
    assert path == NAMES[name, delimiter]
    assert name_of(path, delimiter) == (b"INBOX" + name[5:] if name.upper().startswith(b"INBOX") else name)


def test_any_bytes_come_back_and_two_names_are_never_one_path() -> None:
    random, signs = Random(3), b'&-,/.%{}"\\ \x7f\x80\xd0\x97AZaz09.eml'
    seen: dict[bytes, bytes] = {}
    for _ in range(20_000):
        name = bytes(random.choice(signs) for _ in range(random.randint(1, 8)))
        path = path_of(name, b"/")
        assert name_of(path, b"/") == name
        assert not any(part in (b"", b".", b"..") for part in path.split(b"/")) and b"\0" not in path
        assert not path.endswith(b".eml")
        assert seen.setdefault(path, name) == name


def test_text_in_every_script_goes_through_utf_7() -> None:
    for text in ("Entwürfe", "台北", "🙂 & 🙃", "a&b", "", "~/x"):
        assert decoded(encoded(text)) == text
    assert encoded("台北日本語") == b"&U,BTF2XlZyyKng-"


@pytest.mark.parametrize("path", [b"a//b", b"a/../b\0", b"x" * 2000, b"\xff\xfe", b""])
def test_paths_that_are_no_mailbox_are_refused(path: bytes) -> None:
    with pytest.raises(UnusableName):
        name_of(path, b"/")


def test_a_name_with_the_sign_that_divides_names_cannot_be_on_another_server() -> None:
    with pytest.raises(UnusableName, match="divides names"):
        name_of(b"v1.2", b".")
    with pytest.raises(UnusableName, match="no mailboxes in mailboxes"):
        name_of(b"a/b", b"")
    assert name_of(b"a/v1.2", b"/") == b"a/v1.2"


def test_values_of_a_line_are_read_as_they_are_meant() -> None:
    line = [b'(UID 3 FLAGS (\\Seen "odd\\"one") X NIL BODY[HEADER.FIELDS (DATE FROM)]<0> {5}', b'a") {', b" Y {0}", b"", b")"]
    assert syntax.values(line) == [
        [
            b"UID",
            b"3",
            b"FLAGS",
            [b"\\Seen", b'odd"one'],
            b"X",
            None,
            b"BODY[HEADER.FIELDS (DATE FROM)]<0>",
            b'a") {',
            b"Y",
            b"",
        ]
    ]


def test_bytes_that_nobody_sent_are_refused_and_never_hang() -> None:
    random, signs = Random(5), b'()"\\{}[] a1NIL~\x00\xff'
    for _ in range(20_000):
        line = bytes(random.choice(signs) for _ in range(random.randint(0, 12)))
        try:
            syntax.values([line])
        except BadSyntax:
            continue
    for text in (b"1:", b"a", b"1,,2", b"1:99999999999", b"-1"):
        with pytest.raises(BadSyntax):
            syntax.numbers(text, 1000)


def test_what_is_written_is_read_again() -> None:
    for value in (b"INBOX", b"a b", b'q"\\', b"", b"NIL", b"nil", b"{5}", b"(x)", "é".encode(), b"a\r\nA1 LOGOUT"):
        pieces = syntax.written(value)
        line = pieces if len(pieces) == 1 else [*pieces, b""]
        assert syntax.values(line) == [value]
        assert len(pieces) == 2 or b"\r" not in pieces[0]


def test_numbers_are_joined_to_spans_and_come_back() -> None:
    random = Random(11)
    for _ in range(200):
        found = sorted(random.sample(range(1, 300), random.randint(1, 200)))
        assert syntax.numbers(syntax.number_set(found), 1000) == found


def test_dates_of_arrival_come_and_go() -> None:
    assert messages.received_at(b"17-May-2024 12:15:00 +0200") == 1715940900
    assert messages.received_at(b" 7-May-2024 00:00:00 -0130") == messages.received_at(b"07-may-2024 01:30:00 +0000")
    assert messages.received_at(messages.date_of(1715940900).strip(b'"')) == 1715940900
    for text in (
        b"",
        b"yesterday",
        b"31-Feb-2024 00:00:00 +0000",
        b"01-Jan-0000 00:00:00 +0000",
        b"01-Foo-2024 00:00:00 +0000",
    ):
        assert messages.received_at(text) is None


def test_a_message_keeps_its_name_however_its_header_is_folded() -> None:
    header = b"Message-ID: <a@b>\r\nSubject: one two\r\nReceived: from x\r\n by y\r\n\r\n"
    other = b"subject: one\r\n\ttwo\r\nRECEIVED: from x by y\r\nMessage-Id:  <a@b>\r\n\r\n"
    assert messages.name_of(header) == messages.name_of(other) != messages.name_of(header.replace(b"a@b", b"a@c"))


@pytest.mark.parametrize("copy", [1, 2, 30])
def test_a_path_tells_the_message_that_it_is_of(copy: int) -> None:
    name = messages.name_of(b"Subject: x\r\n\r\n")
    for received in (None, 0, 1715940900, -1):
        path = messages.path_of(b"A/2024-05", received, name, copy)
        assert messages.parsed_path(path) == (b"A/2024-05", name, copy)
        assert not any(sign in path.rpartition(b"/")[2].partition(b"-")[0] for sign in b"0123456789")
    for other in (
        b"2024-05/" + path.rpartition(b"/")[2],
        b"INBOX/note.eml",
        b"INBOX/2024-05/abc.eml",
        b"INBOX/2024-05/" + b"a" * 20,
    ):
        assert messages.parsed_path(other) is None


def test_mailboxes_in_a_mailbox_are_below_it() -> None:
    assert (
        mailbox_names.is_below(b"a/b", b"a") and mailbox_names.is_below(b"a", b"") and not mailbox_names.is_below(b"ab", b"a")
    )
