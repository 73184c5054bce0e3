"""A full disk: uploads and jobs are answered with 507 in one line, and nothing else is."""

import errno
import gc
import io
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
import sqlalchemy as sa
from flask import Flask

from jobyard.shared.config import Settings
from jobyard.shared.disk import Disk, free_bytes
from jobyard.shared.migrate import upgrade
from tests.conftest import RedisProcess, logged_in

Make = Callable[..., Flask]
TEXT = {"kind": "sentiment", "spec": {"texts": ["good"]}}


def upload() -> dict[str, object]:
    return {"file": (io.BytesIO(b"text\ngood\n"), "texts.csv")}


def refused(response: object) -> str:
    assert response.status_code == 507, response.text  # type: ignore[attr-defined]
    assert response.json["title"] == "Insufficient Storage"  # type: ignore[attr-defined]
    detail: str = response.json["detail"]  # type: ignore[attr-defined]
    assert "\n" not in detail
    return detail


def test_below_the_minimum_uploads_are_refused_and_then_jobs(make_app: Make, tmp_path: Path) -> None:
    """Of the real disk: the minimum is what is larger than it."""
    free = free_bytes(tmp_path)
    half = logged_in(make_app(min_free_bytes=free + (free >> 1)))
    assert "should stay free (JOBYARD_MIN_FREE_BYTES)" in refused(half.post("/api/v1/files", data=upload()))
    assert half.post("/api/v1/jobs", json=TEXT).status_code == 202
    none = logged_in(make_app(min_free_bytes=3 * free))
    assert "the disk is full" in refused(none.post("/api/v1/jobs", json=TEXT))
    assert "the disk is full" in refused(none.post("/api/v1/jobs", json=[TEXT]))
    assert none.get("/api/v1/jobs").status_code == 200
    assert none.get("/healthz").status_code == 200


def test_a_disk_that_becomes_full_while_a_file_is_written_leaves_nothing(
    make_app: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = logged_in(make_app())

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Disk, "watched", lambda self, stream: type("Full", (), {"read": full})())
    assert "the disk is full" in refused(client.post("/api/v1/files", data=upload()))
    assert not [
        path
        for path in (tmp_path / "home" / "storage").rglob("*")
        if "files" in path.parts and path.is_file()
    ]


def test_a_database_on_a_full_disk_is_said_to_be_full(make_app: Make) -> None:
    app = make_app()
    client = logged_in(app)
    writer = app.extensions["jobyard"].database.writer
    with writer.begin() as connection:
        connection.execute(sa.text("PRAGMA max_page_count=1"))  # as many as there are
    texts = {"kind": "sentiment", "spec": {"texts": ["good " * 1_000] * 900}}
    assert "the database's disk is full" in refused(client.post("/api/v1/jobs", json=texts))
    assert "the database's disk is full" in refused(client.post("/api/v1/jobs", json=[texts]))
    with writer.begin() as connection:
        connection.execute(sa.text("PRAGMA max_page_count=1000000000"))
    assert client.post("/api/v1/jobs", json=texts).status_code == 202


# ---- small disks that are really full

LARGE = {"kind": "sentiment", "spec": {"texts": ["good " * 1_000] * 200}}


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of 8 MB in this folder. Skips the test where nobody may mount one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small file system needs root, on Linux")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all that is left; returns the file that does."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12):
            with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
                write_for_ever(file, bytes(size))
    return ballast


def write_for_ever(file: IO[bytes], data: bytes) -> None:
    while True:
        file.write(data)


def large_upload() -> dict[str, object]:
    """Of 3 MB, as bytes: the client that the tests have would write it to the same disk."""
    head = b'--B\r\nContent-Disposition: form-data; name="file"; filename="t.csv"\r\n\r\n'
    body = head + b"text\n" + bytes(3_000_000) + b"\r\n--B--\r\n"
    return {"data": body, "content_type": "multipart/form-data; boundary=B"}


# Werkzeug leaves the file that could not be written to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_full_folder_of_temporary_files_is_named(
    make_app: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = tmp_path / "small"
    with small_disk(small):
        client = logged_in(make_app(min_free_bytes=0))
        monkeypatch.setattr(tempfile, "tempdir", str(small))
        ballast = fill(small)
        detail = refused(client.post("/api/v1/files", **large_upload()))  # type: ignore[arg-type]
        assert detail.startswith(f"the disk is full: 0 bytes are free at {small}; free some space")
        assert client.post("/api/v1/jobs", json=TEXT).status_code == 202
        ballast.unlink()
        assert client.post("/api/v1/files", **large_upload()).status_code == 201  # type: ignore[arg-type]
        gc.collect()


def test_a_full_storage_and_a_full_database_refuse_what_they_can_not_keep(
    make_app: Make, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    with small_disk(small):
        client = logged_in(make_app(min_free_bytes=0, storage_url=f"file://{small}/storage"))
        assert client.post("/api/v1/files", data=upload()).status_code == 201
        ballast = fill(small)
        assert f"at {small}/storage" in refused(client.post("/api/v1/files", **large_upload()))  # type: ignore[arg-type]
        assert client.post("/api/v1/jobs", json=LARGE).status_code == 202
        ballast.unlink()
        address = f"sqlite:///{small}/jobyard.db"
        upgrade(Settings(home=tmp_path / "home", database_url=address))
        client = logged_in(make_app(min_free_bytes=0, database_url=address, storage_url="memory://full"))
        assert client.post("/api/v1/jobs", json=LARGE).status_code == 202
        ballast = fill(small)
        for jobs in (LARGE, [LARGE, LARGE]):
            assert "the database's disk is full" in refused(client.post("/api/v1/jobs", json=jobs))
        assert len(client.get("/api/v1/jobs").json["items"]) == 1
        ballast.unlink()
        assert client.post("/api/v1/jobs", json=LARGE).status_code == 202


def test_a_broker_that_takes_no_messages_stops_no_submit_and_its_reason_is_logged(
    make_app: Make, redis_server: RedisProcess, caplog: pytest.LogCaptureFixture
) -> None:
    """It carries wake-ups only; the sweeper sends them once it has room."""
    client = logged_in(make_app(broker_url=redis_server.url))
    with redis_server.client() as redis:
        redis.config_set("maxmemory", 1)
        assert client.post("/api/v1/jobs", json=TEXT).status_code == 202
        assert client.post("/api/v1/jobs", json=[TEXT, TEXT]).status_code == 202
        assert "command not allowed when used memory > 'maxmemory'" in caplog.text
        redis.config_set("maxmemory", 0)
