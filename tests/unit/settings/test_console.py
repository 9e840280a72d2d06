"""The table [console]: what it takes, and what it refuses before anybody listens."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from console.access.rights import assigned
from strongroom.settings import reader
from strongroom.settings.console import ConsoleSettings, listens
from strongroom.settings.errors import SettingsInvalid
from vault.errors import SettingsError

BEGIN = '[repository]\naddress = "/srv/backup"\n'


def read(text: str) -> ConsoleSettings:
    return reader.read(Path("strongroom.toml"), f"{BEGIN}{text}").console


def test_without_the_table_nobody_may_anything_and_it_listens_on_loopback() -> None:
    found = read("")
    assert found.roles == () and found.listen == "127.0.0.1:8440"
    assert found.approvals == ("erase", "shorten-retention", "release-hold")
    assert assigned(found, "anna", {"managers"}) == ()


def test_a_role_is_given_by_name_or_by_group_until_the_end_of_a_day_in_the_zone() -> None:
    found = read(
        '[console]\nzone = "Europe/Kyiv"\n[[console.roles]]\nrole = "viewer"\ngroups = ["managers"]\nprojects = ["acme"]\n'
        'until = 2026-03-14\n[[console.roles]]\nrole = "auditor"\npeople = ["anna"]\nuntil = "2026-12-31"\n'
    )
    (viewer,) = assigned(found, "ivan", {"managers", "others"})
    assert viewer.until == datetime(2026, 3, 14, 22, tzinfo=UTC), "midnight in Kyiv"
    assert [one.role.value for one in assigned(found, "anna", {"managers"})] == ["viewer", "auditor"]
    assert assigned(found, "managers", {"anna"}) == (), "a name is no group, and a group no name"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('listen = "127.0.0.1"', "is not an address with a port"),
        ('certificate_file = "a.pem"', "needs both certificate_file and key_file"),
        ('url = "https://x.example/console"', "has a url with a path"),
        ('[console.proxy]\naddresses = ["10.0.0.1"]', "needs url"),
        ('url = "https://x.example"\n[console.proxy]\naddresses = ["10.0.0.300"]', "is not an address or a network"),
        ('url = "https://x.example"\n[console.proxy]\naddresses = []', "must not be empty"),
        ('url = "https://x.example"\n[console.proxy]\naddresses = ["::1"]\nheader = "X User"', "is not the name of a header"),
        ('[console.openid]\nissuer = "https://login.example"\nclient_id = "x"', "needs url"),
        ('url = "https://x.example"\n[console.openid]\nissuer = "http://login.example"\nclient_id = "x"', "unprotected"),
        (
            'url = "https://x.example"\n[console.openid]\nissuer = "https://u:p@login.example"\nclient_id = "x"',
            "password in it",
        ),
        (
            'url = "https://x.example"\n[console.openid]\nissuer = "https://x"\nclient_id = "x"\nsecret = "y"',
            "is a secret by its name",
        ),
        ('[[console.roles]]\nrole = "viewer"', "needs people or groups"),
        ('[[console.roles]]\nrole = "king"\npeople = ["anna"]', "must be"),
        ('[[console.roles]]\nrole = "viewer"\npeople = ["anna"]\nuntil = "soon"', "must be a day"),
        ('approvals = ["reading"]', "must be"),
        ('session = "forever"', "session"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(text: str, says: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        read(f"[console]\n{text}\n")
    assert says in str(caught.value)


def test_a_tenant_in_a_providers_address_is_no_secret() -> None:
    issuer = "https://login.example.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0"
    found = read(f'[console]\nurl = "https://x.example"\n[console.openid]\nissuer = "{issuer}"\nclient_id = "x"\n')
    assert found.openid is not None and found.openid.issuer == issuer


@pytest.mark.parametrize(("text", "place"), [("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:8440", ("::1", 8440))])
def test_an_address_has_a_port(text: str, place: Any) -> None:
    assert listens(text) == place


@pytest.mark.parametrize("text", ["", ":80", "host", "host:", "host:x", "host:65536", "host:-1"])
def test_an_address_without_a_port_is_none(text: str) -> None:
    with pytest.raises(SettingsError, match="is not an address with a port"):
        listens(text)
