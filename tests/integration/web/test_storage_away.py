"""An object store that is away: 503 with Retry-After and the reason in a line, and the rest is served."""

import http.client
import io
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobyard.shared import registry, storage
from jobyard.shared.database import Database
from jobyard.web.backend import THREADS
from tests.buckets import Answer, Faulty
from tests.conftest import TOKEN, logged_in
from tests.factories import NO_BROKER, dataset, new_job, picture, zipped
from tests.waiting import wait_for

# Only to end a hang.
SOON = 40
LARGE = 40_000_000
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Connection": "close"}


@pytest.fixture
def client(object_store: Faulty, make_app: Callable[..., Flask]) -> FlaskClient:
    return logged_in(make_app(storage_url=f"s3://jobyard/{uuid.uuid4()}"))


def upload(client: FlaskClient, body: bytes = b"text\ngood\n") -> "object":
    return client.post("/api/v1/files", data={"file": (io.BytesIO(body), "texts.csv")})


def away(ask: Callable[[], object]) -> str:
    began = time.monotonic()
    response = ask()
    assert time.monotonic() - began < SOON
    assert response.status_code == 503, response.text  # type: ignore[attr-defined]
    assert response.headers["Retry-After"].isdecimal()  # type: ignore[attr-defined]
    assert response.json["title"] == "Service Unavailable"  # type: ignore[attr-defined]
    detail: str = response.json["detail"]  # type: ignore[attr-defined]
    assert "\n" not in detail
    return detail


@pytest.mark.parametrize(
    ("fault", "words", "check"),
    [
        ("refuse", "can't be reached", "StorageAway"),
        ("hang", "can't be reached", "StorageAway"),
        (Answer(403, "AccessDenied"), "JOBYARD_STORAGE_URL: the storage ", "StorageRefused"),
    ],
    ids=str,
)
def test_uploads_and_thumbnails_are_503_and_all_else_is_served(
    object_store: Faulty, client: FlaskClient, fault: Answer | str, words: str, check: str
) -> None:
    kept = upload(client).json["id"]  # type: ignore[attr-defined]
    assert client.get("/readyz").status_code == 200
    object_store.fail(fault)
    assert words in away(lambda: upload(client))
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json["checks"]["storage"]) == (503, f"can't be used: {check}")
    assert ready.json["checks"]["database"] == "ok"
    away(lambda: client.get(f"/files/{kept}/thumbnail"))
    # What needs no bytes of the storage.
    text = {"kind": "sentiment", "spec": {"texts": ["good"]}}
    assert client.post("/api/v1/jobs", json=text).status_code == 202
    assert client.post("/api/v1/jobs", json={"kind": "sentiment", "spec": {"file": kept}}).status_code == 202
    assert client.get("/api/v1/jobs").status_code == client.get("/").status_code == 200
    assert client.get("/healthz").status_code == 200


def test_a_page_with_pictures_is_shown_without_them(object_store: Faulty, client: FlaskClient) -> None:
    backend = client.application.extensions["jobyard"]
    stored = backend.storage.put("datasets", io.BytesIO(zipped({"train/cats/1.png": picture("red", (8, 8))})))
    with backend.database.write() as session:
        registry.add(session, dataset("shapes", classes={"train": {"cats": 1}}, storage_key=stored.key))
    assert "/datasets/shapes@1/thumbnail/train/cats/1.png" in client.get("/datasets/shapes@1").text
    object_store.fail("refuse")
    shown = client.get("/datasets/shapes@1")
    assert shown.status_code == 200
    assert "thumbnail" not in shown.text


def test_a_server_without_room_is_507(object_store: Faulty, client: FlaskClient) -> None:
    upload(client)
    object_store.fail(Answer(507, "XMinioStorageFull"))
    response = upload(client)
    assert response.status_code == 507  # type: ignore[attr-defined]
    assert "is full" in response.json["detail"]  # type: ignore[attr-defined]


# ---- downloads


@pytest.fixture
def served(object_store: Faulty, sqlite_url: str, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The real front with an artifact of 40 MB: its address, and the artifact's path."""
    address = f"s3://jobyard/{uuid.uuid4()}"
    database = Database(sqlite_url)
    stored = storage.Storage(address, database, patient=True).put("artifacts", io.BytesIO(bytes(LARGE)))
    job_id = new_job(database)
    with database.write() as session:
        storage.add_file(session, stored, name="a.bin", media_type="application/octet-stream", job_id=job_id)
    database.dispose()
    settings = {
        "HOME": tmp_path / "home",
        "TOKEN": TOKEN,
        "DATABASE_URL": sqlite_url,
        "BROKER_URL": NO_BROKER,
        "STORAGE_URL": address,
    }
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "-c", "python:jobyard.web.gunicorn"),
                *("--bind", f"fd://{listener.fileno()}", "jobyard.web.app:create_app()"),
            ],
            pass_fds=[listener.fileno()],
            env=os.environ | {f"JOBYARD_{name}": str(value) for name, value in settings.items()},
        )
        port = listener.getsockname()[1]
        try:
            yield f"127.0.0.1:{port}", f"/api/v1/jobs/{job_id}/files/a.bin"
        finally:
            process.terminate()
            process.wait(60)


def test_a_download_is_503_before_it_begins_and_cut_off_after_that(
    object_store: Faulty, served: tuple[str, str]
) -> None:
    def asked() -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(served[0], timeout=60)
        connection.request("GET", served[1], headers=HEADERS)
        return connection.getresponse()

    with asked() as whole:
        assert len(whole.read()) == LARGE
    for fault in ("refuse", Answer(503, "SlowDown"), "cut"):
        object_store.fail(fault)
        with asked() as refused:
            assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
            assert "the storage" in json.loads(refused.read())["detail"]
    object_store.fail(None)
    with asked() as begun:
        assert begun.status == 200
        object_store.fail("refuse")
        with pytest.raises(http.client.IncompleteRead):
            begun.read()


def test_threads_that_wait_for_the_storage_leave_others_to_the_rest(
    object_store: Faulty, served: tuple[str, str]
) -> None:
    def status(path: str) -> int:
        connection = http.client.HTTPConnection(served[0], timeout=60)
        connection.request("GET", path, headers=HEADERS)
        with connection.getresponse() as response:
            response.read()
            return response.status

    assert status("/readyz") == 200
    object_store.fail("hang")
    assert status(served[1]) == 503
    # More than there are threads.
    with ThreadPoolExecutor(THREADS + 8) as pool:
        downloads = [pool.submit(status, served[1]) for _ in range(THREADS + 8)]
        assert status("/api/v1/jobs") == 200
        assert {download.result() for download in downloads} == {503}
    object_store.fail(None)
    wait_for(lambda: status("/readyz") == 200)
