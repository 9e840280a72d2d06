"""Whoever reads Russian or Ukrainian reads no English: every page with something on it, and the fixed words of the library.

What a page says in English on purpose is in an element with `lang="en"`: messages of errors and what runs have said, beneath a
heading in the person's language. Which pages have such elements is listed here, so that none comes without being looked at.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

from console.access.rights import Role
from console.pages import PAGES
from tests.e2e.console.getting_back import fields_of, get_back, tick, until
from tests.e2e.console.test_previews import png, wav, workbook
from tests.support.console import ConsoleClient, console_of, person, text_of
from tests.support.console_words import english_words, read
from tests.support.desk import Desk, Place
from tests.support.tree_facts import write_files

ROLES = (Role.EXPORTER, Role.RESTORER, Role.OPERATOR, Role.AUDITOR, Role.ADMINISTRATOR)
SETTINGS = """
[erasure]
approvals = 1

[projects.acme.schedule]
backup = { every = "hour at :05" }
check = { every = "week on sunday, monday at 04:00" }
drill = { every = "quarter on last" }
retention = { every = "month on 1, last at 03:00, 15:30" }
prune = { cron = "5 4 * * *" }

[projects.novy.schedule]
backup = { every = "2 hours at :30" }

[projects.acme.keep]
last = 1
daily = 1
"""
EXPECTED = 'expected = [{ path = "2024/**", every = "day", grace = "90 minutes" }]'
TICKET = {
    "id": 4711,
    "subject": "Отчёт неверен",
    "comments": [{"author": {"name": "Оля"}, "created_at": "2024-05-17", "body": "Проверьте", "другое": 1}],
}
MAIL = "From: olena\nTo: vera\nSubject: Отчёт\nDate: Fri, 17 May 2024 12:00:00 +0000\n\nГде он?\n"
FILES: dict[str, dict[str, bytes]] = {
    "reports": {
        "may.csv": b"agent,calls\n1,17\n2,18\n",
        "may.xlsx": workbook(),
        "bill.pdf": b"%PDF-1.4\n%%EOF\n",
        "chart.png": png(),
        "notes.txt": "один\n".encode(),
        "empty.txt": b"",
        "raw.bin": bytes(range(256)) * 4,
        "call.wav": wav(1),
    },
    "tickets": {"2024-05.jsonl": json.dumps(TICKET, ensure_ascii=False).encode() + b"\n"},
    "mail": {"2024-05.eml": MAIL.encode()},
}
LOST = {f"2024/{month:02}.csv": f"agent,calls\nivan,{month}\n".encode() for month in range(1, 13)}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """With items of each format, one in two versions, a folder that vanished, runs, a copy, and a project to be erased."""
    made = Desk(tmp_path_factory.mktemp("words") / "desk", Place("repository"))
    made.init()
    for kind, files in FILES.items():
        write_files(made.folder / kind, files)
    write_files(made.folder / "reports", LOST)
    made.add("acme", *(f"{kind}={made.folder / kind}" for kind in FILES))
    made.add("zarya", f"tickets={made.folder / 'tickets'}")
    made.add("novy", f"tickets={made.folder / 'tickets'}")
    made.call("backup", "acme")
    made.call("backup", "zarya")
    made.call("drill", "acme")
    write_files(made.folder / "reports", {"may.csv": b"agent,calls\n1,77\n3,1\n", "notes.txt": "два\n".encode()})
    made.call("backup", "acme")
    made.settings.write_text(made.settings.read_text() + f'\n[copies.offsite]\naddress = "{made.folder / "copy"}"\n')
    made.call("copy")
    shutil.rmtree(made.folder / "reports/2024")
    made.call("backup", "acme", exits=(0, 3))
    text = made.settings.read_text().replace('kind = "reports"', f'kind = "reports"\n{EXPECTED}', 1)
    made.settings.write_text(text + SETTINGS)
    write_runs(made)
    return made


def write_runs(desk: Desk) -> None:
    """A run for each way in which one can end, of each sort of job."""
    from policies.scheduling.run import Ending, Run
    from policies.scheduling.run_history import RunHistory
    from strongroom import local_state, settings
    from vault.clock import SystemClock

    endings: tuple[Ending | None, ...] = ("done", "problems", "failed", "timeout", "stopped", "aborted", "skipped", None)
    jobs = ("backup reports", "check", "drill", "retention", "prune", "backup mail", "backup tickets", "check")
    now = datetime.now(UTC) - timedelta(hours=1)
    with desk.surroundings([]):
        file = local_state.folder(settings.load(desk.settings)) / local_state.RUN_HISTORY
        file.parent.mkdir(parents=True, exist_ok=True)
        history = RunHistory.open(file, SystemClock(), lambda text: None)
        for number, (job, ending) in enumerate(zip(jobs, endings, strict=True)):
            ended = None if ending is None else now + timedelta(minutes=5)
            history.write(Run(f"run-{number}", "acme", job, now, now, 1, now, ended, ending))
        history.close()


class Walk(NamedTuple):
    """addresses: of every page with something on it, by what is there."""

    console: ConsoleClient
    addresses: dict[str, str]


@pytest.fixture(scope="module")
def walk(desk: Desk) -> Iterator[Walk]:
    """What people have done before somebody looks at it."""
    olena, boris = (person(name, *ROLES) for name in ("olena", "boris"))
    with console_of(desk, olena, boris, folders={"Vera": desk.folder}) as console:
        yield Walk(console, {**STANDING, **done(console, desk)})


def done(console: ConsoleClient, desk: Desk) -> dict[str, str]:
    """Holds, requests, tasks, an erased project, a host, a person, a question, a basket; gives where each is seen."""
    seen: dict[str, str] = {}
    for hold in ({"kind": "reports", "period": "2024-05"}, {"path": "reports/**", "until": "2099-01-01"}, {}):
        console.post("/projects/acme/holds", {"reason": "суд", **hold})
    holds = re.findall(r'name="hold" value="([^"]*)"', console.get("/projects/acme/holds").text)
    seen["a request for the release of a hold"] = sent(console, "/projects/acme/holds/release", hold=holds[0], reason="всё")
    other = {"last": "3", "daily": "5", "within": "0 days", "item-reports": "5 years", "item-mail": "1 year after backup"}
    seen["other rules"] = "/projects/acme/retention?other=1&" + "&".join(f"{k}={v}" for k, v in other.items())
    seen["a request for other rules"] = sent(console, "/projects/acme/retention", **other, reason="договор", confirm="acme")
    seen["a request to erase"] = sent(console, "/projects/zarya/erase", step="ask", reason="договор", confirm="zarya")
    tick(console, folder="reports/2024", deleted="1")
    seen["a restore in place"] = get_back(console, "place")
    tick(console, item=["reports/may.csv", "reports/notes.txt"])
    seen["a download"] = get_back(console, "download")
    form = fields_of(console.get("/projects/acme/export?plan=1&kinds=mail"), "/export")
    page = console.get(f"{ITEM}?path=reports%2Fmay.csv")
    since, until_ = re.findall(r'name="(?:since|until)" value="([^"]*)"[^>]* checked', page.text)
    seen["differences"] = f"{ITEM}/differences?path=reports%2Fmay.csv&since={since}&until={until_}"
    seen["an export"] = sent(console, "/projects/acme/export", **form, reason="проверка")
    console.person = "boris"
    console.post(f"{seen['a request to erase']}/decide", {"decision": "approve", "note": "да"})
    console.person = "olena"
    seen["an erasing"] = sent(console, f"{seen['a request to erase']}/carry-out")
    for name in ("a restore in place", "an erasing", "an export"):
        until(console, seen[name], "is done")
    tick(console, folder=["reports", "reports/нет"], item="reports/2024/05.csv", period="2024-05", kind="reports")
    console.post("/projects/acme/ask", {"sql": "select 1", "do": "keep", "title": "все", "shared": "yes"})
    console.post("/people", {"name": "vera", "title": "", "groups": "desk"})
    console.post("/hosts", {"name": "vera", "projects": "acme", "until": "2027-06-30"})
    return seen


def sent(console: ConsoleClient, path: str, **form: str) -> str:
    """A form, and where it leads."""
    answer = console.post(path, form)
    assert answer.status_code == 303, text_of(answer)
    return str(answer.headers["location"])


ITEMS = (
    *("reports/may.csv", "reports/may.xlsx", "reports/bill.pdf", "reports/chart.png", "reports/notes.txt", "reports/empty.txt"),
    *("reports/raw.bin", "reports/call.wav", "tickets/2024-05.jsonl", "mail/2024-05.eml"),
)
ITEM = "/projects/acme/item"
STANDING = {
    **{f"a preview of {one}": f"{ITEM}/preview?path={one.replace('/', '%2F')}" for one in ITEMS},
    "a ticket": f"{ITEM}/preview?path=tickets%2F2024-05.jsonl&record=0",
    "the first page": "/",
    "folders": "/projects/acme",
    "a project without a snapshot": "/projects/novy",
    "a folder of what vanished": "/projects/acme?folder=reports&deleted=1",
    "periods": "/projects/acme/periods",
    "a year": "/projects/acme/periods?period=2024",
    "a month": "/projects/acme/periods?period=2024-05",
    "snapshots": "/projects/acme/timeline",
    "what vanished": "/projects/acme/vanished?since=ever",
    "a folder that vanished": "/projects/acme/vanished?folder=reports%2F2024&since=ever",
    "a search": "/projects/acme/search?q=csv",
    "an item": f"{ITEM}?path=reports%2Fmay.csv",
    "an item that vanished": f"{ITEM}?path=reports%2F2024%2F05.csv",
    "a basket": "/projects/acme/basket",
    "a plan in place": "/projects/acme/get-back?goal=place",
    "a plan of a download": "/projects/acme/get-back?goal=download&format=xlsx",
    "a plan into a folder": "/projects/acme/get-back?goal=folder&folder=Vera",
    "tasks": "/tasks",
    "approvals": "/approvals",
    "questions": "/projects/acme/ask?tables=yes",
    "watching": "/watch",
    "a project watched": "/projects/acme/watch",
    "runs": "/projects/acme/runs",
    "runs of one job": "/projects/acme/runs?job=backup%20reports",
    "flagged snapshots": "/projects/acme/flagged",
    "retention": "/projects/acme/retention",
    "retention of a copy": "/copies/offsite/retention",
    "retention on a day": "/projects/acme/retention?on=2099-01-01",
    "erasing": "/projects/acme/erase",
    "an act of destruction": "/projects/zarya/erasure",
    "erased": "/projects/zarya/erase",
    "proving": "/prove",
    "the log": "/projects/acme/log",
    "the log of accounts": "/prove/accounts",
    "holds": "/projects/acme/holds",
    "an export that is planned": "/projects/acme/export?plan=1&periods=2024",
    "bags": "/projects/acme/bags",
    "my account": "/account",
    "people": "/people",
    "hosts": "/hosts",
    "signing in": "/login",
    "a page that is not there": "/nothing",
    "a project that is not there": "/projects/nothing",
    "a task that is not there": "/tasks/nothing",
    "an item that is not there": f"{ITEM}?path=nothing",
    "a moment that is none": "/projects/acme?at=nonsense",
}
IN_ENGLISH = frozenset(
    (
        *("watching", "a project watched", "flagged snapshots", "holds", "retention", "retention on a day", "other rules"),
        *("retention of a copy", "erasing", "a moment that is none"),
    )
)
"""Pages that also have sentences of the library, each beneath words of the language: what was found about a flagged snapshot,
and what is wrong with what was asked for."""

NO_PAGE = frozenset(
    (
        *("/login/code", "/login/openid", "/login/openid/back", "/account/second-factor"),  # need a sign-in that has begun
        *("/downloads/{task}/{name}", "/projects/{project}/item/content", "/projects/{project}/erasure/file"),  # bytes
    )
)


@pytest.mark.parametrize("language", ["ru", pytest.param("uk", marks=pytest.mark.slow)])  # what is not marked is so in both
def test_whoever_reads_another_language_reads_no_english(walk: Walk, language: str) -> None:
    wrong, english = [], set()
    for name, address in walk.addresses.items():
        walk.console.person = "nobody" if address == "/login" else "olena"
        page = walk.console.get(address, accept_language=language)
        assert f'<html lang="{language}">' in page.text and page.status_code < 500, (name, page.status_code, text_of(page))
        found = read(page.text)
        if words := english_words(found.said):
            wrong.append(f"{name} {address}: {words}\n    {found.said}")
        if found.english:
            english.add(name)
    assert not wrong, "\n".join(wrong)
    assert english == IN_ENGLISH


def test_the_walk_sees_what_is_not_translated() -> None:
    page = '<html lang="ru"><p title="A hold">Запрет <bdi>acme</bdi> ok <span lang="en">it is</span> <code>ls</code></p>'
    found = read(page)
    assert english_words(found.said) == ["hold", "ok"] and found.english == ["it is"]


def test_every_page_is_walked(walk: Walk) -> None:
    patterns = {one.path: re.compile(re.sub(r"\\{\w+\\}", "[^/?]+", re.escape(one.path)) + r"(\?.*)?") for one in PAGES}
    pages = {one.path for one in PAGES if one.method == "GET"} - NO_PAGE
    missed = {path for path in pages if not any(patterns[path].fullmatch(one) for one in walk.addresses.values())}
    assert not missed
