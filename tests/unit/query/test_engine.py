"""Questions in SQL to a past moment: which tables there are, what their cells are, and how little is read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from restore.query import engine
from restore.query.engine import QueryEngine
from restore.query.table_names import find_tables
from restore.selection.query import ItemQuery
from restore.tables.loss_report import LossReport
from restore.tables.registry import open_tables
from restore.tables.values import values_of
from tests.support.places import names
from tests.support.trees import write_tree
from tests.unit.fsspec.mounted_project import ROOMY, ZONE, Kept
from vault.errors import Damaged, NothingFound, UsageError

MONTHS = [f"2024-{month:02}" for month in range(1, 13)]


class Asking:
    """Questions to a project, and what was said beside the answers."""

    def __init__(self, kept: Kept, query: ItemQuery | None = None) -> None:
        self.told: list[str] = []
        self.questions = QueryEngine(kept.select(query), ZONE, self.told.append)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        answers: list[list[tuple[Any, ...]]] = []

        def take(_schema: pa.Schema, read: Callable[[], Iterator[pa.RecordBatch]]) -> None:
            answers.append([row for one in read() for row in zip(*(c.to_pylist() for c in one.columns), strict=True)])

        self.questions.ask(sql, take)
        return answers[-1]


def backed_up(folder: Path, files: dict[str, bytes]) -> Kept:
    write_tree(folder, files)
    made = Kept.empty()
    made.back_up(folder, *sorted({name.split("/")[0] for name in files}))
    return made


@pytest.fixture
def asking(request: pytest.FixtureRequest) -> Iterator[Callable[..., Asking]]:
    made: list[Asking] = []

    def start(kept: Kept, query: ItemQuery | None = None) -> Asking:
        made.append(Asking(kept, query))
        return made[-1]

    yield start
    for one in made:
        one.questions.close()


Start = Callable[..., Asking]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return backed_up(
        tmp_path_factory.mktemp("calls"),
        {
            f"raw/calls/{month}.csv": f"caller,seconds\n+7{month[-2:]},{number}\n".encode()
            for number, month in enumerate(MONTHS)
        },
    )


def test_tables_are_named_by_the_folders_that_do_not_say_when(tmp_path: Path) -> None:
    csv = b"a,b\n1,2\n"
    kept = backed_up(
        tmp_path,
        {
            "reports/hourly/2024/05/17/14.csv": csv,
            "reports/2024/hourly/15.csv": csv,
            "reports/daily/2024-05-17.csv": csv,
            "raw/daily/2024-05-17.csv": csv,
            "raw/mixed/one.csv": csv,
            "raw/mixed/two.jsonl": b'{"a":1}\n{"a":2}\n',
            "tickets/2024-05.csv": csv,
            "raw/a picture.png": b"\x89PNG\r\n\x1a\n",
        },
    )
    found = {view.names: len(view.rows) for view in find_tables(kept.select().table)}
    assert found == {
        ("hourly", "reports_hourly"): 2,
        ("reports_daily",): 1,
        ("raw_daily",): 1,
        ("mixed_csv", "raw_mixed_csv"): 1,
        ("mixed_jsonl", "raw_mixed_jsonl"): 1,
        ("tickets",): 1,
    }


def test_every_table_knows_path_period_and_snapshot(calls: Kept, asking: Start) -> None:
    (row,) = asking(calls).ask("select path, period, period_start, period_end, snapshot_time from calls where caller = '+702'")
    (record,) = calls.select().records
    assert row[:2] == ("raw/calls/2024-02.csv", "2024-02")
    assert row[2].isoformat() == "2024-02-01T00:00:00+02:00"
    assert row[3].isoformat() == "2024-03-01T00:00:00+02:00"
    assert row[4] == record.taken_at


@pytest.mark.parametrize(
    "condition",
    [
        "period_start >= '2024-04-01' and period_end <= '2024-07-01'",
        "period in ('2024-04', '2024-05', '2024-06')",
        "period between '2024-04' and '2024-06'",
        "path like '%-04.csv' or path like '%-05.csv' or path like '%-06.csv'",
    ],
)
def test_a_condition_on_the_period_keeps_other_files_unread(calls: Kept, asking: Start, condition: str) -> None:
    here = asking(calls)
    assert here.ask(f"select count(*), sum(seconds) from calls where {condition}") == [(3, 12)]
    looked_at_first = {0, 6, 11}  # the first, one between, the last: for their columns
    assert here.questions.opened == len(looked_at_first | {3, 4, 5})


def test_a_function_of_the_period_is_answered_too(calls: Kept, asking: Start) -> None:
    assert asking(calls).ask("select count(*), sum(seconds) from calls where quarter(period_start) = 2") == [(3, 12)]


def test_a_condition_in_each_of_two_tables_prunes_each(calls: Kept, asking: Start) -> None:
    here = asking(calls)
    sql = "select a.seconds, b.seconds from calls a, calls b where a.period = '2024-02' and b.period = '2024-03'"
    assert here.ask(sql) == [(1, 2)]
    assert here.questions.opened == 5


def test_tables_of_parquet_are_joined_and_each_is_pruned(tmp_path: Path, asking: Start) -> None:
    for folder in ("calls", "agents"):
        (tmp_path / f"raw/{folder}").mkdir(parents=True)
        for number, month in enumerate(MONTHS):
            made = pa.table({"agent": [f"a{number}"], folder: [number], "day": pa.array([None], pa.date32())})
            pq.write_table(made, tmp_path / f"raw/{folder}/{month}.parquet")
    kept = Kept.empty()
    kept.back_up(tmp_path, "raw")
    here = asking(kept)
    assert here.ask("select agents, calls from agents join calls using (agent, period) where period = '2024-03'") == [(2, 2)]
    assert here.questions.opened == 8
    assert here.ask("select count(*) from calls natural join agents") == [(0,)]  # no day is equal to another


def test_leading_zeros_and_signs_stay_and_plain_numbers_are_numbers(tmp_path: Path, asking: Start) -> None:
    lines = (
        b"code,phone,long,count,share,day,at,mixed\n007,+7495,12345678901234567890,3,0.5,2024-05-01,2024-05-01T10:00:00Z,1\n"
    )
    kept = backed_up(tmp_path, {"raw/t/2024-05.csv": lines + lines.splitlines()[1][:-1] + b"x\n"})
    here = asking(kept)
    types = {name: type_ for table in here.questions.tables() for name, type_ in table.columns}
    assert types == {
        "code": "VARCHAR", "phone": "VARCHAR", "long": "VARCHAR", "count": "BIGINT", "share": "DOUBLE",
        "day": "DATE", "at": "TIMESTAMPTZ", "mixed": "VARCHAR",
    }  # fmt: skip
    assert here.ask("select code, phone, long, count + 1, mixed from t limit 1") == [
        ("007", "+7495", "12345678901234567890", 4, "1")
    ]


def test_a_cell_far_down_that_is_no_number_makes_its_column_text_and_is_told(tmp_path: Path, asking: Start) -> None:
    lines = b"id,queue\n" + b"1,1\n" * 30_000 + b"2,007\n"
    here = asking(backed_up(tmp_path, {"raw/t/2024-05.csv": lines}))
    assert here.ask("select distinct queue from t order by 1") == [("007",), ("1",)]
    assert here.told == ["column queue of t is read as text: one of its cells is '007'"]
    assert here.ask("select sum(id) from t") == [(30_002,)]


def test_files_whose_columns_differ_are_united_by_name(tmp_path: Path, asking: Start) -> None:
    kept = backed_up(
        tmp_path,
        {
            "raw/t/2024-01.csv": b"a,b\n1,x\n",
            "raw/t/2024-02.csv": b"b;c;a\ny;0.5;2\n",
            "raw/t/2024-03.csv": b"a,b,period\n3,z,early\n",
            "raw/j/2024-01.jsonl": b'{"a":1}\n{"a":2,"n":{"k":[1]}}\n',
            "raw/j/2024-02.jsonl": b'{"b":"007"}\n{"b":"x","a":null}\n',
        },
    )
    here = asking(kept)
    assert here.ask("select a, b, c, period_in_file from t order by a") == [
        (1, "x", None, None),
        (2, "y", 0.5, None),
        (3, "z", None, "early"),
    ]
    assert here.ask("select a, b, n.k[1] from j order by period, a nulls last, b") == [
        (1, None, None),
        (2, None, 1),
        (None, "007", None),
        (None, "x", None),
    ]


def test_a_column_that_only_a_file_in_the_middle_has_is_found(tmp_path: Path, asking: Start) -> None:
    files = {f"raw/t/{month}.csv": b"a,b\n1,2\n" for month in MONTHS}
    files["raw/t/2024-03.csv"] = b"a,rare\n1,9\n"
    assert asking(backed_up(tmp_path, files)).ask("select sum(rare) from t") == [(9,)]


def test_parquet_is_read_by_column_and_row_group(tmp_path: Path, asking: Start) -> None:
    rows = 5_000
    (tmp_path / "raw/big").mkdir(parents=True)
    for month in MONTHS:
        noise = {f"noise{number}": [os.urandom(16).hex() for _ in range(rows)] for number in range(4)}
        table = pa.table({"number": pa.array(range(rows), pa.int64()), **noise})
        path = tmp_path / f"raw/big/{month}.parquet"
        pq.write_table(table, path, row_group_size=rows // 5, compression="none", use_dictionary=False)
    made = Kept.empty(ROOMY)
    made.back_up(tmp_path, "raw")
    size = path.stat().st_size
    here = asking(made)
    before = made.traffic()
    assert here.ask("select count(*), max(number) from big where period = '2024-05' and number >= 4000") == [(1000, 4999)]
    cost = made.traffic().since(before)
    assert here.questions.opened == 4
    assert cost.bytes_down < size // 2  # of twelve files of that size
    assert cost.total_requests < 80


def test_many_small_files_cost_few_requests(tmp_path: Path, asking: Start) -> None:
    days = [f"raw/t/2024-{month:02}-{day:02}.csv" for month in range(1, 13) for day in range(1, 9)]
    kept = backed_up(tmp_path, {name: f"a,b\n{number},{number}\n".encode() for number, name in enumerate(days)})
    here = asking(kept)
    before = kept.traffic()
    assert here.ask("select count(*), sum(a) from t") == [(len(days), sum(range(len(days))))]
    assert kept.traffic().since(before).total_requests < len(days) // 2


def test_an_earlier_moment_is_asked_as_it_was(tmp_path: Path, asking: Start) -> None:
    write_tree(tmp_path, {"raw/t/2024-05.csv": b"a,b\n1,1\n"})
    kept = Kept.empty()
    kept.back_up(tmp_path, "raw")
    (first,) = kept.select().records
    write_tree(tmp_path, {"raw/t/2024-05.csv": b"a,b\n2,22\n"})
    kept.back_up(tmp_path, "raw")
    assert asking(kept).ask("select a from t") == [(2,)]
    assert asking(kept, ItemQuery(at=first.taken_at)).ask("select a from t") == [(1,)]


def test_nothing_else_of_the_machine_can_be_reached(calls: Kept, asking: Start, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_bytes(b"a\n1\n")
    here = asking(calls)
    for sql in (
        f"select * from read_csv('{tmp_path}/secret.csv')",
        f"select * from '{tmp_path}/secret.csv'",
        f"select * from glob('{tmp_path}/*')",
        f"select * from read_text('{tmp_path}/secret.csv')",
        "select * from 'https://example.com/x.csv'",
    ):
        with pytest.raises(UsageError):
            here.ask(sql)
    for sql in (
        f"copy (select 1) to '{tmp_path}/out.csv'",
        f"attach '{tmp_path}/x.db'",
        "install httpfs",
        "set memory_limit = '1TB'",
        "select 1; select 2",
        "",
    ):
        with pytest.raises(UsageError, match="expected one query"):
            here.ask(sql)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret.csv"]


def test_what_needs_more_memory_than_there_is_says_so_and_puts_nothing_down(calls: Kept, asking: Start) -> None:
    with pytest.raises(UsageError, match="more than 512MiB of memory"):
        asking(calls).ask("select array_agg(a.range::varchar || repeat('x', 1000)) from range(3000000) a")


def test_bad_sql_is_told_in_the_words_of_duckdb(calls: Kept, asking: Start) -> None:
    here = asking(calls)
    with pytest.raises(UsageError, match='Referenced column "nosuch" not found'):
        here.ask("select nosuch from calls")
    with pytest.raises(UsageError, match="syntax error"):
        here.ask("selec")
    with pytest.raises(UsageError, match="Table with name nowhere does not exist"):
        here.ask("select * from nowhere")
    assert here.ask("select count(*) from calls") == [(12,)]


def test_a_damaged_file_is_named(tmp_path: Path, asking: Start) -> None:
    kept = backed_up(tmp_path, {"raw/t/2024-05.csv": b"a,b\n" + b"1,2\n" * 5000})
    here = asking(kept)
    for pack in names(kept.store, kept.project.folder("packs")):
        broken = bytearray(kept.store.get(pack))
        broken[len(broken) // 2] ^= 1
        kept.store.delete(pack)
        kept.store.put(pack, bytes(broken))
    with pytest.raises(Damaged, match=r"raw/t/2024-05\.csv"):
        here.ask("select count(a) from t")


def test_items_that_are_no_tables_are_refused(tmp_path: Path, asking: Start) -> None:
    with pytest.raises(NothingFound, match="none of these items is a table"):
        asking(backed_up(tmp_path, {"raw/note.txt": b"hello\n"}))


def test_a_spreadsheets_own_csv_is_read_and_what_is_not_utf8_is_named(tmp_path: Path, asking: Start) -> None:
    kept = backed_up(
        tmp_path,
        {
            "raw/t/2024-01.csv": b'\xef\xbb\xbfsep=;\r\nname;n\r\n"a;""b""\r\nc";1\r\n',
            "raw/old/2024-01.csv": "имя,n\nОлег,1\nИрина,2\n".encode("cp1251"),
        },
    )
    here = asking(kept)
    assert here.ask("select name, n from t") == [('a;"b"\r\nc', 1)]
    with pytest.raises(UsageError, match=r"raw/old/2024-01\.csv is not valid UTF-8"):
        here.ask("select * from old")


def test_int96_times_are_those_of_a_restore_and_a_cut_is_said(tmp_path: Path, asking: Start) -> None:
    far = [datetime(9999, 12, 31), datetime(1, 1, 1), None, datetime(2024, 5, 17, 1, 2, 3, 4)]
    pq.write_table(pa.table({"t": pa.array(far, pa.timestamp("us"))}), tmp_path / "a", use_deprecated_int96_timestamps=True)
    kept = backed_up(tmp_path / "source", {"raw/calls/2024-05-17.parquet": (tmp_path / "a").read_bytes()})
    asked = asking(kept)
    assert asked.ask("SELECT t FROM calls") == [(time,) for time in far]
    (table,) = open_tables(tmp_path / "a", "parquet", LossReport())
    assert [cell for batch in table.batches() for cell in values_of(batch.columns[0])] == far
    assert asked.told == ["the times of t in calls are INT96: they are seen to the microsecond"]


def test_columns_that_differ_in_case_only_are_one_as_in_a_merged_table(tmp_path: Path, asking: Start) -> None:
    kept = backed_up(
        tmp_path, {"raw/calls/2024-05-01.csv": b"Phone,id\na1,b\n", "raw/calls/2024-05-02.csv": b"ID,phone\nd,c1\n"}
    )
    assert asking(kept).ask("SELECT phone, id FROM calls ORDER BY phone") == [("a1", "b"), ("c1", "d")]


@pytest.mark.parametrize(
    ("late", "shown"),
    [(b"3.5", "3.5"), (b"true", "true"), (b'"seven"', "seven"), (b"[1]", "[1]")],
    ids=["a fraction", "a truth", "a text", "a list"],
)
def test_a_value_of_another_type_in_a_file_that_was_not_looked_at_makes_its_column_text(
    late: bytes, shown: str, asking: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "JSON_LOOKED_AT", 50)
    files = {f"raw/j/2024-{month:02}.jsonl": b'{"a":1,"b":2}\n{"b":3}\n' for month in range(1, 11)}
    files["raw/j/2024-04.jsonl"] = b'{"a":' + late + b',"b":4}\n'
    started = asking(backed_up(tmp_path, files))

    assert started.ask("select distinct a from j order by a nulls last") == [("1",), (shown,), (None,)]
    assert f"column a of j is read as text: one of its cells is {shown!r}" in started.told
    assert started.ask("select sum(b) from j") == [(9 * 5 + 4,)]
