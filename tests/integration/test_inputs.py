"""What is in an upload, or in a folder, is found out by the worker: web takes it as it is.

The job then fails at its first attempt, with one line that names the cause.
"""

import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobyard.shared import config
from jobyard.shared.database import Database
from jobyard.web.backend import Backend
from jobyard.workers import kinds
from tests import factories
from tests.conftest import logged_in
from tests.factories import picture, post_file, post_job, zipped
from tests.workers import make_context, run_queue

Refuse = Callable[..., dict[str, Any]]


@pytest.fixture
def refuse(make_app: Callable[..., Flask], tmp_path: Path, sqlite_url: str) -> Iterator[Refuse]:
    """Sends a request and lets a worker do the job that it makes; returns the job, which should fail."""
    database = Database(sqlite_url)

    def send(
        request: Callable[[FlaskClient], str], *, kind: str, settings: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        app = make_app(**(settings or {}))
        backend: Backend = app.extensions["jobyard"]
        factories.register(backend.database, factories.model())
        api = logged_in(app)
        job_id = request(api)
        context = make_context(database, tmp_path / "home", **(settings or {}))
        run_queue(context, kinds.WORKS[kind], kind=kind)
        job: dict[str, Any] = api.get(f"/api/v1/jobs/{job_id}").json
        assert job["state"] == "failed"
        assert job["attempt"] == 1, "another attempt would fail in the same way"
        assert "\n" not in job["error"]["message"]
        page = api.get(f"/jobs/{job_id}", headers={"Accept": "text/html"})
        assert job["error"]["message"].partition("'")[0] in page.text
        return job

    yield send
    database.dispose()


def tarred_link() -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        link = tarfile.TarInfo("cats/1.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return target.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"these are words, no archive", "should be a zip or tar archive"),
        (zipped(dict.fromkeys(("cats/1.png", "../dogs/1.png"), picture())), "should have no paths with '..'"),
        (zipped(dict.fromkeys(("cats/1.png", "/dogs/1.png"), picture())), "should have no absolute paths"),
        (tarred_link(), "should have no links or devices"),
        (zipped(dict.fromkeys(("cats/1.png", "cats/2.png"), picture())), "there is only one class, 'cats'"),
        (zipped(dict.fromkeys(("cats/1.png", "dogs/"), picture())), "the class 'dogs' is empty in train"),
        (zipped({f"{'a/' * 40}cats/1.png": picture()}), "a path should have at most 32 names"),
    ],
    ids=["no archive", "dots", "absolute", "link", "one class", "empty class", "deep"],
)
@pytest.mark.parametrize("way", ["data sets", "jobs"])
def test_an_archive_that_can_not_become_a_data_set_fails_its_job(
    refuse: Refuse, content: bytes, words: str, way: str
) -> None:
    def send(api: FlaskClient) -> str:
        if way == "jobs":
            file_id = post_file(api, content, "pets.zip")["id"]
            return post_job(api, kind="import", spec={"name": "pets", "file": file_id})
        response = api.post(
            "/api/v1/datasets", data={"name": "pets", "archive": (io.BytesIO(content), "pets.zip")}
        )
        assert response.status_code == 202
        return str(response.json["id"])

    assert words in refuse(send, kind="import")["error"]["message"]


def test_an_archive_of_zeros_is_refused_before_it_fills_the_disk(refuse: Refuse, tmp_path: Path) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("cats/1.png", "dogs/1.png"):
            archive.writestr(name, picture() + bytes(5_000_000))
    assert len(bomb.getvalue()) < 30_000

    def send(api: FlaskClient) -> str:
        file_id = post_file(api, bomb.getvalue(), "pets.zip")["id"]
        return post_job(api, kind="import", spec={"name": "pets", "file": file_id})

    job = refuse(send, kind="import", settings={"max_upload_bytes": 30_000})  # 600,000 bytes unpacked
    assert "unpack to over 600,000 bytes" in job["error"]["message"]
    stored = list((tmp_path / "home" / "storage" / "files").iterdir())
    assert [path.stat().st_size for path in stored] == [len(bomb.getvalue())]


@pytest.mark.parametrize("kind", ["import", "predict"])
def test_an_archive_unpacks_to_so_many_times_its_own_size(
    refuse: Refuse, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Which may be far less than the largest upload may unpack to."""
    monkeypatch.setattr(config, "ALWAYS_OUTPUT_BYTES", 1_000)
    zeros = {f"{name}/1.png": picture() + bytes(100_000) for name in ("cats", "dogs")}
    content = zipped(zeros, zipfile.ZIP_DEFLATED)
    limit = config.Settings().max_output_bytes(len(content))
    assert limit < sum(map(len, zeros.values()))

    def send(api: FlaskClient) -> str:
        file_id = post_file(api, content, "pets.zip")["id"]
        field = (
            {"name": "pets", "file": file_id} if kind == "import" else {"model": "pets", "archive": file_id}
        )
        return post_job(api, kind=kind, spec=field)

    message = refuse(send, kind=kind)["error"]["message"]
    assert message == f"pets.zip: the pictures unpack to over {limit:,} bytes; should unpack to fewer"


def archive_of(*names: str) -> bytes:
    return zipped(dict.fromkeys(names, b""))


@pytest.mark.parametrize(
    ("content", "more", "words"),
    [
        (b"no archive", {}, "should be a zip or tar archive"),
        (archive_of("../out.png"), {}, "should have no paths with '..'"),
        (archive_of(".hidden.png", "__MACOSX/a.png"), {}, "there are no pictures"),
        (archive_of(*map(str, range(101))), {"explain": True}, "at most 100 pictures, not 101"),
    ],
    ids=["no archive", "dots", "no pictures", "too many to explain"],
)
def test_an_archive_that_can_not_be_predicted_fails_its_job(
    refuse: Refuse, content: bytes, more: dict[str, Any], words: str
) -> None:
    def send(api: FlaskClient) -> str:
        file_id = post_file(api, content, "pictures.zip")["id"]
        return post_job(api, kind="predict", spec={"model": "pets", "archive": file_id, **more})

    assert words in refuse(send, kind="predict")["error"]["message"]


def importing(path: Path | str) -> Callable[[FlaskClient], str]:
    return lambda api: post_job(api, kind="import", spec={"name": "pets", "path": str(path)})


def test_no_folder_is_imported_unless_the_settings_name_one(refuse: Refuse, tmp_path: Path) -> None:
    job = refuse(importing(tmp_path), kind="import", settings={"import_roots": ()})
    assert job["error"]["message"] == (
        f"{tmp_path} can't be imported: JOBYARD_IMPORT_ROOTS names no folder that imports may read; "
        "upload an archive instead"
    )


def test_a_link_out_of_the_roots_is_refused_by_the_worker(refuse: Refuse, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "etc").symlink_to("/etc")
    job = refuse(
        importing(tmp_path / "pictures" / "etc"),
        kind="import",
        settings={"import_roots": (tmp_path / "pictures",)},
    )
    assert job["error"]["message"] == (
        f"{tmp_path}/pictures/etc is not in a folder that imports may read "
        f"(JOBYARD_IMPORT_ROOTS: {tmp_path}/pictures)"
    )


@pytest.mark.parametrize("inside", ["", "storage", "storage/files"])
def test_jobyards_own_folder_is_never_imported(refuse: Refuse, tmp_path: Path, inside: str) -> None:
    (tmp_path / "home" / inside).mkdir(parents=True)
    job = refuse(importing(tmp_path / "home" / inside), kind="import", settings={"import_roots": (tmp_path,)})
    assert "of Jobyard's own" in job["error"]["message"]
