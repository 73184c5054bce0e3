"""Saved predictions call pictures as they were given, as rows and tables do."""

import asyncio
import csv
import functools
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobyard import AsyncClient, Client, Job, JobyardClientError
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
        # Instead of a table: what stands between may answer with it.
        self.page: bytes | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.query.decode())
        if self.page is not None and request.url.path.endswith((".csv", ".parquet")):
            return httpx.Response(200, content=self.page)
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


def test_names_that_are_no_utf8_are_written_as_the_bytes_that_they_are(
    server: Server, tmp_path: Path
) -> None:
    job = job_of(server, **{"0.png": os.fsdecode(b"caf\xe9/0.png")})
    saved = job.save_predictions(tmp_path / "x.csv")
    assert saved.read_bytes().splitlines()[1] == b"0,caf\xe9/0.png,=cat"


WRITING = "path: {} can't be written with the names that were given: "
NO_TABLE = "the server's answer is no table of predictions: it has no column 'image'"


@pytest.mark.parametrize(
    ("page", "name", "message"),
    [
        (b"", "x.csv", NO_TABLE),
        (b"<html>a proxy's page</html>", "x.csv", NO_TABLE),
        (b"\xff", "x.csv", WRITING),
        (b'row,image\n"' + b"a" * 200_000, "x.csv", WRITING),
        (b"row,image\n0\n", "x.csv", WRITING),
        (b"<html>a proxy's page</html>", "x.parquet", WRITING),
    ],
)
def test_what_is_no_table_of_predictions_is_said_and_leaves_no_file(
    server: Server, tmp_path: Path, page: bytes, name: str, message: str
) -> None:
    job = job_of(server)
    server.page = page
    folder = tmp_path / "saved"
    folder.mkdir()
    with pytest.raises(JobyardClientError) as raised:
        job.save_predictions(folder / name)
    assert str(raised.value).startswith(message.format(folder / name))
    assert list(folder.iterdir()) == []


def test_a_cancelled_save_leaves_no_draft(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that changes names can't be ended, and writes the draft once more."""
    client = functools.partial(httpx.AsyncClient, transport=httpx.MockTransport(server))
    monkeypatch.setattr("jobyard.client._async.transport.httpx.AsyncClient", client)
    changing, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def change(draft: Path, **given: Any) -> None:
        changing.set()
        assert go_on.wait(30)
        draft.write_bytes(b"changed")
        ended.set()

    monkeypatch.setattr("jobyard.client._async.job.rename", change)

    async def save() -> None:
        async with AsyncClient(URL, "a-token") as client:
            job = (await client.job(ID))._remember(None, GIVEN)
            task = asyncio.create_task(job.save_predictions(tmp_path / "saved.csv"))
            assert await asyncio.to_thread(changing.wait, 30)
            task.cancel()
            asyncio.get_running_loop().call_soon(go_on.set)
            with pytest.raises(asyncio.CancelledError):
                await task
            assert ended.is_set()

    asyncio.run(save())
    assert not [path for path in tmp_path.iterdir() if path.name.startswith((".saved", "saved"))]
