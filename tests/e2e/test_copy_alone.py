"""`--from COPY`: a copy in the place of the repository, for reading, and with rules of its own about what stays."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.test_copy import name_copy
from tests.support.desk import Desk, Place, refusal
from tests.support.tree_facts import tree_facts, write_files

LOGGED = 3
"""Where the log cannot be written: the entry waits for the repository itself."""
COUNTED = "select count(*) from reports"
OWN_RULES = "[copies.offsite.keep]\nlast = 1\nwithin = '0 days'\n"


@pytest.fixture
def lived(used: Desk) -> Desk:
    """A repository with three snapshots, and a copy that keeps but the newest."""
    name_copy(used, Place("second"), more=OWN_RULES)
    for number in range(2):
        write_files(used.folder / "source", {"changing.csv": b"number,%d\n" % number * 500})
        used.call("backup")
    used.call("copy")
    return used


def snapshots(desk: Desk, *options: str) -> list[str]:
    (project,) = desk.call("list", "--json", *options).document["projects"]
    return [one["snapshot"] for one in project["snapshots"]]


def test_a_copy_forgets_and_prunes_by_its_own_rules_and_gets_nothing_of_that_again(lived: Desk) -> None:
    everything = snapshots(lived)
    assert len(everything) == 3 and snapshots(lived, "--from", "offsite") == everything
    assert not lived.call("retention", "plan", "--json").document["projects"][0]["goes"]
    lived.call("retention", "apply", "--from", "offsite", "--yes")
    lived.call("prune", "--from", "offsite", "--yes")
    assert snapshots(lived, "--from", "offsite") == everything[-1:] and snapshots(lived) == everything
    assert "0 snapshots copied, 0 packs" in lived.call("copy").text
    lived.call("check", "--read-data", "--from", "offsite")
    lived.call("check", "--read-data")
    lived.call("backup")
    assert "1 snapshot copied" in lived.call("copy").text
    assert len(snapshots(lived, "--from", "offsite")) == 2


def test_deletions_in_the_repository_do_not_reach_the_copy(lived: Desk) -> None:
    oldest = snapshots(lived)[0]
    lived.call("forget", "acme", oldest, "--reason", "a mistake", "--yes")
    lived.call("prune", "--yes")
    lived.call("copy")
    assert oldest not in snapshots(lived) and oldest in snapshots(lived, "--from", "offsite")
    lived.call("restore", "acme", "--from", "offsite", "--at", oldest, "--to", "back")
    assert b"changing.csv" not in tree_facts(lived.folder / "back/reports")


def test_a_hold_binds_the_copy_before_it_is_copied(lived: Desk) -> None:
    lived.call("hold", "add", "acme", "--reason", "case 17")
    lived.call("retention", "apply", "--from", "offsite", "--yes", exits=21)
    assert len(lived.call("hold", "list", "--from", "offsite", "--json").document["holds"]) == 1
    lived.call("retention", "apply", "--from", "offsite", "--yes")
    assert len(snapshots(lived, "--from", "offsite")) == 3


def test_every_reading_command_works_from_a_copy_when_the_first_store_is_gone(lived: Desk) -> None:
    source = tree_facts(lived.folder / "source")
    counted = lived.call("query", "acme", COUNTED).text
    shutil.rmtree(lived.folder / "repository")
    offsite = ("--from", "offsite")
    lived.call("list", exits=10)
    assert len(snapshots(lived, *offsite)) == 3
    assert "a.csv" in lived.call("ls", "acme", "reports", *offsite).text
    assert "a.csv" in lived.call("find", "acme", "a.csv", *offsite).text
    lived.call("history", "acme", "reports/changing.csv", *offsite)
    lived.call("diff", "acme", "--since", "2199-01-01", *offsite, exits=(0, 1))
    assert lived.call("query", "acme", COUNTED, *offsite, exits=LOGGED).text == counted
    lived.call("export", "acme", "--to", "bag", *offsite, exits=LOGGED)
    lived.call("drill", *offsite, exits=LOGGED)
    lived.call("restore", "acme", "--to", "back", *offsite, exits=LOGGED)
    assert tree_facts(lived.folder / "back/reports") == source
    lived.call("check", *offsite)
    warned = lived.call("retention", "apply", "--yes", *offsite, exits=LOGGED).err
    assert "the holds of the repository itself could not be looked at" in warned
    lived.call("prune", "--yes", *offsite, exits=LOGGED)
    assert len(snapshots(lived, *offsite)) == 1


def test_the_caches_of_two_stores_with_one_id_are_two(lived: Desk) -> None:
    lived.call("list", "--from", "offsite")
    folders = sorted(one.name for one in (lived.folder / "home/.cache/strongroom").iterdir())
    assert len(folders) == 2 and folders[1].startswith(f"{folders[0]}-")
    shown = lived.call("cache", "info", "--json").document["repositories"]
    assert {Path(one["address"]).name for one in shown} == {"repository", "second"}
    assert len({one["repository_id"] for one in shown}) == 1


def test_other_keys_in_a_copy_are_refused(lived: Desk, tmp_path: Path) -> None:
    """Whoever can write to the copy's store, and knows a public key, could put keys of their own there."""
    from cli.main import app  # noqa: F401 (imported before the other machine's environment)

    other = Desk(tmp_path / "other", Place("repository"))
    other.init()
    shutil.copy(lived.identity, other.identity)
    write_files(other.folder / "source", {"x.csv": b"x"})
    other.add("acme", f"reports={other.folder / 'source'}")
    for file in (lived.folder / "second/keys").rglob("*.age"):
        file.unlink()
    shutil.copytree(other.folder / "repository/keys", lived.folder / "second/keys", dirs_exist_ok=True)
    lived.call("list", "--from", "offsite", exits=(12, 20))


def test_from_and_repository_exclude_each_other(lived: Desk) -> None:
    assert "exclude each other" in refusal(lived.call("list", "--from", "offsite", "--repository", "second", exits=2))
    assert "named with --since" in refusal(lived.call("find", "acme", "a", "--from", "2026-01-01", exits=2))
