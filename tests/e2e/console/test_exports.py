"""Exports with proof: a signed bag by a task, verified and fetched; and bags that somebody brings, hostile ones among them."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx2 as httpx
import pytest

from console.access.rights import Action, Assignment, Person, Role
from console.files import FOLDER
from console.limits import ConsoleLimits
from tests.e2e.console.getting_back import acts, fetched, fields_of, until
from tests.support.clock import StillClock
from tests.support.console import CSRF, ConsoleClient, console_of, person, text_of
from tests.support.desk import Desk, Place
from tests.support.tree_facts import write_files
from vault.clock import SystemClock

VERA, VIEWER = person("vera", Role.AUDITOR, projects=["acme", "zarya"]), person("anna", Role.VIEWER)
IRA = Person("ira", "Ira", assignments=(Assignment(Role.EXPORTER, ("acme",), kinds=("reports",)),))
NARROW = Person("ivan", "Ivan", assignments=(Assignment(Role.EXPORTER, ("acme",), paths=("reports/2024-05*",)),))
CHIEF = person("boris", Role.EXPORTER)
EXPORT, VERIFY = "/projects/acme/export", "/projects/acme/bags/verify"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    made = Desk(tmp_path_factory.mktemp("exports") / "desk", Place("repository"))
    write_files(made.folder / "reports", {"2024-05.csv": b"agent,calls\nolena,17\n", "2024-06.csv": b"agent,calls\nivan,3\n"})
    write_files(made.folder / "tickets", {"2024-05.jsonl": b'{"id": 1, "text": "lost"}\n'})
    made.init()
    for name in ("acme", "zarya"):
        made.add(name, f"reports={made.folder / 'reports'}", f"tickets={made.folder / 'tickets'}")
    made.call("backup")
    return made


@pytest.fixture
def console(desk: Desk) -> Iterator[ConsoleClient]:
    shelf = desk.folder / "shelf"
    with console_of(desk, VERA, IRA, NARROW, VIEWER, CHIEF, bag_folders={"Shelf": shelf}) as made:
        yield made
    shutil.rmtree(shelf, ignore_errors=True)


def exported(console: ConsoleClient, **asked: str) -> tuple[str, bytes]:
    """The address of the task, and the bag."""
    words = "&".join(f"{name}={value}" for name, value in {"plan": "1", **asked}.items())
    form = fields_of(console.get(f"{EXPORT}?{words}"), "/export")
    made = console.post(EXPORT, {**form, "reason": "audit 17"})
    assert made.status_code == 303, text_of(made)
    task = made.headers["location"]
    assert "The bag is whole." in text_of(until(console, task, "is done"))
    found = fetched(console, task)
    assert found.status_code == 200 and int(found.headers["content-length"]) == len(found.content)
    return task, found.content


def brought(console: ConsoleClient, content: bytes, *, csrf: str = CSRF, late: bool = False) -> httpx.Response:
    """A bag, sent as a browser sends it. late: the token stands behind the file."""
    token = f'--edge\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{csrf}\r\n'.encode()
    file = b'--edge\r\nContent-Disposition: form-data; name="bag"; filename="bag.zip"\r\n\r\n' + content + b"\r\n"
    body = (file + token if late else token + file) + b"--edge--\r\n"
    return raw(console, body)


def raw(console: ConsoleClient, body: bytes) -> httpx.Response:
    headers = {"x-person": console.person, "content-type": "multipart/form-data; boundary=edge"}
    return console._client.post(VERIFY, content=body, headers=headers, follow_redirects=False)


def verdict(console: ConsoleClient, content: bytes) -> str:
    made = brought(console, content)
    assert made.status_code == 303, text_of(made)
    return text_of(until(console, made.headers["location"], "is done"))


def files_of(desk: Desk) -> list[Path]:
    return [one for one in (desk.folder / "console" / FOLDER).rglob("*") if one.is_file()]


def members(bag: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(bag)) as archive:
        return {one: archive.read(one) for one in archive.namelist()}


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_an_auditor_sees_a_plan_makes_a_bag_and_brings_it_back_to_be_verified(desk: Desk, console: ConsoleClient) -> None:
    page = console.get(f"{EXPORT}?plan=1&periods=2024-05&format=xlsx")
    assert "2 files" in text_of(page) and text_of(page).count("A second person") == 0
    assert console.post(EXPORT, {**fields_of(page, "/export"), "reason": " "}).status_code == 400
    _, bag = exported(console, periods="2024-05")
    files = members(bag)
    report = next(data for name, data in files.items() if name.endswith("report.json"))
    assert b"vera (console)" in report and b"audit 17" in report
    assert sorted(name.rpartition("/data/")[2] for name in files if "/data/" in name and name[-1] != "/") == [
        "reports/2024-05.csv",
        "tickets/2024-05.jsonl",
    ]
    said = verdict(console, bag)
    assert "bag.zip" in said and "The bag is whole." in said and "2 files are as in the snapshots" in said
    assert "Signed by the identity of this console" in said
    assert "nobody here knows" not in said
    changed = {name: data.replace(b"17", b"71") if name.endswith("2024-05.csv") else data for name, data in files.items()}
    said = verdict(console, zipped(changed))
    assert "The bag is NOT what it says." in said and "reports/2024-05.csv : is not what its checksum says" in said
    assert not [one for one in files_of(desk) if one.name == "bag"], "what was brought is not kept"
    ours = [(action, what) for action, what in acts(desk, "vera") if action != "read"]
    assert [action for action, _ in ours][-4:] == ["export", "download", "bag-verify", "bag-verify"]
    assert ours[-2][1]["sha256"] == hashlib.sha256(bag).hexdigest()
    assert [what["verdict"] for action, what in ours if action == "bag-verify"][-2:] == ["whole", "not whole"]
    listed = text_of(console.get("/projects/acme/bags"))
    assert "audit 17" in listed and "vera" in listed


def test_a_bag_of_a_part_has_that_part_alone_and_a_right_by_paths_is_none(console: ConsoleClient) -> None:
    console.person = "ira"
    _, bag = exported(console)
    names = [name for name in members(bag) if "/data/" in name and name[-1] != "/"]
    assert len(names) == 2 and all("/data/reports/" in name for name in names)
    assert console.get(f"{EXPORT}?plan=1&kinds=tickets").status_code == 404
    assert "Bags that were made" not in console.get("/projects/acme/bags").text
    console.person = "ivan"
    assert console.get(f"{EXPORT}?plan=1").status_code == 403
    console.person = "anna"
    assert console.get(EXPORT).status_code == 403 and brought(console, b"x").status_code == 403
    console.person = "ira"
    assert console.get("/projects/zarya/export").status_code == 404


@pytest.mark.slow
def test_a_whole_project_waits_for_a_second_person_where_the_settings_say_so(desk: Desk) -> None:
    with console_of(desk, VERA, CHIEF, approvals=frozenset({Action.EXPORT_PROJECT})) as console:
        page = console.get(f"{EXPORT}?plan=1")
        assert "a second person must approve it" in text_of(page)
        task = console.post(EXPORT, {**fields_of(page, "/export"), "reason": "the contract ends"}).headers["location"]
        assert "waits for a second person" in text_of(console.get(task))
        console.person = "boris"
        (address,) = set(re.findall(r'href="(/approvals/[0-9a-f]+)"', console.get("/approvals").text))
        assert "the contract ends" in text_of(console.get(address))
        console.post(f"{address}/decide", {"decision": "approve"})
        console.person = "vera"
        until(console, task, "is done")
        assert fetched(console, task).status_code == 200
        assert acts(desk, "vera")[-1][1]["approved_by"] == "boris"
        assert console.get(f"{EXPORT}?plan=1&periods=2024-05").text.count("a second person") == 0


@pytest.mark.slow
def test_a_bag_is_fetched_by_its_person_alone_and_is_kept_for_days_only(desk: Desk) -> None:
    clock = StillClock(SystemClock().now())
    with console_of(desk, VERA, CHIEF, clock=clock) as console:
        task, _ = exported(console, kinds="tickets")
        (address,) = re.findall(r'<a class="button" href="([^"]*)" download>', console.get(task).text)
        console.person = "boris"
        assert console.get(address.replace("&amp;", "&")).status_code == 404
        console.person = "vera"
        clock.sleep(601)
        assert console.get(address.replace("&amp;", "&")).status_code == 404
        assert fetched(console, task).status_code == 200
        (bag,) = [one for one in files_of(desk) if one.parent.name == task.removeprefix("/tasks/")]
        assert (bag.stat().st_mode & 0o777, bag.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        clock.sleep(timedelta(days=8).total_seconds())
    with console_of(desk, VERA, clock=clock) as console:
        assert not bag.exists() and "Download" not in text_of(console.get(task))


@pytest.mark.slow
def test_what_no_bag_is_or_was_made_to_do_harm_is_told_and_costs_nothing(desk: Desk, console: ConsoleClient) -> None:
    assert "this is no bag that can be read" in verdict(console, b"PK\x03\x04 no zip file")
    said = verdict(console, zipped({"bag/bagit.txt": b"BagIt-Version: 1.0\n", "bag/../../evil": b"x"}))
    assert "this is no bag that can be read" in said and "leads out of the bag" in said
    assert str(desk.folder) not in said
    assert "The bag is NOT what it says." in verdict(console, zipped({"bag/x": b"y"}))
    assert files_of(desk) == [one for one in files_of(desk) if one.suffix == ".zip"]


@pytest.mark.slow
def test_a_bag_of_another_project_is_only_said_to_be_of_another_one(console: ConsoleClient) -> None:
    _, bag = exported(console, kinds="tickets")
    made = console.call("/projects/zarya/bags/verify", bag).json()
    console.person = "vera"
    said = text_of(until(console, f"/tasks/{made['id']}", "is done"))
    assert (
        "the bag is not from this project" in said and "acme" not in said.split("Verify a bag")[1].split("report.json")[0][:1]
    )


def test_nothing_is_written_for_whoever_brings_no_token_or_too_much(desk: Desk, console: ConsoleClient) -> None:
    before = files_of(desk)
    assert brought(console, b"x" * 100, csrf="wrong").status_code == 403
    assert brought(console, b"x" * 100, late=True).status_code == 403
    assert raw(console, b"--edge\r\nnonsense").status_code in (400, 403)
    cut = b'--edge\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n' + CSRF.encode()
    cut += b'\r\n--edge\r\nContent-Disposition: form-data; name="bag"; filename="a.zip"\r\n\r\nhalf'
    assert raw(console, cut).status_code == 400
    long = b'--edge\r\nContent-Disposition: form-data; name="x"\r\n\r\n' + b"y" * 10_000 + b"\r\n--edge--\r\n"
    assert raw(console, long).status_code == 413
    assert console.post(VERIFY).status_code == 400
    assert files_of(desk) == before
    with console_of(desk, VERA, limits=ConsoleLimits(upload=1000)) as small:
        assert brought(small, b"x" * 1001).status_code == 413
        assert small.call("/projects/acme/bags/verify", b"x" * 1001).status_code == 413
    assert files_of(desk) == before


@pytest.mark.slow
def test_a_bag_in_a_folder_of_the_settings_is_verified_where_it_lies(desk: Desk, console: ConsoleClient) -> None:
    shelf = desk.folder / "shelf"
    shelf.mkdir()
    _, bag = exported(console, kinds="reports")
    (shelf / "old.zip").write_bytes(bag)
    (shelf / "link.zip").symlink_to(desk.settings)
    (shelf / "notes.txt").write_text("x")
    page = console.get("/projects/acme/bags")
    assert "Shelf/old.zip" in page.text and "link.zip" not in page.text and "notes.txt" not in page.text
    task = console.post(VERIFY, {"folder": "Shelf", "name": "old.zip"}).headers["location"]
    assert "The bag is whole." in text_of(until(console, task, "is done"))
    assert (shelf / "old.zip").read_bytes() == bag
    for name in ("link.zip", "../strongroom.toml", "nothing.zip"):
        assert console.post(VERIFY, {"folder": "Shelf", "name": name}).status_code == 404
    listed = console.call("/projects/acme/bags").json()
    assert listed["listed"] == [{"folder": "Shelf", "name": "old.zip"}] and listed["made"][0]["user"] == "vera"


@pytest.mark.slow
def test_a_script_exports_and_verifies(console: ConsoleClient) -> None:
    console.person = "vera"
    wanted = {"kinds": ["reports"], "format": "csv"}
    planned = console.call("/projects/acme/export/plan", wanted).json()
    assert (planned["files"], planned["whole"], planned["approval"]) == (2, False, False)
    made = console.call("/projects/acme/export", {**wanted, "reason": "audit"}).json()
    assert made["goal"] == "export"
    until(console, f"/tasks/{made['id']}", "is done")
    done = console.call(f"/tasks/{made['id']}").json()
    assert done["outcome"]["bag"]["sound"] and done["address"]
    bag = console.get(done["address"]).content
    checked = console.call("/projects/acme/bags/verify", bag).json()
    until(console, f"/tasks/{checked['id']}", "is done")
    assert console.call(f"/tasks/{checked['id']}").json()["outcome"]["bag"]["converted"] == 2
