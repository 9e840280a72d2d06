"""Mail: a mailbox of 20,000 messages out of Dovecot: the first backup, an unchanged hour, one new message, one changed flag.

    python -m benchmarks.mail [--messages 20000] [--rounds 3] [--work DIR]

Beside it `mbsync` (isync), which fetches the same into a Maildir, where it is installed. Strongroom compresses, encrypts and
stores into a folder; mbsync writes plain files. Dovecot runs on loopback, without TLS; each run is a process of its own, and
the medians of the rounds are printed.
"""

from __future__ import annotations

import argparse
import imaplib
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from benchmarks.measure import Cost, run
from benchmarks.scratch import child_environment, empty_folder, require_program, say
from tests.support import dovecot
from tests.support.dovecot import DovecotServer

USER, MAILBOXES = "me", 10
WORDS = [f"word{number}" for number in range(4000)]
STEPS = ("first", "unchanged", "one new message", "one changed flag")


def main() -> int:
    """Measures, and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "strongroom-mail")
    options = parser.parse_args()
    if not dovecot.is_there():
        raise SystemExit("there is no Dovecot here: apt install dovecot-imapd")
    mbsync, costs = shutil.which("mbsync"), dict[tuple[str, str], list[Cost]]()
    with empty_folder(options.work.resolve()) as work, dovecot.dovecot() as server:
        size = fill(server, options.messages)
        say(f"{options.messages} messages, {size >> 20} MB")
        for number in range(options.rounds):
            folder = work / f"round-{number}"
            folder.mkdir()
            tools = {"strongroom": strongroom(server, folder)}
            if mbsync is not None:
                tools["mbsync"] = isync(server, folder, mbsync)
            for step in STEPS:
                change(server, step, number)
                for name in sorted(tools, reverse=bool(number % 2)):
                    say(f"round {number + 1}: {name}, {step}")
                    costs.setdefault((step, name), []).append(tools[name]())
            shutil.rmtree(folder)
    print(f"| {options.messages:,} messages, {size >> 20} MB | what | wall | cpu | memory |\n| --- | --- | --- | --- | --- |")
    for (step, name), found in sorted(costs.items(), key=lambda one: (STEPS.index(one[0][0]), one[0][1])):
        wall, cpu, rss = (statistics.median(getattr(one, what) for one in found) for what in ("wall", "cpu", "rss"))
        print(f"| {name} | {step} | {wall:.2f} s | {cpu:.2f} s | {rss / 1e6:.0f} MB |")
    print(f"\nload of the machine at the end: {os.getloadavg()[0]:.1f}")
    return 0


def fill(server: DovecotServer, count: int) -> int:
    """Messages of 2 to 18 KB in ten mailboxes, put into the server's own folders; gives their bytes."""
    client = _client(server)
    for number in range(1, MAILBOXES):
        client.create(f"box{number}")
    client.logout()
    chance, size = Random(1), 0
    root = server.mail_of(USER)
    owner = root.stat()
    for number in range(count):
        box = number % MAILBOXES
        folder = root / "cur" if not box else root / f".box{box}" / "cur"
        body = "\r\n".join(" ".join(chance.choices(WORDS, k=10)) for _ in range(chance.randrange(30, 240)))
        data = f"Message-ID: <{number}@bench>\r\nFrom: a@bench\r\nSubject: mail {number}\r\n\r\n{body}\r\n".encode()
        file = folder / f"{1_700_000_000 + number}.M{number}.bench,S={len(data)}:2,{'S' if number % 3 else ''}"
        file.write_bytes(data)
        os.utime(file, (1_700_000_000 + 60 * number,) * 2)
        os.chown(file, owner.st_uid, owner.st_gid)
        size += len(data)
    client = _client(server)
    for number in range(MAILBOXES):  # the server takes them into its lists before anything is measured
        client.select(f"box{number}" if number else "INBOX", readonly=True)
    client.logout()
    return size


def change(server: DovecotServer, step: str, number: int) -> None:
    """What happens before a step."""
    client = _client(server)
    client.select("INBOX")
    if step == "one new message":
        data = f"Message-ID: <new {number}@bench>\r\nSubject: new\r\n\r\nhello\r\n".encode()
        client.append("INBOX", "", imaplib.Time2Internaldate(time.time()), data)
    elif step == "one changed flag":
        client.uid("STORE", str(number + 1), "+FLAGS", r"(\Flagged)")
    client.logout()


def strongroom(server: DovecotServer, work: Path) -> Callable[[], Cost]:
    """A backup, once the project is there."""
    program, environment = require_program("strongroom"), child_environment() | {"HOME": str(work)}
    (work / "password").write_text(dovecot.PASSWORD)

    def own(*words: str) -> Cost:
        command = [program, *words, "--config", str(work / "strongroom.toml")]
        return run(command, environment=environment, folder=work, log=work / "log")

    own("init", str(work / "repository"), "--recovery-kit", str(work / "kit.txt"))
    own("project", "add", "bench")
    options = ("--option", f"user={USER}", "--option", f"password_file={work / 'password'}")
    own("source", "add", "bench", "mail", f"imap://127.0.0.1:{server.plain}/", *options, "--yes")
    return lambda: own("backup", "bench", "--quiet")


def isync(server: DovecotServer, work: Path, program: str) -> Callable[[], Cost]:
    """`mbsync` into a Maildir."""
    (work / "copy").mkdir()
    (work / "mbsyncrc").write_text(
        f"IMAPAccount bench\nHost 127.0.0.1\nPort {server.plain}\nUser {USER}\nPass {dovecot.PASSWORD}\nSSLType None\n"
        "AuthMechs LOGIN\n\nIMAPStore remote\nAccount bench\n\n"
        f"MaildirStore local\nPath {work}/copy/\nInbox {work}/copy/INBOX\nSubFolders Verbatim\n\n"
        "Channel bench\nFar :remote:\nNear :local:\nPatterns *\nCreate Near\nSync Pull\nSyncState *\n"
    )
    environment = child_environment() | {"HOME": str(work)}
    command = [program, "-q", "-c", str(work / "mbsyncrc"), "bench"]
    return lambda: run(command, environment=environment, folder=work, log=work / "mbsync.log")


def _client(server: DovecotServer) -> imaplib.IMAP4:
    client = imaplib.IMAP4("127.0.0.1", server.plain)
    client.login(USER, dovecot.PASSWORD)
    return client


if __name__ == "__main__":
    sys.exit(main())
