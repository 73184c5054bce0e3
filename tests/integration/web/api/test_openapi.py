"""The OpenAPI document says what the server does."""

import re
from typing import TYPE_CHECKING, Any

import pytest

from jobyard.shared import kinds
from jobyard.web.patterns import SHOULD_BE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask
    from flask.testing import FlaskClient

BLUEPRINTS = (
    *("jobs.", "kinds.", "queues.", "workers.", "results.", "comparing.", "files.", "registry."),
    *("webhooks.", "logs."),
    *("tokens.", "audit."),
    *("job_ids.",),
    *("job_ids.", "requests."),
    *("failures.", "previews."),
)


@pytest.fixture
def document(api: "FlaskClient") -> dict[str, Any]:
    response = api.get("/api/v1/openapi.json")
    assert response.status_code == 200
    found: dict[str, Any] = response.json
    return found


def operations(document: dict[str, Any]) -> "Iterator[tuple[str, str, dict[str, Any]]]":
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method.upper(), operation


def values(node: Any) -> "Iterator[tuple[str, Any]]":
    """Every key with its value, however deep."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield key, value
            yield from values(value)
    elif isinstance(node, list):
        for value in node:
            yield from values(value)


def test_it_lists_exactly_the_routes_of_the_api(app: "Flask", document: dict[str, Any]) -> None:
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith(BLUEPRINTS)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {(path, method) for path, method, _ in operations(document)} == routes
    assert len(routes) >= 17


def test_nobody_is_shown_a_regular_expression(document: dict[str, Any], api: "FlaskClient") -> None:
    patterns = {value for key, value in values(document) if key == "pattern" and isinstance(value, str)}
    assert len(patterns) >= 10
    assert patterns <= set(SHOULD_BE)
    for address, message in (
        ("datasets?source_sha256=x", 'should be 64 hexadecimal digits in lower case, but is "x"'),
        ("audit?actor=%00", "should have no NUL character"),
    ):
        assert [one["message"] for one in api.get(f"/api/v1/{address}").get_json()["errors"]] == [message]


def test_it_is_openapi_whose_references_lead_somewhere(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert {"title", "version"} <= set(document["info"])
    references = [value for key, value in values(document) if key == "$ref"]
    assert references
    for reference in references:
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))


def test_every_operation_says_what_it_answers_and_asks_for_the_token(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["security"] == [{"token": []}], where
        assert {"401", "404", "422"} <= set(operation["responses"]), where
        assert any(status.startswith("2") for status in operation["responses"]), where
        declared = {item["name"] for item in operation.get("parameters", []) if item["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path)), where


def test_nothing_is_promised_that_is_not_there(document: dict[str, Any], api: "FlaskClient") -> None:
    assert "501" not in {key for key, _ in values(document)}
    for path, method, _ in operations(document):
        address = path.replace("{id}", "018f0000-0000-7000-8000-000000000000").replace("{name}", "x")
        with api.open(address, method=method) as response:
            assert response.status_code < 500, f"{method} {address}"


def test_a_request_for_a_job_is_told_apart_by_its_kind(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    one, many = schemas["Submit"]["oneOf"]
    for submit in (one, many["items"]):
        assert submit["discriminator"]["propertyName"] == "kind"
        assert set(submit["discriminator"]["mapping"]) == set(kinds.by_name())
    properties = schemas["TrainSpec"]["properties"]
    assert (properties["epochs"]["minimum"], properties["epochs"]["maximum"]) == (1, 10_000)
    assert properties["epochs"]["default"] == 20


def test_there_is_a_page_to_try_it_at(api: "FlaskClient") -> None:
    with api.get("/api/docs", follow_redirects=True) as response:
        assert response.status_code == 200
        assert response.mimetype == "text/html"


# ---- errors


def resolved(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """What a reference leads to."""
    if "$ref" not in node:
        return node
    for part in node["$ref"].removeprefix("#/").split("/"):
        document = document[part]
    return document


def test_every_error_is_documented_as_a_problem_and_nothing_else_is(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        errors = {status for status in operation["responses"] if status >= "400"}
        where = f"{method} {path}"
        assert {"401", "403", "404", "422", "429", "500", "503"} <= errors, where
        body = operation.get("requestBody", {}).get("content", {})
        assert ({"400", "413", "415"} <= errors) == bool(body), where
        assert ("507" in errors) == (method != "GET"), where
        for status in errors:
            found = resolved(document, operation["responses"][status])
            assert list(found["content"]) == ["application/problem+json"], where
            assert found["content"]["application/problem+json"]["schema"]["$ref"].endswith("/Problem")
            assert found["description"], where
    found = document["components"]["responses"]
    assert "Retry-After" in found["ServiceUnavailable"]["headers"]
    assert "Retry-After" in found["TooManyRequests"]["headers"]
    assert "WWW-Authenticate" in found["Unauthorized"]["headers"]


def test_conditions_ranges_keys_and_places_are_documented(document: dict[str, Any]) -> None:
    headers = {
        (method, path): {item["name"] for item in operation["parameters"] if item["in"] == "header"}
        for path, method, operation in operations(document)
    }
    assert headers["POST", "/api/v1/jobs"] == {"Idempotency-Key"}
    assert headers["GET", "/api/v1/jobs/{id}"] == {"If-None-Match"}
    assert headers["GET", "/api/v1/models/{id}/file"] == {"If-None-Match", "Range"}
    assert headers["GET", "/api/v1/jobs/{id}/predictions.parquet"] == {"If-None-Match"}
    assert headers["GET", "/api/v1/jobs/{id}/events"] == {"Last-Event-ID"}
    submitted = document["paths"]["/api/v1/jobs"]["post"]["responses"]["202"]
    assert set(submitted["headers"]) == {"ETag", "Location"}
    downloaded = document["paths"]["/api/v1/models/{id}/file"]["get"]["responses"]
    assert {"200", "206", "304", "416"} <= set(downloaded)
    events = document["paths"]["/api/v1/jobs/{id}/events"]["get"]["responses"]["200"]
    assert set(events["content"]) == {"application/json", "text/event-stream"}


@pytest.mark.parametrize(
    ("method", "path", "content_type", "right"),
    [
        ("POST", "/api/v1/jobs", "text/plain", "application/json, but has text/plain"),
        ("POST", "/api/v1/jobs", "multipart/form-data; boundary=x", "application/json"),
        ("POST", "/api/v1/jobs", None, "application/json"),
        ("POST", "/api/v1/files", "application/json", "multipart/form-data, but has application/json"),
        ("POST", "/api/v1/files", "application/x-www-form-urlencoded", "multipart/form-data"),
        ("POST", "/api/v1/files", None, "multipart/form-data"),
        ("POST", "/api/v1/datasets", "application/zip", "multipart/form-data, but has application/zip"),
        ("PUT", "/api/v1/models/pets/aliases/prod", "multipart/form-data; boundary=x", "application/json"),
    ],
)
def test_a_body_of_another_type_is_told_what_would_be_right(
    api: "FlaskClient", method: str, path: str, content_type: str | None, right: str
) -> None:
    response = api.open(path, method=method, data=b"{}", content_type=content_type)
    assert response.status_code == 415
    assert response.mimetype == "application/problem+json"
    assert right in response.json["detail"]


def test_a_compressed_body_is_refused_as_such(api: "FlaskClient") -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    for body in (b"\x1f\x8b\x08", b'{"kind": "sentiment", "spec": {"texts": ["one"]}}'):
        response = api.post("/api/v1/jobs", data=body, headers=headers)
        assert response.status_code == 415
        assert "Content-Encoding: gzip" in response.json["detail"]
        assert response.headers["Accept-Encoding"] == "identity"


def test_a_stranger_is_told_about_the_token_before_the_body(app: "Flask") -> None:
    assert app.test_client().post("/api/v1/files", data=b"{}").status_code == 401
