"""Two principals and two projects: what somebody may do in the one says nothing about the other, whatever the rights."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from msgspec import Struct

from tests.e2e.used import repository, with_snapshot
from tests.support.desk import Desk, Place
from tests.support.tree_facts import write_files

ALLOWED: dict[str, frozenset[str]] = {
    "none": frozenset(),
    "write": frozenset({"names", "write"}),
    "read": frozenset({"names", "write", "read"}),
    "audit": frozenset({"log"}),
}
PAIRS = [(one, two) for one, two in product(ALLOWED, ALLOWED) if one != two]

LINES: dict[str, tuple[tuple[str, ...], str]] = {
    "list": (("list", "{project}"), "names"),
    "history": (("history", "{project}", "reports/a.csv"), "names"),
    "restore": (("restore", "{project}", "--to", "out", "--dry-run"), "read"),
    "query": (("query", "{project}", "--tables"), "read"),
    "export": (("export", "{project}", "--to", "bag", "--dry-run"), "read"),
    "backup": (("backup", "{project}"), "write"),
    "hold add": (("hold", "add", "{project}", "--path", "none", "--reason", "x"), "write"),
    "prune": (("prune", "{project}", "--yes"), "write"),
    "audit show": (("audit", "show", "{project}"), "log"),
    "audit export": (("audit", "export", "{project}", "--to", "log.jsonl"), "log"),
    "keys grant": (("keys", "grant", "{own}", "--name", "x", "--project", "{project}", "--as", "write", "--yes"), "read"),
}
"""A command line of each sort, and what it needs."""

PROJECTS = ("acme", "beam")


class Companies(Struct, frozen=True):
    """admin: who has made two projects · desks: of each pair of rights, in acme and in beam."""

    admin: Desk
    desks: dict[tuple[str, str], Desk]


@pytest.fixture(scope="module")
def companies(tmp_path_factory: pytest.TempPathFactory) -> Companies:
    folder = tmp_path_factory.mktemp("companies")
    admin = with_snapshot(Desk(folder / "admin", Place("repository")))
    write_files(admin.folder / "beams", {"a.csv": b"4"})
    admin.add("beam", f"reports={admin.folder / 'beams'}")
    admin.call("backup", "beam")
    desks = {}
    for pair in PAIRS:
        desk = desks[pair] = Desk(folder / "-".join(pair), Place(str(repository(admin))))
        desk.call("join", str(repository(admin)), "--name", " ".join(pair))
        public = str(desk.identity.with_name("identity.txt.pub"))
        for project, right in zip(PROJECTS, pair, strict=True):
            if right != "none":
                words = ("--name", " ".join(pair), "--project", project, "--as", right, "--yes")
                admin.call("keys", "grant", public, *words)
        text = "".join(
            f'\n[projects.{project}]\nzone = "UTC"\n[[projects.{project}.sources]]\nname = "reports"\nkind = "reports"\n'
            f'path = "{source}"\n'
            for project, source in zip(PROJECTS, (admin.folder / "source", admin.folder / "beams"), strict=True)
        )
        desk.settings.write_text(desk.settings.read_text() + text)
    return Companies(admin, desks)


def stored(folder: Path, project: str) -> dict[str, bytes]:
    """The objects of a project; the log is of all."""
    places = (folder / "projects" / project, folder / "keys" / project)
    return {str(file): file.read_bytes() for place in places for file in sorted(place.rglob("*")) if file.is_file()}


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_rights_in_one_project_give_none_in_another(pair: tuple[str, str], companies: Companies) -> None:
    admin, desk = companies.admin, companies.desks[pair]
    ids = {one["project"]: one["project_id"] for one in admin.call("list", "--json").document["projects"]}
    wrong = []
    for project, right in zip(PROJECTS, pair, strict=True):
        for command, (words, needs) in LINES.items():
            before = stored(repository(admin), ids[project])
            own = str(desk.identity.with_name("identity.txt.pub"))
            line = [word.format(project=project, own=own) for word in words]
            done = desk.call(*line, exits=range(131))
            allowed = needs in ALLOWED[right]
            if allowed is (done.code == 12) or (not allowed and done.code not in (3, 12)):
                wrong.append(f"{command} of {project} with {right}: exit {done.code}: {done.err[-300:]}")
            if not allowed and stored(repository(admin), ids[project]) != before:
                wrong.append(f"{command} of {project} with {right}: changed the store, and is refused")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_who_names_no_project_is_shown_those_that_open(pair: tuple[str, str], companies: Companies) -> None:
    desk = companies.desks[pair]
    opening = [project for project, right in zip(PROJECTS, pair, strict=True) if "names" in ALLOWED[right]]
    listed = desk.call("list", "--json", exits=(0, 3, 12)).document
    assert sorted(one["project"] for one in listed.get("projects", ())) == opening
    logs = [project for project, right in zip(PROJECTS, pair, strict=True) if right == "audit"]
    shown = desk.call("audit", "show", "--json", exits=(0, 3, 12)).document
    about = {name for entry in shown.get("entries", ()) for name in entry["projects"]}
    assert about == set(logs)
