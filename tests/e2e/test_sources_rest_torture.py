"""An interface that misbehaves in every way that we know of: all comes in the end, or what is wrong is said and what was there
stays; and whatever happens, no secret is in an output, a log, a support bundle or the repository."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tests.support.desk import Desk
from tests.support.independent_reader import plain_bytes
from tests.support.rest_double import serving
from tests.support.torture_desk import KINDS, MODES, OF_FILES, PASSING, REFRESH, SECRET, TOKEN, TortureDesk
from tests.support.trees import contents
from vault.clock import Clock, SystemClock
from vault.source.rest import client
from vault.source.rest.credentials import Credentials
from vault.source.rest.description import Description

CANARIES = tuple(one.encode() for one in (SECRET, REFRESH, TOKEN))
SECRETS = ("secret", "refresh")
"""The files that hold them."""

DESCRIPTION = """
title = "the model desk"

[auth]
{auth}

[limits]
longest_wait = "1 second"

[errors]
at = "refused"

[resources.tickets]
path = "next/tickets"
parameters = {{ size = 4 }}
records = "results"
time = "created"
paging = {{ type = "next", next = "next" }}
incremental = {{ field = "modified", parameters = {{ modified_from = "{{since}}" }} }}

[resources.tickets.children.comments]
path = "tickets/{{key}}/comments"
records = "results"

[resources.tickets.attachments]
records = "files"
url = "url"
"""


class Tortured:
    """A project with the desk as its source, all of whose outputs are kept."""

    def __init__(self, desk: Desk, model: TortureDesk) -> None:
        self.desk, self.model = desk, model
        self.said: list[bytes] = []
        (desk.folder / "secret").write_text(f"{SECRET}\n")
        (desk.folder / "refresh").write_text(f"{REFRESH}\n")
        (desk.folder / "desk.toml").write_text(DESCRIPTION.format(auth=KINDS[model.kind]))
        for number in range(10):
            model.add(title=f"звонок {number}", key=f"https://desk.example.com/{SECRET}/{number}")
        model.comment(4, f"my key is {SECRET}")
        desk.init()
        desk.call("project", "add", "acme")
        options = ["base=" + model.url, "password_file=secret", "user=client"]
        options += ["refresh_token_file=refresh"] if model.kind == "oauth2" else []
        words = [word for one in options for word in ("--option", one)]
        self.call("source", "add", "acme", "tickets", "rest:desk.toml", *words, "--yes")

    def call(self, *words: str, exits: int | tuple[int, ...] = 0) -> Any:
        done = self.desk.call(*words, exits=exits)
        self.said += [done.out, done.err.encode()]
        return done

    def backup(self, exits: int | tuple[int, ...] = 0) -> Any:
        return self.call("backup", "--debug", "--log-file", "log.txt", "--json", exits=exits)

    def change(self, name: str) -> None:
        """Something new, with a file."""
        self.model.edit(3, title=f"changed before {name}")
        self.model.attach(7, f"{name}.wav", b"RIFF" + name.encode())

    def snapshots(self) -> int:
        with self.desk.store() as store:
            return sum("/snapshots/" in one.name for one in store.list(""))

    def proven(self, folder: Path) -> None:
        """What was backed up is what the desk has."""
        self.call("restore", "acme", "--to", str(folder), "--yes")
        found = contents(folder)
        files = sorted(data for name, data in found.items() if "/attachments/" in name)
        assert files == sorted(self.model.files.values())
        (lines,) = [data for name, data in found.items() if name.endswith(".jsonl")]
        for ticket in self.model.tickets.values():
            assert f'"title":"{ticket["title"]}"' in lines.decode()

    def keeps_secrets(self) -> None:
        """Whatever was written or said, sealed contents included."""
        assert not [text for text in self.said if any(one in text for one in CANARIES)]
        with self.desk.store() as store:
            names = [one.name for one in store.list("")]
            plain = plain_bytes({name: store.get(name) for name in names}, self.desk.identity.read_text())
        assert any("звонок".encode() in data for data in plain.values()), "the contents were opened"
        assert not [name for name, data in plain.items() if any(one in data for one in CANARIES)]
        self.call("support-bundle", "bundle.zip", exits=(0, 3))
        with ZipFile(self.desk.folder / "bundle.zip") as bundle:
            assert not [name for name in bundle.namelist() if any(one in bundle.read(name) for one in CANARIES)]
        kept = [file for file in self.desk.folder.rglob("*") if file.is_file() and file.name not in SECRETS]
        assert not [file for file in kept if any(one in file.read_bytes() for one in CANARIES)]


@contextmanager
def tortured(desk: Desk, kind: str) -> Iterator[Tortured]:
    with serving(TortureDesk(kind)) as model:
        yield Tortured(desk, model)


def walk(desk: Desk, kind: str, modes: list[str]) -> None:
    """Each of these modes after the other, with a good run before and after them."""
    with tortured(desk, kind) as one:
        one.backup()
        for mode in modes:
            one.change(mode)
            before = one.snapshots()
            one.model.begin(mode)
            done = one.backup(exits=0 if mode in PASSING else 3 if mode in OF_FILES else 1)
            assert one.model.met[mode] > 0, mode
            assert mode in PASSING | OF_FILES or one.snapshots() == before, f"{mode}: it claims to have something"
            if mode in OF_FILES:
                problems = done.document["snapshots"][0]["problem_list"]
                assert {one["what"] for one in problems} == {"unreadable"} and f"{mode}.wav" in str(problems), mode
            if mode not in PASSING:
                one.call("source", "test", "acme", "--json", exits=(0, 1, 3))
            one.model.begin("")
            if mode in OF_FILES:
                one.backup()
        one.backup()
        one.proven(desk.folder / "proof")
        one.keeps_secrets()


class SwiftClock(SystemClock):
    """The real one, but that waiting takes no time."""

    def __init__(self) -> None:
        self.slept = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


class SwiftClient(client.RestClient):
    """As patient as any."""

    def __init__(self, description: Description, base: str, credentials: Credentials, clock: Clock, **more: Any) -> None:
        super().__init__(description, base, credentials, SwiftClock(), **more)


@pytest.fixture(autouse=True)
def swift(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that are away are waited for without waiting."""
    monkeypatch.setattr(client, "RestClient", SwiftClient)


def modes_of(kind: str) -> list[str]:
    return [mode for mode in MODES if kind == "oauth2" or "token" not in mode]


USUAL = ("query", "oauth2")


@pytest.mark.parametrize("kind", USUAL)
def test_an_interface_that_misbehaves_loses_nothing_and_no_secret(desk: Desk, kind: str) -> None:
    """Half of the ways to misbehave with each of the two worst ways to authorise."""
    tokens = [mode for mode in MODES if "token" in mode]
    others = [mode for mode in MODES if "token" not in mode]
    walk(desk, kind, others[::2] if kind == "query" else tokens + others[1::2])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_way_to_misbehave_with_every_way_to_authorise(desk: Desk, kind: str) -> None:
    walk(desk, kind, modes_of(kind))
