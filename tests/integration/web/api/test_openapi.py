"""The OpenAPI document says what the server does."""

import re
from typing import TYPE_CHECKING, Any

import pytest

from jobyard.shared import kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask
    from flask.testing import FlaskClient

BLUEPRINTS = ("jobs.", "kinds.", "queues.", "results.", "comparing.", "files.", "registry.")


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
    assert properties["epochs"]["default"] == 36


def test_there_is_a_page_to_try_it_at(api: "FlaskClient") -> None:
    with api.get("/api/docs", follow_redirects=True) as response:
        assert response.status_code == 200
        assert response.mimetype == "text/html"
