"""A full disk: uploads and jobs are answered with 507 in one line, and nothing else is."""

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from jobyard.shared.disk import Disk, free_bytes
from tests.conftest import logged_in

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
