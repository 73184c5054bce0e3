"""Uploads and downloads."""

import gc
import hashlib
import io
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobyard.shared import jobs, retention, storage
from jobyard.web.services import submission
from tests.factories import post_file, zipped_dataset

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

CONTENT = bytes(range(256)) * 10


def test_an_upload_is_described_and_kept_whole(api: "FlaskClient", app: "Flask") -> None:
    file = post_file(api, CONTENT, "reviews.csv")
    assert (file["name"], file["bytes"], file["media_type"]) == ("reviews.csv", len(CONTENT), "text/csv")
    assert file["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    backend = app.extensions["jobyard"]
    with backend.database.read() as session:
        key = storage.get_file(session, uuid.UUID(file["id"])).storage_key
    with backend.storage.open(key) as stored:
        assert stored.read() == CONTENT
    job = api.post("/api/v1/jobs", json={"kind": "sentiment", "spec": {"file": file["id"]}})
    assert job.status_code == 202


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\me\\cat.jpg", "cat.jpg"),
        ("..", "file"),
        (".", "file"),
        ("a\tb\x01c.txt", "abc.txt"),
        (" ", "file"),
        ("  spaces.txt  ", "spaces.txt"),
        ("naïve ☃.txt", "naïve ☃.txt"),
        ("x" * 300, "x" * 200),
        ("<script>.html", "<script>.html"),
    ],
)
def test_only_the_last_part_of_a_hostile_name_is_kept_and_never_as_a_path(
    api: "FlaskClient", tmp_path: Path, sent: str, kept: str
) -> None:
    quoted = sent.replace("\\", "\\\\")
    assert post_file(api, CONTENT, quoted)["name"] == kept
    (stored,) = [path for path in (tmp_path / "home" / "storage").rglob("*/*") if path.is_file()]
    assert stored.parent == tmp_path / "home" / "storage" / "files"
    assert str(uuid.UUID(stored.name)) == stored.name


@pytest.mark.parametrize("name", ["pets", "2024", "1e5", "true", "null", "0"])
def test_the_name_of_a_data_set_stays_as_it_was_sent(api: "FlaskClient", name: str) -> None:
    data = {"name": name, "archive": (io.BytesIO(zipped_dataset()), "pets.zip")}
    response = api.post("/api/v1/datasets", data=data)
    assert response.status_code == 202
    assert (response.json["kind"], response.json["spec"]["name"]) == ("import", name)
    assert response.headers["Location"] == response.json["links"]["self"]


def test_an_upload_is_deleted_unless_a_job_reads_it(api: "FlaskClient", tmp_path: Path) -> None:
    kept, unread = post_file(api, CONTENT, "kept.csv"), post_file(api, CONTENT, "unread.csv")
    job = api.post("/api/v1/jobs", json={"kind": "sentiment", "spec": {"file": kept["id"]}}).json
    refused = api.delete(f"/api/v1/files/{kept['id']}")
    assert (refused.status_code, job["id"] in refused.json["detail"]) == (409, True)
    api.post(f"/api/v1/jobs/{job['id']}/cancel")
    refused = api.delete(f"/api/v1/files/{kept['id']}?unread=true")
    assert (refused.status_code, job["id"] in refused.json["detail"]) == (409, True)
    assert api.delete(f"/api/v1/files/{unread['id']}").status_code == 204
    assert api.delete(f"/api/v1/files/{unread['id']}").status_code == 404
    stored = [path for path in (tmp_path / "home" / "storage" / "files").iterdir() if path.is_file()]
    assert len(stored) == 1


# ---- artifacts


@pytest.fixture
def address(api: "FlaskClient", app: "Flask") -> str:
    """Where a job's artifact is downloaded."""
    backend = app.extensions["jobyard"]
    sent = api.post("/api/v1/jobs", json={"kind": "sentiment", "spec": {"texts": ["one"]}})
    job_id = uuid.UUID(sent.json["id"])
    stored = backend.storage.put("scored", io.BytesIO(CONTENT))
    with backend.database.write() as session:
        jobs.get(session, job_id)
        storage.add_file(session, stored, name="scored ☃.csv", media_type="text/csv", job_id=job_id)
    (file,) = api.get(sent.json["links"]["files"]).json["items"]
    assert (file["name"], file["bytes"]) == ("scored ☃.csv", len(CONTENT))
    link: str = file["links"]["self"]
    return link


def test_an_artifact_is_no_upload_to_delete(api: "FlaskClient", app: "Flask", address: str) -> None:
    with app.extensions["jobyard"].database.read() as session:
        (file,) = storage.artifacts(session, uuid.UUID(address.split("/")[4]))
    assert api.delete(f"/api/v1/files/{file.id}").status_code == 404
    with api.get(address) as response:
        assert response.data == CONTENT


def test_an_artifact_is_downloaded_whole_under_its_name(api: "FlaskClient", address: str) -> None:
    with api.get(address) as response:
        assert response.status_code == 200
        assert response.data == CONTENT
        assert response.mimetype == "text/csv"
        assert response.content_length == len(CONTENT)
        assert response.headers["Accept-Ranges"] == "bytes"
        assert response.headers["ETag"] == f'"{hashlib.sha256(CONTENT).hexdigest()}"'
        assert response.headers["Content-Disposition"].startswith("attachment")
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("0-9", 0, 10), ("2550-", 2550, 2560), ("-5", 2555, 2560), ("100-99999", 100, 2560)],
)
def test_a_part_of_an_artifact_is_downloaded(
    api: "FlaskClient", address: str, asked: str, start: int, end: int
) -> None:
    with api.get(address, headers={"Range": f"bytes={asked}"}) as response:
        assert response.status_code == 206
        assert response.data == CONTENT[start:end]
        assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"
        assert response.content_length == end - start


def test_a_part_past_the_end_is_416(api: "FlaskClient", address: str) -> None:
    with api.get(address, headers={"Range": "bytes=99999-"}) as response:
        assert response.status_code == 416
        assert response.mimetype == "application/problem+json"
        assert response.headers["Content-Range"] == f"bytes */{len(CONTENT)}"
    gc.collect()  # a file left open here would be a warning, and so an error


def test_an_artifact_that_the_client_has_is_not_sent_again(api: "FlaskClient", address: str) -> None:
    with api.get(address) as response:
        etag = response.headers["ETag"]
    with api.get(address, headers={"If-None-Match": etag}) as response:
        assert (response.status_code, response.data) == (304, b"")
    with api.get(address, headers={"Range": "bytes=0-9", "If-Range": '"another"'}) as response:
        assert (response.status_code, response.data) == (200, CONTENT)


def test_head_tells_the_size_and_sends_nothing(api: "FlaskClient", address: str) -> None:
    with api.head(address) as response:
        assert (response.status_code, response.data) == (200, b"")
        assert response.content_length == len(CONTENT)
    gc.collect()


def test_an_artifact_that_is_not_there_is_404(api: "FlaskClient", address: str, app: "Flask") -> None:
    for other in ("nothing", "..", "..%2F..%2Ftoken", "scored"):
        response = api.get(f"{address.rsplit('/', 1)[0]}/{other}")
        assert response.status_code == 404
        assert response.mimetype == "application/problem+json"
    backend = app.extensions["jobyard"]
    with backend.database.read() as session:
        (file,) = storage.artifacts(session, uuid.UUID(address.split("/")[4]))
    backend.storage.objects.delete(file.storage_key)
    response = api.get(address)
    assert response.status_code == 404
    assert "missing from the storage" in response.json["detail"]


@pytest.mark.parametrize("in_a_list", [False, True])
def test_an_upload_that_is_deleted_while_its_job_is_submitted_is_missed_by_its_field(
    api: "FlaskClient", app: "Flask", monkeypatch: pytest.MonkeyPatch, in_a_list: bool
) -> None:
    file = post_file(api, CONTENT, "reviews.csv")
    resolve = submission.resolve

    def resolve_and_delete(*given: Any, **named: Any) -> Any:
        monkeypatch.setattr(submission, "resolve", resolve)
        found = resolve(*given, **named)
        with app.extensions["jobyard"].database.write() as session:
            retention.delete_upload(session, uuid.UUID(file["id"]))
        return found

    monkeypatch.setattr(submission, "resolve", resolve_and_delete)
    job = {"kind": "sentiment", "spec": {"file": file["id"]}}
    response = api.post("/api/v1/jobs", json=[job] if in_a_list else job)
    assert response.status_code == 422, response.text
    (error,) = response.json["errors"]
    assert error["field"] == ("0.spec.file" if in_a_list else "spec.file")
    assert "there is no file" in error["message"]
    assert api.get("/api/v1/jobs").json["items"] == []
