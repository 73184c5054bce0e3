"""What work printed, over HTTP: in pieces, each once, with what is left out."""

import uuid
from typing import TYPE_CHECKING

import pytest

from jobyard.shared import jobs
from jobyard.shared.database import Database
from jobyard.shared.jobs import Piece
from jobyard.web.backend import Backend
from tests.factories import post_job

if TYPE_CHECKING:
    from flask.testing import FlaskClient


@pytest.fixture
def database(backend: Backend) -> Database:
    """The app's."""
    return backend.database


@pytest.fixture
def job_id(api: "FlaskClient", database: Database) -> str:
    made = post_job(api)
    with database.write() as session:
        jobs.write_output(session, uuid.UUID(made), 1, [Piece(0, "one\n"), Piece(104, "last 😀\n")])
        jobs.write_output(session, uuid.UUID(made), 2, [Piece(0, "again\n")])
    return made


def pieces(api: "FlaskClient", job_id: str, query: str = "") -> list[tuple[int, int, str]]:
    items = api.get(f"/api/v1/jobs/{job_id}/logs{query}").json["items"]
    return [(item["attempt"], item["left_out"], item["text"]) for item in items]


ALL = [(1, 0, "one\n"), (1, 100, "last 😀\n"), (2, 0, "again\n")]


def test_the_output_of_all_attempts_or_of_one_is_there_with_what_was_left_out(
    api: "FlaskClient", job_id: str
) -> None:
    assert pieces(api, job_id) == ALL
    assert pieces(api, job_id, "?attempt=1") == ALL[:2]
    assert pieces(api, job_id, "?attempt=3") == []


def test_a_reader_gets_each_piece_once(api: "FlaskClient", job_id: str) -> None:
    address = f"/api/v1/jobs/{job_id}/logs"
    seen, following = [], ""
    for _ in range(3):
        page = api.get(f"{address}?limit=1{following}").json
        seen += [(item["attempt"], item["left_out"], item["text"]) for item in page["items"]]
        following = f"&after={page['items'][-1]['cursor']}"
    assert (seen, page["next"]) == (ALL, None)
    assert pieces(api, job_id, f"?limit=9{following}") == []


@pytest.mark.parametrize("query", ["after=1", "after=1:-1", "after=x:y", "attempt=0", "limit=0"])
def test_a_wrong_question_says_what_is_wrong(api: "FlaskClient", job_id: str, query: str) -> None:
    response = api.get(f"/api/v1/jobs/{job_id}/logs?{query}")
    assert response.status_code == 422
    assert query.partition("=")[0] in response.text


def test_a_job_that_has_printed_nothing_has_none(api: "FlaskClient") -> None:
    assert api.get(f"/api/v1/jobs/{post_job(api)}/logs").json == {"items": [], "next": None}
