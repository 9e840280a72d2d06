"""What a person gets wrong: a clear error, a hint, the right exit code, and nothing lost or half made."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.chance import SeededChance
from tests.support.desk import Desk, Place, Result, checked, refusal, without_root_powers
from tests.support.store_fixtures import BUCKET
from tests.support.tree_facts import tree_facts, write_files
from vault import age


@pytest.fixture
def used(desk: Desk) -> Desk:
    """A desk with a repository and one snapshot of the project acme."""
    write_files(desk.folder / "source", {"a.csv": b"1", "sub/b.csv": b"2" * 1000})
    desk.init()
    desk.add("acme", f"reports={desk.folder / 'source'}")
    desk.call("backup")
    return desk


def repository(desk: Desk) -> Path:
    return desk.folder / "repository"


def unchanged(desk: Desk) -> None:
    """Whatever was refused, the next backup and a restore work."""
    desk.call("backup")
    desk.call("check", "--data")
    desk.call("restore", "acme", "--to", "proof")
    assert tree_facts(desk.folder / "proof/reports") == tree_facts(desk.folder / "source")


# keys


def test_a_wrong_identity_is_refused_as_such(used: Desk) -> None:
    other = used.folder / "other.txt"
    other.write_text(age.HybridIdentity.generate(SeededChance("other")).encode())
    before = tree_facts(repository(used))
    for arguments in (["backup"], ["list"], ["restore", "acme", "--to", "out"], ["check"], ["status"]):
        assert "none of the given identities" in refusal(used.call(*arguments, "--identity", str(other), exits=12))
    assert tree_facts(repository(used)) == before and not (used.folder / "out").exists()


def test_a_truncated_identity_is_refused_as_such(used: Desk) -> None:
    whole = used.identity.read_text()
    for text in (whole[:-30], "", "# only a comment\n", whole[: whole.index("AGE-SECRET-KEY") + 20], "hello", "\x00\xff"):
        used.identity.write_text(text)
        message = refusal(used.call("list", exits=12))
        assert str(used.identity) in message
    used.identity.write_bytes(b"\xff\xfe\x00")
    assert "is not an identity file" in refusal(used.call("list", exits=12))
    used.identity.write_text(whole)
    unchanged(used)


def test_a_missing_identity_is_named(used: Desk) -> None:
    used.identity.rename(used.folder / "moved.txt")
    assert str(used.identity) in refusal(used.call("backup", exits=12))
    assert "--identity FILE" in refusal(used.call("list", "--identity", "nowhere.txt", exits=12))
    used.call("list", "--identity", "moved.txt")


def seal_identity(desk: Desk, passphrase: str) -> None:
    """Seal the identity to a passphrase, with a work factor that costs nothing."""
    sealed = age.seal(desk.identity.read_bytes(), [age.ScryptRecipient(passphrase, 2)], SeededChance("scrypt"))
    desk.identity.write_bytes(age.armor.encode(sealed.data))


def set_identity(desk: Desk, key: str, value: str) -> None:
    text = desk.settings.read_text()
    desk.settings.write_text(text.replace("[identity]\n", f"[identity]\n{key} = {json.dumps(value)}\n"))


def test_a_wrong_passphrase_is_refused_and_the_right_one_taken(used: Desk) -> None:
    seal_identity(used, "correct horse")
    assert "nobody can be asked" in refusal(used.call("list", exits=12))
    set_identity(used, "passphrase_command", "echo wrong")
    assert "--identity" not in refusal(used.call("list", exits=12))
    used.settings.write_text(used.settings.read_text().replace("echo wrong", "echo correct horse"))
    unchanged(used)
    whole = used.identity.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-40], whole.replace(b"A", b"B")):
        used.identity.write_bytes(damaged)
        refusal(used.call("list", exits=12))


def test_an_identity_may_come_from_a_command(used: Desk) -> None:
    text = used.settings.read_text()
    moved = used.folder / "kept elsewhere"
    used.identity.rename(moved)
    settings = text.replace(f'file = "{used.identity}"', "command = \"cat 'kept elsewhere'\"")
    assert settings != text
    used.settings.write_text(settings)
    unchanged(used)
    for command in ("false", "no-such-program x", "'unclosed", ""):
        used.settings.write_text(text.replace(f'file = "{used.identity}"', f"command = {json.dumps(command)}"))
        refusal(used.call("list", exits=2))


def test_the_recovery_kit_may_not_lie_beside_the_identity(desk: Desk) -> None:
    desk.identity.parent.mkdir(parents=True)
    kit = desk.identity.with_name("kit.txt")
    assert "beside the identity" in refusal(desk.call("init", desk.place.address, "--recovery-kit", str(kit), exits=2))
    (desk.folder / "link").symlink_to(desk.identity.parent)
    refusal(desk.call("init", desk.place.address, "--recovery-kit", str(desk.folder / "link/kit.txt"), exits=2))
    assert not desk.identity.exists() and not repository(desk).exists() and not desk.settings.exists()


# repositories


def test_an_address_without_a_repository_is_told_from_a_missing_disk(used: Desk) -> None:
    repository(used).rename(used.folder / "away")
    message = refusal(used.call("backup", exits=10))
    assert str(repository(used)) in message and "strongroom init" in message and not repository(used).exists()
    repository(used).mkdir()
    refusal(used.call("backup", exits=10))
    assert list(repository(used).iterdir()) == []
    (used.folder / "away").rename(used.folder / "again")
    repository(used).rmdir()
    (used.folder / "again").rename(repository(used))
    unchanged(used)


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (lambda value: value | {"format": 2}, 1, "format 2"),
        (lambda value: value | {"features": ["quantum-ink"]}, 1, "'quantum-ink'"),
        (lambda value: value | {"format": 0}, 20, "descriptor"),
        (lambda value: value | {"chunking": {}}, 20, "descriptor"),
        (lambda value: value | {"limits": {"pack": 10**12}}, 20, "descriptor"),
        (lambda value: [value], 20, "descriptor"),
    ],
)
def test_a_descriptor_that_is_newer_or_makes_no_sense_is_refused(
    used: Desk, change: Callable[[dict[str, object]], object], code: int, words: str
) -> None:
    file = repository(used) / "strongroom.json"
    whole = file.read_bytes()
    file.write_text(json.dumps(change(json.loads(whole))))
    before = tree_facts(repository(used))
    for arguments in (["backup"], ["restore", "acme", "--to", "out"], ["check"], ["project", "list"]):
        assert words in refusal(used.call(*arguments, exits=code))
    assert tree_facts(repository(used)) == before and not (used.folder / "out").exists()
    file.write_bytes(whole)
    unchanged(used)


def test_a_descriptor_of_other_bytes_is_damaged(used: Desk) -> None:
    file = repository(used) / "strongroom.json"
    whole = file.read_bytes()
    for damaged in (b"", whole[:-20], b"\xff" * 100, b" " * 100_000, b"[" * 50_000):
        file.write_bytes(damaged)
        assert "descriptor" in refusal(used.call("list", exits=20))


def test_init_twice_is_refused_and_changes_nothing(used: Desk) -> None:
    used.settings.rename(used.folder / "elsewhere.toml")
    before = tree_facts(used.folder)
    assert "already" in refusal(used.call("init", used.place.address, exits=21))
    assert tree_facts(used.folder) == before


def test_init_leaves_settings_and_keys_alone_that_are_there(desk: Desk) -> None:
    desk.settings.write_text("# mine\n")
    assert str(desk.settings.name) in refusal(desk.call("init", desk.place.address, exits=21))
    assert desk.settings.read_text() == "# mine\n" and not repository(desk).exists() and not desk.identity.exists()
    desk.settings.unlink()
    desk.kit.parent.mkdir()
    desk.kit.write_text("old kit")
    refusal(desk.call("init", desk.place.address, "--recovery-kit", str(desk.kit), exits=21))
    assert desk.kit.read_text() == "old kit" and not repository(desk).exists()


def test_an_address_that_is_none_is_refused(desk: Desk) -> None:
    for address, words in (
        ("https://s3.example.org/bucket", "endpoint"),
        ("s3:bucket", "s3://bucket/prefix"),
        ("s3://user:secret@bucket/x", "credentials"),
        ("sftp://host/x", "not supported"),
        ("", "no address"),
    ):
        message = refusal(desk.call("init", address, exits=2))
        assert words in message and "secret" not in message
    file = desk.folder / "a file"
    file.write_text("x")
    refusal(desk.call("init", str(file), exits=30))
    refusal(desk.call("init", str(file / "below"), exits=30))
    assert file.read_text() == "x" and not desk.settings.exists() and not desk.identity.exists()


# projects and sources


def test_a_project_that_does_not_exist_brings_the_nearest_name(used: Desk) -> None:
    for arguments in (
        ["backup", "acne"],
        ["restore", "acne", "--to", "out"],
        ["ls", "acne"],
        ["check", "acne"],
        ["list", "acne"],
    ):
        message = refusal(used.call(*arguments, exits=2))
        assert "there is no project 'acne'" in message and "did you mean 'acme'?" in message
    assert "there are: acme" in refusal(used.call("ls", "zebra", exits=2))
    assert "there are: reports" in refusal(used.call("backup", "acme", "--source", "tickets", exits=2))


def test_a_project_that_makes_no_sense_is_not_added(used: Desk) -> None:
    before = used.settings.read_text(), tree_facts(repository(used))
    source = f"reports={used.folder / 'source'}"
    for name, given, code in (
        ("acme", source, 21),
        ("a/b", source, 2),
        (" x", source, 2),
        ("", source, 2),
        ("x", "reports", 2),
        ("x", "Reports=/tmp", 2),
        ("x", "reports=", 2),
        ("x", "reports=/no/such/folder", 1),
        ("x", f"reports={used.settings}", 1),
    ):
        refusal(used.call("project", "add", name, "--source", given, exits=code))
    for pattern in ("!", "[z-a]", "a\\"):
        refusal(used.call("project", "add", "x", "--source", source, "--exclude", pattern, exits=2))
    assert (used.settings.read_text(), tree_facts(repository(used))) == before


def test_a_missing_source_commits_nothing(used: Desk) -> None:
    (used.folder / "source").rename(used.folder / "unmounted")
    message = refusal(used.call("backup", exits=1))
    assert str(used.folder / "source") in message and "mounted" in message
    (used.folder / "source").write_text("a file now")
    refusal(used.call("backup", exits=1))
    assert used.call("list").text.startswith("acme: 1 snapshot\n")
    told = used.call("backup", "--json", exits=1).document["snapshots"][0]
    assert told["exit_code"] == 1 and told["hint"]


def test_one_source_that_is_missing_does_not_stop_the_others(used: Desk) -> None:
    write_files(used.folder / "other", {"c.csv": b"3"})
    used.add("zeta", f"reports={used.folder / 'other'}")
    shutil.rmtree(used.folder / "source")
    result = used.call("backup", exits=1)
    assert result.text.startswith("zeta/reports: 2 items") and "acme" not in result.text
    document = used.call("backup", "--json", exits=1).document
    assert [("error" in one, one["project"]) for one in document["snapshots"]] == [(True, "acme"), (False, "zeta")]


def test_an_emptied_source_commits_nothing_unless_it_is_meant(used: Desk) -> None:
    facts = tree_facts(used.folder / "source")
    for path in (used.folder / "source").iterdir():
        path.unlink() if path.is_file() else shutil.rmtree(path)
    assert "--allow-empty" in refusal(used.call("backup", exits=1))
    assert used.call("list").text.startswith("acme: 1 snapshot\n")
    assert "3 vanished" in used.call("backup", "--allow-empty").text
    used.call("restore", "acme", "--deleted", "--to", "back")
    restored = tree_facts(used.folder / "back/reports")
    assert {path: one for path, one in restored.items() if path} == {path: one for path, one in facts.items() if path}


def test_what_cannot_be_read_is_a_problem_and_its_last_version_stays(used: Desk) -> None:
    (used.folder / "source/a.csv").chmod(0)
    result = used.run("backup", exits=3, preexec_fn=without_root_powers)
    assert "problem: reports/a.csv: it cannot be read" in result.err
    assert used.call("restore", "acme", "reports/a.csv", "--to", "-").out == b"1"
    (used.folder / "source/a.csv").chmod(0o644)
    (used.folder / "source/sub").chmod(0)
    told = used.run("backup", "--json", exits=3, preexec_fn=without_root_powers).document["snapshots"][0]
    assert {problem["path"] for problem in told["problem_list"]} == {"reports/sub"} and told["vanished"] == 0
    assert used.call("status", exits=3).text.count("problems") == 1
    used.call("restore", "acme", "reports/sub/b.csv", "--to", "back")
    assert (used.folder / "back/reports/sub/b.csv").read_bytes() == b"2" * 1000
    (used.folder / "source").chmod(0)
    assert "cannot be opened" in refusal(used.run("backup", exits=1, preexec_fn=without_root_powers))


def test_folders_without_permission_are_refused_before_anything_is_half_made(used: Desk) -> None:
    (used.folder / "closed").mkdir(mode=0o555)
    told = used.run("restore", "acme", "--to", "closed/target", exits=1, preexec_fn=without_root_powers)
    assert told.out == b"" and "cannot write to" in told.err and "hint: let the user" in told.err
    refusal(used.run("init", "closed/repository", "--config", "other.toml", exits=30, preexec_fn=without_root_powers))
    refusal(used.run("init", "new", "--config", "closed/other.toml", exits=2, preexec_fn=without_root_powers))
    before = tree_facts(repository(used))
    folders = [folder for folder in repository(used).rglob("*") if folder.is_dir()]
    for folder in folders:
        folder.chmod(0o500)
    refusal(used.run("backup", exits=30, preexec_fn=without_root_powers))
    for folder in folders:
        folder.chmod(0o700)
    assert tree_facts(repository(used)).keys() == before.keys()
    unchanged(used)


# settings


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[repository\n", ["line 1, column 12"]),
        ('[repository]\naddress = "x"\naddress = "y"\n', ["line 3"]),
        ('[repository]\naddress = "x"\n[identity]\nfiel = "y"\n', ["line 4", "identity.fiel", "did you mean 'file'?"]),
        ('[repository]\naddres = "x"\n', ["repository.addres", "did you mean 'address'?"]),
        ("[repository]\naddress = 3\n", ["line 2", "repository.address"]),
        ("", ["repository.address is missing"]),
        ('[repository]\naddress="x"\n[projects.a]\nsources=[{kind="Big", path="/"}]\n', ["line 4", "kind"]),
        ('[repository]\naddress="x"\n[projects.a]\nsources=[{kind="big"}]\n', ["path is missing"]),
        ('[repository]\naddress="x"\n[projects]\na = 1\n', ["projects.a must be a table"]),
        ("\xff", ["cannot be read"]),
    ],
)
def test_settings_that_cannot_be_used_are_refused_with_the_place(desk: Desk, text: str, words: list[str]) -> None:
    desk.settings.write_bytes(text.encode("latin-1"))
    message = refusal(desk.call("backup", exits=2))
    assert str(desk.settings.name) in message
    for word in words:
        assert word in message


def test_missing_settings_name_the_places_that_were_looked_at(desk: Desk) -> None:
    message = refusal(desk.call("backup", exits=2))
    assert "strongroom.toml" in message and "strongroom init" in message
    assert "nowhere.toml" in refusal(desk.call("list", "--config", "nowhere.toml", exits=2))


# restoring


def test_a_target_that_cannot_be_written_is_refused(used: Desk) -> None:
    file = used.folder / "a file"
    file.write_text("x")
    for target in (file, file / "below"):
        assert str(file) in refusal_of_restore(used, target)
    assert file.read_text() == "x"
    if Path("/proc/self").exists():
        assert "/proc/self" in refusal_of_restore(used, Path("/proc/self/restored"))
    unchanged(used)


def refusal_of_restore(desk: Desk, target: Path) -> str:
    result = desk.call("restore", "acme", "--to", str(target), exits=1)
    assert result.out == b"" and "hint: " in result.err
    return result.err


def test_what_stands_in_the_way_decides_nothing_by_itself(used: Desk) -> None:
    target = used.folder / "target"
    write_files(target, {"reports/a.csv": b"mine", "reports/other": b"not ours"})
    before = tree_facts(target)

    result = used.call("restore", "acme", "--to", "target", exits=1)
    assert result.out == b"" and "in the way: reports/a.csv (file)" in result.err and "--existing" in result.err
    document = used.call("restore", "acme", "--to", "target", "--json", exits=1).document
    assert document["error"]["exit_code"] == 1 and document["error"]["hint"]
    assert tree_facts(target) == before

    used.call("restore", "acme", "--to", "target", "--existing", "skip")
    assert (target / "reports/a.csv").read_bytes() == b"mine" and (target / "reports/sub/b.csv").is_file()
    used.call("restore", "acme", "--to", "target", "--existing", "keep-both")
    assert (target / "reports/a.csv").read_bytes() == b"mine"
    assert [path.read_bytes() for path in (target / "reports").glob("a (restored *).csv")] == [b"1"]
    used.call("restore", "acme", "--to", "target", "--existing", "replace")
    assert (target / "reports/a.csv").read_bytes() == b"1" and (target / "reports/other").read_bytes() == b"not ours"
    used.call("restore", "acme", "--to", "target", "--existing", "maybe", exits=2)


def test_a_dry_run_writes_nothing(used: Desk) -> None:
    before = tree_facts(used.folder / "source"), tree_facts(repository(used))
    result = used.call("restore", "acme", "--to", "target", "--dry-run")
    assert "plan: 2 files" in result.err and result.out == b""
    assert used.call("restore", "acme", "--to", "target", "--dry-run", "--json").document["plan"]["files"] == 2
    assert not (used.folder / "target").exists()
    assert (tree_facts(used.folder / "source"), tree_facts(repository(used))) == before


def test_a_moment_or_pattern_that_means_nothing_is_refused(used: Desk) -> None:
    for at in ("garbage", "2026-13-01", "99999999t999999z-0000000000000000", "20200101t000000z-0000000000000000", "-1", ""):
        refusal(used.call("restore", "acme", "--to", "out", "--at", at, exits=2))
    assert "no snapshot" in refusal(used.call("ls", "acme", "--at", "2001-01-01", exits=2))
    assert "--deleted" in refusal(used.call("restore", "acme", "reports/nothing*", "--to", "out", exits=2))
    assert "not a pattern" in refusal(used.call("ls", "acme", "reports/[z-a]", exits=2))
    refusal(used.call("restore", "acme", exits=2))
    assert not (used.folder / "out").exists()


def test_several_files_cannot_be_streamed(used: Desk) -> None:
    assert "2 files match" in refusal(used.call("restore", "acme", "--to", "-", exits=2))
    (used.folder / "source/hollow").mkdir()
    used.call("backup")
    assert "no file matches" in refusal(used.call("restore", "acme", "reports/hollow", "--to", "-", exits=2))
    assert used.call("restore", "acme", "reports/a.csv", "--to", "-").out == b"1"


def test_an_unknown_command_or_option_is_a_usage_error(used: Desk) -> None:
    for arguments in (
        ["nonsense"],
        ["backup", "--fast"],
        ["restore"],
        ["check", "--percent", "5"],
        ["check", "--percent", "many"],
    ):
        result = used.call(*arguments, exits=2)
        assert result.out == b"" and result.err


def test_every_refusal_is_one_document_with_json(used: Desk) -> None:
    for arguments, code in (
        (["ls", "acne"], 2),
        (["restore", "acme", "--to", "-", "--json", "nothing"], 2),
        (["list", "--identity", "nowhere"], 12),
        (["backup", "--config", "nowhere"], 2),
        (["init", "repository", "--config", "other.toml"], 21),
    ):
        result = used.call(*arguments, "--json", exits=code)
        error = result.document["error"]
        assert error["exit_code"] == code and error["message"] in result.err and error["hint"] in result.err


# S3


def test_a_bucket_that_does_not_exist_is_named(desk: Desk, moto_endpoint: str) -> None:
    message = refusal(desk.call("init", "s3://no-such-bucket-here/x", "--endpoint", moto_endpoint, exits=30))
    assert "bucket" in message and not desk.settings.exists() and not desk.identity.exists()
    place = desk.folder / "strongroom.toml"
    place.write_text(f'[repository]\naddress = "s3://no-such-bucket-here/x"\nendpoint = "{moto_endpoint}"\n')
    assert "bucket" in refusal(desk.call("list", exits=30))


def test_an_empty_prefix_of_a_bucket_has_no_repository(desk: Desk, moto_endpoint: str) -> None:
    place = f'[repository]\naddress = "s3://{BUCKET}/nothing-here"\nendpoint = "{moto_endpoint}"\n'
    desk.settings.write_text(place)
    assert f"s3://{BUCKET}/nothing-here" in refusal(desk.call("list", exits=10))


def test_missing_credentials_are_told(tmp_path: Path, weed_endpoint: str) -> None:
    nothing = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    desk = Desk(tmp_path, Place(f"s3://{BUCKET}/e2e-denied", weed_endpoint), nothing)
    message = refusal(desk.run("init", desk.place.address, *desk.place.options, exits=30))
    assert "credentials" in message and "AWS_ACCESS_KEY_ID" in message
    wrong = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "else"}
    desk = Desk(tmp_path, desk.place, wrong)
    refusal(desk.call("init", desk.place.address, *desk.place.options, exits=30))
    assert not desk.settings.exists()


@pytest.fixture(scope="module", autouse=True)
def absent_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, subprocess.Popen[bytes]]]:
    """A command that asks where nobody answers; it takes its time while the other tests run."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    desk = Desk(tmp_path_factory.mktemp("absent"), Place("s3://bucket/x", f"http://127.0.0.1:{port}"))
    process = desk.start("init", desk.place.address, *desk.place.options)
    yield desk, process
    process.kill()
    process.wait()


def test_a_server_that_is_not_there_is_given_up_after_a_while(absent_server: tuple[Desk, subprocess.Popen[bytes]]) -> None:
    desk, process = absent_server
    out, err = process.communicate(timeout=60)
    message = refusal(checked(["init"], Result(process.returncode, out, err.decode()), [30]))
    assert str(desk.place.endpoint) in message and not desk.settings.exists() and not desk.identity.exists()
