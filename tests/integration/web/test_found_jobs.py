"""The list of jobs has what the filter says, whatever is asked: compared with a look at every job."""

import datetime
import re
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobyard.shared import jobs
from jobyard.shared.jobs import finding, submission
from jobyard.web.backend import Backend
from jobyard.web.pages import job_list
from tests.conftest import logged_in
from tests.factories import LONG_AGO, a_request, change_job

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from flask.testing import FlaskClient

COUNT = 36
WORDS = ("birds", "cats", "may", "again")
KINDS = ("sentiment", "train", "predict")
STATES = ("queued", "cancelled", "paused")
# Of the last one there are so few that a page ends before it has found any.
OWNERS = ("anna", "ben", "carl", "dora")
LABELS = [("team", "birds"), ("team", "cats"), ("stage", ""), ("url", "a:b")]
GAP = datetime.timedelta(hours=7)


class Made(NamedTuple):
    """A job as it was made, and so what it should be found by."""

    id: uuid.UUID
    at: datetime.datetime
    kind: str
    state: str
    created_by: str
    labels: dict[str, str]
    words: set[str]


@pytest.fixture
def app(make_app: "Callable[..., Flask]", database_url: str) -> "Flask":
    """On SQLite and on PostgreSQL."""
    return make_app(database_url=database_url)


@pytest.fixture
def made(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> list[Made]:
    """Jobs of many days, the oldest first; a list looks at a few of them at a time."""
    for name, value in (("LOOK", 4), ("LOOKS", 2), ("SECONDS", 60.0)):
        monkeypatch.setattr(finding, name, value)
    monkeypatch.setattr(job_list, "JOBS_PER_PAGE", 3)
    found = []
    for number in range(COUNT):
        at = LONG_AGO + number * GAP
        identity = uuid.UUID(int=int(at.timestamp() * 1_000) << 80 | 7 << 76 | 2 << 62 | number)
        monkeypatch.setattr(submission, "uuid7", lambda identity=identity: identity)
        kind, owner = KINDS[number % 5 % 3], OWNERS[3 if number % 17 == 3 else number % 7 % 3]
        labels = dict([LABELS[number % 4], LABELS[number % 9 % 4]])
        name = " ".join(word for bit, word in enumerate(WORDS) if number >> bit & 1) or None
        request = a_request(kind, labels=labels, name=name, created_by=owner)
        with backend.database.write() as session:
            jobs.submit_many(session.connection(), [request])
            jobs.keep_terms(session.connection(), [(identity, jobs.terms_of(name=name, labels=labels))])
            state = STATES[number % 11 % 3]
            if state != "queued":
                {"cancelled": jobs.cancel, "paused": jobs.pause}[state](session, identity)
        change_job(backend.database, identity, created_at=at)
        words = set(re.findall("[a-z]+", " ".join([name or "", *labels, *labels.values()])))
        found.append(Made(identity, at, kind, state, owner, labels, words))
    return found


MOMENTS = st.builds(
    lambda number, off: LONG_AGO + number * GAP + datetime.timedelta(milliseconds=off),
    st.integers(-2, COUNT + 2),
    st.sampled_from([-1, 0, 1]),
)
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "q": st.lists(st.sampled_from([*WORDS, "team", "nothing"]), min_size=1, max_size=2).map(" ".join),
        "label": st.lists(st.sampled_from([*LABELS, ("team", "nobody")]), min_size=1, max_size=2),
        "kind": st.lists(st.sampled_from(KINDS), min_size=1, max_size=2),
        "state": st.lists(st.sampled_from([*STATES, "failed"]), min_size=1, max_size=3),
        "created_by": st.lists(st.sampled_from(["anna", "ben", "dora", "nobody"]), min_size=1, max_size=2),
        "after": MOMENTS,
        "before": MOMENTS,
    },
)


def meets(job: Made, asked: dict[str, Any]) -> bool:
    """Whether a job should be in the list."""
    return (
        set(asked.get("q", "").split()) <= job.words
        and all(job.labels.get(key) == value for key, value in asked.get("label", []))
        and job.kind in asked.get("kind", KINDS)
        and job.state in asked.get("state", STATES)
        and job.created_by in asked.get("created_by", OWNERS)
        and ("after" not in asked or job.at >= asked["after"])
        and ("before" not in asked or job.at < asked["before"])
    )


def written(asked: dict[str, Any]) -> dict[str, Any]:
    """As an address has it."""
    values: dict[str, Any] = dict(asked)
    if "label" in asked:
        values["label"] = [f"{key}:{value}" for key, value in asked["label"]]
    return values | {name: asked[name].isoformat() for name in ("after", "before") if name in asked}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=FILTERS, oldest_first=st.booleans(), limit=st.sampled_from([2, 100]))
def test_whatever_is_asked_the_api_and_the_page_have_just_those_jobs_in_their_order(
    app: "Flask", made: list[Made], backend: Backend, asked: dict[str, Any], oldest_first: bool, limit: int
) -> None:
    wanted = [job.id for job in made if meets(job, asked)]
    if not oldest_first:
        wanted.reverse()
    given_ = {**written(asked), "sort": "oldest" if oldest_first else "newest"}
    assert all_of_the_api(logged_in(app), {**given_, "limit": limit}) == wanted
    with backend.database.read() as session:
        query = job_list.ListQuery.model_validate(given_)
        forwards, last = walked(session, query, "cursor")
        assert forwards == wanted
        backwards, _ = walked(session, last, "back")
        assert backwards + last_page(session, last) == wanted


def all_of_the_api(api: "FlaskClient", query: dict[str, Any]) -> list[uuid.UUID]:
    ids: list[uuid.UUID] = []
    cursor: dict[str, str] = {}
    while True:
        page = api.get("/api/v1/jobs", query_string=query | cursor).json
        assert len(page["items"]) <= query["limit"]
        ids += [uuid.UUID(item["id"]) for item in page["items"]]
        if page["next"] is None:
            return ids
        cursor = {"cursor": page["next"]}


def walked(session: Any, query: job_list.ListQuery, to: str) -> tuple[list[uuid.UUID], job_list.ListQuery]:
    """The jobs of all pages in one direction, from that of the query on forwards, or of those before it."""
    ids: list[uuid.UUID] = []
    if to == "back":
        _, previous, _ = job_list._page(session, query)
        if previous is None:
            return [], query
        query = turned(query, back=previous)
    while True:
        shown, previous, following = job_list._page(session, query)
        here = [job.id for job in shown]
        ids = ids + here if to == "cursor" else here + ids
        further = following if to == "cursor" else previous
        if further is None:
            return ids, query
        query = turned(query, **{to: further})


def last_page(session: Any, query: job_list.ListQuery) -> list[uuid.UUID]:
    return [job.id for job in job_list._page(session, query)[0]]


def turned(query: job_list.ListQuery, **cursor: uuid.UUID) -> job_list.ListQuery:
    return query.model_copy(update={"cursor": None, "back": None, **cursor})


@pytest.mark.parametrize("sort", ["newest", "oldest"])
def test_a_page_without_jobs_leads_on_and_back_and_none_is_passed_over(
    made: list[Made], backend: Backend, sort: str
) -> None:
    rare = [job.id for job in made if job.created_by == "dora"]
    query = job_list.ListQuery.model_validate({"created_by": ["dora"], "sort": sort})
    with backend.database.read() as session:
        forwards, last = walked(session, query, "cursor")
        _, first = walked(session, last, "back")
        again, end = walked(session, first, "cursor")
    assert forwards == (rare if sort == "oldest" else rare[::-1])
    assert again == forwards, "forwards again from where the way back ended"
    assert end.cursor is not None
