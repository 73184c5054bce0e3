"""A job is run again with changes, and nothing is uploaded twice: API, form."""

import io
import re
import uuid
from typing import Any

from flask.testing import FlaskClient

from jobyard.shared.database import utcnow
from jobyard.shared.jobs import State
from jobyard.shared.needs import JobAddress
from tests.factories import change_job, dataset, model, new_job, post_file, post_job, register
from tests.integration.web.world import browser

TABLE = b"text,group\nfine,a\n"


def request_of(api: FlaskClient, job_id: str) -> dict[str, Any]:
    response = api.get(f"/api/v1/jobs/{job_id}/request")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json
    return found


def test_what_was_asked_can_be_asked_again(api: FlaskClient) -> None:
    file_id = post_file(api, TABLE, "table.csv")["id"]
    spec = {"file": file_id, "column": "text", "lexicon": {"sick": 2.123456789}, "deadline_seconds": 60}
    job_id = post_job(api, spec=spec, priority=7, name="May", labels={"team": "birds"}, note="for Ada")
    found = request_of(api, job_id)
    assert found["missing"] == []
    assert [one["fields"] for one in found["alternatives"]] == [["texts"], ["file", "files"]]
    request = found["request"]
    assert (request["priority"], request["name"], request["labels"]) == (7, "May", {"team": "birds"})
    again = post_job(api, **request)
    assert api.get(f"/api/v1/jobs/{again}").json["spec"] == api.get(f"/api/v1/jobs/{job_id}").json["spec"]
    # The upload is that of both: it stays as long as one of them.
    assert api.delete(f"/api/v1/jobs/{job_id}").status_code == 409


def test_a_file_that_was_fetched_is_its_upload_and_one_that_was_deleted_is_named(api: FlaskClient) -> None:
    database = api.application.extensions["jobyard"].database
    file_id = post_file(api, TABLE)["id"]
    job_id = post_job(api, spec={"texts": ["one"]})
    spec = api.get(f"/api/v1/jobs/{job_id}").json["spec"]
    change_job(database, uuid.UUID(job_id), spec=spec | {"texts": None, "file": "https://example.org/t.csv"})
    with database.write() as session:
        address = "https://example.org/t.csv"
        session.add(
            JobAddress(job_id=uuid.UUID(job_id), field="file", address=address, file_id=uuid.UUID(file_id))
        )
    assert request_of(api, job_id)["request"]["spec"]["file"] == file_id
    gone = str(uuid.uuid4())
    job_id = post_job(api)
    change_job(database, uuid.UUID(job_id), spec=spec | {"texts": None, "files": [gone]})
    assert request_of(api, job_id)["missing"] == [gone]
    page = api.get(f"/jobs/{job_id}/again")
    assert "The file was deleted since: choose it again." in page.text


def test_a_part_is_not_run_again_by_itself(api: FlaskClient) -> None:
    database = api.application.extensions["jobyard"].database
    parent, child = new_job(database), new_job(database)
    change_job(database, child, parent_id=parent)
    for path in (f"/api/v1/jobs/{child}/request", f"/jobs/{child}/again"):
        response = api.get(path)
        assert (response.status_code, str(parent) in response.text) == (409, True)


def filled(page: str) -> dict[str, str]:
    """What a browser would send of the form that is shown."""
    found: dict[str, str] = {}
    form = page[page.index('<form method="post" action="/new/') :]
    for tag in re.findall(r"<input [^>]*>", form):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        kind = attributes.get("type")
        if kind == "file" or (kind in ("checkbox", "radio") and not re.search(r"\schecked\b", tag)):
            continue
        found[attributes["name"]] = attributes.get("value", "")
    found |= dict(re.findall(r'<textarea[^>]* name="([^"]*)"[^>]*>\n?([^<]*)</textarea>', form))
    for name, options in re.findall(r'<select[^>]* name="([^"]*)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r"<option selected>([^<]*)<", options)
        found[name] = chosen[1] if chosen else ""
    return found


def submitted(api: FlaskClient, kind: str, data: dict[str, Any]) -> dict[str, Any]:
    response = api.post(f"/new/{kind}", data=data)
    assert response.status_code == 303, re.findall(r"invalid-feedback[^>]*>([^<]*)<", response.text)
    job: dict[str, Any] = api.get(f"/api/v1/jobs/{response.location.rsplit('/', 1)[1]}").json
    return job


def test_a_form_that_is_sent_as_it_was_filled_in_asks_for_the_same(api: FlaskClient) -> None:
    ids = [post_file(api, TABLE, f"{number}.csv")["id"] for number in range(2)]
    database = api.application.extensions["jobyard"].database
    register(database, dataset("pets"))
    register(database, model("pets"))
    training = {"dataset": "pets", "epochs": 3, "augment": {"flip": False, "shear": 0.3}, "seed": 7}
    others: list[tuple[str, dict[str, Any]]] = [
        ("train", training | {"class_weight": {"cats": 2.5, "dogs": 1.0}, "deadline_seconds": 99.0}),
        ("predict", {"model": "pets", "images": ids, "top": 2}),
        ("predict", {"model": "pets", "dataset": "pets", "explain": True}),
        ("import", {"name": "birds", "file": ids[0], "allow_partial": True}),
    ]
    specs: list[dict[str, Any]] = [
        {
            "texts": ["I love it", "Ça va"],
            "explain": True,
            "thresholds": {"positive": 0.123456789, "negative": -0.2},
        },
        {"file": ids[0], "column": "text", "group_by": 2, "null_values": ["NA", "-"], "errors": "skip"},
        {"files": ids, "lexicon": {"sick": 2.123456789}, "deadline_seconds": 99.5, "header": "no"},
    ]
    for kind, spec in [("sentiment", one) for one in specs] + others:
        job_id = post_job(api, kind=kind, spec=spec, name="May", labels={"team": "birds"})
        page = api.get(f"/jobs/{job_id}/again")
        assert page.status_code == 200
        again = submitted(api, kind, filled(page.text))
        first = api.get(f"/api/v1/jobs/{job_id}").json
        assert again["spec"] == first["spec"]
        assert (again["name"], again["labels"]) == ("May", {"team": "birds"})
        assert f'href="/jobs/{job_id}/again"' in api.get(f"/jobs/{job_id}").text


def test_another_file_takes_the_place_of_the_old_one_and_an_error_forgets_none(api: FlaskClient) -> None:
    file_id = post_file(api, TABLE, "first.csv")["id"]
    job_id = post_job(api, spec={"file": file_id})
    form = filled(api.get(f"/jobs/{job_id}/again").text)
    assert form["kept.file"] == file_id
    refused = api.post("/new/sentiment", data=form | {"skip_lines": "-1"})
    assert refused.status_code == 422
    assert filled(refused.text)["kept.file"] == file_id
    assert "first.csv" in refused.text
    other = submitted(api, "sentiment", form | {"file": (io.BytesIO(TABLE), "second.csv")})
    assert other["spec"]["file"] not in (None, file_id)
    # Nobody's file, and no id at all: an error beside the field.
    for wrong in (str(uuid.uuid4()), "nonsense"):
        response = api.post("/new/sentiment", data=form | {"kept.file": wrong})
        assert response.status_code == 422, wrong
    with_texts = form | {"source": "texts", "texts": "one"}
    assert submitted(api, "sentiment", with_texts)["spec"]["file"] is None


def test_an_ended_job_offers_it_too(api: FlaskClient) -> None:
    job_id = post_job(api)
    api.post(f"/api/v1/jobs/{job_id}/cancel")
    assert api.get(f"/api/v1/jobs/{job_id}").json["state"] == State.CANCELLED
    assert 'id="again"' in api.get(f"/jobs/{job_id}").text


def test_a_job_whose_column_was_wrong_is_run_again_with_another(api: FlaskClient) -> None:
    database = api.application.extensions["jobyard"].database
    file_id = post_file(api, b"5,shop\nfine,a\n", "table.csv")["id"]
    job_id = post_job(api, spec={"file": file_id, "column": "review"})
    why = "there is no column 'review'; should be one of '5', 'shop'"
    change_job(database, uuid.UUID(job_id), state=State.FAILED, error_message=why, finished_at=utcnow())
    page = api.get(f"/jobs/{job_id}").text
    assert f'href="/jobs/{job_id}/again#column">Run again with another column…</a>' in page
    form = api.get(f"/jobs/{job_id}/again").text
    assert re.search(r'<div class="invalid-feedback[^>]* id="column-error">There is no column', form)
    assert "The job failed: change what is marked below, and run it again" in form
    # What a list says is a name, even if it is one of digits.
    sent = {"source": "file", "kept.file": file_id, "column": "5", "group_by": "2", "named": "column"}
    answer = browser(api.application).post("/new/sentiment", data=sent)
    again = answer.headers["Location"].rpartition("/")[2]
    spec = api.get(f"/api/v1/jobs/{again}").json["spec"]
    assert (spec["file"], spec["column"], spec["group_by"]) == (file_id, "5", 2)

    other = post_job(api, spec={"file": file_id})
    change_job(database, uuid.UUID(other), state=State.FAILED, error_message="lost", finished_at=utcnow())
    assert "Run again with another" not in api.get(f"/jobs/{other}").text
