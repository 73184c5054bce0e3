"""Each request has an id, by which its answer and its lines in the log can be found."""

import json
import logging
import uuid
from typing import TYPE_CHECKING

import pytest

from jobyard.shared.logs import REQUEST_ID, JsonFormatter
from tests.factories import post_job

if TYPE_CHECKING:
    from flask.testing import FlaskClient

UNKNOWN = f"/api/v1/jobs/{uuid.UUID(int=0)}"


@pytest.mark.parametrize("path", ["", "/events"])
def test_an_answer_has_the_id_that_the_request_brings(api: "FlaskClient", path: str) -> None:
    address = f"/api/v1/jobs/{post_job(api)}{path}"
    response = api.get(address, headers={"X-Request-Id": "of-a-proxy/1"})
    assert response.headers.getlist("X-Request-Id") == ["of-a-proxy/1"]
    made = [api.get(address, headers={"X-Request-Id": bad}).headers["X-Request-Id"] for bad in ("a b", "")]
    assert len({*made, "a b", ""}) == 4
    assert all(REQUEST_ID.fullmatch(one) for one in made)


def test_a_problem_says_its_id(api: "FlaskClient") -> None:
    response = api.get(UNKNOWN, headers={"X-Request-Id": "mine"})
    assert response.status_code == 404
    assert response.json["request_id"] == response.headers["X-Request-Id"] == "mine"


def test_lines_of_the_log_have_it(api: "FlaskClient", monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(JsonFormatter().format(record))

    handler = Handler()
    logging.getLogger("jobyard.web").addHandler(handler)
    monkeypatch.setattr("jobyard.web.api.jobs.jobs.events", lambda *_: 1 / 0)
    try:
        response = api.get(f"/api/v1/jobs/{post_job(api)}/events", headers={"X-Request-Id": "mine"})
    finally:
        logging.getLogger("jobyard.web").removeHandler(handler)
    assert (response.status_code, response.json["request_id"]) == (500, "mine")
    (line,) = map(json.loads, lines)
    assert line["request_id"] == "mine"
    assert "ZeroDivisionError" in line["exception"]
