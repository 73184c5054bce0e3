"""Rows and groups of scored files: filter, order, search and pages are what plain Python would say."""

import contextlib
import datetime
import decimal
import json
import math
import uuid
from typing import TYPE_CHECKING, Any

import duckdb
import fsspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobyard.shared import jobs, registry
from jobyard.shared.errors import BadInput, Conflict
from jobyard.web import schemas
from jobyard.web.backend import Backend
from jobyard.web.services import scored_table as scored_tables
from jobyard.web.services import scores
from tests.integration.web.scored import parquet, scored_job, scored_table

if TYPE_CHECKING:
    from pathlib import Path

    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

TEXTS = ["I love it", "so BAD", None, "a table, 50% off"]
COMPOUNDS = [0.6369, -0.5423, None, 0.0]
OURS = ("neg", "neu", "pos", "compound", "label")


@pytest.fixture
def few(backend: Backend) -> str:
    return scored_job(backend, scored_table({"id": [1, 2, 3, 4], "text": TEXTS}, COMPOUNDS))


def rows(api: "FlaskClient", job_id: str, query: str = "") -> list[dict[str, Any]]:
    response = api.get(f"/api/v1/jobs/{job_id}/scores{query}")
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json["items"]
    for item in items:
        assert schemas.ScoredRow.model_validate(item).model_dump() == item
    return items


def numbers(api: "FlaskClient", job_id: str, query: str = "") -> list[int]:
    return [row["row"] for row in rows(api, job_id, query)]


def refused(response: "TestResponse", status: int, *said: str) -> None:
    assert response.status_code == status, response.text
    assert response.mimetype == "application/problem+json"
    for words in said:
        assert words in response.json["detail"]


def test_a_row_has_its_number_the_original_columns_and_the_scores(api: "FlaskClient", few: str) -> None:
    assert rows(api, few)[0] == {
        "row": 0,
        "columns": {"id": 1, "text": "I love it"},
        **dict.fromkeys(("neg", "neu", "pos", "compound"), 0.6369),
        "label": "positive",
    }
    assert rows(api, few)[2] == {
        "row": 2,
        "columns": {"id": 3, "text": None},
        **dict.fromkeys(("neg", "neu", "pos", "compound", "label")),
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [0, 1, 2, 3]),
        ("?sort=compound", [1, 3, 0, 2]),
        ("?sort=-compound", [0, 3, 1, 2]),
        ("?label=negative", [1]),
        ("?label=neutral&sort=compound", [3]),
        ("?search=LOVE", [0]),
        ("?search=bad", [1]),
        ("?search=%25", [3]),
        ("?search=_", []),
        ("?search=a&sort=-compound", [3, 1]),
        ("?search=", [0, 1, 2, 3]),
        ("?search='; DROP TABLE t; --", []),
        ("?limit=2", [0, 1]),
    ],
)
def test_rows_are_filtered_found_and_ordered(
    api: "FlaskClient", few: str, query: str, expected: list[int]
) -> None:
    assert numbers(api, few, query) == expected


def test_a_job_leads_to_its_scores_and_groups(api: "FlaskClient", backend: Backend, few: str) -> None:
    links = api.get(f"/api/v1/jobs/{few}").json["links"]
    assert api.get(links["scores"]).status_code == 200
    assert "groups" not in links
    grouped = scored_job(backend, scored_table({"text": TEXTS}, COMPOUNDS), group_by="id")
    assert "groups" in api.get(f"/api/v1/jobs/{grouped}").json["links"]
    texts = {"texts": ['"texts": null', '"texts":null']}
    made = api.post("/api/v1/jobs", json={"kind": "sentiment", "spec": texts}).json
    assert not {"scores", "groups"} & set(made["links"])


# ---- hostile files

NAMES = [
    *("text", "Text", "TEXT", 'quo"te', "apos'trophe", "nul\0nul", "", " ", "a.b", "c0", "r", "t", "row"),
    *(
        "Label",
        "COMPOUND",
        "label_original",
        "file_row_number",
        "filename",
        "; DROP TABLE t",
        "ü☃",
        "x" * 5_000,
    ),
]


@pytest.mark.parametrize("column", NAMES)
def test_columns_may_be_called_as_they_like(api: "FlaskClient", backend: Backend, column: str) -> None:
    columns = {name: [f"{place}", f"needle {place}"] for place, name in enumerate(NAMES)}
    job_id = scored_job(backend, scored_table(columns, [0.5, -0.5]), column=column[:1000])
    if len(column) <= 1_000:
        needle = rows(api, job_id, f"?search=needle {NAMES.index(column)}&sort=compound")
        assert [row["columns"] for row in needle] == [{name: both[1] for name, both in columns.items()}]
        assert rows(api, job_id, f"?search=needle {NAMES.index(column) + 1}") == []


def test_a_column_of_texts_that_is_called_like_one_of_ours_was_renamed(
    api: "FlaskClient", backend: Backend
) -> None:
    table = scored_table({"label_original": ["a", "b"], "label_original_original": ["c", "d"]}, [0.5, 0.0])
    assert numbers(api, scored_job(backend, table, column="label"), "?search=b") == [1]
    assert numbers(api, scored_job(backend, table, column="label_original"), "?search=b") == [1]


STRUCTS = [{"na.me": {"first": "needle"}, "n": 1}, None, {"na.me": {"first": "hay"}, "n": 2}]


@pytest.mark.parametrize(
    ("array", "column"),
    [
        (pa.array(STRUCTS), "user.na.me.first"),
        (pa.array([json.dumps(one) for one in STRUCTS]), "user.na.me.first"),
        (pa.array(["no JSON", '{"a/~": "x"}', '{"a/~": "needle"}']), "user.a/~"),
    ],
)
def test_texts_within_a_column_are_searched_and_shown(
    api: "FlaskClient", backend: Backend, array: Any, column: str
) -> None:
    """As those of Parquet's structs are, and of objects in JSON, which are strings in the scored file."""
    job_id = scored_job(backend, scored_table({"user": array}, [0.5, None, 0.1]), column=column)
    (row,) = rows(api, job_id, "?search=NEEDLE")
    assert list(row["columns"]) == [column, "user"]
    assert row["columns"][column] == "needle"
    assert len(rows(api, job_id, "?sort=-compound")) == 3


@pytest.mark.parametrize(
    "array",
    [
        pa.array(["needle ü", None]).cast(pa.binary()),
        pa.array(['"needle \\u00fc"', "null"], pa.json_()),
        pa.array(["needle ü", None]).dictionary_encode(),
        pa.array(["needle ü", None], pa.string_view()),
    ],
)
def test_texts_of_any_type_are_searched_and_shown(api: "FlaskClient", backend: Backend, array: Any) -> None:
    job_id = scored_job(backend, scored_table({"text": array}, [0.5, None]))
    assert [row["columns"]["text"] for row in rows(api, job_id)] == ["needle ü", None]
    assert numbers(api, job_id, "?search=NEEDLE Ü") == [0]


def test_a_thousand_columns(api: "FlaskClient", backend: Backend) -> None:
    columns = {f"column {place}": [place] for place in range(999)} | {"text": ["fine"]}
    (row,) = rows(api, scored_job(backend, scored_table(columns, [0.2])), "?search=fine&label=positive")
    assert list(row["columns"].items()) == [(name, values[0]) for name, values in columns.items()]


def test_values_without_a_form_in_json_are_texts(api: "FlaskClient", backend: Backend) -> None:
    at = datetime.datetime(2026, 1, 31, 23, 59, 59, 123, tzinfo=datetime.UTC)
    columns = {
        "text": ["a\0b ☃ 😀"],
        "whole": pa.array([2**62]),
        "real": [0.1],
        "nan": [float("nan")],
        "infinity": [float("-inf")],
        "yes": [True],
        "decimal": [decimal.Decimal("12345678901234567890.10")],
        "time": [at],
        "local": [at.replace(tzinfo=None)],
        "day": [at.date()],
        "bytes": [b"\0\xff"],
        "list": [[1, None]],
        "record": [{"a": {"b": [1]}, "c": "x"}],
        "zones": [[at]],
        "none": pa.nulls(1),
        "word": pa.array(["a"]).dictionary_encode(),
        "large": pa.array(["a"], pa.large_string()),
    }
    (row,) = rows(api, scored_job(backend, scored_table(columns, [0.2])))
    found = row["columns"]
    assert list(found) == list(columns)
    assert [found[name] for name in ("text", "whole", "real", "yes")] == ["a\0b ☃ 😀", 2**62, 0.1, True]
    assert [found[name] for name in ("nan", "infinity")] == ["NaN", "-Infinity"]
    assert found["decimal"] == "12345678901234567890.10"
    assert found["time"] == "2026-01-31 23:59:59.000123+00"
    assert [found["local"], found["day"]] == ["2026-01-31 23:59:59.000123", "2026-01-31"]
    assert found["bytes"] == "\\x00\\xFF"
    assert [found["list"], found["record"]] == ["[1, NULL]", "{'a': {'b': [1]}, 'c': x}"]
    assert found["zones"] == "['2026-01-31 23:59:59.000123+00']"
    assert [found[name] for name in ("none", "word", "large")] == [None, "a", "a"]


def test_a_folder_may_be_called_as_it_likes(tmp_path: "Path") -> None:
    folder = tmp_path / "user=me" / "o'clock [1] *?"
    folder.mkdir(parents=True)
    path = folder / "scored"
    path.write_bytes(parquet(scored_table({"text": TEXTS}, COMPOUNDS)))
    found = scores.read((str(path), None), "text", scores.Question(sort="compound"))
    assert [item["row"] for item in found.items] == [1, 3, 0, 2]
    assert list(found.items[0]["columns"]) == ["text"]


def test_a_file_in_a_remote_storage_is_read_where_it_is() -> None:
    file_system, root = fsspec.core.url_to_fs("memory://bucket")
    path = f"{root}/scored/{uuid.uuid4()}"
    file_system.pipe(path, parquet(scored_table({"text": TEXTS}, COMPOUNDS)))
    address = file_system.unstrip_protocol(path), file_system
    found = scores.read(address, "text", scores.Question(search="bad"))
    assert [item["row"] for item in found.items] == [1]


@pytest.mark.parametrize("remote", [False, True])
def test_the_reader_can_open_nothing_else(tmp_path: "Path", remote: bool) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    for path in (mine, other):
        path.write_bytes(parquet(scored_table({"text": TEXTS}, COMPOUNDS)))
    with scored_tables.opened(str(mine), fsspec.filesystem("memory") if remote else None) as connection:
        for statement in (
            f"FROM read_parquet('{other}')",
            f"FROM read_text('{other}')",
            f"COPY (SELECT 1) TO '{tmp_path / 'new'}'",
            f"ATTACH '{tmp_path / 'new.db'}'",
            "INSTALL httpfs",
            "FROM 'http://127.0.0.1:9/x.parquet'",
            "SET enable_external_access = true",
            "SET memory_limit = '10GB'",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(statement)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "other"]


def test_a_broken_file_is_said_to_be_so(api: "FlaskClient", backend: Backend) -> None:
    whole = parquet(scored_table({"text": TEXTS}, COMPOUNDS))
    for content in (b"PAR1", whole[:-9] + b"\xff" * 5 + b"PAR1", parquet(pa.table({"a": [1]}))):
        job_id = scored_job(backend, content)
        refused(api.get(f"/api/v1/jobs/{job_id}/scores"), 409, "can't be read", "download the file instead")


def test_bytes_that_are_no_text_are_said_to_be_so(api: "FlaskClient", backend: Backend) -> None:
    """Arrow takes an uploaded Parquet file's word for what its strings are."""
    offsets, data = pa.array([0, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xff\xfe")
    other = pa.StringArray.from_buffers(1, offsets, data)
    job_id = scored_job(backend, scored_table({"text": ["fine"], "other": other}, [0.5]))
    response = api.get(f"/api/v1/jobs/{job_id}/scores")
    refused(response, 409, "can't be read")


# ---- pages


VALUES = ["9", "10", "-1", "1e1", "b", "B", "a", "", None]
NUMBERS = [1.5, -2.0, float("inf"), float("-inf"), float("nan"), 0.0, None]


Key = tuple[int, Any] | None


def of_text(value: str | None) -> Key:
    """Texts that are numbers come first, then others, whatever their case."""
    if value is None:
        return None
    with contextlib.suppress(ValueError):
        return 0, (float(value), value.lower())
    return 1, value.lower()


def of_number(value: float | None) -> Key:
    """NaN is the largest."""
    if value is None:
        return None
    return 0, (math.isnan(value), 0.0 if math.isnan(value) else value)


def in_order(found: list[int], keys: list[Key], *, descending: bool) -> list[int]:
    """What has no key comes last; equal ones in the file's order."""
    ordered = []
    for kind in (0, 1):
        several = {number: key[1] for number in found if (key := keys[number]) and key[0] == kind}
        ordered += sorted(several, key=several.__getitem__, reverse=descending)
    return ordered + [number for number in found if keys[number] is None]


ROWS_OF_ALL = st.lists(
    st.tuples(
        st.none() | st.text("aA%_'ü\0 ", max_size=4),
        st.none() | st.sampled_from([-1.0, -0.5423, -0.05, -0.0, 0.0, 0.0001, 0.05, 0.6369, 1.0]),
        st.sampled_from(VALUES),
        st.sampled_from(NUMBERS),
        st.none() | st.lists(st.integers(0, 2), max_size=2),
    ),
    max_size=25,
)
SORTS = ["row", "compound", "label", "text", "row@", "@3", "real", "list", "@9"]


@given(
    table=ROWS_OF_ALL,
    label=st.sampled_from([None, "positive", "neutral", "negative"]),
    search=st.none() | st.text("aA%_'Ü\0 ", max_size=2),
    sort=st.sampled_from(SORTS),
    descending=st.booleans(),
    limit=st.integers(1, 9),
    counted=st.booleans(),
    known=st.booleans(),
)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_page_by_page_there_and_back_is_what_sorting_and_filtering_all_rows_gives(
    tmp_path: "Path",
    table: list[tuple[Any, ...]],
    label: str | None,
    search: str | None,
    sort: str,
    descending: bool,
    limit: int,
    counted: bool,
    known: bool,
) -> None:
    texts, compounds, values, reals, lists = ([row[place] for row in table] for place in range(5))
    columns = {
        "text": pa.array(texts, pa.string()),
        "row@": pa.array(values, pa.string()),
        "-row": pa.array(values, pa.string()),
        "real": pa.array(reals, pa.float64()),
        "list": pa.array(lists, pa.list_(pa.int64())),
    }
    built = scored_table(columns, compounds)
    path = tmp_path / "scored"
    path.write_bytes(parquet(built, row_group=4))
    labels = built["label"].to_pylist()
    matching = [
        number
        for number, text in enumerate(texts)
        if (label is None or labels[number] == label)
        and (not search or (text is not None and search.lower() in text.lower()))
    ]
    keys: list[Key] = {
        "row": [(0, number) for number in range(len(table))],
        "compound": [*map(of_number, compounds)],
        "label": [*map(of_text, labels)],
        "text": [*map(of_text, texts)],
        "row@": [*map(of_text, values)],
        "@3": [*map(of_text, values)],
        "real": [*map(of_number, reals)],
        "list": [None if one is None else (1, str(one)) for one in lists],
        "@9": [*map(of_number, compounds)],
    }[sort]
    expected = in_order(matching, keys, descending=descending)

    count = len(table) if known else None
    asked = scores.Question(label, search, "-" * descending + sort, limit, counted=counted, rows=count)
    pages = [scores.read((str(path), None), "text", asked)]
    while cursor := pages[-1].next:
        pages.append(scores.read((str(path), None), "text", asked._replace(cursor=cursor)))
    shown = [[item["row"] for item in page.items] for page in pages]
    assert [number for page in shown for number in page] == expected
    assert all(len(page) == limit for page in shown[:-1])
    if counted:
        assert {page.total for page in pages} == {len(expected)}
        assert [page.before for page in pages] == [place * limit for place in range(len(pages))]
    assert pages[0].previous is None
    back = [shown[-1]]
    page = pages[-1]
    while cursor := page.previous:
        page = scores.read((str(path), None), "text", asked._replace(cursor=cursor))
        assert page.next == str(page.items[-1]["row"])
        back.append([item["row"] for item in page.items])
    assert back[::-1] == shown


def test_pages_of_long_rows_end_early(
    api: "FlaskClient", backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scores, "MAX_CHARACTERS", 120)
    lengths = [60, 30, 70, 10, 200, 10, 10]
    table = scored_table({"text": ["x" * length for length in lengths]}, [0.5, 0.4, 0.3, 0.2, 0.1, 0.6, 0.7])
    job_id = scored_job(backend, table, row_group=2)
    for sort, parts in (
        ("row", [[0, 1], [2, 3], [4], [5, 6]]),
        ("compound", [[4], [3, 2], [1, 0], [5, 6]]),
    ):
        cursor = ""
        for part in parts:
            response = api.get(f"/api/v1/jobs/{job_id}/scores?sort={sort}{cursor}").json
            assert [item["row"] for item in response["items"]] == part, sort
            cursor = f"&cursor={response['next']}"
        assert response["next"] is None


@pytest.mark.parametrize("sort", ["row", "-compound"])
@pytest.mark.parametrize("cursor", ["x", "", "-", "0.5:1", ":1", "１", "1.0", "1 OR 1", "9" * 40])
def test_a_cursor_that_is_none_is_refused(api: "FlaskClient", few: str, sort: str, cursor: str) -> None:
    response = api.get(f"/api/v1/jobs/{few}/scores", query_string={"sort": sort, "cursor": cursor})
    refused(response, 422, "cursor: should be `next`")
    with pytest.raises(BadInput):
        scores.read(("nowhere", None), "text", scores.Question(sort=sort, cursor=cursor))


def test_a_cursor_of_a_row_that_is_not_there(api: "FlaskClient", few: str) -> None:
    assert numbers(api, few, f"?cursor={'9' * 18}") == []
    refused(api.get(f"/api/v1/jobs/{few}/scores?sort=compound&cursor=4"), 422, "cursor")


def test_a_cursor_is_a_place_in_any_order_and_among_any_rows(api: "FlaskClient", few: str) -> None:
    assert numbers(api, few, "?sort=-text&cursor=3") == [2]
    assert numbers(api, few, "?sort=-text&cursor=-3") == [1, 0]
    assert numbers(api, few, "?label=positive&cursor=-2") == [0]


@pytest.mark.parametrize("sort", ["nothing", "@0", "@8", "-@8", "texd", "", "-", "@x"])
def test_an_order_by_a_column_that_is_not_there_is_refused(api: "FlaskClient", few: str, sort: str) -> None:
    response = api.get(f"/api/v1/jobs/{few}/scores", query_string={"sort": sort})
    refused(response, 422, "sort: there", "did you mean 'text'" if sort == "texd" else "")


@pytest.mark.parametrize("column", NAMES)
def test_rows_are_in_the_order_of_a_column_whatever_it_is_called(
    api: "FlaskClient", backend: Backend, column: str
) -> None:
    place = NAMES.index(column)
    columns = {name: ["b", "a", "c"] if name == column else ["x"] * 3 for name in NAMES}
    path = scored_job(backend, scored_table(columns, [0.5, -0.5, 0.1]))
    for name in (f"@{place + 1}", *([column] if len(column) < 1_000 and column != "row" else [])):
        response = api.get(f"/api/v1/jobs/{path}/scores", query_string={"sort": f"-{name}", "count": "true"})
        assert [row["row"] for row in response.json["items"]] == [2, 0, 1]
        assert response.json["total"] == 3


@pytest.mark.parametrize(
    "query", ["label=happy", f"sort={'x' * 1001}", "limit=0", "limit=1001", f"search={'x' * 1001}", "page=2"]
)
def test_a_wrong_question_is_refused(api: "FlaskClient", few: str, query: str) -> None:
    response = api.get(f"/api/v1/jobs/{few}/scores?{query}")
    refused(response, 422, query.partition("=")[0])


# ---- groups


def group(value: str | None, count: int) -> dict[str, Any]:
    return {
        "value": value,
        "rows": count,
        "nulls": 1,
        "labels": {"positive": count - 1, "neutral": 0, "negative": 0},
        "mean": 0.5 if count > 1 else None,
        "std": 0.25 if count > 1 else None,
        "histogram": [count - 1] + [0] * 39,
    }


def test_groups_come_part_by_part(api: "FlaskClient", backend: Backend) -> None:
    job_id = scored_job(backend, scored_table({"text": TEXTS}, COMPOUNDS), group_by="shop", groups=7)
    groups = [group(None if count == 3 else f"shop {count}", count) for count in range(7, 0, -1)]
    with backend.database.write() as session:
        registry.keep_score_groups(session, uuid.UUID(job_id), groups)
    found: list[dict[str, Any]] = []
    cursor = "0"
    while cursor is not None:
        response = api.get(f"/api/v1/jobs/{job_id}/groups?limit=3&cursor={cursor}")
        assert response.status_code == 200
        found += response.json["items"]
        cursor = response.json["next"]
    assert found == groups
    assert api.get(f"/api/v1/jobs/{job_id}/groups").json == {"items": groups, "next": None}
    refused(api.get(f"/api/v1/jobs/{job_id}/groups?cursor=x"), 422, "cursor")


# ---- jobs without rows


def test_a_job_without_rows_says_why(api: "FlaskClient", backend: Backend, few: str) -> None:
    spec: dict[str, Any] = {"texts": ["fine"]}
    texts = api.post("/api/v1/jobs", json={"kind": "sentiment", "spec": spec}).json["id"]
    with backend.database.read() as session:
        file = jobs.get(session, uuid.UUID(few)).spec["file"]
    queued = api.post("/api/v1/jobs", json={"kind": "sentiment", "spec": {"file": file}}).json["id"]
    other = scored_job(backend, b"id,text\n", format="csv")
    for route in ("scores", "groups"):
        refused(api.get(f"/api/v1/jobs/{uuid.uuid4()}/{route}"), 404, "there is no job")
        refused(api.get(f"/api/v1/jobs/{texts}/{route}"), 404, "does not score a file")
        refused(api.get(f"/api/v1/jobs/{queued}/{route}"), 409, "is queued")
    refused(api.get(f"/api/v1/jobs/{other}/scores"), 409, "is csv", "`format: parquet`")
    refused(api.get(f"/api/v1/jobs/{few}/groups"), 404, "`group_by`")


def test_a_file_that_is_gone_is_404(api: "FlaskClient", backend: Backend, few: str) -> None:
    for path in (backend.settings.home / "storage" / "files").iterdir():
        path.unlink()
    refused(api.get(f"/api/v1/jobs/{few}/scores"), 404, "missing from the storage")


def test_while_others_are_read_for_long_a_request_is_told_to_come_back(
    api: "FlaskClient", few: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scores, "PATIENCE_SECONDS", 0.01)
    with contextlib.ExitStack() as stack:
        for _ in range(scores.READERS):
            stack.enter_context(scores._turn())
        refused(api.get(f"/api/v1/jobs/{few}/scores"), 503, "are being read; try again")
    assert numbers(api, few) == [0, 1, 2, 3]


def test_a_reader_that_runs_out_of_memory_is_no_crash(
    tmp_path: "Path", monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "scored"
    path.write_bytes(parquet(scored_table({"text": ["x" * 3_000_000] * 5}, [0.1] * 5)))
    monkeypatch.setitem(scored_tables.LOCKED_DOWN, "memory_limit", "4MB")
    with pytest.raises(Conflict, match="can't be read on the server"):
        scores.read((str(path), None), "text", scores.Question(search="y"))
