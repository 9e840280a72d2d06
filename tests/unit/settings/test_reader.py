"""A settings file is read whole, or every fault is told with its line, its key and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from strongroom import settings
from strongroom.settings.errors import SettingsInvalid, written
from strongroom.settings.value_types import KIND

HEAD = '[repository]\naddress = "/srv/backup"\n'
SOURCE = '{ kind = "reports", path = "/srv/reports" }'


def loaded(tmp_path: Path, text: str) -> settings.Settings:
    file = tmp_path / "strongroom.toml"
    file.write_text(text, "utf-8")
    return settings.load(file)


def faults(tmp_path: Path, text: str) -> list[tuple[int | None, str, str, str | None]]:
    """Line, key, message and hint of everything that is wrong."""
    with pytest.raises(SettingsInvalid) as caught:
        loaded(tmp_path, text)
    assert caught.value.exit_code == 2
    return [(one.line, written(one.fault.key), one.fault.what, one.fault.hint) for one in caught.value.faults]


def test_an_old_and_small_file_means_what_it_meant(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        HEAD
        + '[identity]\nfile = "me.txt"\n[recovery]\nrecipients = ["age1pq1x"]\n'
        + "[projects.parcelo]\nsources = [{ kind = 'reports', path = '~/reports' },\n"
        + "{ name = 'old', kind = 'raw', path = 'a/b' }]\n"
        + "[[projects.mobifon.sources]]\nkind = 'tickets'\npath = '/t'\ninclude = ['*.csv']\nexclude = ['/x/']\n",
    )
    assert (found.repository.address, found.repository.endpoint, found.repository.path_style) == ("/srv/backup", None, None)
    assert found.identity.file == tmp_path / "me.txt"
    assert found.recovery == ("age1pq1x",)
    first, second = found.projects["parcelo"]
    assert (first.name, first.kind, first.path) == ("reports", "reports", Path.home() / "reports")
    assert (second.name, second.kind, second.path) == ("old", "raw", tmp_path / "a/b")
    (third,) = found.projects["mobifon"]
    assert (third.include, third.exclude) == (("*.csv",), ("/x/",))
    assert found.zone("parcelo") == "UTC"


@pytest.mark.parametrize(
    ("text", "line", "key", "words", "hint"),
    [
        ("[identity]\nfiel = 'x'", 4, "identity.fiel", "is not a setting", "did you mean 'file'?"),
        ("[projects.a]\nsource = []", 4, "projects.a.source", "is not a setting", "did you mean 'sources'?"),
        ("[qqqq]", 3, "qqqq", "is not a setting", "there are: repository, identity, recovery, defaults,"),
        ("[notify.email]\nhost = 'x'\nfrm = 'a'\nto = 'b'", 5, "notify.email.frm", "is not a setting", "did you mean 'from'?"),
        ("[identity]\nfile = 3", 4, "identity.file", "must be a text that is not empty", None),
        ("[identity]\ncommand = ''", 4, "identity.command", "must be a text that is not empty", None),
        ("[recovery]\nrecipients = 'x'", 4, "recovery.recipients", "must be a list", None),
        ("[recovery]\nrecipients = ['x', 3]", 4, "recovery.recipients[1]", "must be a text", None),
        ("[projects]\na = 1", 4, "projects.a", "must be a table", None),
        ("[daemon]\nmax_parallel = 0", 4, "daemon.max_parallel", "must be at least 1", None),
        ("[daemon]\nmax_parallel = true", 4, "daemon.max_parallel", "must be a whole number", None),
        ("[daemon]\nlog = 'xml'", 4, "daemon.log", "must be 'text' or 'json'", None),
        ("[daemon]\ngrace = '30 sconds'", 4, "daemon.grace", "unknown unit of time", "did you mean '30 seconds'?"),
        ("[daemon]\nmetrics = '0.0.0.0:80'", 4, "daemon.metrics", "can be reached from other machines", "127.0.0.1"),
        ("[daemon]\nmetrics = 'localhost'", 4, "daemon.metrics", "is not an address with a port", "127.0.0.1:9898"),
        ("[daemon]\nmetrics = '127.0.0.1:0'", 4, "daemon.metrics", "has no port", None),
        ("[projects.a]\nzone = 'Europe/Kiyv'", 4, "projects.a.zone", "unknown time zone", "did you mean 'Europe/Kyiv'?"),
        ("[projects.a]\nzone = 'kyiv'", 4, "projects.a.zone", "unknown time zone", "did you mean 'Europe/Kyiv'?"),
        ("[projects.a]\nzone = '/etc/passwd'", 4, "projects.a.zone", "unknown time zone", "Europe/Kyiv"),
        ("[projects.a]\nzone = 'Europe'", 4, "projects.a.zone", "unknown time zone", None),
        ("[projects.a]\ndates = 'us'", 4, "projects.a.dates", "must be 'day-first' or 'month-first'", None),
        ("[projects.a]\nrpo = 'often'", 4, "projects.a.rpo", "invalid duration", "15 minutes"),
        ("[projects.a]\nkeep = { dayly = 3 }", 4, "projects.a.keep.dayly", "is not a setting", "did you mean 'daily'?"),
        ("[projects.a]\nkeep = { daily = -3 }", 4, "projects.a.keep.daily", "whole number that is not negative", None),
        (
            "[projects.a]\nkeep = { within = '3 dys' }",
            4,
            "projects.a.keep.within",
            "unknown unit of time",
            "did you mean '3 days'?",
        ),
        (
            "[projects.a]\nitem_retention = { report = '1 year' }",
            4,
            "projects.a.item_retention.report",
            "no source has",
            "did you mean 'reports'?",
        ),
        (
            "[projects.a]\nitem_retention = { raw = '1 year after lunch' }",
            4,
            "projects.a.item_retention.raw",
            "can run from",
            None,
        ),
        ("[projects.a]\nschedule.backup.every = 'huor'", 4, "projects.a.schedule.backup.every", "invalid schedule", "'hour'"),
        ("[projects.a]\nschedule.backup.cron = '* * *'", 4, "projects.a.schedule.backup.cron", "five fields", None),
        (
            "[projects.a]\nschedule.backup = { every = 'day', cron = '0 1 * * *' }",
            4,
            "projects.a.schedule.backup",
            "both",
            None,
        ),
        (
            "[projects.a]\nschedule.backup.window = '22-6'",
            4,
            "projects.a.schedule.backup.window",
            "window of time",
            "22:00-06:00",
        ),
        ("[projects.a]\nschedule.bakup = {}", 4, "projects.a.schedule.bakup", "is not a setting", "did you mean 'backup'?"),
        ("[projects.a]\nlock = { mode = 'governance' }", 4, "projects.a.lock", "has a mode without days", "days = 30"),
        ("[projects.a]\nalerts = { deleted_share = 3 }", 4, "projects.a.alerts.deleted_share", "must be at most 1", None),
        ("[projects.a]\nsources = [{ kind = 'Big', path = '/' }]", 4, "projects.a.sources[0].kind", "small letters", None),
        ("[projects.a]\nsources = [\n{ kind = 'big' }]", 5, "projects.a.sources[0].path", "is missing", None),
        (
            f"[projects.a]\nsources = [\n{SOURCE},\n{SOURCE}]",
            6,
            "projects.a.sources[1]",
            "has two sources named 'reports'",
            "a name of its own",
        ),
        (
            "[[projects.a.sources]]\nkind = 'raw'\npath = '/r'\nlayout = '{yaer}'",
            6,
            "projects.a.sources[0].layout",
            "is no field",
            "did you mean {year}?",
        ),
        (
            "[[projects.a.sources]]\nkind = 'raw'\npath = '/r'\nlayout = ['{year}',\n'{month}']",
            7,
            "projects.a.sources[0].layout[1]",
            "does not say a period",
            None,
        ),
        (
            "[[projects.a.sources]]\nkind = 'raw'\npath = '/r'\nexpected = 'hour'",
            6,
            "projects.a.sources[0].expected",
            "must be one of 'hourly', 'daily'",
            None,
        ),
        (
            "[[projects.a.sources]]\nkind = 'raw'\npath = '/r'\nexpected = [\n{ every = 'hourly' }]",
            7,
            "projects.a.sources[0].expected[0].every",
            "must be 'hour', 'day'",
            None,
        ),
        ("[notify.email]\nhost = 'x'\nfrom = 'a'\nto = []", 6, "notify.email.to", "must not be empty", None),
        ("[notify.email]\nhost = 'x'\nfrom = 'a'\nto = 'b'\nuser = 'c'", 3, "notify.email", "without a password_command", None),
        (
            "[notify.email]\nhost = 'x'\nfrom = 'a'\nto = 'b'\nuser = 'c'\npassword_command = 'd'\ntls = 'none'",
            3,
            "notify.email",
            "would send a password unprotected",
            "starttls",
        ),
        ("[notify.webhook]", 3, "notify.webhook", "needs one of url_file, url_command, url", None),
        ("[notify.webhook]\nurl = 'ftp://x'", 4, "notify.webhook.url", "is not a URL", "https://"),
        ("[notify.apprise]", 3, "notify.apprise", "needs one of urls_file, urls_command", None),
    ],
)
def test_a_fault_is_told_with_its_line_its_key_and_what_to_do(
    tmp_path: Path, text: str, line: int, key: str, words: str, hint: str | None
) -> None:
    (found,) = faults(tmp_path, HEAD + text)
    assert found[:2] == (line, key) and words in found[2]
    assert hint is None or hint in (found[3] or "")


def test_what_is_missing_at_the_top_is_told_without_a_line(tmp_path: Path) -> None:
    assert [one[:3] for one in faults(tmp_path, "")] == [(None, "repository.address", "is missing")]


def test_what_is_no_toml_names_its_line(tmp_path: Path) -> None:
    ((line, key, words, _),) = faults(tmp_path, HEAD + "[identity\n")
    assert (line, key) == (3, "") and "is not valid TOML" in words


def test_all_faults_are_told_max_parallel_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = HEAD + "[daemon]\nlog = 1\nlgo = 1\n[projects.a]\nzone = 'x/y'\nsources = [{ kind = 'raw' }]\n[identity]\nfile = 1\n"
    found = faults(tmp_path, text)
    assert [(line, key) for line, key, _, _ in found] == [
        (4, "daemon.log"),
        (5, "daemon.lgo"),
        (7, "projects.a.zone"),
        (8, "projects.a.sources[0].path"),
        (10, "identity.file"),
    ]
    with pytest.raises(SettingsInvalid, match=r"has 5 errors:\n  line 4: daemon\.log must be") as caught:
        loaded(tmp_path, text)
    assert "line 5: daemon.lgo is not a setting (did you mean 'log'?)" in str(caught.value)


def test_a_misspelt_key_is_not_missing_too(tmp_path: Path) -> None:
    found = faults(tmp_path, "[repository]\naddres = 'x'\n")
    assert [(line, key, hint) for line, key, _, hint in found] == [(2, "repository.addres", "did you mean 'address'?")]


def test_what_projects_inherit_is_told_once_where_it_is_written(tmp_path: Path) -> None:
    text = HEAD + "[defaults]\nzone = 'x/y'\nkeep = { daily = 'few' }\n[projects.a]\n[projects.b]\nkeep = { hourly = -1 }\n"
    assert [(line, key) for line, key, _, _ in faults(tmp_path, text)] == [
        (4, "defaults.zone"),
        (5, "defaults.keep.daily"),
        (8, "projects.b.keep.hourly"),
    ]


def test_a_rule_for_a_kind_that_nobody_has_is_a_fault_of_the_defaults_too(tmp_path: Path) -> None:
    kinds = HEAD + f"[projects.a]\nsources = [{SOURCE.replace('reports', 'calls', 1)}]\n[defaults.item_retention]\n"
    assert loaded(tmp_path, kinds + "calls = '1 year'\nraw = 'forever'\n").project("a").item_retention == {
        "calls": "1 year",
        "raw": "forever",
    }
    ((_, key, _, hint),) = faults(tmp_path, kinds + "cals = '1 year'\n")
    assert (key, hint) == ("defaults.item_retention.cals", "did you mean 'calls'?")


SECRETS = [
    ("[notify.email]\nhost = 'x'\nfrom = 'a'\nto = 'b'\npassword = 'hunter2'", "notify.email.password", "password_command"),
    ("[repository]\naddress = 'x'\nsecret_key = 'hunter2'", "repository.secret_key", "a command"),
    ("[notify.webhook]\nurl_command = 'x'\ntoken = 'hunter2'", "notify.webhook.token", "a command"),
    ("[daemon]\napi-key = 'hunter2'", "daemon.api-key", "a command"),
    ("[identity]\ncommand = 'echo AGE-SECRET-KEY-PQ-1HUNTER2'", "identity.command", "a command"),
    ("[identity]\nfile = 'AGE-SECRET-KEY-1HUNTER2'", "identity.file", "a command"),
    ("[repository]\naddress = 'x'\nendpoint = 'https://me:hunter2@s3.example.org'", "repository.endpoint", "AWS tools"),
    ("[repository]\naddress = 's3://me:hunter2@bucket'", "repository.address", "AWS tools"),
    ("[notify.webhook]\nurl = 'https://x.example/?k=hunter2'", "notify.webhook.url", "url_file"),
    ("[notify.webhook]\nurl = 'https://x.example/#hunter2'", "notify.webhook.url", "url_file"),
    ("[notify.webhook]\nurl = 'https://hooks.example/T024/B02/hunter2hunter2hunter2'", "notify.webhook.url", "url_file"),
    ("[notify.healthchecks]\nurl = 'https://hc.example/8b9ad3ac-hunter2-9b2e'", "notify.healthchecks.url", "url_file"),
    ("[daemon]\ngrace = 'https://me:hunter2@example.org'", "daemon.grace", "a command"),
]


@pytest.mark.parametrize(("text", "key", "hint"), SECRETS)
def test_a_secret_is_refused_and_never_repeated(tmp_path: Path, text: str, key: str, hint: str) -> None:
    whole = text if text.startswith("[repository]") else HEAD + text
    ((_, found, _, told),) = faults(tmp_path, whole)
    assert found == key and hint in (told or "")
    with pytest.raises(SettingsInvalid) as caught:
        loaded(tmp_path, whole)
    assert "hunter2" not in f"{caught.value} {caught.value.hint}".lower()


def test_long_texts_are_searched_for_secrets_in_one_pass(tmp_path: Path) -> None:
    # a search that begins anew at each letter would take hours here
    long = "a" * (2 << 20)
    assert loaded(tmp_path, f"{HEAD}[identity]\ncommand = '{long}'").document.identity.command == long
    ((_, found, _, _),) = faults(tmp_path, f"{HEAD}[identity]\ncommand = '{long}://me:hunter2@x'")
    assert found == "identity.command"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9000/alert", "https://alerts.example.org/strongroom/clients", "https://x.example"]
)
def test_a_url_without_a_secret_may_stand_in_the_file(tmp_path: Path, url: str) -> None:
    found = loaded(tmp_path, f"{HEAD}[notify.webhook]\nurl = '{url}'\n")
    assert found.document.notify.webhook is not None and found.document.notify.webhook.url == url


def test_the_models_cannot_be_changed(tmp_path: Path) -> None:
    found = loaded(tmp_path, HEAD + f"[projects.a]\nsources = [{SOURCE}]\n")
    with pytest.raises(AttributeError, match="does not change"):
        found.repository.address = "elsewhere"  # type: ignore[misc]  # what is not allowed
    with pytest.raises(AttributeError, match="does not change"):
        found.projects["a"][0].path = Path("/")  # type: ignore[misc]
    with pytest.raises(AttributeError, match="does not change"):
        del found.repository.address


def test_the_ports_of_mail_servers_follow_from_the_protection(tmp_path: Path) -> None:
    mail = HEAD + "[notify.email]\nhost = 'x'\nfrom = 'a'\nto = ['b', 'c']\n"
    for tls, port in (("starttls", 587), ("tls", 465), ("none", 25)):
        email = loaded(tmp_path, f"{mail}tls = '{tls}'\n").document.notify.email
        assert email is not None and (email.port, email.sender, email.to) == (port, "a", ("b", "c"))
    email = loaded(tmp_path, f"{mail}port = 2525\n").document.notify.email
    assert email is not None and email.port == 2525


def test_kinds_are_short_words() -> None:
    assert all(KIND.match(word) for word in ("reports", "a", "0-9_z", "a" * 40))
    assert not any(KIND.match(word) for word in ("", "Reports", "a" * 41, "-a", "a b", "звіти", "a\n"))
