"""What tables of the settings are made of: what they take, all that is wrong at once, and what a program can do with one."""

import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import pytest

from strongroom.settings.tables import Field, InvalidError, Table, Unfit, field_check, table_check
from strongroom.settings.value_readers import After, Before, Instead, reader_of


def _short(text: str, _folder: Path | None) -> str:
    if len(text) > 5:
        raise Unfit("has more than five letters", hint="write fewer")
    return text.lower()


class Inner(Table):
    """One that stands in others."""

    word: Annotated[str, Field(min_length=1), After(_short)] = Field(description="a word")
    flag: bool = Field(default=False)


def _one_or_many(value: object, _folder: Path | None) -> object:
    return [value] if isinstance(value, dict) else value


def _joined(value: object, folder: Path | None) -> object:
    return (folder or Path()) / str(value)


class Outer(Table):
    """One of everything."""

    kind: Literal["a", "b"] = Field()
    name: str = Field(default_factory=lambda before: f"the {before['kind']}")
    count: Annotated[int, Field(ge=1, le=9)] = Field(default=1)
    share: Annotated[float, Field(gt=0)] = Field(default=0.5)
    as_: str | None = Field(alias="as", default=None)
    inner: Inner = Field(default=Inner.model_construct(word="x"))
    many: Annotated[tuple[Inner, ...], Before(_one_or_many)] = Field(default=())
    by_name: Mapping[Annotated[str, After(_short)], int] = Field(default={})
    place: Annotated[Path, Instead(_joined, {"type": "string"})] = Field(default=Path("/"))
    either: bool | Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(default=None)

    @field_check("many")
    @classmethod
    def _each_once(cls, many: tuple[Inner, ...], before: Mapping[str, object]) -> tuple[Inner, ...]:
        if before.get("name") == "lonely" and many:
            raise Unfit("must be nobody", at=(0,))
        return many

    @table_check
    def _together(self) -> None:
        if self.kind == "b" and self.count == 9:
            raise Unfit("has b with nine")


class Child(Outer):
    """With one key more, and what its parent checks."""

    more: str = Field(default="")


def faults(table: type[Table], value: object) -> list[tuple[str, str]]:
    with pytest.raises(InvalidError) as raised:
        table.model_validate(value)
    return [(".".join(map(str, one.key)), one.what) for one in raised.value.faults]


def test_a_table_is_read_whole_with_what_it_does_not_say() -> None:
    made = Outer.model_validate(
        {"kind": "a", "share": 1, "as": "x", "many": {"word": "UP"}, "by_name": {"N": 2}, "place": "p", "either": ["q"]},
        folder=Path("/at"),
    )
    assert (made.kind, made.name, made.count, made.share, made.as_) == ("a", "the a", 1, 1.0, "x")
    assert (made.many, made.by_name, made.place, made.either) == ((Inner(word="up"),), {"n": 2}, Path("/at/p"), ("q",))
    assert made.model_fields_set == {"kind", "share", "as_", "many", "by_name", "place", "either"}
    assert isinstance(made.share, float) and made.inner.word == "x"


def test_all_that_is_wrong_is_told_at_once_in_the_order_of_the_model() -> None:
    wrong = {
        "count": 10,
        "share": True,
        "as": "",
        "inner": {"word": "far too long", "flag": 1, "odd": 1},
        "many": [{"word": "a"}, {}, 3],
        "by_name": {"too long a name": "x"},
        "either": [],
        "unknown": 1,
    }
    assert faults(Outer, wrong) == [
        ("kind", "is missing"),
        ("count", "must be at most 9"),
        ("share", "must be a number"),
        ("inner.word", "has more than five letters"),
        ("inner.flag", "must be true or false"),
        ("inner.odd", "is not a setting"),
        ("many.1.word", "is missing"),
        ("many.2", "must be a table"),
        ("by_name.too long a name", "has more than five letters"),
        ("by_name.too long a name", "must be a whole number"),
        ("either", "must be true or false, or must not be empty"),
        ("unknown", "is not a setting"),
    ]


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("kind", "c", "must be 'a' or 'b'"),
        ("kind", ["a"], "must be 'a' or 'b'"),
        ("count", True, "must be a whole number"),
        ("count", 1.0, "must be a whole number"),
        ("count", 0, "must be at least 1"),
        ("share", float("nan"), "must be more than 0"),
        ("share", "1", "must be a number"),
        ("as", 1, "must be a text that is not empty"),
        ("many", "x", "must be a list"),
        ("by_name", [], "must be a table"),
        ("either", 3, "must be true or false, or a list"),
        ("either", [1], "must be a text that is not empty"),
    ],
)
def test_no_value_becomes_one_of_another_type(key: str, value: object, what: str) -> None:
    ((_, found),) = faults(Outer, {"kind": "a", key: value})
    assert found == what


def test_checks_hear_what_stands_before_and_run_only_where_the_rest_is_right() -> None:
    lonely = {"kind": "a", "name": "lonely", "many": [{"word": "a"}]}
    assert faults(Outer, lonely) == [("many.0", "must be nobody")]
    assert faults(Child, lonely) == [("many.0", "must be nobody")]
    assert faults(Child, {"kind": "b", "count": 9}) == [("", "has b with nine")]
    assert faults(Child, {"kind": "b", "count": 9, "more": 1}) == [("more", "must be a text that is not empty")]


def test_what_follows_from_a_value_that_is_wrong_is_not_told() -> None:
    assert faults(Outer, {"kind": "c"}) == [("kind", "must be 'a' or 'b'")]


def test_a_table_can_be_compared_copied_and_sent_elsewhere() -> None:
    made = Outer.model_validate({"kind": "a", "many": [{"word": "b"}]})
    other = made.model_copy(update={"count": 4})
    assert (other.count, sorted(other.model_fields_set), made.count) == (4, ["count", "kind", "many"], 1)
    assert (
        made == Outer(kind="a", many=(Inner(word="b"),)) and made != other and made != Child(kind="a", many=(Inner(word="b"),))
    )
    assert pickle.loads(pickle.dumps(made)) == made
    assert hash(Inner(word="b")) == hash(Inner(word="b"))
    assert repr(Inner(word="b")) == "Inner(word='b', flag=False)"
    assert dict(Inner(word="b")) == {"word": "b", "flag": False}
    assert made.model_dump(exclude_none=True)["many"] == ({"word": "b", "flag": False},)
    assert "either" not in made.model_dump(exclude_none=True) and made.model_dump()["either"] is None


def test_a_type_that_nobody_reads_is_an_error_of_the_program() -> None:
    with pytest.raises(TypeError, match="no setting has the type"):
        reader_of(set[str])


def test_settings_are_read_without_pydantic() -> None:
    code = "import sys; from strongroom.settings import reader; print('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
