"""`strongroom recover`: an empty machine, the kit or enough shares, and the address; then everything is as it was."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.signals import Signalled
from strongroom import context as contexts
from strongroom import environment, identities
from strongroom.grants import administration
from tests.e2e.used import with_snapshot
from tests.support.desk import Desk, Place, refusal
from tests.support.slow_proxy import slow_proxy
from tests.support.store_fixtures import BUCKET
from tests.support.terminal import Terminal
from tests.support.tree_facts import tree_facts, write_files
from vault.repository import granting, grants, key_rotation

MORE = """
[notify.email]
host = "mail.example.org"
from = "backup@example.org"
to = "boss@example.org"
user = "backup"
password_command = "no-such-program mail"
"""


@pytest.fixture
def lost(tmp_path: Path) -> Desk:
    """A machine with two projects that is about to be lost: its kit is in three shares, of which two are needed."""
    desk = Desk(tmp_path / "lost", Place(str(tmp_path / "store/repository")))
    desk.call("init", desk.place.address, "--recovery-kit", str(tmp_path / "safe/kit.txt"), "--shares", "3", "--threshold", "2")
    for project in ("acme", "globex"):
        write_files(tmp_path / "srv" / project, {"2024/calls-05.csv": project.encode(), "notes.txt": b"x" * 2000})
        desk.add(project, f"reports={tmp_path / 'srv' / project}")
    desk.settings.write_text(desk.settings.read_text() + MORE)
    desk.call("backup", "--quiet")
    return desk


@pytest.fixture
def empty(lost: Desk, tmp_path: Path) -> Desk:
    """The machine is gone with its sources; another one knows nothing: home, state, config and cache are empty."""
    shutil.copytree(tmp_path / "srv", tmp_path / "was")
    for project in ("acme", "globex"):
        shutil.rmtree(tmp_path / "srv" / project)
    shutil.copy(lost.settings, tmp_path / "was.toml")
    shutil.rmtree(lost.folder)
    return Desk(tmp_path / "new", lost.place)


def kit(desk: Desk, *numbers: int) -> tuple[str, ...]:
    """The options that name shares."""
    safe = desk.folder.parent / "safe"
    return tuple(word for number in numbers or (1, 3) for word in ("--kit", str(safe / f"kit-{number}-of-3.txt")))


def secrets(desk: Desk) -> set[bytes]:
    """What of the kit may be found nowhere: rows of its words, and the key that they give."""
    files = [desk.folder.parent / "safe" / f"kit-{number}-of-3.txt" for number in (1, 3)]
    rows = {row.encode() for file in files for row in file.read_text().splitlines() if not row.startswith("#")}
    (identity,) = identities.parsed([identities.KeyText(str(file), file.read_text()) for file in files])
    return {*rows, identity.encode().encode()}  # type: ignore[attr-defined]


def is_kept_nowhere(desk: Desk) -> bool:
    found = secrets(desk)
    places = [desk.folder, desk.folder.parent / "store"]
    written = [file for place in places for file in place.rglob("*") if file.is_file()]
    return not [file for file in written if any(one in file.read_bytes() for one in found)]


def identity_of(desk: Desk) -> Path:
    """The settings name the identity where it was on the lost machine; that is where it is again."""
    return desk.folder.parent / "lost/home/.config/strongroom/identity.txt"


def is_as_it_was(desk: Desk) -> None:
    """Sources, settings and identity are there; the next backup, by the new identity, goes on with the history."""
    tree = desk.folder.parent
    for project in ("acme", "globex"):
        assert tree_facts(tree / "srv" / project) == tree_facts(tree / "was" / project)
    assert desk.settings.read_text() == (tree / "was.toml").read_text()
    assert {file.stat().st_mode & 0o777 for file in (desk.settings, identity_of(desk))} == {0o600}
    assert is_kept_nowhere(desk)
    again = desk.call("backup", "--json").document
    assert [(one["added"], one["vanished"]) for one in again["snapshots"]] == [(0, 0), (0, 0)]
    assert len(desk.call("list", "--json").document["projects"]) == 2


def test_an_empty_machine_is_as_it_was_in_one_run_and_a_second_run_changes_nothing(empty: Desk) -> None:
    command = ("recover", empty.place.address, *kit(empty), "--in-place", "--yes", "--log-file", "log.txt", "--debug")
    told = empty.run(*command)
    for said in (
        "The kit opens 2 projects: acme, globex.",
        f"1. identity: {identity_of(empty)}, a new one (0600); sealed to it: acme, globex",
        f"2. settings: {empty.settings}, those of ",
        "3. memory: ",
        "4. restore: everything, back in place",
        "will run a command: notify.email.password_command: no-such-program mail",
        "missing on this machine: notify.email.password_command: no-such-program",
        "lock it away again",
    ):
        assert said in told.err, told.err
    assert "missing on this machine: identity.file" not in told.err
    before = {file: file.read_bytes() for file in (empty.settings, identity_of(empty))}
    again = empty.run(*command)
    assert "yours, as it is" in again.err and f"settings: {empty.settings}, as they are" in again.err
    assert before == {file: file.read_bytes() for file in before}
    is_as_it_was(empty)


def test_what_comes_of_it_is_a_document(empty: Desk) -> None:
    words = ("recover", empty.place.address, *kit(empty, 2, 3), "--json")
    planned = empty.call(*words, "--dry-run").document
    assert (planned["done"], planned["sealed"], planned["identity_there_before"]) == (False, ["acme", "globex"], False)
    assert planned["settings"]["copy"]["verified"] and planned["settings"]["commands"] and planned["restored"] == []
    assert not identity_of(empty).exists() and not empty.settings.exists()
    done = empty.call(*words, "--to", "back", "--yes").document
    assert done["done"] and done["snapshots"] == 2 and done["identity"] == str(identity_of(empty))
    assert [(one["project"], one["files"], one["exit_code"]) for one in done["restored"]] == [("acme", 2, 0), ("globex", 2, 0)]
    assert tree_facts(empty.folder / "back/acme/reports") == tree_facts(empty.folder.parent / "was/acme")
    one = empty.call(*words, "--to", "one", "--project", "globex", "--yes").document
    assert [(one["project"], one["files"]) for one in one["restored"]] == [("globex", 2)]
    assert one["settings"]["there_before"] and one["identity_there_before"] and one["sealed"] == []


def test_on_a_terminal_the_words_are_typed_and_the_restore_is_chosen(empty: Desk) -> None:
    terminal = Terminal(empty, "recover", empty.place.address, columns=200)
    terminal.wait_for(b"kit:")
    for number in (2, 1):
        text = (empty.folder.parent / "safe" / f"kit-{number}-of-3.txt").read_text()
        for row in re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).splitlines():
            terminal.type(f"{row}\r".encode())
    terminal.wait_for(b"Which one")
    assert "1  everything, back in place below the folders of the sources" in terminal.text
    terminal.type(b"1\r")
    terminal.wait_for(b"Set this machine up so?")
    assert not empty.settings.exists() and not identity_of(empty).exists()
    terminal.type(b"y\r")
    assert terminal.end() == 0 and "2 projects of 2 restored" in terminal.text, terminal.text
    is_as_it_was(empty)


def test_a_person_who_says_no_has_an_empty_machine(empty: Desk) -> None:
    terminal = Terminal(empty, "recover", empty.place.address, *kit(empty), "--no-restore")
    terminal.wait_for(b"Set this machine up so?")
    terminal.type(b"n\r")
    assert terminal.end() == 1
    assert not empty.settings.exists() and not identity_of(empty).exists()


def test_without_a_terminal_what_is_missing_is_said_before_anything_is_done(empty: Desk) -> None:
    for words, code, said in (
        ((), 2, "there is no terminal to ask what is to be restored"),
        (("--no-restore",), 2, "there is no terminal to type it"),
        (("--no-restore", *kit(empty)), 2, "Set this machine up so? There is no answer"),
        (("--no-restore", "--in-place"), 2, "exclude each other"),
        (("--no-restore", "--yes", *kit(empty, 1)), 12, "2 shares are needed"),
        (("--no-restore", "--yes", "--kit", "nothing.txt"), 12, "cannot be read"),
        (("--no-restore", "--yes", "--at", "whenever", *kit(empty)), 2, "whenever"),
    ):
        found = empty.call("recover", empty.place.address, *words, exits=code).err
        assert said in found, (words, found)
    assert not empty.settings.exists() and not identity_of(empty).exists()
    assert "there is no folder" in refusal(empty.call("recover", "nowhere", "--no-restore", "--yes", *kit(empty), exits=10))


def test_a_wrong_kit_and_one_of_another_repository_set_nothing_up(empty: Desk, tmp_path: Path) -> None:
    other = with_snapshot(Desk(tmp_path / "other", Place("repository")))
    words = ("recover", empty.place.address, "--no-restore", "--yes", "--kit")
    assert "is a recovery kit of the repository" in refusal(empty.call(*words, str(other.kit), exits=12))
    typed = tmp_path / "typed.txt"
    typed.write_text(other.kit.read_text().splitlines()[-1])
    assert "none of the given identities opens a project" in empty.call(*words, str(typed), exits=12).err
    assert not empty.settings.exists() and not identity_of(empty).exists()


def test_settings_and_an_identity_that_are_there_are_used_and_others_are_left_alone(empty: Desk, tmp_path: Path) -> None:
    words = ("recover", empty.place.address, *kit(empty), "--no-restore", "--yes")
    empty.call(*words)
    text = empty.settings.read_text() + "# corrected by hand\n"
    empty.settings.write_text(text)
    identity_of(empty).unlink()
    empty.call(*words)
    assert empty.settings.read_text() == text and identity_of(empty).exists()
    other = with_snapshot(Desk(tmp_path / "other", Place("repository")))
    refused = empty.call(*words, "--config", str(other.settings), exits=21)
    assert "is about another repository; it was left alone" in refusal(refused)
    broken = identity_of(empty).read_bytes()[:-30]
    identity_of(empty).write_bytes(broken)
    refusal(empty.call(*words, exits=12))
    assert identity_of(empty).read_bytes() == broken


def test_an_identity_goes_where_a_person_says_and_the_settings_name_it(empty: Desk) -> None:
    mine = empty.folder / "keys/mine.txt"
    told = empty.call("recover", empty.place.address, *kit(empty), "--no-restore", "--yes", "--identity", str(mine))
    assert f"the identity's file: {mine}" in told.err and not identity_of(empty).exists()
    assert f'file = "{mine}"' in empty.settings.read_text()
    empty.call("restore", "--all-projects", "--to", "back")
    assert tree_facts(empty.folder / "back/globex/reports") == tree_facts(empty.folder.parent / "was/globex")


def test_without_an_identity_the_kit_restores_and_nothing_of_it_stays(empty: Desk) -> None:
    told = empty.call("recover", empty.place.address, *kit(empty), "--no-identity", "--to", "back", "--yes")
    assert "identity: none; the kit is used for this run" in told.err and not identity_of(empty).exists()
    assert tree_facts(empty.folder / "back/acme/reports") == tree_facts(empty.folder.parent / "was/acme")
    assert is_kept_nowhere(empty)
    assert "missing on this machine: identity.file" in told.err


def test_a_repository_that_lies_elsewhere_now_is_named_where_it_is(empty: Desk, tmp_path: Path) -> None:
    (tmp_path / "store/repository").rename(tmp_path / "moved")
    told = empty.call("recover", str(tmp_path / "moved"), *kit(empty), "--in-place", "--yes")
    assert "the repository's address: " in told.err and f'address = "{tmp_path / "moved"}"' in empty.settings.read_text()
    assert tree_facts(tmp_path / "srv/acme") == tree_facts(tmp_path / "was/acme")


def test_settings_of_several_machines_are_told_and_chosen(lost: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "host_name", lambda: "second")
    lost.settings.write_text(lost.settings.read_text() + "# of the second machine\n")
    lost.call("backup", "--quiet")
    new = Desk(tmp_path / "new", lost.place)
    words = ("recover", new.place.address, *kit(new), "--no-restore", "--no-identity", "--yes")
    assert "settings of several machines or files" in refusal(new.call(*words, exits=2))
    new.call(*words, "--host", "second")
    assert "of the second machine" in new.settings.read_text()
    terminal = Terminal(
        Desk(tmp_path / "third", lost.place), "recover", new.place.address, *kit(new), "--no-restore", columns=300
    )
    terminal.wait_for(b"Which one")
    assert "second (" in terminal.text
    terminal.type(b"1\r")
    terminal.wait_for(b"Set this machine up so?")
    terminal.type(b"y\r")
    assert terminal.end() == 0, terminal.text


def test_without_a_copy_of_settings_there_are_new_ones_without_sources(empty: Desk, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "store/repository/settings")
    told = empty.call("recover", empty.place.address, *kit(empty), "--to", "back", "--yes")
    assert "new ones without sources" in told.err and "no copy of settings that this kit opens" in told.err
    assert tree_facts(empty.folder / "back/acme/reports") == tree_facts(tmp_path / "was/acme")
    assert empty.identity.stat().st_mode & 0o777 == 0o600
    (proof,) = empty.call("keys", "check", *kit(empty), "--json", exits=3).document["kits"]
    assert proof["in_settings"], "projects to come are sealed to the kit"
    empty.add("initech", f"reports={tmp_path / 'was/acme'}")
    empty.call("backup")


def test_a_machine_that_knows_another_repository_at_this_address_says_so(lost: Desk, tmp_path: Path) -> None:
    new = Desk(tmp_path / "new", lost.place)
    new.call("recover", new.place.address, *kit(new), "--no-restore", "--yes")
    shutil.rmtree(tmp_path / "store/repository")
    Desk(tmp_path / "attacker", lost.place).call("init", new.place.address, "--recovery-kit", "kit.txt")
    said = refusal(
        new.call("recover", new.place.address, "--no-restore", "--yes", "--kit", str(tmp_path / "attacker/kit.txt"), exits=12)
    )
    assert "another repository stands at this address than this machine knows" in said


STEPS = ("identity", "first grant", "first key", "second grant", "second key", "settings", "memory", "restore")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_interrupted_at_any_step_the_same_command_comes_to_its_end(
    empty: Desk, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    command = ("recover", empty.place.address, *kit(empty), "--in-place", "--yes")
    with monkeypatch.context() as patch:
        cut(patch, step, when)
        assert "interrupted by SIGINT" in empty.call(*command, exits=130).err
    empty.call(*command)
    is_as_it_was(empty)


def cut(patch: pytest.MonkeyPatch, step: str, when: str) -> None:
    """Ctrl-C right before a step has an effect, or right after."""
    from cli import recovery_run
    from cli.restore_run import restore_all
    from strongroom import machine_recovery

    counts: dict[str, int] = {}

    def interrupted(kind: str, number: int, work: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **more: Any) -> Any:
            counts[kind] = counts.get(kind, 0) + 1
            if counts[kind] != number:
                return work(*arguments, **more)
            if when == "after":
                work(*arguments, **more)
            raise Signalled("SIGINT")

        return wrapped

    if step in ("identity", "settings"):
        number = 1 if step == "identity" else 2
        patch.setattr(identities, "write_secret", interrupted("file", number, identities.write_secret))
    elif step.endswith("grant"):
        patch.setattr(grants, "write", interrupted("grant", 1 if step == "first grant" else 2, grants.write))
    elif step.endswith("key"):
        number = 1 if step == "first key" else 2
        patch.setattr(granting, "put_key_object", interrupted("key", number, granting.put_key_object))
    elif step == "memory":
        patch.setattr(machine_recovery, "remember", interrupted("memory", 1, machine_recovery.remember))
    else:
        patch.setattr(recovery_run, "restore_all", interrupted("restore", 1, restore_all))


def test_ctrl_c_in_a_real_process_leaves_what_the_next_run_goes_on_from(tmp_path: Path, moto_endpoint: str) -> None:
    with slow_proxy(moto_endpoint) as proxy:
        place = Place(f"s3://{BUCKET}/recover-{tmp_path.name}", proxy.url)
        desk = with_snapshot(Desk(tmp_path / "lost", place))
        new = Desk(tmp_path / "new", place)
        address = f"{place.address}?endpoint={proxy.url}"
        command = ("recover", address, "--kit", str(desk.kit), "--identity", "mine.txt", "--to", "back", "--yes")
        proxy.hold("PUT", "/keys/")
        process = new.start(*command)
        assert proxy.held.wait(60)
        assert (new.folder / "mine.txt").exists() and not new.settings.exists()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 130 and b"interrupted by SIGINT" in err and b"Traceback" not in err
        proxy.release()
        new.run(*command)
        assert tree_facts(new.folder / "back/acme/reports") == tree_facts(desk.folder / "source")
        assert "opens everything" in new.run("keys", "check", "--kit", str(desk.kit)).text
        new.run("backup", exits=(0, 3))


def test_a_machine_that_was_lost_in_the_middle_of_a_rotation_is_brought_back_and_the_rotation_completed(lost: Desk) -> None:
    with lost.surroundings(["rotate"]), contexts.opened(lost.settings) as place:
        project = place.project("acme")
        run = key_rotation._Rotation(project, administration(place, project).own, lambda: None)
        run.begin()
        run.introduce()
    shutil.rmtree(lost.folder)
    found = Desk(lost.folder.with_name("found"), lost.place)
    done = found.call("recover", found.place.address, *kit(found), "--no-restore", "--yes")
    assert "the keys of project 'acme' are being rotated" in done.err and "keys rotate" in done.err
    found.call("backup", "--quiet")
    assert found.call("keys", "rotate", "acme", "--yes", "--json").document["projects"][0]["epoch"] == 2
    found.call("restore", "acme", "--to", "out")
