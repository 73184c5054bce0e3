"""Names, labels and notes on pages: in forms that submit, on a job's page, in the list, and to be changed."""

import uuid

import sqlalchemy as sa
from flask.testing import FlaskClient

from jobyard.shared import jobs
from tests.integration.web.world import World

MARKS = {
    "job.name": "May <again>",
    "job.labels": "team=birds\r\n\r\n stage = trial=1 ",
    "job.note": "line one\r\nline two",
    "job.keep": "true",
}


def the_job(world: World) -> jobs.Job:
    with world.backend.database.read() as session:
        return session.scalars(sa.select(jobs.Job)).one()


def submitted(world: World, web: FlaskClient, **fields: str) -> uuid.UUID:
    response = web.post("/new/sentiment", data={"source": "texts", "texts": "so good", **fields})
    assert response.status_code == 303, response.text
    return the_job(world).id


def test_a_form_gives_a_job_its_marks_and_pages_show_them(world: World, web: FlaskClient) -> None:
    job_id = submitted(world, web, **MARKS)
    job = the_job(world)
    assert (job.name, job.note, job.keep) == ("May <again>", "line one\r\nline two", True)
    assert job.labels == {"team": "birds", "stage": "trial=1"}
    for path in ("/", f"/jobs/{job_id}"):
        page = web.get(path).text
        assert "May &lt;again&gt;" in page
        assert "<again>" not in page
        assert "<bdi>team</bdi>: <bdi>birds</bdi>" in page
        assert "so good" in page
    assert "line two" in web.get(f"/jobs/{job_id}").text


def test_marks_that_are_wrong_are_said_beside_their_fields(world: World, web: FlaskClient) -> None:
    for fields, said in (
        ({"job.labels": "team=birds\nno label"}, "Line 2: should be a key and a value, as in team=birds"),
        ({"job.labels": "a b=c"}, "should be a letter or digit, then letters"),
        ({"job.name": "n" * 201}, "Should have at most 200 characters"),
    ):
        response = web.post("/new/sentiment", data={"source": "texts", "texts": "so good", **fields})
        assert response.status_code == 422
        assert said in response.text
        assert "so good" in response.text
    both = web.post("/new/train", data={"dataset": "pets@1", "epochs": "-3", "job.labels": "no label"})
    assert "Line 1: should be a key and a value" in both.text
    assert "Should be greater than or equal to 1" in both.text
    with world.backend.database.read() as session:
        assert session.scalars(sa.select(jobs.Job)).all() == []


def test_what_was_marked_can_be_changed_on_a_page(world: World, web: FlaskClient) -> None:
    job_id = submitted(world, web, **MARKS)
    page = web.get(f"/jobs/{job_id}/edit").text
    for shown in ("May &lt;again&gt;", "team=birds\nstage=trial=1", "line two", 'value="5"'):
        assert shown in page
    changed = {
        "job.name": "",
        "job.labels": "new=1",
        "job.note": "",
        "job.keep": "false",
        "job.priority": "8",
    }
    response = web.post(f"/jobs/{job_id}/edit", data=changed)
    assert (response.status_code, response.headers["Location"]) == (303, f"/jobs/{job_id}")
    job = the_job(world)
    assert (job.name, job.labels, job.note, job.keep, job.priority) == (None, {"new": "1"}, None, False, 8)
    refused = web.post(f"/jobs/{job_id}/edit", data=changed | {"job.priority": "10", "job.note": "kept"})
    assert refused.status_code == 422
    assert "ess than or equal to 9" in refused.text
    assert "kept" in refused.text
    web.post(f"/jobs/{job_id}/cancel")
    assert 'name="job.priority"' not in web.get(f"/jobs/{job_id}/edit").text
    assert web.get(f"/jobs/{uuid.uuid4()}/edit").status_code == 404
