"""Every sort of rights × every command: allowed, or refused with exit code 12 and nothing changed in the store."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec import Struct

from strongroom import environment
from tests.docs.generated import commands
from tests.e2e.used import repository, with_snapshot
from tests.support.desk import Desk, Place
from tests.support.independent_reader import plain_bytes, read
from tests.support.tree_facts import write_files
from vault import age
from vault.clock import SystemClock

Needs = str
"""What a command needs: `names`, `write`, `read`, `log` or `grant`."""

ALLOWED: dict[str, frozenset[Needs]] = {
    "none": frozenset(),
    "write": frozenset({"names", "write"}),
    "read": frozenset({"names", "write", "read", "grant"}),
    "audit": frozenset({"log"}),
    "audit catalogue": frozenset({"log", "names"}),
    "write audit": frozenset({"names", "write", "log"}),
    "read audit": frozenset({"names", "write", "read", "log", "grant", "rotate"}),
    "read, for a time": frozenset({"names", "write", "read"}),
    "read, over": frozenset(),
    "read, revoked": frozenset(),
}
"""What each sort of holder may do."""

CONTENT = random.Random("what only readers may see").randbytes(3000)

SNAPSHOT = "{snapshot}"
TABLE: dict[str, tuple[tuple[str, ...], Needs]] = {
    "backup": (("backup",), "write"),
    "list": (("list", "acme"), "names"),
    "ls": (("ls", "acme"), "names"),
    "find": (("find", "acme", "a.csv"), "names"),
    "history": (("history", "acme", "reports/a.csv"), "names"),
    "diff": (("diff", "acme", "--since", SNAPSHOT), "names"),
    "restore": (("restore", "acme", "--to", "out", "--dry-run"), "read"),
    "query": (("query", "acme", "--tables"), "read"),
    "export": (("export", "acme", "--to", "bag", "--dry-run"), "read"),
    "publish": (("publish", "acme", "--to", "bi", "--dry-run"), "read"),
    "evidence": (("evidence", "acme", "--period", "2026", "--to", "evidence.zip"), "names"),
    "snapshot show": (("snapshot", "show", "acme", "latest"), "names"),
    "snapshot accept": (("snapshot", "accept", "acme", "--reason", "x", "--yes"), "names"),
    "status": (("status", "acme"), "names"),
    "retention plan": (("retention", "plan", "acme"), "names"),
    "retention apply": (("retention", "apply", "acme", "--yes"), "write"),
    "retention log": (("retention", "log", "acme"), "names"),
    "retention accept-loss": (
        ("retention", "accept-loss", "acme", SNAPSHOT, "--reason", "x", "--yes"),
        "names",  # refused by a rule: the snapshot is there
    ),
    "hold add": (("hold", "add", "acme", "--reason", "x"), "write"),
    "hold release": (("hold", "release", "acme", "{hold}", "--reason", "x"), "write"),
    "hold list": (("hold", "list", "acme"), "names"),
    "forget": (("forget", "acme", SNAPSHOT, "--reason", "x", "--newest-too", "--yes"), "write"),
    "prune": (("prune", "acme", "--yes"), "write"),
    "check": (("check", "acme"), "names"),
    "drill": (("drill", "acme"), "read"),
    "project show": (("project", "show", "acme"), "names"),
    "project rename": (("project", "rename", "acme", "other", "--dry-run"), "names"),
    "project move-source": (("project", "move-source", "acme", "reports", "{source}", "--dry-run"), "names"),
    "project erase": (("project", "erase", "acme", "--reason", "x", "--dry-run"), "grant"),
    "keys list": (("keys", "list", "acme"), "names"),
    "keys grant": (
        ("keys", "grant", "{recipient}", "--name", "x", "--project", "acme", "--as", "write", "--yes"),
        "grant",
    ),
    "keys revoke": (("keys", "revoke", "nobody", "--project", "acme", "--yes"), "grant"),
    "keys rotate": (("keys", "rotate", "acme", "--dry-run"), "rotate"),
    "keys kit": (("keys", "kit", "--to", "new-kit.txt"), "rotate"),
    "audit show": (("audit", "show", "acme"), "log"),
    "audit verify": (("audit", "verify", "acme"), "log"),
    "audit export": (("audit", "export", "acme", "--to", "log.jsonl"), "log"),
    "audit stamp": (("audit", "stamp", "acme"), "names"),  # refused by the settings, which name no authority
    "copy": (("copy", "away", "--project", "acme", "--dry-run"), "names"),
    "repair": (("repair", "acme", "--dry-run"), "names"),
}
"""A command line of each command that opens a project, and what it needs. `--dry-run` asks the same question first."""

ELSEWHERE = {
    "init", "join", "project add", "project list", "keys new", "keys show", "keys upgrade", "settings check", "settings show",
    "settings example", "settings edit", "settings migrate", "settings restore", "daemon", "daemon run", "daemon jobs",
    "daemon logs", "export verify", "source add", "source list", "source test", "test-restore", "cache info",
    "cache clear", "support-bundle", "doctor", "demo", "completion", "schema", "help",
    "audit heads", "keys check", "recover", "console", "console user add", "console user list", "console user groups",
    "console user remove", "console user passwd", "console user reset-totp", "console user reset-passkeys", "console agent",
    "console host add", "console host list", "console host remove",
}  # fmt: skip
"""Commands that open no project of somebody else's making, or run others that do, or work with a recovery kit alone. A new
command must be here or in the table."""


class Holders(Struct, frozen=True):
    """admin: who has made everything · desks: by sort of rights · words: what stands in the table in braces · safe: a copy of
    the repository as it was."""

    admin: Desk
    desks: Mapping[str, Desk]
    words: Mapping[str, str]
    safe: Path


@pytest.fixture(scope="module")
def holders(tmp_path_factory: pytest.TempPathFactory) -> Holders:
    folder = tmp_path_factory.mktemp("rights")
    admin = with_snapshot(Desk(folder / "admin", Place("repository")))
    write_files(admin.folder / "source", {"c.csv": b"3", "secret.csv": CONTENT, "large.bin": CONTENT * 100})
    admin.call("backup")
    hold = admin.call("hold", "add", "acme", "--path", "none", "--reason", "x", "--json").document["hold"]
    (listed,) = admin.call("list", "acme", "--json").document["projects"]
    desks = {}
    for sort in ALLOWED:
        desk = desks[sort] = Desk(folder / sort.replace(" ", "-").replace(",", ""), Place(str(repository(admin))))
        desk.call("join", str(repository(admin)), "--name", sort)
        rights = [one for one in sort.split(",")[0].split() if one in ("write", "read", "audit")]
        if rights:
            words = [word for one in rights for word in ("--as", one)]
            words += ["--catalogue"] if "catalogue" in sort else []
            words += ["--until", "2190-01-01"] if "time" in sort else ["--until", "2150-01-01"] if "over" in sort else []
            public = str(desk.identity.with_name("identity.txt.pub"))
            admin.call("keys", "grant", public, "--name", sort, "--project", "acme", *words, "--yes")
        source = f'path = "{admin.folder / "source"}"\n'
        source += f'[copies.away]\naddress = "{folder / "copies" / desk.folder.name}"\n'
        text = f'\n[projects.acme]\nzone = "UTC"\n[[projects.acme.sources]]\nname = "reports"\nkind = "reports"\n{source}'
        desk.settings.write_text(desk.settings.read_text() + text)
    admin.call("keys", "revoke", "read, revoked", "--yes")
    safe = folder / "safe"
    shutil.copytree(repository(admin), safe)
    filled_in = {
        SNAPSHOT: listed["snapshots"][-1]["snapshot"],
        "{hold}": hold,
        "{source}": str(admin.folder / "source"),
        "{recipient}": str(admin.identity.with_name("x.pub")),
    }
    stranger = age.HybridIdentity.generate(environment.services().randomness)
    admin.identity.with_name("x.pub").write_text(stranger.recipient.encode())
    return Holders(admin, desks, filled_in, safe)


def objects(folder: Path) -> dict[str, bytes]:
    """All but the log: what is refused is recorded."""
    files = {str(file.relative_to(folder)): file for file in sorted(folder.rglob("*")) if file.is_file()}
    return {name: file.read_bytes() for name, file in files.items() if not name.startswith("audit/")}


def test_every_command_is_in_the_table_or_opens_no_project() -> None:
    assert TABLE.keys() | ELSEWHERE == commands().keys()
    assert not TABLE.keys() & ELSEWHERE


@pytest.mark.parametrize("sort", ALLOWED)
def test_each_command_is_allowed_or_refused_by_the_rights_of_whoever_runs_it(
    sort: str, holders: Holders, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, stored = holders.desks[sort], repository(holders.admin)
    if "over" in sort:  # a century later
        now: Callable[[SystemClock], object] = SystemClock.now
        monkeypatch.setattr(SystemClock, "now", lambda clock: now(clock) + timedelta(days=365 * 130))  # type: ignore[operator]
    before = objects(holders.safe)
    wrong = []
    for command, (words, needs) in TABLE.items():
        line = [holders.words.get(word, word) for word in words]
        done = desk.call(*line, exits=range(131))
        allowed = needs in ALLOWED[sort] or (command == "keys list" and "log" in ALLOWED[sort])
        if allowed is (done.code == 12):
            wrong.append(f"{command}: exit {done.code}, {'allowed' if allowed else 'refused'}: {done.err[-300:]}")
        if not allowed and done.code not in (12, 3):
            wrong.append(f"{command}: exit {done.code} for who is refused: {done.err[-300:]}")
        if objects(stored) != before:
            if not allowed:
                wrong.append(f"{command}: changed the store, and is refused")
            shutil.rmtree(stored)
            shutil.copytree(holders.safe, stored)
    assert not wrong, "\n".join(wrong)


def all_objects(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def kept_by(desk: Desk) -> str:
    """Every key in any file of a machine: its identity, its settings, its state and its cache."""
    return "\n".join(file.read_text("latin-1") for file in sorted(desk.folder.rglob("*")) if file.is_file())


def has_content(plain: bytes) -> bool:
    """Whether any sixteen bytes in a row are of a file that was backed up."""
    return any(CONTENT[start : start + 16] in plain for start in range(len(CONTENT) - 16))


@pytest.mark.parametrize("sort", ["write", "write audit"])
def test_a_host_that_may_only_write_opens_no_byte_of_content_with_all_its_secrets_and_every_object(
    sort: str, holders: Holders
) -> None:
    """A reader that was written from docs/format.md gets every object, every key in any file of the machine, and every key that
    opens with these."""
    host, stored = holders.desks[sort], all_objects(holders.safe)
    host.call("list", "acme")  # it has worked with its keys, and kept what it keeps
    secrets = "\n".join(re.findall("AGE-SECRET-KEY-[A-Z0-9-]+", kept_by(host)))
    assert host.identity.read_text().strip().splitlines()[-1] in secrets
    seen = plain_bytes(stored, secrets)
    folders = {name.split("/")[0] if name.startswith(("keys/", "audit/")) else name.split("/")[2] for name in seen}
    assert {"keys", "snapshots", "index", "meta", "holds"} <= folders, "names are what it may see"
    assert any(b"secret.csv" in one for one in seen.values())
    assert [name for name in stored if "/packs/" in name] and not [name for name in seen if "/packs/" in name]
    assert not [name for name, plain in seen.items() if has_content(plain)]
    (given,) = read(stored, host.identity.read_text()).values()
    assert given.refused and not any(data for one in given.snapshots.values() for data in one.values())


def test_the_same_reader_finds_content_with_the_keys_of_who_may_read(holders: Holders) -> None:
    seen = plain_bytes(all_objects(holders.safe), holders.desks["read"].identity.read_text())
    assert [name for name, plain in seen.items() if "/packs/" in name and has_content(plain)]
