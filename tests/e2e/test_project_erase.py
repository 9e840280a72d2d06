"""`strongroom project erase` as two people use it, and what every command says of the project afterwards."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from strongroom import context
from tests.e2e.test_keys import grant, other, with_source
from tests.e2e.used import repository, unchanged, with_snapshot
from tests.support.desk import Desk, Place, Result, refusal
from tests.support.stores import raw_client
from tests.support.terminal import Terminal
from tests.support.tree_facts import tree_facts, write_files
from vault.age import HybridIdentity
from vault.format import erasure, layout
from vault.repository import erasures
from vault.repository.audit import entries

ERASE = ("project", "erase", "acme")
ASK = (*ERASE, "--reason", "contract ended")
NAMED = ("--confirm", "acme")


def names(desk: Desk, start: str = "") -> list[str]:
    with desk.store() as store:
        return sorted(info.name for info in store.list("") if info.name.startswith(start))


def id_of(desk: Desk, project: str = "acme") -> str:
    rows = desk.call("project", "list", "--json").document["projects"]
    return str(next(one["project_id"] for one in rows if one["project"] == project))


def add_beta(desk: Desk) -> None:
    write_files(desk.folder / "other", {"x.csv": b"7,8\n" * 500, "y.csv": b"9"})
    desk.add("beta", f"reports={desk.folder / 'other'}")
    desk.call("backup", "beta")


@pytest.fixture
def boris(used: Desk) -> Desk:
    """A second person who may read everything of acme, on a machine that has used it."""
    add_beta(used)
    made = other(used, "boris")
    grant(used, made, "boris", "read", "audit")
    with_source(made, used.folder / "source")
    made.call("list", "acme")
    return made


def erased(used: Desk, boris: Desk, *more: str) -> Result:
    """By two people."""
    used.call(*ASK, *NAMED)
    boris.call(*ERASE, "--approve", *NAMED)
    return used.call(*ERASE, *NAMED, *more)


SAID = re.compile(r"project 'acme' was erased on \d{4}-\d\d-\d\d by \S+ and boris: \"contract ended\" \(erasure [0-9a-f]{32}\)")


def test_one_asks_another_approves_and_then_everything_of_the_project_is_gone(used: Desk, boris: Desk) -> None:
    project = id_of(used)
    planned = used.call(*ASK, "--dry-run", "--json").document
    assert planned["step"] == "ask" and planned["approvals"] == 2 and planned["names_feature"]
    assert planned["project_contents"]["snapshots"] == 1 and planned["project_contents"]["key_objects"] == 6
    before = names(used)
    asked = used.call(*ASK, *NAMED)
    assert "nothing is erased before another person approves it" in asked.text
    assert "--approve" in asked.text and len(names(used, "erasures/")) == 1 and set(before) <= set(names(used))
    unchanged(used)
    shutil.rmtree(used.folder / "proof")
    assert "nobody else has approved it yet" in refusal(used.call(*ERASE, *NAMED, exits=21))
    assert "it is by whoever has asked" in refusal(used.call(*ERASE, "--approve", *NAMED, exits=21))
    approved = boris.call(*ERASE, "--approve", *NAMED)
    assert "contract ended" in approved.text and "is approved; nothing is erased yet" in approved.text
    done = used.call(*ERASE, *NAMED)
    assert SAID.search(done.text) and "6 key objects" in done.text
    assert "exports and restored files stay" in done.err
    left = names(used)
    assert not [name for name in left if project in name and not name.startswith("erasures/")]
    assert len([name for name in left if name.startswith(f"erasures/{project}/")]) == 4


def test_the_other_projects_stay_whole(used: Desk, boris: Desk) -> None:
    erased(used, boris)
    used.call("check", "beta", "--data")
    used.call("backup", "beta")
    used.call("restore", "beta", "--to", "proof")
    assert tree_facts(used.folder / "proof/reports") == tree_facts(used.folder / "other")


COMMANDS = (
    ("list", "acme"),
    ("ls", "acme"),
    ("find", "acme", "a.csv"),
    ("restore", "acme", "--to", "out"),
    ("backup", "acme"),
    ("check", "acme"),
    ("prune", "acme", "--yes"),
    ("repair", "acme", "--yes"),
    ("hold", "add", "acme", "--reason", "x"),
    ("project", "show", "acme"),
    ("keys", "list", "acme"),
    ("keys", "rotate", "acme", "--yes"),
    ("drill", "acme"),
    ("retention", "plan", "acme"),
    ("evidence", "acme", "--period", "2026", "--to", "e.zip"),
    ("status", "acme"),
)


def test_every_command_says_by_whom_it_was_erased_and_none_calls_it_damaged(used: Desk, boris: Desk) -> None:
    erased(used, boris)
    for desk in (used, boris):
        for words in COMMANDS:
            done = desk.call(*words, exits=(0, 21))
            assert SAID.search(done.text + done.err), (words, done.text, done.err)
            assert done.code == 21 or words[0] == "status", (words, done.code)
            assert "amaged" not in done.text + done.err and "is gone" not in done.err, words
    document = used.call("restore", "acme", "--to", "out", "--json", exits=21).document
    assert document["error"]["what"] == "refused-by-rule"


def test_commands_about_all_projects_go_on_with_the_others(used: Desk, boris: Desk) -> None:
    erased(used, boris)
    for words in (
        ["backup"],
        ["check"],
        ["list"],
        ["repair", "--yes"],
        ["prune", "--yes"],
        ["project", "list"],
        ["audit", "verify"],
    ):
        done = used.call(*words)
        assert "amaged" not in done.err and "refused" not in done.err, (words, done.err)
    assert SAID.search(used.call("backup").err) and "take [projects.acme] out of" in used.call("check").err
    said = used.call("status")
    assert SAID.search(said.text) and "take [projects.acme] out of the settings" in said.text
    (found,) = used.call("status", "--json").document["erased_projects"]
    assert found["project"] == "acme" and len(found["erased_by"]) == 2


def test_the_copies_of_key_objects_on_a_machine_go_when_it_meets_the_erasing(used: Desk, boris: Desk) -> None:
    project = id_of(used)

    def kept(desk: Desk) -> list[str]:
        state = desk.folder / "home/.local/state/strongroom"
        return [file.name for file in state.rglob(f"{project}.*.age")]

    def cached(desk: Desk) -> list[Path]:
        cache = desk.folder / "home/.cache/strongroom"
        return [file for file in cache.rglob("*") if file.is_file() and re.fullmatch("[0-9a-f]{2}", file.parent.name)]

    assert kept(used) and kept(boris) and cached(boris)
    erased(used, boris)
    assert not kept(used)
    boris.call("list", exits=(0, 12, 21))
    assert not kept(boris) and not cached(boris)


def test_the_name_must_be_typed_and_yes_is_no_answer(used: Desk, boris: Desk) -> None:
    before = names(used)
    assert "there is no terminal to confirm it" in used.call(*ASK, exits=2).err
    assert "'acm' is not the name of the project" in used.call(*ASK, "--confirm", "acm", exits=2).err
    assert "has no option --yes" in used.call(*ASK, "--yes", exits=2).err
    assert "missing reason" in refusal(used.call(*ERASE, *NAMED, exits=2))
    assert "no project 'acne'" in refusal(used.call("project", "erase", "acne", "--reason", "x", "--confirm", "acne", exits=2))
    assert [name for name in names(used) if not name.startswith("audit/")] == [
        name for name in before if not name.startswith("audit/")
    ]
    terminal = Terminal(used, *ASK)
    terminal.wait_for(b"Type the project's name")
    terminal.type(b"acne\n")
    assert terminal.end() == 2 and "is not the name of the project" in terminal.text
    terminal = Terminal(used, *ASK)
    terminal.wait_for(b"Type the project's name")
    terminal.type(b"acme\n")
    assert terminal.end() == 0 and len(names(used, "erasures/")) == 1


def test_the_same_command_again_says_what_was_done_and_deletes_what_was_stored_late(used: Desk, boris: Desk) -> None:
    project = id_of(used)
    erased(used, boris)
    again = used.call(*ERASE, *NAMED, "--json").document
    assert again["step"] == "done" and again["completed"] and again["erased_project"]["reason"] == "contract ended"
    assert SAID.search(boris.call(*ERASE).text)
    late = f"projects/{project}/packs/ab/{'ab' * 32}"
    with used.store() as store:
        store.put(late, b"late")
    done = boris.call(*ERASE, "--json").document
    assert done["step"] == "go-on" and done["destroyed"] == {"key_objects": 0, "stored_objects": 1, "bytes": 4}
    assert late not in names(used)


def test_one_person_is_enough_where_the_settings_say_so(used: Desk) -> None:
    used.settings.write_text(used.settings.read_text() + "\n[erasure]\napprovals = 1\n")
    done = used.call(*ASK, *NAMED, "--json").document
    assert done["completed"] and len(done["erased_project"]["erased_by"]) == 1 and done["destroyed"]["key_objects"] == 4
    assert "was erased on" in refusal(used.call("list", "acme", exits=21))


def test_a_request_may_not_be_open_for_longer_than_a_month(used: Desk) -> None:
    used.settings.write_text(used.settings.read_text() + '\n[erasure]\nwithin = "31 days"\n')
    assert "open for at most 30 days" in refusal(used.call(*ASK, *NAMED, exits=2))


def test_who_may_not_read_or_only_for_a_time_cannot_ask(used: Desk, boris: Desk) -> None:
    host = other(used, "host")
    grant(used, host, "host", "write")
    assert "may not grant, revoke or rotate" in refusal(host.call(*ASK, *NAMED, exits=12))
    assert "does not administer 1 project" in refusal(boris.call(*ASK, *NAMED, exits=21))


def test_a_hold_refuses_it_at_every_step(used: Desk, boris: Desk) -> None:
    hold = used.call("hold", "add", "acme", "--reason", "case 17", "--json").document["hold"]
    assert "is under a hold" in refusal(used.call(*ASK, *NAMED, exits=21))
    used.call("hold", "release", "acme", hold, "--reason", "over")
    used.call(*ASK, *NAMED)
    boris.call(*ERASE, "--approve", *NAMED)
    hold = used.call("hold", "add", "acme", "--reason", "case 18", "--json").document["hold"]
    assert "case 18" in refusal(used.call(*ERASE, *NAMED, exits=21))
    used.call("hold", "release", "acme", hold, "--reason", "over")
    assert "nobody has asked" in refusal(boris.call(*ERASE, "--approve", *NAMED, exits=21)), "another state"
    unchanged(used)


def test_the_act_of_destruction_is_verified_with_openssh(used: Desk, boris: Desk) -> None:
    erased(used, boris, "--act", "act")
    act = used.folder / "act"
    sorts = ("request", "approval", "destruction", "completion")
    expected = {"act.html", "allowed_signers", *(f"{one}.json{end}" for one in sorts for end in ("", ".sig"))}
    assert {file.name for file in act.iterdir()} == expected
    page = (act / "act.html").read_text()
    assert "contract ended" in page and "boris" in page and "<script" not in page
    program = shutil.which("ssh-keygen")
    assert program is not None
    commands = re.findall(r"ssh-keygen -Y verify -f allowed_signers -I (\S+) -n (\S+) -s (\S+) &lt; (\S+?)(?:<|\n|$)", page)
    assert [one[3] for one in commands] == [f"{one}.json" for one in sorts]
    for who, namespace, signature, file in commands:
        words = [program, "-Y", "verify", "-f", "allowed_signers", "-I", who, "-n", namespace, "-s", signature]
        data = (act / file).read_bytes()
        for given, code in ((data, 0), (data.replace(b"acme", b"acne"), 255)):
            done = subprocess.run(words, input=given, cwd=act, capture_output=True, check=False)
            assert done.returncode == code, (who, file, done.stderr)
    boris.call(*ERASE, "--act", "act")
    assert (boris.folder / "act/act.html").read_text() == page, "it can be made again from the statements alone"
    assert "is not empty" in refusal(boris.call(*ERASE, "--act", "act", exits=1))


def test_the_log_has_the_intent_before_and_the_outcome(used: Desk, boris: Desk) -> None:
    """Its entries are sealed to the keys of the project, which are gone: they are read with a copy of these."""
    with used.surroundings(["opened"]), context.opened(used.settings) as place:
        keys = place.project("acme").capability.audit_identities
        repository_id = place.repository.descriptor.repository
    erased(used, boris)
    with used.store() as store:
        found = list(entries.read_all(store, entries.listed(store).entries, keys, repository_id))
    erasing = [one.entry for one in found if one.entry is not None and one.entry.action == "erase"]
    by_step = {step: [one for one in erasing if one.what["step"] == step] for step in ("ask", "approve", "erase")}
    assert [one.outcome is None for one in by_step["erase"]] == [True, False], "the intent is stored before the effect"
    assert [len(by_step[step]) for step in ("ask", "approve")] == [1, 1]
    intent, outcome = by_step["erase"]
    assert intent.what["erasure"] == outcome.what["erasure"] and intent.run == outcome.run
    assert outcome.outcome is not None and outcome.outcome.result == "ok" and outcome.outcome.counts["key_objects"] == 6


def test_a_copy_is_erased_after_the_repository(used: Desk, boris: Desk) -> None:
    used.settings.write_text(used.settings.read_text() + '\n[copies.offsite]\naddress = "second"\n')
    used.call("copy")
    assert "was not erased in the repository itself" in refusal(used.call(*ERASE, "--from", "offsite", exits=21))
    project = id_of(used)
    said = erased(used, boris)
    assert "--from offsite" in said.err
    second = used.folder / "second"
    assert (second / "keys" / project).is_dir()
    assert "was erased on" in refusal(used.call("restore", "acme", "--to", "out", exits=21)), "no copy stands in for it"
    used.call(*ERASE, "--from", "offsite")
    assert not [file for file in second.rglob("*") if project in str(file) and file.is_file() and "erasures" not in str(file)]
    assert "was erased on" in refusal(used.call("list", "acme", "--from", "offsite", exits=21))
    used.call("restore", "beta", "--from", "offsite", "--to", "back")
    used.call("copy")
    assert not [file for file in (second / "keys").rglob("*") if project in str(file) and file.is_file()]


def test_in_a_versioned_bucket_no_version_of_a_key_object_is_left(tmp_path: Path, place_of: Callable[[str], Place]) -> None:
    place = place_of("moto")
    bucket, _, prefix = place.address.removeprefix("s3://").partition("/")
    assert place.endpoint is not None
    client = raw_client(place.endpoint)
    own = f"{bucket}-versions"
    client.create_bucket(Bucket=own)
    client.put_bucket_versioning(Bucket=own, VersioningConfiguration={"Status": "Enabled"})
    desk = with_snapshot(Desk(tmp_path / "desk", Place(f"s3://{own}/{prefix}", place.endpoint)))
    desk.settings.write_text(desk.settings.read_text() + "\n[erasure]\napprovals = 1\n")
    desk.call("keys", "rotate", "acme", "--yes")
    project = id_of(desk)

    def versions(folder: str) -> list[str]:
        found = client.list_object_versions(Bucket=own, Prefix=f"{prefix}/{folder}")
        return [one["Key"] for part in ("Versions", "DeleteMarkers") for one in found.get(part, [])]

    assert len(versions(f"keys/{project}/")) > 2 * 2
    done = desk.call(*ASK, *NAMED, "--json").document
    assert done["completed"] and done["old_versions"] > 0
    assert not versions(f"keys/{project}/") and not versions(f"projects/{project}/keys/")
    assert versions(f"projects/{project}/packs/"), "of other objects it is said how many stay"
    client.close()


def test_a_machine_of_which_somebody_has_put_the_keys_back_opens_nothing(used: Desk, boris: Desk) -> None:
    folder = repository(used)
    shutil.copytree(folder, used.folder / "stolen")
    erased(used, boris)
    for name in ("keys", "projects"):
        shutil.copytree(used.folder / "stolen" / name, folder / name, dirs_exist_ok=True)
    for desk in (used, boris):
        assert "was erased on" in refusal(desk.call("restore", "acme", "--to", "out", exits=21))


def test_evidence_shows_who_erased_what(used: Desk, boris: Desk) -> None:
    erased(used, boris)
    year = f"{datetime.now(UTC):%Y}"
    found = used.call("evidence", "beta", "--period", year, "--to", "evidence.zip", "--json").document
    assert found["erasures"] == 1 and found["log_sound"]
    with zipfile.ZipFile(used.folder / "evidence.zip") as bag:
        page = next(bag.read(name).decode() for name in bag.namelist() if name.endswith("evidence.html"))
        table = next(bag.read(name).decode() for name in bag.namelist() if name.endswith("erasures.csv"))
    (row,) = csv.DictReader(table.splitlines())
    assert (row["project"], row["approved_by"], row["reason"]) == ("acme", "boris", "contract ended")
    assert row["key_objects"] == "6" and row["not_deleted"] == "0" and row["completed_at"]
    assert "Projects that were erased" in page and "contract ended" in page


def statement_of(desk: Desk, project: str, sort: str) -> str:
    """The name of the statement that says so."""
    with desk.store() as store, desk.surroundings([]), context.opened(desk.settings) as opened:
        found = erasures.read(store, project, [one for one in opened.identities if isinstance(one, HybridIdentity)])
        ids = {erasure.sort_of(one): one.id for one in found.statements}
    return layout.erasure_name(project, ids[sort])


@pytest.mark.parametrize("damage", ["deleted", "flipped"])
@pytest.mark.parametrize("sort", ["destruction", "request", "approval", "completion"])
def test_damage_to_its_statements_is_noticed_where_somebody_still_names_the_project(
    used: Desk, boris: Desk, sort: str, damage: str
) -> None:
    project = id_of(used)
    erased(used, boris)
    with used.store() as store:
        name = statement_of(used, project, sort)
        data = bytearray(store.get(name))
        data[len(data) // 2] ^= 1
        if damage == "deleted":
            store.delete(name)
        else:
            store.put(name, bytes(data))
    assert SAID.search(refusal(used.call("list", "acme", exits=21))), "who has met it goes on knowing it"
    used.call("check")
    for part in (".cache", ".local"):
        shutil.rmtree(used.folder / "home" / part)
    seen = used.call("check", exits=(0, 20))
    assert seen.code == (0 if sort == "completion" else 20), "the settings of a new machine name a project that nobody opens"
    used.settings.write_text(re.sub(r"(?s)\[projects\.acme\b.*?(?=\n\[projects\.beta)", "", used.settings.read_text()))
    for words in (("check",), ("backup", "beta"), ("restore", "beta", "--to", "proof"), ("repair", "--yes")):
        used.call(*words)
    assert tree_facts(used.folder / "proof/reports") == tree_facts(used.folder / "other")
