"""The list of jobs on the page: found by its address, page by page, and why a job failed in its row."""

import re
import uuid

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from jobyard.shared import jobs
from jobyard.web.pages import job_list
from tests.factories import LONG_AGO, claimed, new_job, new_jobs
from tests.integration.web.world import World

ROW = re.compile(r'id="job-([0-9a-f-]{36})"')


def listed(web: FlaskClient, address: str) -> list[str]:
    response = web.get(address)
    assert response.status_code == 200
    return ROW.findall(response.text)


def link(web: FlaskClient, address: str, which: str) -> str | None:
    """The address of the page before or after."""
    found = re.search(rf'id="{which}-page"[^>]* href="([^"]+)"', web.get(address).text)
    return found and found[1].replace("&amp;", "&")


def test_pages_lead_forwards_and_back_and_keep_the_filter(world: World, web: FlaskClient) -> None:
    new = new_jobs(world.backend.database, 60, labels={"a": "b"})
    ids = [str(job_id) for job_id in reversed(new)]
    first = "/?state=queued&kind=sentiment&after=2020-01-01&before=2999-01-01"
    assert listed(web, first) == ids[:25]
    assert link(web, first, "previous") is None
    second = link(web, first, "next")
    assert second is not None
    assert "state=queued" in second
    assert listed(web, second) == ids[25:50]
    third = link(web, second, "next")
    assert third is not None
    assert listed(web, third)[: 60 - 50] == ids[50:]
    back = link(web, third, "previous")
    assert back is not None
    assert listed(web, back) == ids[25:50]
    home = link(web, back, "previous")
    assert home is not None
    assert listed(web, home) == ids[:25]
    assert link(web, home, "previous") is None
    assert link(web, home, "next") is not None


@pytest.mark.parametrize("sort", ["newest", "oldest", "priority"])
def test_the_servers_own_jobs_make_no_page_shorter(
    world: World, web: FlaskClient, api: FlaskClient, sort: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_list, "JOBS_PER_PAGE", 2)
    database, new = world.backend.database, []
    for number in range(5):
        if sort != "newest":
            new_job(database, kind=jobs.UNLISTED_KIND, priority=9 if number < 2 else 5)
        new.append(str(new_job(database, priority=5)))
        if sort == "newest":
            new_job(database, kind=jobs.UNLISTED_KIND)
    ids = new[::-1] if sort == "newest" else new
    first = f"/?state=queued&sort={sort}"
    pages = [first]
    while (following := link(web, pages[-1], "next")) is not None:
        pages.append(following)
    assert [listed(web, page) for page in pages] == [ids[:2], ids[2:4], ids[4:]]
    back = link(web, pages[-1], "previous")
    assert back is not None
    assert listed(web, back) == ids[2:4]
    home = link(web, back, "previous")
    assert home is not None
    assert listed(web, home) == ids[:2]
    found, cursor = [], None
    while len(found) < len(ids):
        answer = api.get("/api/v1/jobs", query_string={"limit": 1, "sort": sort, "cursor": cursor})
        found += [job["id"] for job in answer.json["items"]]
        assert len(answer.json["items"]) == 1
        cursor = answer.json["next"]
    assert found == ids


def test_the_address_of_a_job_without_its_id_is_that_of_the_list(world: World, web: FlaskClient) -> None:
    new_jobs(world.backend.database, 2)
    for query in ("", "?state=queued&label=a&label=b", "?_external=1&_anchor=a&endpoint=b"):
        answer = web.get(f"/jobs{query}")
        assert (answer.status_code, answer.location) == (302, f"/{query}")
    assert len(listed(web, "/")) == 2
    assert web.get("/jobs", follow_redirects=True).status_code == 200


def test_the_oldest_may_be_first(world: World, web: FlaskClient) -> None:
    ids = [str(job_id) for job_id in new_jobs(world.backend.database, 30)]
    before = listed(web, "/?sort=oldest")
    following = link(web, "/?sort=oldest", "next")
    assert following is not None
    after = listed(web, following)
    everything = before + after
    assert everything == sorted(everything)
    assert set(ids) <= set(everything)


@pytest.mark.parametrize("sort", ["finished", "priority"])
def test_pages_lead_forwards_and_back_in_another_order(world: World, web: FlaskClient, sort: str) -> None:
    ids = new_jobs(world.backend.database, 60)
    with world.backend.database.write() as session:
        if sort == "finished":
            jobs.cancel_many(session, ids)
            session.execute(sa.update(jobs.Job).values(finished_at=LONG_AGO))
            ids = ids[::-1]
    whole = [str(job_id) for job_id in ids]
    first = f"/?sort={sort}"
    assert listed(web, first) == whole[:25]
    second = link(web, first, "next")
    assert second is not None
    third = link(web, second, "next")
    assert third is not None
    assert listed(web, third) == whole[50:]
    back = link(web, third, "previous")
    assert back is not None
    assert listed(web, back) == whole[25:50]
    home = link(web, back, "previous")
    assert home is not None
    assert listed(web, home) == whole[:25]
    assert link(web, home, "previous") is None
    # What is listed are the jobs that a change of all that match is for.
    state = "queued" if sort == "priority" else "succeeded&amp;state=failed&amp;state=cancelled"
    assert f'href="/jobs/many?state={state}"' in web.get(first).text


def test_jobs_are_found_by_what_the_form_sends(world: World, web: FlaskClient) -> None:
    marked = {"job.name": "May again", "job.labels": "team=birds"}
    response = web.post("/new/sentiment", data={"source": "texts", "texts": "so good"} | marked)
    [job_id] = re.findall(r"[0-9a-f-]{36}", response.headers["Location"])
    new_job(world.backend.database)
    for address in ("/?q=may", "/?q=&label=team:birds&label=&after=2020-01-01&before=&sort=newest"):
        assert listed(web, address) == [job_id]
    page = web.get("/?label=team:birds&q=May&after=2020-01-01").text
    assert 'value="team:birds"' in page
    assert 'value="2020-01-01"' in page
    assert "label=team:birds" in page.replace("%3A", ":"), "the links of kinds and states keep it"
    assert listed(web, "/?q=nothing") == []
    assert "No job matches this filter" in web.get("/?q=nothing").text


def test_what_makes_no_sense_in_an_address_is_left_out_and_said(world: World, web: FlaskClient) -> None:
    job_id = str(new_job(world.backend.database))
    for address, said in (
        ("/?label=team", "label: should be KEY:VALUE"),
        ("/?state=done&kind=sentiment", "state: "),
        ("/?kind=juggle", "there is no kind"),
        ("/?before=yesterday", "before: "),
        ("/?cursor=5", "cursor: "),
        ("/?sort=finished&state=queued&cursor=5", "sort: finished lists jobs that are succeeded"),
        (f"/?cursor={uuid.UUID(int=2**128 - 1)}&q=!", "q: should have at least one letter or digit"),
    ):
        assert job_id in listed(web, address), address
        assert said in web.get(address).text


def test_the_row_of_a_failed_job_says_why_on_one_line(world: World, web: FlaskClient) -> None:
    database = world.backend.database
    job_id = new_job(database)
    lease = claimed(database, job_id).lease
    message = "line one\nline <two> " + "x" * 300
    with database.write() as session:
        jobs.fail(session, job_id, lease, error_type="WorkError", message=message)
    page = web.get("/").text
    assert ">WorkError: line one line &lt;two&gt; xxx" in page
    assert "…</div>" in page
