"""Saved predictions call pictures as they were given, as rows and tables do."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobyard import Client, Job, JobyardClientError
from jobyard.client import libraries
from tests.unit.jobyard.client.jobs import ID, raw
from tests.unit.jobyard.conftest import Answers

URL = "http://127.0.0.1:1"
NAMES = ["0.png", "=1+1.png", "c.png"]
GIVEN = {"0.png": "0", "=1+1.png": "=photos\\1.png", "c.png": "c.png"}
ROWS = [["row", "image", "label"], *([str(place), name, "=cat"] for place, name in enumerate(NAMES))]


class Server:
    """Has a prediction of three pictures as CSV and as Parquet; notes the queries."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.query.decode())
        if request.url.path.endswith(".csv"):
            text = io.StringIO()
            csv.writer(text).writerows(ROWS)
            return httpx.Response(200, text=text.getvalue())
        if request.url.path.endswith(".parquet"):
            file = pa.BufferOutputStream()
            pq.write_table(pa.table({"image": NAMES, "label": ["cat"] * 3}), file)
            return httpx.Response(200, content=file.getvalue().to_pybytes())
        return httpx.Response(200, json=raw("predict"))


@pytest.fixture
def server(answer_with: Callable[[Answers], None]) -> Server:
    answers = Server()
    answer_with(answers)
    return answers


def job_of(server: Server, **called: Any) -> Job:
    return Client(URL, "a-token").job(ID)._remember(None, {**GIVEN, **called})


def read(file: Path) -> list[list[str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.reader(opened))


def test_a_csv_has_the_names_that_were_given(server: Server, tmp_path: Path) -> None:
    job = job_of(server)
    found = read(job.save_predictions(tmp_path / "x.csv", label="=cat"))
    assert [row[1] for row in found] == ["image", "0", "=photos\\1.png", "c.png"]
    found = read(job.save_predictions(tmp_path / "x.csv", escape_formulas=True))
    assert [row[1:] for row in found[1:]] == [
        ["0", "'=cat"],
        ["'=photos\\1.png", "'=cat"],
        ["c.png", "'=cat"],
    ]
    assert server.asked[1:] == ["label=%3Dcat", ""], "what the server escapes would have no name"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.csv"]


def test_so_has_a_parquet_file_by_whatever_library(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(server)
    job.save_predictions(tmp_path / "x.parquet")
    table = pq.read_table(tmp_path / "x.parquet")
    assert table.column("image").to_pylist() == list(GIVEN.values())
    assert table.schema == pa.schema({"image": pa.string(), "label": pa.string()})
    monkeypatch.setitem(libraries.sys.modules, "pyarrow", None)
    job.save_predictions(tmp_path / "y.parquet")
    assert polars.read_parquet(tmp_path / "y.parquet")["image"].to_list() == list(GIVEN.values())
    monkeypatch.setitem(libraries.sys.modules, "polars", None)
    asked = len(server.asked)
    with pytest.raises(JobyardClientError, match="needs pyarrow, which is not installed"):
        job.save_predictions(tmp_path / "z.parquet")
    assert len(server.asked) == asked


def test_names_that_are_those_of_the_server_need_no_library(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in ("pyarrow", "polars"):
        monkeypatch.setitem(libraries.sys.modules, library, None)
    job = Client(URL, "a-token").job(ID)._remember(None, {name: name for name in NAMES})
    assert read(job.save_predictions(tmp_path / "x.csv", escape_formulas=True)) == ROWS
    assert server.asked[-1] == "escape_formulas=true"
