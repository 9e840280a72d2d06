"""Where keys stand: every one of them, whatever form of TOML it is written in."""

from __future__ import annotations

import tomllib
from typing import Any

import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.settings.example import EXAMPLE
from strongroom.settings.toml_positions import Key, at, line_of, places

usual = settings(derandomize=True, deadline=None, max_examples=200)

FORMS = """\
# a comment with a = sign and a [bracket]
[repository]
address = "x # not a comment" # [a]
"end point".'y z' = \"\"\"
a "quoted" ] } text\\\"\"\" \"\"\"
list = [1, # one ]
  2, [3], {a = 1, b.c = '}'}]

[projects.parcelo]
zone = "E"
[[projects.parcelo.sources]]
kind = "x"
expected = [{ path = "h/**", every = "hour" },
 { path = "x" }]
[projects.parcelo.sources.inner]
k = 1
[[projects.parcelo.sources]]
kind = 'y'
since = 1979-05-27 07:32:00
empty = {}
none = []
long = '''it''s'''
[ projects . "другой" ]
schedule.backup.every = "hour"
last = true"""


def keys_of(value: Any, key: Key = ()) -> set[Key]:
    """Every key and element of a parsed file."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {key} - {()} | {found for name, one in inner for found in keys_of(one, (*key, name))}


def test_every_form_of_key_is_found_on_its_line() -> None:
    found = places(FORMS)
    assert found.keys() == keys_of(tomllib.loads(FORMS))
    lines = FORMS.splitlines()
    for key, written in {
        ("repository",): "[repository]",
        ("repository", "end point", "y z"): "\"end point\".'y z'",
        ("repository", "list", 3, "b", "c"): "  2, [3], {a",
        ("projects", "parcelo", "sources", 0, "expected", 1, "path"): " { path",
        ("projects", "parcelo", "sources", 0, "inner", "k"): "k = 1",
        ("projects", "parcelo", "sources", 1): "[[projects",
        ("projects", "parcelo", "sources", 1, "kind"): "kind = 'y'",
        ("projects", "другой", "schedule", "backup", "every"): "schedule.backup",
        ("projects", "другой", "last"): "last",
    }.items():
        assert lines[found[key] - 1].startswith(written), key
    assert found["projects", "parcelo", "sources", 1] > found["projects", "parcelo", "sources", 0, "inner"]


def test_a_key_that_is_not_written_is_placed_at_the_table_around_it() -> None:
    found = places(FORMS)
    assert line_of(found, ("projects", "parcelo", "rpo")) == found["projects", "parcelo"]
    assert line_of(found, ("projects", "parcelo", "sources", 0, "path")) == found["projects", "parcelo", "sources", 0]
    assert line_of(found, ("daemon", "log")) is None


def test_the_example_is_placed_whole() -> None:
    assert places(EXAMPLE).keys() == keys_of(tomllib.loads(EXAMPLE))


names = st.text(st.sampled_from("ab-_ .\"'#[]=\\ü\n"), min_size=1, max_size=4)
scalars = st.one_of(st.integers(-9, 9), st.booleans(), st.text("ab'\"\\#[]{}=,\n", max_size=6), st.floats(0, 1))
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=12
)


@usual
@given(st.dictionaries(names, values, max_size=4))
def test_whatever_is_written_has_all_its_keys_in_the_order_of_their_lines(value: dict[str, Any]) -> None:
    text = tomlkit.dumps(value)
    parsed = tomllib.loads(text)
    found = places(text)
    assert found.keys() == keys_of(parsed)
    assert all(found[key] >= line_of(found, key[:-1]) for key in found if len(key) > 1 and key[:-1] in found)  # type: ignore[operator]  # it is in there
    assert all(at(parsed, key) is not None for key in found)
