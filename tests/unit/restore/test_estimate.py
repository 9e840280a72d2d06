"""How long a restore will take."""

from __future__ import annotations

import pytest

from restore.planning.estimate import BESIDE, REMOTE, RestoreCost, Throughput, measured

SAMPLE = RestoreCost(requests=52, read=400_000, write=1_000_000, files=51)
WHOLE = RestoreCost(requests=120, read=900_000_000, write=2_200_000_000, files=20_000)


@pytest.mark.parametrize("pace", [BESIDE, REMOTE])
def test_a_sample_as_fast_as_expected_gives_the_expected_time(pace: Throughput) -> None:
    took = pace.start + SAMPLE.seconds(pace)
    assert measured(WHOLE, SAMPLE, took, pace) == pytest.approx(pace.start + WHOLE.seconds(pace))
    assert measured(WHOLE, SAMPLE, 3 * took, pace) == pytest.approx(3 * (pace.start + WHOLE.seconds(pace)))
    assert measured(SAMPLE, SAMPLE, took, pace) == pytest.approx(took)


def test_the_start_and_the_requests_of_a_small_sample_do_not_grow_with_the_bytes() -> None:
    took = 0.9  # of which a megabyte is next to nothing
    assert measured(WHOLE, SAMPLE, took, BESIDE) < 60 < took * WHOLE.write / SAMPLE.write
