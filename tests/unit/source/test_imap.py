"""IMAP as a source, on the double: what is asked, what changed, what is gone, and servers that lie or break off."""

from __future__ import annotations

import sqlite3
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.support import places
from tests.support.clock import StillClock
from tests.support.dovecot import make_certificate
from tests.support.imap_double import FULL, PASSWORD, PLAIN, TOKEN, USER, ImapDouble
from tests.support.places import checked, made_on, restore
from tests.support.trees import contents
from vault.backup import run
from vault.errors import SourceError
from vault.problems import Problem
from vault.progress import never
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.project import Project
from vault.source.contract import Content, Scan, TooLarge
from vault.source.imap import connection as connections
from vault.source.imap import message_table
from vault.source.imap.address import ImapAddress
from vault.source.imap.client import ImapClient
from vault.source.imap.source import ImapSource
from vault.source.patterns import Rules
from vault.storage.memory import MemoryStore

GMAIL = (*FULL, "X-GM-EXT-1")


def mail(number: int | str, body: str = "hello") -> bytes:
    return f"Message-ID: <{number}@tests>\r\nFrom: a@tests\r\nSubject: mail {number}\r\n\r\n{body}\r\n".encode()


@pytest.fixture
def double() -> Iterator[ImapDouble]:
    with ImapDouble().served() as served:
        yield served


@contextmanager
def on(capabilities: tuple[str, ...] = FULL, **more: Any) -> Iterator[ImapDouble]:
    with ImapDouble(capabilities, **more).served() as served:
        yield served


def source(double: ImapDouble, state: Path | None = None, rules: Rules | None = None, **more: Any) -> ImapSource:
    about: dict[str, Any] = {"secure": False, "user": USER, "secret": lambda: PASSWORD}
    own = {name: more.pop(name) for name in ("base", "estimated") if name in more}
    address = ImapAddress("127.0.0.1", double.port, **(about | more))
    return ImapSource(ImapClient(address, StillClock()), b"mail", rules or Rules(), state=state, **own)


def scanned(double: ImapDouble, state: Path | None = None, **more: Any) -> Scan:
    with closing(source(double, state, **more)) as one:
        return one.scan(never)


def paths(found: Scan) -> list[bytes]:
    return [path for path in found.table["path"].to_pylist() if path.endswith(b".eml")]


def backed_up(project: Project, double: ImapDouble, state: Path | None = None, **more: Any) -> run.BackupReport:
    with closing(source(double, state, **more)) as one:
        return run.back_up(project, run.Source("mail", "mail", one), run.BackupOptions())


def newest(project: Project) -> dict[bytes, dict[str, Any]]:
    record = snapshots.heads(snapshots.read_all(project), "mail")[-1]
    return {row["path"]: row for row in snapshots.read_manifest(MetaReader(project), record).to_pylist()}


def xattrs(row: dict[str, Any]) -> dict[bytes, bytes]:
    return {one["name"]: one["value"] for one in row["xattrs"] or ()}


class TestWhatIsAsked:
    def test_a_message_is_a_file_with_its_bytes_its_time_and_its_flags(self, double: ImapDouble) -> None:
        double.put("Clients/2024", mail(1), datetime(2024, 5, 17, 10, 15, 3, tzinfo=UTC), ("\\Seen", "$Done", "\\Recent"))
        project = made_on(MemoryStore())
        assert backed_up(project, double).problems == ()
        (row,) = (row for path, row in newest(project).items() if path.endswith(b".eml"))
        assert row["path"].startswith(b"mail/Clients/2024/2024-05/") and row["mtime"] == 1715940903
        assert xattrs(row) == {b"user.imap.flags": b"$Done \\Seen"}
        assert row["period_start"].date().isoformat() == "2024-05-01"

    def test_nothing_is_ever_marked_as_read(self, double: ImapDouble) -> None:
        for number in range(20):
            double.put("INBOX", mail(number, "x" * 200_000 * (number % 9)))
        backed_up(made_on(MemoryStore()), double)
        assert not double.asked("SELECT") and double.asked("EXAMINE")
        fetched = [one for one in double.asked("UID FETCH") if "BODY" in one]
        assert fetched and all("BODY.PEEK[" in one for one in fetched)

    def test_where_nothing_changed_a_scan_costs_two_commands(self, double: ImapDouble, tmp_path: Path) -> None:
        for number in range(30):
            double.put(f"box {number % 7}", mail(number))
        before = scanned(double, tmp_path / "state")
        double.commands.clear()
        assert scanned(double, tmp_path / "state").table.equals(before.table)
        asked = [one.split(" ")[0] for one in double.commands]
        assert asked == ["CAPABILITY", "AUTHENTICATE", "CAPABILITY", "NAMESPACE", "LIST", "LOGOUT"]

    def test_only_what_is_new_is_asked_for(self, double: ImapDouble, tmp_path: Path) -> None:
        for number in range(30):
            double.put("INBOX", mail(number))
            double.put("other", mail(number))
        project = made_on(MemoryStore())
        backed_up(project, double, tmp_path / "state")
        double.commands.clear()
        double.put("INBOX", mail("new"))
        report = backed_up(project, double, tmp_path / "state")
        assert (report.record.counts.added, report.record.counts.changed) == (1, 0)
        assert double.asked("UID FETCH 31 ") and not double.asked("UID FETCH 1 ")
        assert [one for one in double.commands if "other" in one] == []

    def test_a_flag_that_changed_is_a_new_version_and_no_body_is_read_for_it(self, double: ImapDouble, tmp_path: Path) -> None:
        for number in range(5):
            double.put("INBOX", mail(number))
        project = made_on(MemoryStore())
        backed_up(project, double, tmp_path / "state")
        before = newest(project)
        double.commands.clear()
        double.mark("INBOX", 3, "\\Flagged", "work")
        report = backed_up(project, double, tmp_path / "state")
        assert (report.record.counts.changed, report.record.counts.read_bytes, report.problems) == (1, 0, ())
        assert [one for one in double.commands if "BODY" in one] == []
        after = newest(project)
        (path,) = (path for path, row in after.items() if row != before[path])
        assert xattrs(after[path]) == {b"user.imap.flags": b"\\Flagged work"}
        assert after[path]["blake3"] == before[path]["blake3"] and after[path]["chunks"] == before[path]["chunks"]
        double.mark("INBOX", 3)
        assert backed_up(project, double, tmp_path / "state").record.counts.read_bytes == 0
        assert xattrs(newest(project)[path]) == {} and checked(project).sound
        restore(project, tmp_path / "back")
        assert sorted(contents(tmp_path / "back").values()) == sorted(one.data for one in double.boxes["INBOX"].mails)

    def test_a_flag_that_changed_of_a_message_whose_content_was_lost_has_it_read_again(
        self, double: ImapDouble, tmp_path: Path
    ) -> None:
        for number in range(5):
            double.put("INBOX", mail(number, "b" * number * 2000))
        store = MemoryStore()
        project = made_on(store)
        backed_up(project, double, tmp_path / "state")
        for name in places.names(store, f"projects/{project.id}/packs"):
            store.delete(name)
        double.mark("INBOX", 3, "\\Flagged")
        report = backed_up(project, double, tmp_path / "state")
        assert report.problems == () and report.record.counts.read_bytes > 0
        restore(project, tmp_path / "back")
        assert sorted(contents(tmp_path / "back").values()) == sorted(one.data for one in double.boxes["INBOX"].mails)

    def test_new_numbers_for_all_messages_are_no_change_at_all(self, double: ImapDouble, tmp_path: Path) -> None:
        for number in range(10):
            double.put("INBOX", mail(number), flags=("\\Seen",))
        project = made_on(MemoryStore())
        backed_up(project, double, tmp_path / "state")
        before = newest(project)
        double.renumber("INBOX", 99)
        report = backed_up(project, double, tmp_path / "state")
        counts = report.record.counts
        assert (counts.added, counts.changed, counts.vanished, counts.read_bytes) == (0, 0, 0, 0)
        assert newest(project) == before

    def test_what_is_deleted_is_seen_and_what_comes_back_is_the_same_item(self, double: ImapDouble, tmp_path: Path) -> None:
        for number in range(4):
            double.put("INBOX", mail(number))
        before = paths(scanned(double, tmp_path / "state"))
        double.remove("INBOX", 2)
        gone = paths(scanned(double, tmp_path / "state"))
        assert len(gone) == 3 and set(gone) < set(before)
        double.put("INBOX", mail(1))
        assert paths(scanned(double, tmp_path / "state")) == before

    @pytest.mark.parametrize("capabilities", [PLAIN, (*PLAIN, "CONDSTORE"), FULL])
    def test_what_a_server_cannot_tell_in_short_is_asked_for_at_length(
        self, capabilities: tuple[str, ...], tmp_path: Path
    ) -> None:
        with on(capabilities) as double:
            for number in range(7):
                double.put("INBOX", mail(number))
            first = scanned(double, tmp_path / "state")
            double.mark("INBOX", 2, "\\Seen")
            double.remove("INBOX", 5)
            second = scanned(double, tmp_path / "state")
            assert second.table.equals(scanned(double).table)  # as without a memory
            assert len(paths(first)) == 7 and len(paths(second)) == 6

    @pytest.mark.parametrize("harm", ["deleted", "cut short", "overwritten", "of another server"])
    def test_the_memory_of_the_state_folder_may_be_lost_at_any_time(
        self, double: ImapDouble, tmp_path: Path, harm: str
    ) -> None:
        for number in range(7):
            double.put("INBOX", mail(number))
        state = tmp_path / "state"
        project = made_on(MemoryStore())
        backed_up(project, double, state)
        match harm:
            case "deleted":
                state.unlink()
            case "cut short":
                state.write_bytes(state.read_bytes()[: state.stat().st_size // 2])
            case "overwritten":
                state.write_bytes(b"no database" * 1000)
            case _:
                with on() as other:
                    other.put("INBOX", mail("other"))
                    scanned(other, state)
        counts = backed_up(project, double, state).record.counts
        assert (counts.added, counts.changed, counts.vanished, counts.read_bytes) == (0, 0, 0, 0)

    def test_a_memory_that_somebody_else_uses_or_that_breaks_meanwhile_is_done_without(
        self, double: ImapDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(message_table, "LOCK_WAIT", 0.1)
        for number in range(7):
            double.put("INBOX", mail(number))
        expected = scanned(double, tmp_path / "state").table
        with closing(sqlite3.connect(tmp_path / "state", isolation_level=None)) as other:
            other.execute("begin exclusive")
            assert scanned(double, tmp_path / "state").table.equals(expected)
        double.put("INBOX", mail("new"))
        with closing(source(double, tmp_path / "state")) as one, closing(sqlite3.connect(tmp_path / "state")) as other:
            assert one.table.count(b"INBOX") == 7
            other.execute("drop table message")
            other.commit()
            assert len(paths(one.scan(never))) == 8

    def test_labels_of_gmail_are_kept_and_their_change_costs_no_body(self, tmp_path: Path) -> None:
        with on(GMAIL) as double:
            double.put("INBOX", mail(1), labels=("\\Important", "Key clients"))
            project = made_on(MemoryStore())
            backed_up(project, double, tmp_path / "state")
            (row,) = (row for path, row in newest(project).items() if path.endswith(b".eml"))
            assert xattrs(row) == {b"user.imap.labels": b'"Key clients" "\\\\Important"'}
            double.boxes["INBOX"].mails[0].labels = {"Done"}
            double.mark("INBOX", 1)
            assert backed_up(project, double, tmp_path / "state").record.counts.read_bytes == 0
            assert xattrs(newest(project)[row["path"]]) == {b"user.imap.labels": b"Done"}

    def test_a_message_that_is_there_twice_is_two_items(self, double: ImapDouble, tmp_path: Path) -> None:
        for _ in range(3):
            double.put("INBOX", mail("same"))
        found = paths(scanned(double, tmp_path / "state"))
        assert len(found) == 3 and [one[-6:] for one in found[:2]] == [b"-2.eml", b"-3.eml"]
        double.remove("INBOX", 1)
        assert paths(scanned(double, tmp_path / "state")) == [one for one in found if not one.endswith(b"-3.eml")]

    def test_patterns_are_of_mailboxes_and_what_is_left_out_is_not_opened(self, double: ImapDouble) -> None:
        for name in ("INBOX", "Spam", "Clients/a", "Clients/b"):
            double.put(name, mail(name))
        found = scanned(double, rules=Rules(exclude=["Spam/", "Clients/b/"]))
        assert {path.split(b"/2024")[0] for path in paths(found)} == {b"mail/INBOX", b"mail/Clients/a"}
        assert not [one for one in double.asked("EXAMINE") if "Spam" in one]
        only = scanned(double, base=b"Clients")
        assert {path.split(b"/2024")[0] for path in paths(only)} == {b"mail/Clients/a", b"mail/Clients/b"}
        with pytest.raises(SourceError, match="has no mailbox 'Client'"):
            scanned(double, base=b"Client")

    def test_mailboxes_are_folders_with_what_they_are_for(self, double: ImapDouble) -> None:
        double.put("Sent", mail(1))
        double.boxes["Sent"].marks.add("\\Sent")
        double.boxes["Sent"].subscribed = True
        project = made_on(MemoryStore())
        backed_up(project, double)
        rows = newest(project)
        assert xattrs(rows[b"mail/Sent"]) == {b"user.imap.subscribed": b"yes", b"user.imap.use": b"\\sent"}
        assert rows[b"mail/INBOX"]["type"] == "folder"

    def test_mailboxes_of_others_are_taken_though_the_server_lists_them_apart(self, double: ImapDouble) -> None:
        double.shared = "shared/"
        double.put("INBOX", mail(1))
        double.put("shared/team/INBOX", mail(2))
        assert {path.split(b"/2024")[0] for path in paths(scanned(double))} == {b"mail/INBOX", b"mail/shared/team/INBOX"}

    def test_a_server_that_estimates_sizes_is_read_to_the_end_of_each_message(self, tmp_path: Path) -> None:
        with on() as double:
            small, large = double.put("INBOX", mail(1)), double.put("INBOX", mail(2, "y" * 2_500_000))

            def other_sizes(line: bytes) -> bytes:
                return line.replace(b"RFC822.SIZE %d" % len(small.data), b"RFC822.SIZE 9").replace(
                    b"RFC822.SIZE %d" % len(large.data), b"RFC822.SIZE 2600000"
                )

            double.alter = other_sizes
            wrong = backed_up(made_on(MemoryStore()), double).problems
            assert sorted(one.what for one in wrong) == ["size-mismatch", "size-mismatch"]
            report = backed_up(made_on(MemoryStore()), double, estimated=True)
            assert report.problems == () and report.record.counts.bytes == len(small.data) + len(large.data)


class TestReading:
    def test_large_messages_come_in_pieces(self, double: ImapDouble) -> None:
        data = mail(1, "z" * 3_000_000)
        double.put("INBOX", data)
        with closing(source(double)) as one:
            (path,) = paths(one.scan(never))
            with one.reader() as reader:
                assert isinstance(next(iter(reader.contents([path]))), TooLarge)
                stream = reader.open_large(path)
                assert not isinstance(stream, Problem)
                with stream:
                    buffer = bytearray(len(data) + 1)
                    assert stream.readinto(buffer, 0) == len(data) and buffer[:-1] == data
        asked = [one for one in double.asked("UID FETCH") if "BODY.PEEK[]" in one]
        assert len(asked) == 3 and "<1048576.1048576>" in asked[1]

    def test_what_is_deleted_while_the_backup_runs_is_named(self, double: ImapDouble) -> None:
        for number in range(3):
            double.put("INBOX", mail(number))
        double.put("INBOX", mail("large", "z" * 2_000_000))

        def delete(command: str) -> None:
            if "BODY.PEEK[]" in command:
                for uid in (2, 4):
                    double.remove("INBOX", uid)

        double.before = delete
        project = made_on(MemoryStore())
        report = backed_up(project, double)
        assert sorted(one.what for one in report.problems) == ["unreadable", "vanished-while-read"]
        assert all("deleted while the backup ran" in one.message for one in report.problems)
        assert len([path for path in newest(project) if path.endswith(b".eml")]) == 2

    def test_a_mailbox_that_is_renumbered_while_it_is_read_ends_the_run(self, double: ImapDouble) -> None:
        double.put("INBOX", mail(1))
        with closing(source(double)) as one:
            found = paths(one.scan(never))
            one.client.close()
            double.renumber("INBOX", 8)
            with one.reader() as reader, pytest.raises(SourceError, match="new numbers"):
                list(reader.contents(found))

    def test_fewer_connections_are_used_where_the_server_wants_no_more(self, double: ImapDouble) -> None:
        for number in range(40):
            double.put(f"box {number}", mail(number))
        double.most_connections = 1
        project = made_on(MemoryStore())
        report = backed_up(project, double)
        assert report.problems == () and report.record.counts.files == 40


NONSENSE: dict[str, Callable[[bytes], bytes]] = {
    "no greeting": lambda line: line.replace(b"* OK double", b"220 smtp.tests double"),
    "not a word of IMAP": lambda line: b"HTTP/1.1 200 OK\r\n\r\n<html>" if b"LIST" in line else line,
    "an empty listing": lambda line: b"" if line.startswith(b"* LIST") else line,
    "a count that shrinks": lambda line: line.replace(b"* 3 EXISTS", b"* 2 EXISTS"),
    "no count": lambda line: b"" if b"EXISTS" in line else line,
    "numbers that repeat": lambda line: line.replace(b"ALL 1,2,3", b"ALL 1,2,2,3"),
    "numbers without an end": lambda line: line.replace(b"ALL 1,2,3", b"ALL 1:4294967295"),
    "no numbers": lambda line: b"" if b"ESEARCH" in line else line,
    "a message that is not listed": lambda line: line.replace(b"FETCH (UID 2", b"FETCH (UID 9"),
    "a message twice": lambda line: line * 2 if b"FETCH (UID 2" in line else line,
    "half of the messages": lambda line: b"" if b"FETCH (UID 2" in line and b"HEADER" in line else line,
    "a list that does not end": lambda line: line.replace(b"FLAGS ()", b"FLAGS ("),
    "lists in lists": lambda line: line.replace(b"FLAGS ()", b"FLAGS " + b"(" * 100 + b")" * 100),
    "a size that is none": lambda line: line.replace(b"RFC822.SIZE ", b"RFC822.SIZE x"),
    "a literal of ten gigabytes": lambda line: line.replace(b"<0> {", b"<0> {99999999") if b"HEADER" in line else line,
    "a mailbox without numbers": lambda line: line.replace(b"UIDVALIDITY", b"UIDVALIDITIES"),
    "two mailboxes of one name": lambda line: line + line.replace(b"INBOX", b"inbox") if b"* LIST" in line else line,
    "no server of this version": lambda line: line.replace(b"IMAP4rev1", b"IMAP2"),
    "neither yes nor no": lambda line: line.replace(b" OK [READ-ONLY]", b" MAYBE"),
    "a wish for more": lambda line: b"+ more\r\n" if b"* LIST" in line else line,
}


@pytest.mark.parametrize("name", NONSENSE)
def test_a_server_that_answers_nonsense_is_an_error_and_never_an_empty_snapshot(name: str, tmp_path: Path) -> None:
    with on() as double:
        for number in range(3):
            double.put("INBOX", mail(number))
        project = made_on(MemoryStore())
        first = backed_up(project, double).record
        double.alter = NONSENSE[name]
        with pytest.raises(SourceError) as caught:
            backed_up(project, double)
        assert PASSWORD not in f"{caught.value} {caught.value.hint}"
        assert [one.id for one in snapshots.read_all(project)] == [first.id]


@pytest.mark.parametrize("size", [b"10000000000", b"99999999999999999999"])
def test_no_room_is_made_for_a_literal_that_is_too_large(size: bytes) -> None:
    """The number alone ends it: nothing of the literal is waited for."""
    with on() as double:
        double.put("INBOX", mail(1))
        double.alter = lambda line: b"* 1 FETCH (UID 1 BODY[] {" + size + b"}\r\n" if b"HEADER" in line else line
        with pytest.raises(SourceError, match=r"where \d+ were to be expected at most"):
            scanned(double)


def test_a_line_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LONGEST_LINE", 100_000)
    with on() as double:
        double.alter = lambda line: b"* LIST " + b"x" * 400_000 if b"* LIST" in line else line
        with pytest.raises(SourceError, match="a line that does not end"):
            scanned(double)


def lines_of_a_backup() -> int:
    """How many lines the double sends for one."""
    with on() as double:
        filled(double)
        backed_up(made_on(MemoryStore()), double, connections=1)
        return double.sent


def filled(double: ImapDouble) -> None:
    for number in range(4):
        double.put("INBOX", mail(number, "b" * number * 400_000))
    double.put("Clients", mail("c"))


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in (1, 2, 3))])
def test_a_connection_that_breaks_off_at_any_line_is_made_again_and_nothing_is_missing(part: int) -> None:
    broken = 0
    lines = range(1 + part, lines_of_a_backup() + 1, 4)
    for line in lines:
        with on() as double:
            filled(double)
            double.cut_at = line
            report = backed_up(made_on(MemoryStore()), double, connections=1)
            assert (report.problems, report.record.counts.files) == ((), 5), line
            broken += double.cuts == 0
    assert broken >= len(lines) - 1


def test_a_server_that_stops_in_the_middle_of_a_literal_is_left_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "TIMEOUT", 0.2)
    with on() as double:
        filled(double)
        double.alter = lambda line: line.replace(b"<0> {", b"<0> {9") if b"HEADER" in line else line
        with pytest.raises(SourceError, match="breaks off each time: it does not answer any more"):
            scanned(double, connections=1)


def test_a_connection_that_breaks_off_each_time_is_an_error_in_the_end() -> None:
    with on() as double:
        filled(double)
        project = made_on(MemoryStore())
        first = backed_up(project, double).record
        double.put("INBOX", mail("one more"))
        double.cuts = 10_000
        for line in (1, 3, 6, 9):
            double.cut_at, double.sent = line, 0
            with pytest.raises(SourceError):
                backed_up(project, double)
        assert [one.id for one in snapshots.read_all(project)] == [first.id]


def test_a_server_that_says_bye_in_the_middle_is_asked_again() -> None:
    said: list[bytes] = []

    def bye(line: bytes) -> bytes:
        if b"ESEARCH" in line and not said:
            said.append(line)
            return b"* BYE shutting down\r\n"
        return line

    with on() as double:
        filled(double)
        double.alter = bye
        assert len(paths(scanned(double))) == 5 and said


class TestMailboxesThatCannotBeOpened:
    def test_one_that_is_closed_to_us_has_not_vanished(self, double: ImapDouble, tmp_path: Path) -> None:
        filled(double)
        project = made_on(MemoryStore())
        backed_up(project, double, tmp_path / "state")
        double.boxes["Clients"].refuses = "NO [NOPERM] not for you"
        report = backed_up(project, double, tmp_path / "state")
        assert [(one.path, one.what) for one in report.problems] == [(b"mail/Clients", "unlisted")]
        assert report.record.counts.vanished == 0 and "NOPERM" in report.problems[0].message
        double.boxes["Clients"].refuses = ""
        assert backed_up(project, double, tmp_path / "state").problems == ()

    def test_one_that_cannot_be_had_just_now_is_asked_for_again(self, double: ImapDouble) -> None:
        filled(double)
        asked: list[str] = []

        def busy(command: str) -> None:
            if command.startswith("EXAMINE") and "Clients" in command:
                asked.append(command)
                double.boxes["Clients"].refuses = "NO [INUSE] later" if len(asked) < 3 else ""

        double.before = busy
        assert scanned(double).problems == [] and len(asked) == 3

    def test_a_level_that_holds_no_messages_is_no_problem(self, double: ImapDouble) -> None:
        filled(double)
        double.put("Level/below", mail("d"))
        double.put("Level", mail("never"))
        double.boxes["Level"].marks.add("\\Noselect")
        found = scanned(double)
        assert found.problems == [] and len(paths(found)) == 6

    def test_one_that_was_deleted_and_stays_as_a_level_is_gone(self, double: ImapDouble, tmp_path: Path) -> None:
        filled(double)
        project = made_on(MemoryStore())
        backed_up(project, double, tmp_path / "state")
        double.boxes["Clients"].marks.add("\\Noselect")
        report = backed_up(project, double, tmp_path / "state")
        assert report.problems == () and report.record.counts.vanished == 1


class TestLogins:
    def test_a_wrong_password_is_said_once_and_nothing_of_it_is_repeated(self, double: ImapDouble) -> None:
        double.password = "another"
        with pytest.raises(SourceError, match="the user or the secret is wrong") as caught:
            scanned(double)
        assert PASSWORD not in f"{caught.value!r} {caught.value.hint}" and len(double.asked("AUTHENTICATE")) == 1

    def test_login_and_odd_signs_in_a_password(self) -> None:
        with on(PLAIN) as double:
            double.put("INBOX", mail(1))
            assert len(paths(scanned(double))) == 1 and double.asked("LOGIN")

    def test_no_password_is_given_where_the_server_wants_none(self) -> None:
        with on((*PLAIN, "LOGINDISABLED")) as double, pytest.raises(SourceError, match="lets nobody log in with a password"):
            scanned(double)

    def test_an_access_token_is_asked_for_anew_at_each_login(self, double: ImapDouble) -> None:
        filled(double)
        asked: list[str] = []

        def token() -> str:
            asked.append(TOKEN)
            return TOKEN

        for _ in range(2):
            assert len(paths(scanned(double, secret=token, is_token=True))) == 5
        assert len(asked) == double.commands.count("AUTHENTICATE") >= 2
        with pytest.raises(SourceError, match="secret is wrong") as caught:
            scanned(double, secret=lambda: "expired-token", is_token=True)
        assert "expired-token" not in str(caught.value)

    def test_without_tls_nothing_is_sent_to_another_machine(self, double: ImapDouble, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ImapAddress, "is_local", False)
        with pytest.raises(SourceError, match="offers no STARTTLS"):
            scanned(double)
        assert not double.asked("LOGIN") and not double.asked("AUTHENTICATE")

    def test_starttls_is_used_and_certificates_are_checked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        make_certificate(tmp_path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
        monkeypatch.setattr(ImapAddress, "is_local", False)
        with on((*FULL, "STARTTLS")) as double:
            double.starts_tls = context
            double.put("INBOX", mail(1))
            certificates = str(tmp_path / "certificate.pem")
            assert len(paths(scanned(double, certificates=certificates))) == 1
            double.commands.clear()
            with pytest.raises(SourceError, match="not trusted"):
                scanned(double)
            assert not double.asked("AUTHENTICATE")
            double.alter = lambda line: line + b"* OK injected\r\n" if line.endswith(b"OK begin\r\n") else line
            with pytest.raises(SourceError, match="more before TLS than it may"):
                scanned(double, certificates=certificates)

    def test_who_is_logged_in_before_tls_is_not_believed(self, double: ImapDouble, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ImapAddress, "is_local", False)
        double.alter = lambda line: line.replace(b"* OK double", b"* PREAUTH double")
        with pytest.raises(SourceError, match="logs us in before TLS"):
            scanned(double)

    def test_an_address_where_nobody_was_ever_met_is_given_up_at_once(self) -> None:
        clock = StillClock()
        away = ImapAddress("127.0.0.1", 1, secure=False, user=USER)
        with (
            closing(ImapSource(ImapClient(away, clock), b"mail", Rules())) as one,
            pytest.raises(SourceError, match="it cannot be reached"),
        ):
            one.scan(never)
        assert clock.slept == []

    def test_a_server_that_was_there_and_is_away_is_waited_for_and_then_given_up(self) -> None:
        clock, double = StillClock(), ImapDouble()
        with double.served():
            address = ImapAddress("127.0.0.1", double.port, secure=False, user=USER, secret=lambda: PASSWORD)
            client = ImapClient(address, clock)
            client.run(lambda connection: connection.command("NOOP"))
            client.close()
        with pytest.raises(SourceError, match="it cannot be reached"):
            client.run(lambda connection: connection.command("NOOP"))
        assert 200 < sum(clock.slept) <= 300


def test_messages_that_nobody_wrote_for_us_are_kept_as_they_are(double: ImapDouble, tmp_path: Path) -> None:
    """No header, a header that is too long, bytes of no charset, a subject of control characters, an empty message."""
    random = Random(7)
    odd = [
        b"", b"\r\n", b"no header at all", b"Subject: " + b"x" * 300_000 + b"\r\n\r\n", random.randbytes(5000),
        "Subject: звонки\r\n\r\nтело\r\n".encode("koi8-r"), b"Subject: \x00\x01 {5}\r\n\r\n", b"Message-ID: <>\r\n\r\n" * 9,
        b"Subject: fol\r\n ded\r\n\tagain\r\n\r\n{100}\r\n",
    ]  # fmt: skip
    for data in odd:
        double.put("INBOX", data)
    project = made_on(MemoryStore())
    report = backed_up(project, double)
    assert report.problems == ()
    restore(project, tmp_path / "back")
    assert sorted(contents(tmp_path / "back").values()) == sorted(odd)


def test_a_reader_answers_in_the_order_in_which_it_is_asked(double: ImapDouble) -> None:
    for number in range(150):
        double.put(f"box {number % 3}", mail(number, str(number)))
    with closing(source(double)) as one:
        found = paths(one.scan(never))
        shuffled = Random(1).sample(found, len(found))
        with one.reader() as reader:
            answers = [answer for answer in reader.contents(shuffled) if isinstance(answer, Content)]
            again = {path: answer for path in found for answer in reader.contents([path])}
    assert [again[path] for path in shuffled] == answers and len(answers) == 150


def test_a_connection_that_is_in_use_when_the_client_is_closed_is_ended_when_it_is_given_back() -> None:
    with on() as double:
        address = ImapAddress("127.0.0.1", double.port, secure=False, user=USER, secret=lambda: PASSWORD)
        client = ImapClient(address, StillClock())
        used: list[Any] = []

        def task(connection: Any) -> None:
            used.append(connection)
            client.close()

        client.run(task)
        assert used[0]._socket.fileno() == -1
        client.run(used.append)
        assert used[1] is not used[0] and used[1]._socket.fileno() >= 0
        client.close()
        assert used[1]._socket.fileno() == -1


def test_a_mailbox_that_was_renamed_is_fetched_once_more_and_takes_no_room(double: ImapDouble, tmp_path: Path) -> None:
    for number in range(20):
        double.put("Clients", mail(number, "x" * 3000))
    project = made_on(MemoryStore())
    backed_up(project, double, tmp_path / "state")
    before = places.chunks_in_packs(project)
    box = double.boxes.pop("Clients")
    box.name = "Archive"
    double.boxes["Archive"] = box
    counts = backed_up(project, double, tmp_path / "state").record.counts
    assert counts.read_bytes == sum(len(one.data) for one in box.mails) and counts.added == counts.vanished
    assert places.chunks_in_packs(project) == before
