"""Messages back onto a mail server: with what belongs to them, never twice, and in the place of nothing."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from blake3 import blake3

from restore.local_fs import Attributes, TargetItem
from restore.outputs.mail_place import MailPlace, plan_notes
from restore.outputs.mail_sink import MailSink, verify_mail
from restore.outputs.output_item import ItemOutcome, OutputItem
from restore.outputs.sink import OutputEntry
from tests.support.clock import StillClock
from tests.support.imap_double import FULL, MAY, PASSWORD, USER, ImapDouble
from vault.errors import TargetError
from vault.format import manifest
from vault.problems import Problem
from vault.source.imap import messages
from vault.source.imap.address import ImapAddress
from vault.source.imap.client import ImapClient

GMAIL = (*FULL, "X-GM-EXT-1")
RECEIVED = int(MAY.timestamp())


class Message:
    """A message of a snapshot."""

    def __init__(self, number: int | str, mailbox: str = "INBOX", body: str = "hello", copy: int = 1, **values: Any) -> None:
        header = f"Message-ID: <{number}@tests>\r\nSubject: {number}\r\n\r\n".encode()
        self.data = header + body.encode() + b"\r\n"
        received: int | None = values.pop("received", RECEIVED)
        self.path = messages.path_of(mailbox.encode(), received, messages.name_of(header), copy)
        extended = tuple((name.encode(), value) for name, value in values.items())
        renamed = tuple((b"user.imap." + name, value) for name, value in extended)
        self.entry = OutputEntry(Attributes(mtime_ns=(received or 0) * 1_000_000_000, extended=renamed))

    @property
    def output(self) -> OutputItem:
        return OutputItem(self.path, io.BytesIO(self.data), len(self.data), ItemOutcome(0, self.path, None))

    @property
    def target(self) -> TargetItem:
        return TargetItem(self.path, manifest.FILE, Attributes(), len(self.data), blake3(self.data).digest())


@contextmanager
def on(capabilities: tuple[str, ...] = FULL, **more: Any) -> Iterator[ImapDouble]:
    with ImapDouble(capabilities, **more).served() as double:
        yield double


def table(wanted: Sequence[Message]) -> pa.Table:
    rows = {"path": [one.path for one in wanted], "size": [len(one.data) for one in wanted]}
    return pa.table(rows, schema=pa.schema([("path", pa.binary()), ("size", pa.int64())]))


@contextmanager
def place_on(double: ImapDouble, wanted: Sequence[Message], base: bytes = b"", **more: Any) -> Iterator[MailPlace]:
    address = ImapAddress("127.0.0.1", double.port, secure=False, user=USER, secret=lambda: PASSWORD)
    client = ImapClient(address, StillClock())
    try:
        yield MailPlace(client, base, table(wanted), **more)
    finally:
        client.close()


def put_back(double: ImapDouble, wanted: Sequence[Message], base: bytes = b"", **more: Any) -> list[Problem]:
    """As a restore does it: what is there already is left out; what went wrong comes back."""
    with place_on(double, wanted, base, **more) as place:
        there = place.existing(one.path for one in wanted)
        sink = MailSink(place)
        problems = [problem for one in wanted if one.path not in there for problem in sink.file(one.output, one.entry)]
        return problems + sink.finish()


def test_a_message_comes_back_with_its_flags_and_the_time_of_its_arrival() -> None:
    wanted = [Message(1, "Clients/Звонки", flags=b"$Done \\Seen \\Deleted"), Message(2, received=None)]
    with on() as double:
        assert put_back(double, wanted) == []
        (mail,) = double.boxes["Clients/&BBcEMgQ+BD0EOgQ4-"].mails
        assert (mail.data, mail.flags, mail.received) == (wanted[0].data, {"\\Seen", "$Done"}, RECEIVED)
        assert double.boxes["Clients/&BBcEMgQ+BD0EOgQ4-"].subscribed
        assert [one.data for one in double.boxes["INBOX"].mails] == [wanted[1].data]


def test_what_is_there_already_is_not_put_there_twice_and_nothing_is_replaced() -> None:
    wanted = [Message(number, flags=b"\\Seen") for number in range(5)]
    with on() as double:
        double.put("INBOX", wanted[0].data, datetime(2020, 1, 1, tzinfo=UTC), ("\\Flagged",))  # moved there by somebody
        double.put("INBOX", Message(1, body="the same header, another content").data)
        for _ in range(3):
            assert put_back(double, wanted) == []
        found = double.boxes["INBOX"].mails
        assert sorted(one.data for one in found) == sorted(
            [Message(1, body="the same header, another content").data] + [one.data for one in wanted]
        )
        assert found[0].flags == {"\\Flagged"}  # as it was
        assert not double.asked("UID STORE")


def test_a_message_that_was_there_twice_is_there_twice_again() -> None:
    wanted = [Message("same", copy=copy) for copy in (1, 2, 3)]
    with on() as double:
        double.put("INBOX", wanted[0].data)
        for _ in range(2):
            assert put_back(double, wanted) == []
            assert len(double.boxes["INBOX"].mails) == 3


def test_what_a_mailbox_does_not_keep_is_named_and_the_message_is_there() -> None:
    wanted = [Message(1, flags=b"$Done \\Seen", labels=b'"Key clients" Work')]
    with on(keeps="") as double:
        (problem,) = put_back(double, wanted)
        assert problem.what == "attributes" and "keyword $Done, labels" in problem.message
        assert double.boxes["INBOX"].mails[0].flags == {"\\Seen"}
    with on(GMAIL) as double:
        assert put_back(double, wanted) == []
        assert double.boxes["INBOX"].mails[0].labels == {"Key clients", "Work"}


def test_labels_and_flags_that_somebody_made_up_are_no_commands() -> None:
    wanted = [
        Message(1, flags=b"\\Seen) {3}\r\nA9 DELETE INBOX (x", labels=b'ok "a\r\nA9 DELETE INBOX"'),
        Message(2, labels=b"(("),
    ]
    with on(GMAIL) as double:
        assert put_back(double, wanted) == []
        assert not double.asked("DELETE") and len(double.boxes["INBOX"].mails) == 2
        assert double.boxes["INBOX"].mails[0].labels == {"ok"}


def test_mailboxes_go_below_another_one_and_where_the_server_has_them() -> None:
    wanted = [Message(1, "INBOX"), Message(2, "Clients/a")]
    with on() as double:
        assert put_back(double, wanted, b"Restored/May") == []
        assert {name for name, box in double.boxes.items() if box.mails} == {"Restored/May/INBOX", "Restored/May/Clients/a"}
    with on(delimiter=".") as double:
        double.prefix = "INBOX."
        assert put_back(double, [*wanted, Message(3, "v1.2")])[0].message.startswith("the mailbox v1.2 cannot be there")
        assert {name for name, box in double.boxes.items() if box.mails} == {"INBOX", "INBOX.Clients.a"}


def test_what_is_no_message_of_a_mailbox_cannot_be_put_there() -> None:
    with on() as double, place_on(double, []) as place:
        sink = MailSink(place)
        odd = OutputItem(b"INBOX/report.csv", io.BytesIO(b"1"), 1, ItemOutcome(0, b"INBOX/report.csv", None))
        answers = [*sink.file(odd, OutputEntry(Attributes())), *sink.link(b"INBOX/link", b"x", OutputEntry(Attributes()))]
        assert [one.what for one in answers] == ["not-carried", "not-carried"]
        assert sink.folder(b"Empty", OutputEntry(Attributes(extended=((messages.SUBSCRIBED, b"yes"),)))) == []
        assert sink.folder(b"Calm", OutputEntry(Attributes())) == []
        assert double.boxes["Empty"].subscribed and not double.boxes["Calm"].subscribed


def test_a_server_without_room_ends_it_and_one_that_refuses_a_message_does_not() -> None:
    wanted = [Message(1), Message(2)]
    with on() as double:
        double.refuses_append = "NO [OVERQUOTA] full"
        with pytest.raises(TargetError, match="no room left"):
            put_back(double, wanted)
        double.refuses_append = "NO no such message, please"
        assert [one.what for one in put_back(double, wanted)] == ["unwritable", "unwritable"]


def test_a_server_that_takes_a_message_and_does_not_have_it_is_found_out() -> None:
    with on() as double:
        double.before = lambda command: double.boxes["INBOX"].mails.clear() if command.startswith("EXAMINE") else None
        (problem,) = put_back(double, [Message(1)])
        assert (problem.what, "does not have it" in problem.message) == ("unwritable", True)


def test_what_was_written_is_read_again_and_compared() -> None:
    wanted = [Message(1), Message(2, body="z" * 1_500_000), Message(3), Message(4)]
    with on() as double:
        assert put_back(double, wanted) == []
        double.boxes["INBOX"].mails[2].data = wanted[2].data.replace(b"hello", b"jello")
        double.remove("INBOX", 4)
        with place_on(double, wanted) as place:
            found = verify_mail(place, [one.target for one in wanted], lambda: None)
        assert (found.files, found.differing, found.medium) == (2, 2, "mail")


def test_a_connection_that_breaks_off_at_any_line_is_made_again_and_nothing_is_there_twice() -> None:
    wanted = [Message(number, f"box {number % 2}", body="b" * number * 300, flags=b"$x") for number in range(4)]
    wanted.append(Message(3, "box 1", body="b" * 900, flags=b"$x", copy=2))
    cuts = 0
    for line in range(1, 60, 3):
        with on() as double:
            double.cut_at = line
            assert put_back(double, wanted) == []
            cuts += double.cuts == 0
            assert sorted(one.data for box in double.boxes.values() for one in box.mails) == sorted(one.data for one in wanted)
    assert cuts > 10


def test_a_connection_that_breaks_off_again_and_again_ends_it_only_where_nothing_gets_through() -> None:
    wanted = [Message(number, "box", body="b" * 300) for number in range(30)]
    with on() as double:
        double.cut_at, double.cuts = 25, 1000
        assert put_back(double, wanted) == [] and double.cuts < 997
        assert sorted(one.data for one in double.boxes["box"].mails) == sorted(one.data for one in wanted)
    with on() as double:
        put_back(double, wanted[:1])

        def cut(line: bytes) -> bytes:
            if b"APPENDUID" in line:
                raise OSError("the connection is gone")
            return line

        double.alter = cut
        assert put_back(double, wanted) == []  # the server had taken each of them
        assert sorted(one.data for one in double.boxes["box"].mails) == sorted(one.data for one in wanted)


def test_a_plan_says_how_many_go_where_and_what_cannot_be_kept() -> None:
    wanted = [Message(1, labels=b"x"), Message(2, "Clients/a"), Message(3, "Clients/a")]
    rows = {
        "path": [*(one.path for one in wanted), b"INBOX/odd.txt"],
        "type": [manifest.FILE] * 4,
        "xattrs": [[{"name": name, "value": value} for name, value in one.entry.attributes.extended or ()] for one in wanted]
        + [None],
    }
    with on() as double, place_on(double, wanted) as place:
        xattr = pa.list_(pa.struct([("name", pa.binary()), ("value", pa.binary())]))
        schema = pa.schema([("path", pa.binary()), ("type", pa.string()), ("xattrs", xattr)])
        notes = plan_notes(place, pa.table(rows, schema=schema))
    assert notes == (
        "2 messages to Clients/a, which is made",
        "1 message to INBOX",
        "1 item is no message of a mailbox, and cannot go to one",
        "1 message has labels of Gmail, which this server does not keep",
        "messages get new numbers; what is there already stays as it is, with its flags",
    )
    assert not double.asked("SELECT") and not double.asked("CREATE")


def test_a_server_that_estimates_sizes_is_asked_by_the_header_alone() -> None:
    wanted = [Message(1)]
    with on() as double:
        double.alter = lambda line: line.replace(b"RFC822.SIZE ", b"RFC822.SIZE 1")
        for _ in range(2):
            assert put_back(double, wanted, estimated=True) == []
        assert len(double.boxes["INBOX"].mails) == 1
