"""The machine is lost with its settings: a sealed copy of them lies in the repository, and brings schedules, sources and
retention back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from strongroom import context, environment, settings, settings_copy
from tests.support.clock import StillClock
from tests.support.desk import Desk, Place, refusal
from tests.support.randomness import SeededChance
from tests.support.tree_facts import write_files
from tests.support.trees import contents
from vault.age import HybridRecipient, parse_recipient
from vault.errors import StorageDenied
from vault.format import layout
from vault.repository import settings_copies
from vault.storage.local import LocalStore

MORE = """
[defaults]
zone = "Europe/Kyiv"
schedule = { backup = { every = "hour" } }
keep = { daily = 30 }

[notify.webhook]
url_file = "/run/keys/webhook"

[notify.email]
host = "mail.example.org"
from = "backup@example.org"
to = "boss@example.org"
user = "backup"
password_command = "no-such-program mail"
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Two projects with a snapshot each, and settings that a person has written more into; all of it also in `safe`."""
    desk = Desk(tmp_path_factory.mktemp("built") / "desk", Place("repository"))
    desk.init()
    for project in ("acme", "globex"):
        write_files(desk.folder / project, {"calls-05.csv": project.encode()})
        desk.add(project, f"reports={desk.folder / project}")
    write_more(desk, MORE)
    desk.call("backup", "--quiet")
    shutil.copytree(desk.folder, desk.folder.parent / "safe")
    return desk


@pytest.fixture
def desk(built: Desk) -> Desk:
    """As it was built, whatever another test has done."""
    shutil.rmtree(built.folder)
    shutil.copytree(built.folder.parent / "safe", built.folder)
    return built


def write_more(desk: Desk, text: str) -> None:
    desk.settings.write_text(desk.settings.read_text() + text)


def stored(desk: Desk) -> list[str]:
    with desk.store() as store:
        return sorted(info.name for info in store.list("settings"))


def by_kit(desk: Desk) -> tuple[str, ...]:
    return ("--repository", desk.place.address, "--identity", str(desk.kit))


def listed(desk: Desk, *, exits: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = desk.call("settings", "restore", "--list", "--json", *by_kit(desk), exits=exits).document[
        "copies"
    ]
    return found


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Gives this machine another name."""

    def name(host: str) -> None:
        monkeypatch.setattr(environment, "host_name", lambda: host)

    return name


def test_a_lost_machine_comes_back_by_the_kit_and_the_address_and_backs_up_as_before(desk: Desk, tmp_path: Path) -> None:
    was, sources = desk.settings.read_text(), {name: contents(desk.folder / name) for name in ("acme", "globex")}
    kit = tmp_path / "kit.txt"
    kit.write_bytes(desk.kit.read_bytes())
    for lost in ("home", "safe", "acme", "globex"):
        shutil.rmtree(desk.folder / lost)
    desk.settings.unlink()

    way = ("--repository", desk.place.address, "--identity", str(kit))
    told = desk.run("settings", "restore", *way, "--json").document
    assert desk.settings.read_text() == was
    assert desk.settings.stat().st_mode & 0o777 == 0o600
    missing = told["missing"]
    assert missing["identity.file"] == str(desk.identity)
    assert missing["projects.acme.sources[0].path"] == str(desk.folder / "acme")
    assert missing["notify.webhook.url_file"] == "/run/keys/webhook"
    assert missing["notify.email.password_command"] == "no-such-program"
    assert told["commands"] == {"notify.email.password_command": "no-such-program mail"}
    assert told["copy"]["projects"] == ["acme", "globex"] and told["copy"]["verified"]

    for name in sources:
        (desk.folder / name).mkdir()
    desk.call("restore", "--all-projects", "--in-place", "--identity", str(kit), "--yes")
    assert {name: contents(desk.folder / name) for name in sources} == sources
    again = desk.call("backup", "--identity", str(kit), "--json").document
    assert [one["source"] for one in again["snapshots"]] == ["reports", "reports"]
    assert not again["settings_copy"]["written"], "the settings are those that lie there"
    assert desk.call("retention", "plan", "--identity", str(kit), "--json").document["projects"]


def test_every_command_that_changes_settings_and_every_backup_after_a_change_writes_a_copy(desk: Desk) -> None:
    assert len(listed(desk)) == 4  # init, two projects, the backup after a change by hand
    assert [one["projects"] for one in listed(desk)] == [["acme", "globex"], ["acme", "globex"], ["acme"], []]
    before = stored(desk)
    assert not desk.call("backup", "--json").document["settings_copy"]["written"]
    assert stored(desk) == before
    write_more(desk, "# an afterthought\n")
    told = desk.call("backup", "acme", "--json").document["settings_copy"]
    assert told["written"] and stored(desk) == [*before, told["name"]]
    newest = desk.call("settings", "restore", "--to", "-", *by_kit(desk)).text
    assert newest == desk.settings.read_text()
    older = listed(desk)[1]["id"]
    assert "afterthought" not in desk.call("settings", "restore", "--to", "-", "--at", older, *by_kit(desk)).text
    assert "no such copy" in refusal(desk.call("settings", "restore", "--at", "3 days ago", *by_kit(desk), exits=1))


def test_unchanged_settings_cost_a_backup_one_request(desk: Desk) -> None:
    with desk.surroundings(["backup"]), context.opened(desk.settings) as place:
        opened = [project.capability for project in place.projects(["acme"])]
        before = place.traffic.snapshot().requests
        assert not settings_copy.of_context(place, opened).written
        after = place.traffic.snapshot().requests
    assert {what: after[what] - before.get(what, 0) for what in after if after[what] != before.get(what, 0)} == {"get": 1}


def test_a_machine_that_has_forgotten_everything_writes_no_second_copy_of_the_same(desk: Desk) -> None:
    before = stored(desk)
    shutil.rmtree(desk.folder / "home/.local")
    shutil.rmtree(desk.folder / "home/.cache")
    for _ in range(2):
        assert not desk.call("backup", "--json").document["settings_copy"]["written"]
    assert stored(desk) == before


@pytest.mark.parametrize("damage", ["deleted", "flipped", "emptied"])
@pytest.mark.parametrize("machine", ["knows it", "is new"])
def test_a_damaged_copy_stops_nothing_and_the_next_backup_writes_it_anew(desk: Desk, damage: str, machine: str) -> None:
    if machine == "is new":
        shutil.rmtree(desk.folder / "home/.local")
    newest = stored(desk)[-1]
    with desk.store() as store:
        data = bytearray(store.get(newest))
        data[len(data) // 2] ^= 1
        store.delete(newest)
        if damage != "deleted":
            store.put(newest, b"" if damage == "emptied" else bytes(data))
    seen = 0 if (damage, machine) == ("deleted", "is new") else 20
    found = desk.call("check", "--json", exits=seen).document["repository"]["damage"]
    assert bool(found) == (seen == 20) and all(newest in text for text in found)
    older = desk.call("settings", "restore", "--to", "-", *by_kit(desk))
    assert "[notify" not in older.text
    assert ("passed over" in older.err) == (damage != "deleted")
    told = desk.call("backup", "--json").document["settings_copy"]
    assert told["written"]
    assert damage == "deleted" or told["name"] > newest, "it has the latest name"
    assert desk.call("check", "--json").document["repository"]["damage"] == []
    assert desk.call("settings", "restore", "--to", "-", *by_kit(desk)).text == desk.settings.read_text()
    assert len(listed(desk, exits=0 if damage == "deleted" else 3)) == 4


def test_a_file_that_is_there_is_replaced_only_where_that_is_said(desk: Desk) -> None:
    was = desk.settings.read_text()
    desk.settings.write_text("[repository\n")
    assert "--replace" in refusal(desk.call("settings", "restore", *by_kit(desk), exits=21))
    assert desk.settings.read_text() == "[repository\n"
    desk.call("settings", "restore", "--replace", *by_kit(desk))
    assert desk.settings.read_text() == was and desk.settings.stat().st_mode & 0o777 == 0o600
    told = desk.call("settings", "restore", "--to", "elsewhere/new.toml", *by_kit(desk))
    assert (desk.folder / "elsewhere/new.toml").read_text() == was
    assert "will run a command: notify.email.password_command: no-such-program mail" in told.err
    assert "missing on this machine: notify.webhook.url_file: /run/keys/webhook" in told.err


def test_of_several_machines_the_one_that_is_meant_is_named(desk: Desk, named: Callable[[str], None]) -> None:
    own = environment.host_name()
    named("second")
    write_more(desk, "# of the second machine\n")
    desk.call("backup", "--quiet")
    several = refusal(desk.call("settings", "restore", "--to", "-", *by_kit(desk), exits=2))
    assert "several machines" in several and "--host" in several
    second = desk.call("settings", "restore", "--to", "-", "--host", "second", *by_kit(desk)).text
    first = desk.call("settings", "restore", "--to", "-", "--host", own, *by_kit(desk)).text
    assert second == desk.settings.read_text() and "second machine" not in first and "[notify" in first
    assert "no such copy" in refusal(desk.call("settings", "restore", "--host", "third", *by_kit(desk), exits=1))


def test_what_somebody_without_keys_has_put_there_is_not_taken_for_settings(desk: Desk) -> None:
    """Who knows the kit's public key can seal to it; the settings would run a command of theirs."""
    (kit,) = json.loads(json.dumps(settings.load(desk.settings).recovery))
    recipient = parse_recipient(kit.split()[0])
    assert isinstance(recipient, HybridRecipient)
    evil = '[repository]\naddress = "x"\n[identity]\ncommand = "rm -rf /"\n[projects.acme]\nsources = []\n'
    with desk.surroundings(["opened"]), context.opened(desk.settings) as place:
        # copies made within a second have names some seconds ahead; the forged ones are to be the newest
        later = StillClock(place.repository.services.clock.now() + timedelta(hours=1))
        repository = replace(place.repository, services=replace(place.repository.services, clock=later))
        settings_copies.write(repository, "e" * 32, "/etc/evil.toml", evil, [recipient], {})
        genuine = [project.capability for project in place.projects(["globex"])]
        keys = settings_copy.tag_keys(genuine)
        settings_copies.write(repository, "f" * 32, "/etc/of-another-project.toml", evil, [recipient], keys)
    told = desk.call("settings", "restore", "--to", "-", *by_kit(desk))
    assert told.text == desk.settings.read_text()
    assert "nothing proves who wrote it" in told.err
    forged = [one for one in listed(desk) if one["file"].startswith("/etc/")]
    assert [one["verified"] for one in forged] == [False, False]
    for one in forged:
        way = ("settings", "restore", "--at", one["id"], "--to", "-", *by_kit(desk))
        assert "nothing proves" in refusal(desk.call(*way, exits=21))
        assert desk.call(*way, "--unverified").text == evil


def test_a_copy_under_the_name_of_another_is_refused(desk: Desk) -> None:
    older, newest = stored(desk)[-2:]
    with desk.store() as store:
        store.put(newest, store.get(older))
    (damage,) = desk.call("check", "--json", exits=20).document["repository"]["damage"]
    assert newest in damage
    assert newest.rpartition("/")[2] not in [one["id"] for one in listed(desk, exits=3)]


def test_settings_that_cannot_be_copied_fail_no_backup_and_are_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    write_more(desk, "# changed\n")
    put = LocalStore.put

    def refuse(self: LocalStore, name: str, data: Any, **more: Any) -> None:
        if name.startswith("settings/"):
            raise StorageDenied("these credentials may not write there")
        put(self, name, data, **more)

    monkeypatch.setattr(LocalStore, "put", refuse)
    told = desk.call("backup", "--json")
    assert "may not write there" in told.document["settings_copy"]["problem"]
    assert "has no copy of these settings" in told.err
    monkeypatch.undo()
    assert desk.call("backup", "--json").document["settings_copy"]["written"]


def test_who_may_only_write_into_a_project_opens_no_settings(desk: Desk) -> None:
    from vault.age import HybridIdentity

    writer = HybridIdentity.generate(SeededChance("writer"))
    file = desk.folder / "writer.txt"
    file.write_text(writer.encode() + "\n")
    desk.call("keys", "grant", writer.recipient.encode(), "--name", "writer", "--project", "acme", "--as", "write", "--yes")
    write_more(desk, "# of the machine that may only write\n")
    told = desk.call("backup", "acme", "--identity", str(file), "--json").document["settings_copy"]
    assert told["written"]
    way = ("settings", "restore", "--list", "--json", "--repository", desk.place.address, "--identity", str(file))
    document = desk.call(*way).document
    assert document["copies"] == [] and document["unopened"] == len(stored(desk))
    assert desk.call("backup", "acme", "--identity", str(file), "--json").document["settings_copy"]["written"] is False
    assert len(desk.call("settings", "restore", "--list", "--json", *by_kit(desk)).document["copies"]) == len(stored(desk))
    assert desk.call("check", "--json", "--identity", str(desk.kit)).document["repository"]["settings"] == len(stored(desk))


def test_the_last_copies_of_a_file_stay_and_as_many_of_others(
    desk: Desk, named: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings_copies.KEPT == 20
    monkeypatch.setattr(settings_copies, "KEPT", 4)
    first = stored(desk)
    named("second")
    for number in range(settings_copies.KEPT + 2):
        with desk.surroundings(["opened"]), context.opened(desk.settings) as place:
            changed = replace(place.settings, text=place.settings.text + f"# {number}\n")
            opened = [project.capability for project in place.projects(["acme"])]
            assert settings_copy.of_context(place, opened, changed).written
    assert set(first) < set(stored(desk))
    assert len(stored(desk)) == len(first) + settings_copies.KEPT
    assert len({one["written_at"] for one in listed(desk)}) == len(stored(desk))
    assert all(layout.is_ours(name) for name in stored(desk))


def test_a_repository_on_another_address_is_said(desk: Desk) -> None:
    shutil.move(desk.folder / "repository", desk.folder / "moved")
    moved = replace(desk, place=Place("moved"))
    told = moved.call("settings", "restore", "--to", "new.toml", *by_kit(moved))
    assert "its repository is at" in told.err and "not at moved" in told.err
