"""The table [agent]: what may be asked of a host; nothing where it says nothing."""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli.commands.daemon import restored_into
from console.agent.rules import HostRules
from console.hosts.messages import ProjectOffer
from strongroom.settings import reader
from strongroom.settings.agent import AgentSettings
from vault.errors import UsageError

WHOLE = """
console = "https://console.example.org"
token_file = "/etc/token"
daemon = true
[folders]
Handover = "/srv/handover"
Unused = "/srv/unused"
[[allow]]
projects = ["acme*"]
in_place = true
[[allow]]
projects = ["acme", "parcelo"]
folders = ["Handover"]
"""


def read(text: str) -> AgentSettings:
    return reader.made(AgentSettings, tomllib.loads(text))


def test_rules_of_one_project_unite_and_others_are_allowed_nothing() -> None:
    rules = HostRules(read(WHOLE), "https://console.example.org")
    assert rules.offer_of("acme") == ProjectOffer(in_place=True, folders=["Handover"])
    assert rules.offer_of("acme-2") == ProjectOffer(in_place=True)
    assert rules.offer_of("parcelo") == ProjectOffer(folders=["Handover"])
    assert rules.offer_of("norcelo") == ProjectOffer()
    assert HostRules(read(WHOLE), "", ("parcelo",)).offer_of("acme") == ProjectOffer()
    assert HostRules(read(""), "").offer_of("acme") == ProjectOffer()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('console = "http://console.example.org"', "unprotected"),
        ('console = "console.example.org"', "not the address of a console"),
        ("daemon = true", "needs console and token_file"),
        ('[[allow]]\nprojects = ["acme"]\nfolders = ["Handover"]', "which it does not name"),
        ("[[allow]]\nprojects = []", "projects"),
        ('[[allow]]\nprojects = ["acme"]\nin_place = "yes"', "in_place"),
        ('token = "strongroom_host_a.b"', "token"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read(text)


def test_the_unit_of_the_daemon_lets_its_agent_write_where_it_may_restore() -> None:
    def settings(agent: AgentSettings) -> Any:
        sources = [SimpleNamespace(path=Path("/srv/acme")), SimpleNamespace(path=None)]
        projects = {
            "acme": SimpleNamespace(sources=sources),
            "other": SimpleNamespace(sources=[SimpleNamespace(path=Path("/x"))]),
        }
        return cast(Any, SimpleNamespace(document=SimpleNamespace(agent=agent, projects=projects)))

    assert restored_into(settings(read(WHOLE))) == [Path("/srv/handover"), Path("/srv/acme")]
    assert restored_into(settings(read(WHOLE.replace("daemon = true", "")))) == []
