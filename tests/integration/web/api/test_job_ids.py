"""GET /api/v1/jobs/find: jobs by a part of their id."""

from flask.testing import FlaskClient

from tests.factories import post_job


def test_a_job_is_found_by_its_end_its_beginning_or_as_the_last(api: FlaskClient) -> None:
    ids = [post_job(api) for _ in range(12)]
    for part in (ids[3], ids[3][-10:], "@last"):
        page = api.get("/api/v1/jobs/find", query_string={"id": part}).json
        assert page["next"] is None
        assert [one["id"] for one in page["items"]] == [ids[-1] if part == "@last" else ids[3]]
    many = api.get("/api/v1/jobs/find", query_string={"id": ids[0][:6]}).json
    assert [one["id"] for one in many["items"]] == ids[:1:-1]
    assert many["next"] is not None
    refused = api.get("/api/v1/jobs/find", query_string={"id": "nonsense"})
    assert (refused.status_code, refused.json["errors"][0]["field"]) == (422, "id")
