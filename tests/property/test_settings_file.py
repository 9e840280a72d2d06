"""What is written into a settings file is read back, whatever stands in the file already; comments stay."""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.settings import load
from strongroom.settings.models import IdentitySettings, RepositorySettings
from strongroom.settings.projects import SourceSettings
from strongroom.settings.writer import add_project, write

usual = settings(derandomize=True, deadline=None, max_examples=80)

texts = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), min_size=1, max_size=12)
names = texts
kinds = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,39}", fullmatch=True)
zones = st.sampled_from([None, "UTC", "Europe/Kyiv", "America/Argentina/Buenos_Aires"])
layouts = st.lists(st.sampled_from(["{year}", "{year}/{month:02}/x.csv", "**/{year}-W{week}-'\"#.csv"]), max_size=2)


@st.composite
def sources(draw: st.DrawFn) -> list[SourceSettings]:
    chosen = draw(st.lists(kinds, min_size=1, max_size=3, unique=True))
    return [
        SourceSettings.model_validate(
            {
                "kind": draw(st.sampled_from([kind, "reports"])),
                "name": kind,
                "path": f"/{draw(texts)}",
                "include": draw(st.lists(texts, max_size=2)),
                "exclude": draw(st.lists(texts, max_size=2)),
                "layout": draw(layouts),
                "time_column": draw(st.none() | texts),
            }
        )
        for kind in chosen
    ]


BEFORE = st.sampled_from(
    [
        "",
        "# the end of the file, without a line break",
        '[daemon]\nlog = "json"  # as it was\n',
        '[projects.old]\nsources = [{ kind = "raw", path = "/raw" }]\n[daemon]\nmax_parallel = 3\n',
        '[[projects.old.sources]]\nkind = "raw" # of old\npath = "/raw"\n\n[recovery]\nrecipients = []\n',
        "[projects]\n# none so far\n",
        '[projects]\nold.sources = [{ kind = "raw", path = "/raw" }]\n',
        '[projects.old.schedule.backup]\nevery = "hour"\n[projects.old.keep]\ndaily = 3\n',
    ]
)


@usual
@given(BEFORE, st.lists(st.tuples(names, zones, sources()), min_size=1, max_size=3, unique_by=lambda one: one[0]))
def test_a_project_that_was_added_is_read_back_and_nothing_else_changes(
    before: str, added: list[tuple[str, str | None, list[SourceSettings]]]
) -> None:
    added = [one for one in added if one[0] != "old"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "strongroom.toml"
        file.write_text(f'[repository]\naddress = "x" # here\n{before}', "utf-8")
        was = tomllib.loads(file.read_text("utf-8"))
        for name, zone, listed in added:
            add_project(file, name, zone, listed)
        text = file.read_text("utf-8")
        found = load(file)
        for name, zone, listed in added:
            assert found.project(name).sources == tuple(listed)
            assert found.zone(name) == (zone or "UTC")
        now = tomllib.loads(text)
    assert all(comment in text for comment in (line.partition("#")[2] for line in before.splitlines()))
    for name, _, _ in added:
        del now["projects"][name]
    assert {key: value for key, value in now.items() if value} == {key: value for key, value in was.items() if value}


@usual
@given(
    address=texts,
    endpoint=st.none() | texts.map("https://s3.example/{}".format),
    identity=texts,
    path_style=st.none() | st.booleans(),
)
def test_the_settings_of_a_new_repository_are_read_back(
    address: str, endpoint: str | None, identity: str, *, path_style: bool | None
) -> None:
    repository = RepositorySettings(address=address, endpoint=endpoint, path_style=path_style)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "strongroom.toml"
        write(file, repository, IdentitySettings(file=Path(f"/{identity}")), "age1pq1x")
        found = load(file)
    assert (found.repository, found.identity.file, found.recovery) == (repository, Path(f"/{identity}"), ("age1pq1x",))
