"""The page that changes many jobs: those that were selected, or all that the list's filter has."""

import re

from flask.testing import FlaskClient

from jobyard.web.backend import Backend
from tests.factories import get_job, new_jobs
from tests.integration.web.world import Page, World


def buttons(page: Page) -> dict[str, int]:
    """How many jobs each verb would change."""
    found = re.findall(r"> (Pause|Resume|Retry|Cancel|Delete) ([\d,]+) jobs?</button>", page.text)
    return {verb.lower(): int(number.replace(",", "")) for verb, number in found}


def test_the_list_leads_to_those_that_are_selected_and_to_all_that_match(
    world: World, web: FlaskClient
) -> None:
    job = world.job("texts", "failed")
    page = Page(web.get("/?state=failed&sort=oldest").text)
    assert f'name="jobs" value="{job.id}"' in page.text
    assert "/jobs/many?state=failed" in page.addresses
    assert 'formaction="/jobs/many"' in page.text


def test_it_says_how_many_each_verb_would_change_and_then_what_became_of_them(
    world: World, web: FlaskClient, backend: Backend
) -> None:
    queued = new_jobs(backend.database, 30)
    failed, ended = world.job("texts", "failed"), world.job("texts", "succeeded")

    page = Page(web.get("/jobs/many").text)
    assert page.inline == []
    assert "32 jobs of all" in page.text
    assert buttons(page) == {"pause": 30, "resume": 0, "retry": 1, "cancel": 30, "delete": 2}

    page = Page(web.get("/jobs/many?state=queued&kind=sentiment").text)
    assert buttons(page) == {"pause": 30, "resume": 0, "retry": 0, "cancel": 30, "delete": 0}
    assert '<input type="hidden" name="state" value="queued">' in page.text

    done = web.post("/jobs/many/cancel", data={"state": ["queued"], "kind": "sentiment"})
    assert done.status_code == 200
    assert "30 of 30 jobs: cancelled, or asked to stop" in done.text
    assert get_job(backend.database, queued[0]).state == "cancelled"

    done = web.post("/jobs/many/delete", data={"jobs": [str(failed.id), str(ended.id), str(queued[0])]})
    assert "3 of 3 jobs: deleted" in done.text
    assert web.get(f"/jobs/{failed.id}").status_code == 404
    assert buttons(Page(web.get(f"/jobs/many?jobs={queued[1]}&jobs={queued[2]}").text))["retry"] == 2


def test_what_makes_no_sense_changes_nothing(web: FlaskClient, backend: Backend) -> None:
    (job_id,) = new_jobs(backend.database, 1)
    assert web.post("/jobs/many/cancel", data={"state": "broken"}).status_code == 422
    for wrong in ({"jobs": str(job_id)[:-1]}, {"jobs": [str(job_id), "x"]}, {"sate": "failed"}):
        # Without what makes no sense it would mean all jobs.
        assert web.post("/jobs/many/cancel", data=wrong).status_code == 422
        assert web.get("/jobs/many", query_string=wrong).status_code == 422
    assert web.post("/jobs/many/forget", data={}).status_code == 404
    assert web.get("/jobs/many/forget").status_code == 405
    assert get_job(backend.database, job_id).state == "queued"
