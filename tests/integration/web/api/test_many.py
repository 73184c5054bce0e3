"""Many jobs in one request over HTTP: which are meant has to be said, and what became of them is answered."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.factories import post_job


def test_jobs_that_match_are_moved_and_the_others_counted(client: FlaskClient) -> None:
    ids = [post_job(client) for _ in range(3)]
    client.post(f"/api/v1/jobs/{ids[0]}/cancel")
    dry = client.post("/api/v1/jobs/cancel", json={"kind": ["sentiment"], "dry_run": True})
    assert dry.status_code == 200
    why = f"job {ids[0]} is cancelled; only a job that has not ended can be cancelled"
    assert dry.json == {
        "matched": 3,
        "moved": 2,
        "refused": [
            {
                "reason": "cancelled",
                "count": 1,
                "examples": [{"id": ids[0], "message": why}],
            }
        ],
        "next": None,
        "dry_run": True,
    }
    assert client.get("/api/v1/jobs?state=queued").json["items"] != []
    done = client.post("/api/v1/jobs/cancel", json={"state": ["queued", "running"]}).json
    assert (done["matched"], done["moved"], done["refused"]) == (2, 2, [])
    assert client.post("/api/v1/jobs/retry", json={"ids": ids[:2]}).json["moved"] == 2
    client.patch(f"/api/v1/jobs/{ids[0]}", json={"labels": {"team": "birds"}})
    for body, moved in (({"label": ["team:birds"]}, 1), ({"label": ["team:cats"]}, 0), ({"q": "birds"}, 1)):
        assert client.post("/api/v1/jobs/cancel", json=body | {"dry_run": True}).json["matched"] == moved
    assert client.post("/api/v1/jobs/pause", json={"state": ["queued"]}).json["moved"] == 2
    assert client.post("/api/v1/jobs/resume", json={"all": True}).json["moved"] == 2
    assert client.post("/api/v1/jobs/delete", json={"all": True}).json["moved"] == 1
    assert len(client.get("/api/v1/jobs").json["items"]) == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, 'all jobs are meant with "all": true only'),
        ({"dry_run": True}, 'all jobs are meant with "all": true only'),
        ({"all": False}, 'all jobs are meant with "all": true only'),
        ({"ids": ["00000000-0000-0000-0000-000000000000"], "all": True}, "either ids, or a filter, or all"),
        ({"ids": []}, "ids: should have at least 1"),
        ({"states": "failed"}, "there is no such field"),
        ({"state": ["broken"]}, "state"),
    ],
)
@pytest.mark.parametrize("verb", ["cancel", "delete"])
def test_what_is_not_said_clearly_moves_nothing(
    client: FlaskClient, verb: str, body: dict[str, Any], message: str
) -> None:
    job_id = post_job(client)
    refused = client.post(f"/api/v1/jobs/{verb}", json=body)
    assert (refused.status_code, message in refused.json["detail"]) == (422, True), refused.json["detail"]
    assert client.get(f"/api/v1/jobs/{job_id}").json["state"] == "queued"
