"""Webhooks over HTTP: made, changed, tested, deleted; their secrets are shown once."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from jobyard.shared.webhooks import MAX_WEBHOOKS
from tests.factories import post_job

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from flask.testing import FlaskClient

BODY = {"name": "chat", "url": "https://hooks.example.org/a?key=hidden", "events": ["failed", "cancelled"]}


@pytest.fixture
def app(make_app: "Callable[..., Flask]", database_url: str) -> "Flask":
    return make_app(database_url=database_url)


def add(api: "FlaskClient", **changes: Any) -> dict[str, Any]:
    response = api.post("/api/v1/webhooks", json=BODY | changes)
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json
    return found


def test_a_webhook_is_added_shown_changed_and_deleted(api: "FlaskClient") -> None:
    made = add(api, kinds=["train", "train"], labels={"team": "birds"})
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made["url"] == "https://hooks.example.org/a?…"
    assert made["kinds"] == ["train"]
    assert made["enabled"]
    where = f"/api/v1/webhooks/{made['id']}"
    assert api.get(where).json == made
    assert api.get("/api/v1/webhooks").json == {"items": [made], "next": None}
    changed = api.patch(where, json={"kinds": [], "labels": {}, "enabled": False})
    assert changed.json == made | {"kinds": [], "labels": {}, "enabled": False}
    assert api.get(where).json == changed.json
    again = api.post(f"{where}/rotate").json
    assert again.pop("secret") not in (secret, None)
    assert again == changed.json
    for answer in (api.get(where), api.get("/api/v1/webhooks"), api.patch(where, json={"enabled": True})):
        assert "whsec_" not in answer.text
        assert "hidden" not in answer.text
    assert api.delete(where).status_code == 204
    assert api.get(where).status_code == 404
    assert api.delete(where).status_code == 404
    log = api.get("/api/v1/audit?action=webhook.").json["items"]
    assert [one["action"] for one in log][::-1] == [
        *("webhook.create", "webhook.change", "webhook.rotate", "webhook.change", "webhook.delete"),
    ]
    assert {one["object"] for one in log} == {"chat"}
    for hidden in ("whsec_", "hidden"):
        assert hidden not in json.dumps(log)


def test_its_owner_may_bring_the_secret(api: "FlaskClient") -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert add(api, secret=secret)["secret"] == secret


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"url": "ftp://hooks.example.org"}, "url", "should be an https:// address"),
        ({"url": "hooks.example.org"}, "url", "should be an https:// address"),
        ({"url": "s3://bucket/key"}, "url", "should be an https:// address"),
        ({"url": "http://hooks.example.org/"}, "url", "should be https://"),
        ({"url": "https://127.0.0.1/"}, "url", "JOBYARD_WEBHOOK_PRIVATE_NETWORKS doesn't name"),
        ({"url": "https://169.254.169.254/"}, "url", "link-local"),
        ({"url": "https://a:b@hooks.example.org/"}, "url", "no user"),
        ({"secret": "whsec_short"}, "secret", "24 to 64 bytes in base64"),
        ({"events": []}, "events", "at least 1"),
        ({"events": ["ended"]}, "events.0", "'succeeded'"),
        ({"kinds": ["nothing"]}, "kinds.0", "'train'"),
        ({"name": "a b"}, "name", "letters, digits"),
        ({"labels": {"a b": "c"}}, "labels.a b", "letter"),
        ({"other": {}}, "other", "no such field"),
    ],
)
def test_what_is_wrong_is_named(api: "FlaskClient", changes: dict[str, Any], field: str, words: str) -> None:
    response = api.post("/api/v1/webhooks", json=BODY | changes)
    assert response.status_code == 422
    (error,) = response.json["errors"]
    assert error["field"] == field
    assert words in error["message"]
    if field in ("url", "secret"):
        assert api.get("/api/v1/webhooks").json["items"] == []


def test_names_are_unique_and_there_is_a_most(api: "FlaskClient") -> None:
    first = add(api)
    assert api.post("/api/v1/webhooks", json=BODY).status_code == 409
    for number in range(1, MAX_WEBHOOKS):
        add(api, name=f"chat-{number}")
    refused = api.post("/api/v1/webhooks", json=BODY | {"name": "one-more"})
    assert refused.status_code == 409
    assert f"{MAX_WEBHOOKS} webhooks already" in refused.json["detail"]
    taken = api.patch(f"/api/v1/webhooks/{first['id']}", json={"name": "chat-1"})
    assert taken.status_code == 409


def test_deliveries_are_listed_page_by_page_and_sent_again(api: "FlaskClient") -> None:
    where = f"/api/v1/webhooks/{add(api)['id']}"
    ended = [post_job(api) for _ in range(3)]
    for job_id in ended:
        assert api.post(f"/api/v1/jobs/{job_id}/cancel").status_code == 202
    test = api.post(f"{where}/test")
    assert test.status_code == 201
    assert test.json["event"] == "test"
    page = api.get(f"{where}/deliveries?limit=2").json
    rest = api.get(f"{where}/deliveries?limit=2&cursor={page['next']}").json
    assert rest["next"] is None
    found = [*page["items"], *rest["items"]]
    assert found[0] == test.json
    assert [one["job_id"] for one in found[1:]] == ended[::-1]
    assert {one["status"] for one in found} == {"pending"}
    assert api.get(f"{where}/deliveries?status=delivered").json["items"] == []
    again = api.post(f"{where}/deliveries/{found[1]['id']}/resend")
    assert again.status_code == 200
    assert again.json["message_id"] == found[1]["message_id"]
    assert api.post(f"{where}/deliveries/{found[0]['id'] + 1}/resend").status_code == 404
    other = add(api, name="other")["id"]
    assert api.post(f"/api/v1/webhooks/{other}/deliveries/{found[1]['id']}/resend").status_code == 404
    api.patch(where, json={"enabled": False})
    for refused in (api.post(f"{where}/test"), api.post(f"{where}/deliveries/{found[1]['id']}/resend")):
        assert refused.status_code == 409
        assert "is disabled" in refused.json["detail"]


@pytest.mark.parametrize(
    "changes", [{"secret": "whsec_" + "hidden" * 50}, {"url": f"https://a/{'hidden' * 2_000}"}]
)
def test_a_secret_that_is_refused_is_not_in_the_answer(api: "FlaskClient", changes: dict[str, Any]) -> None:
    response = api.post("/api/v1/webhooks", json=BODY | changes)
    assert response.status_code == 422
    assert [error["field"] for error in response.json["errors"]] == list(changes)
    assert "hidden" not in response.text


def test_the_log_calls_a_webhook_by_its_name_whatever_was_done(api: "FlaskClient") -> None:
    where = f"/api/v1/webhooks/{add(api)['id']}"
    delivery = api.post(f"{where}/test").json["id"]
    assert api.post(f"{where}/deliveries/{delivery}/resend").status_code == 200
    log = api.get("/api/v1/audit?action=webhook.").json["items"]
    assert [(one["action"], one["object"]) for one in log[:2]] == [
        ("webhook.resend", "chat"),
        ("webhook.test", "chat"),
    ]
