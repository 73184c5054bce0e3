"""Uploads are listed and deleted, and a job whose file was deleted says so when it is retried."""

import uuid
from urllib.parse import urlsplit

from flask.testing import FlaskClient

from jobyard.shared import needs
from jobyard.shared.needs import Needs
from jobyard.web.backend import Backend
from tests.factories import post_file, post_job
from tests.integration.web.world import HOSTILE, Page, World


def test_uploads_are_listed_newest_first_with_what_they_take(client: FlaskClient) -> None:
    files = [post_file(client, b"text\n" * size, f"{size}.csv") for size in (1, 2, 3)]
    post_job(client, spec={"file": files[0]["id"], "column": "text"})
    first = client.get("/api/v1/files?limit=2").json
    assert [item["name"] for item in first["items"]] == ["3.csv", "2.csv"]
    assert first["total"] == {"files": 3, "bytes": 30, "is_exact": True}
    (last,) = client.get(f"/api/v1/files?limit=2&cursor={first['next']}").json["items"]
    assert last | files[0] == last
    assert (last["jobs"], last["kept_until"]) == (1, None)
    assert last["kept_because"] == "a job that has not ended needs it"
    assert first["items"][0]["kept_until"] > first["items"][0]["created_at"]
    assert first["items"][0]["kept_because"] is None


def test_a_job_whose_file_was_deleted_is_not_retried_and_stays_as_it_is(client: FlaskClient) -> None:
    file = post_file(client, b"text\nfine\n", "a.csv")
    job_id = post_job(client, spec={"file": file["id"], "column": "text"})
    for verb in ("cancel", "retry", "cancel"):
        assert client.post(f"/api/v1/jobs/{job_id}/{verb}").status_code == 202
    assert client.delete(f"/api/v1/files/{file['id']}").status_code == 204
    refused = client.post(f"/api/v1/jobs/{job_id}/retry")
    assert refused.status_code == 422
    (error,) = refused.json["errors"]
    assert error == {
        "field": "spec.file",
        "message": f"the file {file['id']} was deleted; submit another job",
    }
    assert client.get(f"/api/v1/jobs/{job_id}").json["state"] == "cancelled"


def test_the_page_lists_them_and_deletes_one_that_no_unfinished_job_needs(
    world: World, web: FlaskClient, backend: Backend
) -> None:
    assert "No files yet" in web.get("/files").text
    free, needed = (world.file(f"{HOSTILE}{number}.csv", b"text") for number in (1, 2))
    job = world.job("texts", "running")
    with backend.database.write() as session:
        needs.note(session.connection(), [(job.id, Needs(files=[needed.id]))])
    page = Page(web.get("/files").text)
    assert HOSTILE not in page.text
    assert page.inline == []
    assert "2 uploads, 8 bytes" in page.text
    assert {f"/files/{file.id}/delete" for file in (free, needed)} <= set(page.addresses)

    refused = web.post(f"/files/{needed.id}/delete")
    assert (refused.status_code, f"Job {job.id} needs the file" in refused.text) == (409, True)
    for file_id in (free.id, free.id, uuid.uuid4()):
        answer = web.post(f"/files/{file_id}/delete")
        assert (answer.status_code, answer.location) == (303, "/files")
    addresses = Page(web.get("/files").text).addresses
    assert f"/files/{free.id}/delete" not in addresses
    assert f"/files/{needed.id}/delete" in addresses


def test_the_page_has_more_pages(world: World, web: FlaskClient) -> None:
    files = [world.file(f"{number}.csv", b"text") for number in range(27)]
    first = Page(web.get("/files").text)
    (older,) = {address for address in first.addresses if "cursor=" in address}
    second = Page(web.get(older).text)
    shown = [
        {f"/files/{file.id}/delete" in page.addresses for file in part}
        for page, part in ((first, files[2:]), (second, files[:2]))
    ]
    assert shown == [{True}, {True}]
    assert urlsplit(older).path == "/files"
    assert web.get("/files?cursor=nonsense").status_code == 200
