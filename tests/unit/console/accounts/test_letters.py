"""What people are told is in the language of whoever reads it, with dates and plural forms as that has them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from console import letters
from console.access.rights import Action, Scope
from console.accounts.accounts import Accounts
from console.accounts.passkeys import Passkey
from console.approvals import records
from console.approvals.records import Request, Requests
from console.incidents import Unexpected
from console.post import ChannelPost, Letter, Write
from console.return_options import ReturnOptions
from console.state import ConsoleState
from console.tasks.records import ErasureWork, Outcome, State, Task, Work
from console.texts import LANGUAGES, Texts
from strongroom.settings.notifications import NotifySettings
from tests.support.clock import StillClock
from tests.support.sinks import MailSink, mail_sink

NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)


def read(write: Write, language: str) -> Letter:
    return write(Texts(language, ZoneInfo("Europe/Kyiv")))


def task(state: State = "done", files: int = 3, problems: int = 0, work: Work | None = None) -> Task:
    outcome = Outcome(files, 1_250_000, 2, problems)
    options = ReturnOptions("place")
    return Task(
        "one", "anna", "acme", Action.RESTORE_IN_PLACE, Scope(), options, (), NOON, NOON, state, outcome=outcome, work=work
    )


def request(**more: object) -> Request:
    made = Request("seven", "anna", "acme", Action.ERASE, Scope(), {}, "the client asks", NOON, NOON + timedelta(days=1))
    return replace(made, **more)


ALL: dict[str, Write] = {
    **{state: letters.task_is_over(task(state, problems=1)) for state in ("done", "partly", "cancelled", "failed")},
    **{f"erasing {state}": letters.task_is_over(task(state, work=ErasureWork())) for state in ("done", "partly", "failed")},
    "unexpected": letters.task_is_over(
        replace(task("failed"), error=str(Unexpected("3f9a61c2")), hint=Unexpected("3f9a61c2").hint or "")
    ),
    "waits": letters.task_waits_to_be_confirmed(task("confirm"), 2),
    "erasing is asked": letters.erasing_is_asked("anna", "acme", "the client asks"),
    "asked": letters.approval_is_asked(request(what={"files": 2, "bytes": 2000})),
    "approved": letters.approval_is_decided(request(state="approved", decided_by="boris", note="ok")),
    "refused": letters.approval_is_decided(request(state="refused", decided_by="boris")),
    "expired": letters.approval_has_expired(request(state="expired")),
    "not done": letters.approval_has_expired(request(state="expired", decided_by="boris")),
    "doubted": letters.passkey_is_doubted(Passkey(b"x", "anna", "7", NOON, None, None)),
}


@pytest.mark.parametrize("what", ALL)
def test_a_letter_is_wholly_in_one_language(what: str) -> None:
    known = {"anna", "boris", "acme", "ok", "the", "client", "asks", "utc", "mb", "kb", "gmt", "am", "pm"}
    known |= {"strongroom", "project", "erase"}  # a command
    for language in set(LANGUAGES) - {"en"}:
        letter = read(ALL[what], language)
        latin = {word.lower() for word in f"{letter.subject} {letter.text}".split() if word.isascii() and word.isalpha()}
        assert latin <= known, (language, latin - known)
    assert read(ALL[what], "en").subject.isascii()
    assert (what == "unexpected") == ("3f9a61c2" in read(ALL[what], "uk").text)


@pytest.mark.parametrize(
    ("language", "files", "words"),
    [
        ("en", 1, "1 file is back, 1.2 MB."),
        ("en", 5, "5 files are back, 1.2 MB."),
        ("ru", 1, "Восстановлен 1 файл, 1,2 МБ."),
        ("ru", 3, "Восстановлено 3 файла, 1,2 МБ."),
        ("ru", 5, "Восстановлено 5 файлов, 1,2 МБ."),
        ("uk", 21, "Відновлено 21 файл, 1,2 МБ."),
        ("uk", 4, "Відновлено 4 файли, 1,2 МБ."),
    ],
)
def test_numbers_have_the_plural_forms_of_the_language(language: str, files: int, words: str) -> None:
    assert words in read(letters.task_is_over(task(files=files)), language).text


def test_a_letter_leads_to_its_page_and_says_moments_in_the_zone_of_the_settings() -> None:
    letter = read(ALL["asked"], "ru")
    assert letter.path == "/approvals/seven" and "18 мая 2024" in letter.text and "15:00" in letter.text
    assert "the client asks" in letter.text and "Стирать проекты" not in letter.subject


@pytest.fixture
def sink() -> Iterator[MailSink]:
    with mail_sink() as made:
        yield made


def delivered(sink: MailSink, post: ChannelPost) -> dict[str, tuple[str, str]]:
    """Subject and text by who got it."""
    post.close()
    found = {}
    for raw in sink.letters:
        mail = message_from_bytes(raw, policy=default)
        body = mail.get_body()
        assert body is not None
        found[str(mail["To"])] = str(mail["Subject"]), str(body.get_content())
    return found


def test_each_person_is_told_in_their_language_and_the_channels_in_that_of_the_settings(
    people: Accounts, clock: StillClock, sink: MailSink, tmp_path: Path
) -> None:
    people.preferences.choose("anna@example.org", "uk")

    def texts_of(person: str) -> Texts:
        return Texts(people.preferences.language(person) or "ru", ZoneInfo("UTC"))

    mail = {"host": "127.0.0.1", "port": sink.port, "tls": "none", "from": "s@example.org", "to": ["ops@example.org"]}
    notify = NotifySettings.model_validate({"email": mail})
    post = ChannelPost(lambda: notify, clock, "https://console.example/", texts_of)
    asked = ALL["asked"]
    post.tell("nobody-by-mail", asked)
    post.tell_all(asked, lambda: ["anna@example.org", "ivan@example.org", "ops@example.org", "local"])
    found = delivered(sink, post)
    assert found.keys() == {"ops@example.org", "anna@example.org", "ivan@example.org"} and len(sink.letters) == 3
    assert found["anna@example.org"][0] == "anna просить схвалення в проєкті acme"
    assert found["ivan@example.org"][0] == found["ops@example.org"][0] == "anna просит одобрения в проекте acme"
    assert "https://console.example/approvals/seven" in found["anna@example.org"][1]


def test_what_is_late_is_told_of_once(state: ConsoleState) -> None:
    state.migrate(records.AREA, records.TABLES)
    requests = Requests(state)
    requests.add(request())
    requests.add(request(id="eight", state="approved", expires=NOON + timedelta(days=2)))
    assert requests.late(NOON) == ()
    (late,) = requests.late(NOON + timedelta(days=1))
    assert late.id == "seven" and requests.change(replace(late, state="expired"), only_in=["open"])
    assert requests.late(NOON + timedelta(days=1)) == ()
    assert [one.id for one in requests.late(NOON + timedelta(days=2))] == ["eight"]
