"""Files of a scored file's rows: what is read back from each format is what plain Python would have kept."""

import csv
import datetime
import decimal
import io
import json
import math
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, get_args

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import python_calamine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobyard.shared.database import Database
from jobyard.shared.disk import Disk
from jobyard.shared.errors import Conflict, DiskFull
from jobyard.web.backend import Backend
from jobyard.web.services import exports, score_exports
from jobyard.web.services.exports import Export, Filter, Format
from tests import factories
from tests.integration.web.api.test_scores import COMPOUNDS, NAMES, TEXTS, refused
from tests.integration.web.scored import parquet, scored_job, scored_table

if TYPE_CHECKING:
    from pathlib import Path

    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

AT = datetime.datetime(2026, 1, 31, 23, 59, 59, 123, tzinfo=datetime.UTC)
# A query that takes hours.
LONG = "SELECT count(*) FROM range(1_000_000_000_000) WHERE range % 3 = 1"
NAN, INFINITY = float("nan"), float("inf")


def file_of(api: "FlaskClient", job_id: str, kind: str, **query: str) -> "TestResponse":
    response = api.get(f"/api/v1/jobs/{job_id}/scores.{kind}", query_string=query)
    assert response.status_code == 200, response.text
    assert len(response.data) == response.content_length
    return response


def csv_of(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


def json_lines_of(data: bytes) -> list[dict[str, Any]]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in data.decode().split("\n")[:-1]]


def sheet_of(data: bytes) -> list[list[Any]]:
    return python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0).to_python()


ANY_TEXT = st.none() | st.text(
    st.characters(codec="utf-8") | st.sampled_from("=+-@\t\r\n\0\x0b\",;\\'_x0041\ufffe\uffff"), max_size=5
)
ROWS = st.lists(
    st.tuples(
        ANY_TEXT,
        st.none() | st.floats(),
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.booleans(),
        st.none() | st.sampled_from([-0.5423, 0.0, 0.6369]),
    ),
    min_size=1,
    max_size=8,
)


@given(rows=ROWS, label=st.sampled_from([None, "positive"]), descending=st.booleans())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_format_has_the_rows_that_were_asked_for(
    api: "FlaskClient", backend: Backend, rows: list[tuple[Any, ...]], label: str | None, descending: bool
) -> None:
    types = (pa.string(), pa.float64(), pa.int64(), pa.bool_())
    names = ("text", "TEXT", "whole\0", "yes")
    columns = {
        name: pa.array([row[place] for row in rows], kind)
        for place, (name, kind) in enumerate(zip(names, types, strict=True))
    }
    built = scored_table(columns | {"place": [*map(str, range(len(rows)))]}, [row[4] for row in rows])
    job_id = scored_job(backend, built, row_group=3)
    chosen = [place for place, row in enumerate(built["label"].to_pylist()) if label in (None, row)]
    known = [place for place in chosen if rows[place][4] is not None]
    known.sort(key=lambda place: rows[place][4], reverse=descending)
    known += [place for place in chosen if rows[place][4] is None]
    expected = built.take(pa.array(known, pa.int64()))
    query = {"sort": "-compound" if descending else "compound"} | ({"label": label} if label else {})

    parquet = pq.read_table(io.BytesIO(file_of(api, job_id, "parquet", **query).data))
    assert parquet.schema.equals(expected.schema)
    assert str(parquet.to_pydict()) == str(expected.to_pydict())

    plain = expected.to_pydict()
    for name, values in plain.items():
        plain[name] = [None if isinstance(one, float) and not math.isfinite(one) else one for one in values]
    as_rows = list(map(list, zip(*plain.values(), strict=True)))
    found = json_lines_of(file_of(api, job_id, "jsonl", **query).data)
    assert [list(row.items()) for row in found] == [list(zip(plain, row, strict=True)) for row in as_rows]

    head, *found_rows = csv_of(file_of(api, job_id, "csv", **query).data)
    assert head == list(plain)
    for written, row in zip(found_rows, expected.to_pylist(), strict=True):
        for cell, value in zip(written, row.values(), strict=True):
            assert cell == "" if value is None else _is_written(cell, value)

    head, *found_rows = sheet_of(file_of(api, job_id, "xlsx", **query).data)
    assert head == list(plain)
    for cells, row in zip(found_rows, as_rows, strict=True):
        for cell, value in zip(cells, row, strict=True):
            assert cell == _in_a_cell(value)


def _is_written(cell: str, value: object) -> bool:
    if isinstance(value, float):
        return str(float(cell)) == str(value)
    return cell == (str(value).lower() if isinstance(value, bool) else str(value))


def _in_a_cell(value: object) -> object:
    """A number has at most 16 digits there."""
    if isinstance(value, float):
        return float(f"{value:.16G}")
    is_large = type(value) is int and abs(value) > 2**53
    return str(value) if is_large else "" if value is None else value


ALL_TYPES: dict[str, Any] = {
    "text": ["=1+1", None],
    "decimal": [decimal.Decimal("12345678901234567890.10"), None],
    "time": [AT, None],
    "local": pa.array([1, None], pa.timestamp("ns")),
    "day": [AT.date(), None],
    "bytes": [b"\0\xff", b"ab"],
    "list": [[1.5, None, NAN], None],
    "record": [{"a": {"b": [INFINITY]}, "c": "x"}, None],
    "map": pa.array([[("a", NAN), ("b", 2.0)], None], pa.map_(pa.string(), pa.float64())),
    "json": pa.array(['{"a": [1, "=x"]}', None], pa.json_()),
    "lasting": pa.array([1, None], pa.duration("us")),
    "word": pa.array(["+a", None]).dictionary_encode(),
    "nothing": pa.array([None, 5], pa.uint64()),
}


@pytest.fixture
def typed(backend: Backend) -> str:
    return scored_job(backend, scored_table(ALL_TYPES, [0.5, None]).replace_schema_metadata({"by": "me"}))


def test_parquet_keeps_types_and_what_is_said_of_the_file(api: "FlaskClient", typed: str) -> None:
    built = scored_table(ALL_TYPES, [0.5, None])
    found = pq.read_table(io.BytesIO(file_of(api, typed, "parquet", sort="-row").data))
    assert found.schema.equals(built.schema)
    assert found.schema.metadata == {b"by": b"me"}
    assert str(found.take([1, 0]).to_pydict()) == str(built.to_pydict())


def test_what_other_formats_lack_is_text_or_null(api: "FlaskClient", typed: str) -> None:
    (row, empty) = json_lines_of(file_of(api, typed, "jsonl").data)
    assert row["decimal"] == "12345678901234567890.10"
    assert row["time"] == "2026-01-31 23:59:59.000123+00"
    assert (row["local"], row["day"]) == ("1970-01-01 00:00:00.000000001", "2026-01-31")
    assert (row["bytes"], empty["bytes"]) == ("\\x00\\xFF", "ab")
    assert (row["list"], row["record"]) == ([1.5, None, None], {"a": {"b": [None]}, "c": "x"})
    assert (row["map"], row["json"]) == ({"a": None, "b": 2.0}, {"a": [1, "=x"]})
    assert {empty[name] for name in ALL_TYPES if name not in ("bytes", "nothing")} == {None}
    names, first, _ = csv_of(file_of(api, typed, "csv").data)
    cells = dict(zip(names, first, strict=True))
    assert (cells["list"], cells["record"]) == ("[1.5,null,null]", '{"a":{"b":[null]},"c":"x"}')
    assert (cells["text"], cells["word"], cells["json"]) == ("=1+1", "+a", '{"a": [1, "=x"]}')
    names, first, _ = sheet_of(file_of(api, typed, "xlsx").data)
    assert dict(zip(names, first, strict=True))["record"] == cells["record"]


def test_formulas_are_escaped_in_csv_if_that_is_asked_for(api: "FlaskClient", backend: Backend) -> None:
    cells = ["=1+1", "+1", "-1e5", "-x", "@a", "\ttab", "\uff1d1", "fine", "", None, "\n=1"]
    table = scored_table({"text": cells, "=name": ["+x"] * 11, "number": [-1] * 11}, [0.5] * 11)
    names, *rows = csv_of(file_of(api, scored_job(backend, table), "csv", escape_formulas="true").data)
    assert names[:3] == ["text", "'=name", "number"]
    expected = ["'=1+1", "+1", "-1e5", "'-x", "'@a", "'\ttab", "'\uff1d1", "fine", "", "", "'\n=1"]
    assert [row[0] for row in rows] == expected
    assert {(row[1], row[2]) for row in rows} == {("'+x", "-1")}


def test_a_sheet_has_texts_only_and_cuts_long_ones(api: "FlaskClient", backend: Backend) -> None:
    texts = ["=1+1", "https://example.org", "x" * 32_767, "x" * 32_768, "😀" * 20_000, "  a\n", "1"]
    job_id = scored_job(backend, scored_table({"text": texts}, [0.5] * 7))
    data = file_of(api, job_id, "xlsx", sort="@1").data
    found = sorted(row[0] for row in sheet_of(data)[1:])
    assert found == sorted([*texts[:3], "x" * 32_766 + "…", "😀" * 16_383 + "…", "  a\n", "1"])


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl", "xlsx"])
def test_columns_keep_their_names_and_their_order(api: "FlaskClient", backend: Backend, kind: str) -> None:
    columns = {name: [str(place)] for place, name in enumerate(NAMES)}
    columns |= {f"column {place}": ["x"] for place in range(300)}
    data = file_of(api, scored_job(backend, scored_table(columns, [0.5])), kind, search="0").data
    expected = [*columns, "neg", "neu", "pos", "compound", "label"]
    found = {
        "parquet": lambda: pq.read_table(io.BytesIO(data)).column_names,
        "csv": lambda: csv_of(data)[0],
        "jsonl": lambda: list(json_lines_of(data)[0]),
        "xlsx": lambda: sheet_of(data)[0],
    }[kind]()
    assert [name[:32_767] for name in found] == expected


def test_a_whole_file_in_its_own_format_is_the_file(api: "FlaskClient", backend: Backend) -> None:
    table = scored_table({"text": TEXTS}, COMPOUNDS)
    job_id = scored_job(backend, table)
    whole = file_of(api, job_id, "parquet")
    assert whole.data == api.get(f"/api/v1/jobs/{job_id}/files/texts.scored.parquet").data
    part = api.get(f"/api/v1/jobs/{job_id}/scores.parquet", headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.data) == (206, b"PAR1")
    stored = scored_job(backend, b"text,label\r\n", format="csv")
    assert file_of(api, stored, "csv").data == b"text,label\r\n"
    for query in ("csv?label=positive", "csv?sort=text", "parquet"):
        refused(api.get(f"/api/v1/jobs/{stored}/scores.{query}"), 409, "is csv", "`format: parquet`")


def test_a_file_has_a_name_a_type_and_an_etag(api: "FlaskClient", backend: Backend) -> None:
    job_id = scored_job(backend, scored_table({"text": TEXTS}, COMPOUNDS))
    for query, name in (("csv", "texts.scored.csv"), ("jsonl?label=neutral", "texts.scored.filtered.jsonl")):
        address = f"/api/v1/jobs/{job_id}/scores.{query}"
        response = api.get(address)
        assert response.headers["Content-Disposition"] == f"attachment; filename={name}"
        assert response.mimetype == ("text/csv" if name.endswith("csv") else "application/x-ndjson")
        etag = response.headers["ETag"]
        assert api.get(address, headers={"If-None-Match": etag}).status_code == 304
        head = api.head(address)
        assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", etag)
    assert api.get(f"/api/v1/jobs/{job_id}/scores.csv?sort=text").headers["ETag"] != etag


def test_what_is_wrong_is_refused(
    api: "FlaskClient", backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = scored_job(backend, scored_table({"text": TEXTS}, COMPOUNDS))
    address = f"/api/v1/jobs/{job_id}/scores"
    refused(api.get(f"{address}.ods"), 422, "format")
    refused(api.get(f"{address}.csv?sort=texd"), 422, "did you mean 'text'")
    refused(api.get(f"{address}.csv?cursor=1"), 422, "cursor")
    refused(api.get(f"/api/v1/jobs/{uuid.uuid4()}/scores.csv"), 404, "there is no job")
    refused(api.get(f"/api/v1/jobs/{scored_job(backend, b'PAR1')}/scores.csv"), 409, "can't be read")
    monkeypatch.setattr(exports, "MAX_ROWS", 4)
    refused(api.get(f"{address}.xlsx"), 409, "a sheet holds 3 rows", "these are 4 rows")
    assert api.get(f"{address}.xlsx?label=neutral").status_code == 200
    monkeypatch.setattr(exports, "MAX_ROWS", 9)
    monkeypatch.setattr(exports, "MAX_CELLS", 20)
    refused(api.get(f"{address}.xlsx"), 409, "more than 20 cells")


@pytest.mark.parametrize("is_full", [False, True])
def test_a_query_is_interrupted_where_the_disk_is_full_or_it_takes_too_long(
    tmp_path: "Path", monkeypatch: pytest.MonkeyPatch, is_full: bool
) -> None:
    """Also one that begins when it is too late already."""
    monkeypatch.setattr(score_exports, "WATCH_SECONDS", 0.02)
    monkeypatch.setattr(score_exports, "MAX_SECONDS", 300.0 if is_full else 0.0)
    monkeypatch.setattr("jobyard.shared.disk.free_bytes", lambda _: 0.0 if is_full else 1e12)
    disk = Disk([tmp_path], 1)
    kind, why = (DiskFull, "is full") if is_full else (Conflict, "takes too long")
    with duckdb.connect() as connection:

        def run() -> None:
            time.sleep(0.1)
            connection.execute(LONG).fetchall()

        with pytest.raises(kind, match=why), score_exports._watched(disk, connection.interrupt):
            run()
        assert connection.execute("SELECT 1").fetchall() == [(1,)]


def test_writing_ends_where_the_disk_is_full_or_it_takes_too_long(
    api: "FlaskClient", backend: Backend, tmp_path: "Path", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing stays behind."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    job_id = scored_job(backend, scored_table({"text": ["x"] * 1_000}, [0.5] * 1_000))
    monkeypatch.setattr(score_exports, "MAX_SECONDS", -1.0)
    refused(api.get(f"/api/v1/jobs/{job_id}/scores.xlsx?sort=text"), 409, "takes too long")
    full: Callable[[], float] = lambda: 0.0  # noqa: E731
    monkeypatch.setattr("jobyard.shared.disk.free_bytes", lambda _: full())
    refused(api.get(f"/api/v1/jobs/{job_id}/scores.csv"), 507, "the disk is full")
    assert list(temporary.iterdir()) == []


def test_a_file_in_a_remote_storage_is_copied_and_nothing_stays_behind(
    sqlite_url: str, tmp_path: "Path", monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    database = Database(sqlite_url)
    stored = factories.storage_of(database)
    key = stored.put("scored", io.BytesIO(parquet(scored_table({"text": TEXTS}, COMPOUNDS)))).key
    for kind in get_args(Format):
        export = Export(Filter(search="a"), "-compound", kind)
        written = score_exports.write(stored, key, "text", export, 0)
        data = b"".join(written.chunks())
        assert len(data) > 20
        if kind == "csv":
            assert [row[0] for row in csv_of(data)] == ["text", TEXTS[3], TEXTS[1]]
    assert list(temporary.iterdir()) == []
    database.dispose()


def test_only_some_files_are_written_at_once(api: "FlaskClient", backend: Backend) -> None:
    job_id = scored_job(backend, scored_table({"text": TEXTS}, COMPOUNDS))
    taken = 0
    while score_exports._admitted.acquire(blocking=False):
        taken += 1
    try:
        refused(api.get(f"/api/v1/jobs/{job_id}/scores.csv"), 503, "try again")
        assert api.get(f"/api/v1/jobs/{job_id}/scores.parquet").status_code == 200  # the file itself
    finally:
        for _ in range(taken):
            score_exports._admitted.release()
    assert taken == score_exports.WRITERS + score_exports.WAITERS
    assert api.get(f"/api/v1/jobs/{job_id}/scores.csv").status_code == 200


def test_nobody_waits_for_a_turn_without_an_end(
    api: "FlaskClient", backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"/api/v1/jobs/{scored_job(backend, scored_table({'text': TEXTS}, COMPOUNDS))}/scores.csv"
    monkeypatch.setattr(score_exports, "PATIENCE_SECONDS", 0.01)
    for _ in range(score_exports.WRITERS):
        assert score_exports._writers.acquire(blocking=False)
    try:
        # More than may wait at once: each gives its place back.
        for _ in range(score_exports.WRITERS + score_exports.WAITERS + 1):
            answer = api.get(address)
            refused(answer, 503, "other files are being written")
            assert (answer.mimetype, answer.headers["Retry-After"]) == ("application/problem+json", "5")
    finally:
        for _ in range(score_exports.WRITERS):
            score_exports._writers.release()
    assert api.get(address).status_code == 200
