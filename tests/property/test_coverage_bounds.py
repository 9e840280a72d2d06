"""Whatever a source says of itself, a record holds it: bounded, read back as it is held, and what was cut is said."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from vault.coverage import Coverage, CoveredEntity
from vault.format import coverage as coverages
from vault.format import strict_json

texts = st.text('aé\u3042\n\0"\\', max_size=40)
counts = st.integers(0, 5) | st.integers(0, 1500)


@settings(deadline=None, max_examples=60)
@given(text=texts, times=st.integers(1, 15), entities=counts, fields=st.integers(0, 700), gaps=counts, flag=st.booleans())
@example(text="\0" * 40, times=15, entities=0, fields=0, gaps=200, flag=False)  # six bytes of JSON for each sign
@example(text="\u3042" * 40, times=15, entities=3, fields=0, gaps=1500, flag=True)
def test_a_statement_is_bounded_and_comes_back_as_it_is_held(
    *, text: str, times: int, entities: int, fields: int, gaps: int, flag: bool
) -> None:
    names = tuple(f"{text * times}{number}" for number in range(fields))
    statement = Coverage(
        text, (CoveredEntity(text * times, names, text),) * entities, (text * times,) * gaps, flag, not flag, flag
    )
    held = coverages.bounded(statement)
    assert len(strict_json.dump(coverages.as_json(held))) <= coverages.LARGEST
    assert len(held.entities) <= coverages.MOST_ENTITIES and len(held.gaps) <= coverages.MOST_GAPS
    assert all(len(one.fields) <= coverages.MOST_FIELDS for one in held.entities)
    assert coverages.from_json(coverages.as_json(held), "it") == held
    assert (held.times, held.deletions, held.one_moment) == (flag, not flag, flag)
    cut = len(held.entities) < entities or len(held.gaps) < gaps
    assert not cut or any("cut short" in gap for gap in held.gaps)
