"""Recovery kits at work: made at `init` or later, in one piece or in shares; proven by `keys check`; never stored."""

from __future__ import annotations

import itertools
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from policies.monitoring.state_store import StateStore
from strongroom import recovery_kit
from tests.e2e.used import unchanged, with_snapshot
from tests.support import qr_codes
from tests.support.desk import Desk, Place, Result, refusal
from tests.support.kits import secret_words, shown_words
from tests.support.terminal import Terminal
from tests.support.tree_facts import tree_facts, write_files
from vault.age import HybridIdentity

TWO_OF_THREE = ("--shares", "3", "--threshold", "2")


@pytest.fixture
def shared(tmp_path: Path) -> Desk:
    """A repository with a snapshot, whose kit is in three shares."""
    desk = Desk(tmp_path / "desk", Place("repository"))
    write_files(desk.folder / "source", {"a.csv": b"1", "sub/b.csv": b"2" * 1000})
    desk.call("init", desk.place.address, "--recovery-kit", str(desk.kit), *TWO_OF_THREE)
    desk.add("acme", f"reports={desk.folder / 'source'}")
    desk.call("backup")
    return desk


def files_of(desk: Desk) -> list[Path]:
    return [desk.kit.with_name(f"kit-{number}-of-3.txt") for number in (1, 2, 3)]


def options(option: str, *files: Path) -> tuple[str, ...]:
    return tuple(word for file in files for word in (option, str(file)))


def state(desk: Desk) -> StateStore:
    (file,) = (desk.folder / "home/.local/state/strongroom").rglob("findings.sqlite")
    return StateStore.open(file)


def proofs(desk: Desk, *arguments: str, exits: int = 0) -> list[dict[str, object]]:
    found: list[dict[str, object]] = desk.call("keys", "check", *arguments, "--json", exits=exits).document["kits"]
    return found


def test_any_two_shares_of_init_restore_everything_and_one_restores_nothing(shared: Desk) -> None:
    shared.identity.unlink()
    assert not shared.kit.exists()
    for pair in itertools.combinations(files_of(shared), 2):
        to = "-".join(file.stem for file in pair)
        shared.call("restore", "acme", "--to", to, *options("--identity", *pair))
        assert tree_facts(shared.folder / to / "reports") == tree_facts(shared.folder / "source")
    for one in files_of(shared):
        alone = shared.call("restore", "acme", "--to", "alone", "--identity", str(one), exits=12)
        assert f"2 shares are needed, and there is 1 ({one} is share" in refusal(alone)
        assert not secret_words(one.read_text()) & shown_words(alone.err)


def test_init_says_where_the_shares_are_and_with_json_too(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk", Place("repository"))
    told = desk.call("init", "first", "--recovery-kit", "kit/kit.txt", "--recovery-page", "kit/kit.html", *TWO_OF_THREE)
    assert "kit/kit-3-of-3.txt" in told.text and "kit/kit-1-of-3.html" in told.text
    assert "Any 2 shares open everything" in told.text and "each in a place of its own" in told.text
    made = desk.call(
        "init", "second", "--recovery-kit", "more/kit.txt", *TWO_OF_THREE, "--config", "more.toml", "--json"
    ).document
    assert (made["shares"], made["threshold"], made["recovery_kit"], made["recovery_kit_file"]) == (3, 2, None, None)
    assert made["recovery_kit_files"] == [f"more/kit-{number}-of-3.txt" for number in (1, 2, 3)]
    assert "belong together" in refusal(desk.call("init", "third", "--shares", "3", "--config", "3.toml", exits=2))
    assert "not possible" in refusal(
        desk.call("init", "third", "--shares", "2", "--threshold", "3", "--config", "3.toml", exits=2)
    )
    assert not (desk.folder / "third").exists(), "refused before anything was made"


def test_shares_without_files_are_shown_once_and_kept_nowhere(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk", Place("repository"))
    log = desk.folder / "log.txt"
    shown = desk.run("init", desk.place.address, *TWO_OF_THREE, "--debug", "--log-file", str(log)).text
    texts = re.findall(r"^# Strongroom recovery kit, share \d of 3.*?(?=^# Strongroom|^Next:)", shown, re.MULTILINE | re.DOTALL)
    assert len(texts) == 3
    for number, text in enumerate(texts):
        (desk.folder / f"{number}.txt").write_text(text)
    rows = re.findall(r"^ ?\d+ [a-z]+ .*$", shown, re.MULTILINE)
    assert len(rows) == 33, "eleven rows of three words a share"
    copies = [desk.folder / f"{number}.txt" for number in range(3)]
    others = [file for file in desk.folder.rglob("*") if file.is_file() and file not in copies]
    assert log in others and not [file for file in others if any(row.encode() in file.read_bytes() for row in rows)]
    write_files(desk.folder / "source", {"a.csv": b"1"})
    desk.add("acme", f"reports={desk.folder / 'source'}")
    desk.call("backup")
    desk.call("restore", "acme", "--to", "back", *options("--identity", copies[0], copies[2]))


def test_a_new_kit_opens_what_there_is_and_what_comes(used: Desk) -> None:
    desk = used
    told = desk.call("keys", "kit", "--to", "new/kit.txt", "--html", "new/kit.html")
    assert "opens 1 project, and those to come" in told.text
    new = desk.folder / "new/kit.txt"
    assert {file.stat().st_mode & 0o777 for file in new.parent.iterdir()} == {0o600}
    assert qr_codes.texts(new.with_suffix(".html").read_text())[0] == new.read_text().splitlines()[-1]
    desk.add("globex", f"reports={desk.folder / 'source'}")
    desk.call("backup")
    for kit in (new, desk.kit):
        (proof,) = proofs(desk, "--kit", str(kit))
        assert proof["opens_everything"] and proof["in_settings"] and proof["shortfalls"] == []
    desk.identity.unlink()
    desk.call("restore", "--all-projects", "--to", "back", "--identity", str(new))
    assert tree_facts(desk.folder / "back/globex/reports") == tree_facts(desk.folder / "source")
    copy = desk.call("settings", "restore", "--to", "-", "--repository", desk.place.address, "--identity", str(new)).text
    assert copy == desk.settings.read_text() and desk.settings.read_text().count("age1pq1") == 2


def test_a_new_kit_in_shares_and_what_is_refused_leave_the_rest_as_it_was(used: Desk) -> None:
    before = used.settings.read_text()
    for words, said in (
        (("--shares", "3"), "belong together"),
        (("--to", str(used.identity.with_name("kit.txt"))), "beside the identity"),
        (("--existing", str(used.kit), "--to", "kit.txt"), "completes a kit"),
        (("--json",), "shows no secret"),
        (("--existing", str(used.identity.with_name("nothing"))), "cannot be read"),
    ):
        assert said in used.call("keys", "kit", *words, exits=(2, 12)).err
    assert "left alone" in refusal(used.call("keys", "kit", "--to", str(used.kit), exits=21))
    assert used.settings.read_text() == before
    document = used.call("keys", "kit", *TWO_OF_THREE, "--to", "safe/new.txt", "--json").document
    assert document["recovery_kit"] is None and document["kits"][0]["sealed"] == ["acme"]
    files = [Path(one) for one in document["kits"][0]["recovery_kit_files"]]
    (proof,) = proofs(used, *options("--kit", files[0], files[2]))
    assert proof["kit"] == document["kits"][0]["kit"] and proof["opens_everything"]
    unchanged(used)


def test_a_kit_is_in_the_json_document_only_where_that_is_said(used: Desk) -> None:
    process = used.start("keys", "kit", "--json", "--to", "-")
    out, err = process.communicate(timeout=60)
    document = json.loads(out)
    (secret,) = re.findall(r"^AGE-SECRET-KEY-PQ-1[A-Z0-9]+$", document["recovery_kit"], re.MULTILINE)
    assert process.returncode == 0 and b"AGE-SECRET-KEY" not in err and document["kits"][0]["recovery_kit_files"] == []
    stored = [file for file in used.folder.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()]
    assert stored == []


def test_a_kit_is_not_made_where_the_settings_cannot_name_it(used: Desk) -> None:
    text = used.settings.read_text()
    used.settings.write_text(text.replace("recipients = [", "recipients = [ # by hand\n"))
    used.call("keys", "kit", "--to", "one.txt")
    used.settings.write_text("repository.address = 'repository'\nrecovery = 3\n")
    refusal(used.call("keys", "kit", "--to", "two.txt", exits=2))
    assert not (used.folder / "two.txt").exists()
    used.settings.write_text(text)
    unchanged(used)


def test_a_kit_of_a_renamed_project_is_sealed_to_what_is_stored(used: Desk) -> None:
    used.call("project", "rename", "acme", "acme ltd", "--yes")
    used.call("keys", "kit", "--to", "new/kit.txt")
    listed = used.call("project", "list", "--repository", used.place.address, "--identity", "new/kit.txt", "--json").document[
        "projects"
    ]
    assert [one["project"] for one in listed] == ["acme"], "a machine that knows nothing finds it by its stored name"
    used.call("restore", "acme ltd", "--to", "back", "--identity", "new/kit.txt")


def test_a_kit_that_lacks_a_project_is_told_and_completed(used: Desk) -> None:
    text = used.settings.read_text()
    used.settings.write_text(re.sub(r"recipients = \[.*\]", "recipients = []", text))
    used.add("globex", f"reports={used.folder / 'source'}")
    used.call("backup")
    told = used.call("keys", "check", "--kit", str(used.kit), exits=12)
    assert "does NOT open everything" in told.text and "acme: opens;" in told.text and "globex: NOT opened" in told.text
    assert "1 project of 2 cannot be opened with it; globex: it has no key object for this kit" in told.err
    assert "`strongroom keys kit --existing FILE`" in told.err
    (completed,) = used.call("keys", "kit", "--existing", str(used.kit), "--json").document["kits"]
    assert (completed["sealed"], completed["projects"]) == (["globex"], ["acme", "globex"])
    assert completed["in_settings_before"] is False
    (proof,) = proofs(used, "--kit", str(used.kit))
    assert proof["opens_everything"] and proof["in_settings"]
    (again,) = used.call("keys", "kit", "--existing", str(used.kit), "--json").document["kits"]
    assert again["sealed"] == [] and again["in_settings_before"] is True
    assert "nothing: it was complete" in used.call("keys", "kit", "--existing", str(used.kit)).text


def test_a_check_opens_a_snapshot_and_a_pack_of_every_project(shared: Desk) -> None:
    shared.add("empty", f"reports={shared.folder / 'source'}")
    first, _, third = files_of(shared)
    shared.identity.unlink()
    (proof,) = proofs(shared, *options("--kit", first, third))
    projects = {one["project"]: one for one in proof["projects"]}  # type: ignore[attr-defined]
    assert projects["acme"]["chunks"] >= 1 and projects["acme"]["bytes"] > 0 and projects["acme"]["items"] == 4
    assert projects["acme"]["snapshot"] and projects["acme"]["pack"]
    assert projects["empty"]["opens"] and projects["empty"]["snapshot"] is None
    told = shared.call("keys", "check", *options("--kit", first, third)).text
    assert "opens everything" in told and "empty: opens; nothing is stored in it yet" in told
    by_address = shared.run("keys", "check", "--repository", shared.place.address, *options("--kit", first, third))
    assert "opens everything" in by_address.text


def test_a_check_tells_damage_from_a_kit_that_is_refused(used: Desk, tmp_path: Path) -> None:
    (pack,) = (used.folder / "repository").glob("projects/*/packs/*/*")
    whole = pack.read_bytes()
    pack.write_bytes(whole[:-20] + bytes(20))
    assert "damaged" in used.call("keys", "check", "--kit", str(used.kit), exits=20).err.lower()
    pack.unlink()
    assert "is gone" in used.call("keys", "check", "--kit", str(used.kit), exits=20).err
    pack.write_bytes(whole)
    other = with_snapshot(Desk(tmp_path / "other", Place("repository")))
    said = refusal(used.call("keys", "check", "--kit", str(other.kit), exits=12))
    assert "is a recovery kit of the repository" in said
    typed = tmp_path / "typed.txt"
    typed.write_text(other.kit.read_text().splitlines()[-1])
    assert "it has no key object for this kit" in used.call("keys", "check", "--kit", str(typed), exits=12).err
    assert "is not an identity" in refusal(used.call("keys", "check", "--kit", str(used.settings), exits=12))
    (proof,) = proofs(used, "--kit", str(used.kit))
    assert proof["opens_everything"]


def test_a_kit_that_the_settings_do_not_name_opens_everything_with_a_problem(used: Desk) -> None:
    text = used.settings.read_text()
    used.settings.write_text(re.sub(r"recipients = \[.*\]", "recipients = []", text))
    told = used.call("keys", "check", "--kit", str(used.kit), exits=3)
    assert "opens everything" in told.text and "the settings do not name this kit" in told.err


def test_status_and_drills_remind_of_a_kit_that_was_not_proven_for_long_and_fail_nothing(used: Desk) -> None:
    used.call("drill")
    assert used.call("status", "--json").document["reminders"] == [], "a machine that has just heard of it waits"
    used.settings.write_text(used.settings.read_text().replace("[recovery]", "[recovery]\ncheck_within = '30 days'"))
    kit = re.findall(r"^# kit: +(\S+)$", used.kit.read_text(), re.MULTILINE)[0]
    identity = HybridIdentity.parse(used.kit.read_text().splitlines()[-1])
    key = recovery_kit.note_key(identity.recipient)
    long_ago = datetime.now(UTC) - timedelta(days=31)
    with state(used) as findings:
        findings.note("", "met", f"kit {key}", long_ago, {})
    told = used.call("status")
    assert f"reminder: recovery kit {kit}: whether it still opens everything has not been proven for 31 days" in told.text
    assert used.call("status", "--json").document["verdict"]["level"] == "ok"
    assert "not been proven" in used.call("drill").err
    (reminder,) = used.call("drill", "--json").document["reminders"]
    assert reminder["promise"] == "kit" and "`strongroom keys check" in reminder["hint"]
    page = used.folder / "status.html"
    used.call("status", "--html", str(page))
    assert "reminder" in page.read_text()

    used.call("keys", "check", "--kit", str(used.kit))
    assert used.call("status", "--json").document["reminders"] == []
    with state(used) as findings:
        findings.note("", "kit", key, long_ago, {})
    assert "was proven 31 days ago" in used.call("status").text


def test_a_check_that_failed_is_remembered_until_one_succeeds(used: Desk) -> None:
    (pack,) = (used.folder / "repository").glob("projects/*/packs/*/*")
    whole = pack.read_bytes()
    pack.unlink()
    used.call("keys", "check", "--kit", str(used.kit), exits=20)
    pack.write_bytes(whole)
    (reminder,) = used.call("status", "--json").document["reminders"]
    assert "did not open everything when it was last checked: acme: " in reminder["message"]
    used.call("keys", "check", "--kit", str(used.kit))
    assert used.call("status", "--json").document["reminders"] == []


def typed(desk: Desk, *lines: str, ends: str = "opens everything") -> Result:
    """`keys check` on a terminal, with these lines typed as it asks for them."""
    terminal = Terminal(desk, "keys", "check", columns=200)
    terminal.wait_for(b"kit:")
    for line in lines:
        terminal.type(f"{line}\r".encode())
    code = terminal.end()
    assert ends in terminal.text, terminal.text
    return Result(code, b"", terminal.text)


def test_a_kit_in_one_piece_is_typed_with_blanks_and_small_letters(used: Desk) -> None:
    key = used.kit.read_text().splitlines()[-1]
    grouped = " ".join(key[start : start + 4] for start in range(0, len(key), 4)).lower()
    wrong = key[:-1] + ("Q" if key[-1] != "Q" else "P")
    result = typed(used, wrong, grouped)
    assert result.code == 0 and "checksum does not fit" in result.err


def test_shares_are_typed_row_by_row_and_a_wrong_word_costs_a_word(shared: Desk) -> None:
    first, second, third = (
        re.sub(r"^#.*\n", "", file.read_text(), flags=re.MULTILINE).splitlines() for file in files_of(shared)
    )
    words = [word for row in second for word in row.split() if not word.isdigit()]
    wrong = [
        row if number != 5 else row.replace(words[16], "academic" if words[16] != "academic" else "acid")
        for number, row in enumerate(second)
    ]
    result = typed(shared, "1 strongroom", *first, *first, *wrong, f"17 {words[16][:4]}")
    assert "word 1 is not a word of SLIP-39's list" in result.err
    assert "share 1 was typed already" in result.err
    assert "most likely word 17 is wrong" in result.err
    assert result.code == 0 and third
