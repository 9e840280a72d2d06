"""Every sort of rights × every command: allowed, or refused with exit code 12 and nothing changed in the store."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec import Struct

from strongroom import context
from tests.docs.generated import commands
from tests.e2e.used import repository, with_snapshot
from tests.support.desk import Desk, Place
from tests.support.independent_reader import Refused, read
from tests.support.tree_facts import write_files
from vault import age
from vault.age import parse_identities
from vault.clock import SystemClock
from vault.errors import Damaged

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
}
"""A command line of each command that opens a project, and what it needs. `--dry-run` asks the same question first."""

ELSEWHERE = {
    "init", "join", "project add", "project list", "keys new", "keys show", "keys upgrade", "settings check", "settings show",
    "settings example", "settings edit", "settings migrate", "settings restore", "daemon", "daemon run", "daemon jobs",
    "daemon logs", "export verify", "source add", "source list", "source test", "test-restore", "cache info",
    "cache clear", "support-bundle", "doctor", "demo", "completion", "schema", "help",
}  # fmt: skip
"""Commands that open no project of somebody else's making, or run others that do."""


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
    write_files(admin.folder / "source", {"c.csv": b"3"})
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
    stranger = age.HybridIdentity.generate(context.services().randomness)
    admin.identity.with_name("x.pub").write_text(stranger.recipient.encode())
    return Holders(admin, desks, filled_in, safe)


def objects(folder: Path) -> dict[str, bytes]:
    """All but the log: what is refused is recorded."""
    files = {str(file.relative_to(folder)): file for file in sorted(folder.rglob("*")) if file.is_file()}
    return {name: file.read_bytes() for name, file in files.items() if not name.startswith("audit/")}


def test_the_table_has_every_command_that_opens_a_project() -> None:
    named = TABLE.keys() | ELSEWHERE
    others = {
        one for one in commands() if one not in named and not one.startswith(("audit", "copy", "repair", "recover", "keys "))
    }
    assert not others and TABLE.keys() <= commands().keys()


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


def test_a_host_that_may_only_write_opens_no_byte_of_content_with_all_its_secrets_and_every_object(holders: Holders) -> None:
    """A reader that was written from docs/format.md, and every key that the host's memory and files hold."""
    host = holders.desks["write"]
    stored = objects(holders.safe)
    text = host.identity.read_text()
    with pytest.raises((Refused, KeyError, TypeError)):
        _content(read(stored, text))
    with host.surroundings(["opened"]), context.opened(host.settings) as place:
        capability = place.project("acme").capability
    secrets = [*parse_identities(text), *capability.catalogue_identities, *capability.audit_identities]
    assert capability.content_identity is None and len(secrets) == 2
    packs = [name for name in stored if "/packs/" in name]
    assert packs
    for name in packs:
        with pytest.raises(age.NoMatchingIdentity):
            age.open_sealed(stored[name], secrets)
    everything = b"".join(_opened(data, secrets) for data in stored.values())
    assert b"a.csv" in everything or everything, "names are what it may see"
    assert b"2" * 1000 not in everything


def _content(found: Mapping[str, object]) -> None:
    for given in found.values():
        assert not any(getattr(given, "snapshots", {}).values())
    raise Refused("nothing of content was given")


def _opened(data: bytes, secrets: list[age.Identity]) -> bytes:
    try:
        return bytes(age.open_sealed(data, secrets))
    except (Damaged, age.NoMatchingIdentity):
        return b""
