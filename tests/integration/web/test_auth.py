"""Who may come in, from where, and that the token stays where it belongs."""

import html
import logging
import re
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from jobyard.shared.database import utcnow
from jobyard.shared.login_failures import FAILURES, SECONDS_PER_FAILURE
from jobyard.shared.logins import Login
from jobyard.web.backend import Backend
from tests.conftest import TOKEN
from tests.integration.web.world import requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from flask.testing import FlaskClient

OPEN = {"health.healthz", "health.readyz", "login", "static", "pages.assets"}
JOB: dict[str, Any] = {"kind": "sentiment", "spec": {"texts": ["one"]}}


def test_there_are_endpoints_to_look_at(app: "Flask") -> None:
    """What the tests below iterate over."""
    endpoints = {endpoint for endpoint, _, _ in requests(app)}
    assert endpoints >= OPEN
    assert {"jobs.submit_job", "files.upload", "results.get_artifact", "registry.list_models"} < endpoints


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer wrong",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer",
        "Bearer naïve ☃".encode().decode("latin-1"),
    ],
)
def test_without_the_token_nothing_but_the_open_endpoints_answers(
    app: "Flask", authorization: str | None
) -> None:
    client = app.test_client()
    headers = {} if authorization is None else {"Authorization": authorization}
    for endpoint, method, address in requests(app):
        if endpoint in OPEN:
            continue
        response = client.open(address, method=method, headers=headers, json=JOB)
        assert response.status_code == 401, f"{method} {address}"
        if address.startswith("/api/v1") and method != "HEAD":
            assert response.mimetype == "application/problem+json", f"{method} {address}"
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert response.json["status"] == 401
        response.close()


@pytest.mark.parametrize("address", ["/healthz", "/readyz", "/login", "/assets/x/css/jobyard.css"])
def test_open_endpoints_need_no_token(app: "Flask", address: str) -> None:
    with app.test_client().get(address) as response:
        assert response.status_code != 403
        assert b"Bearer" not in response.data
        assert "WWW-Authenticate" not in response.headers


def test_an_address_that_is_not_there_tells_strangers_nothing(app: "Flask", api: "FlaskClient") -> None:
    assert app.test_client().get("/api/v1/nowhere").status_code == 401
    assert api.get("/api/v1/nowhere").status_code == 404


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_right_token_comes_in(app: "Flask", scheme: str) -> None:
    response = app.test_client().get("/api/v1/jobs", headers={"Authorization": f"{scheme} {TOKEN}"})
    assert response.status_code == 200


# ---- the cookie


@pytest.fixture
def browser(app: "Flask") -> "FlaskClient":
    """A browser that followed the login link."""
    client = app.test_client()
    response = client.get("/login", query_string={"token": TOKEN})
    assert response.status_code == 302
    assert TOKEN not in response.headers["Location"]
    return client


def test_the_cookie_is_not_the_token_and_is_for_http_only(app: "Flask") -> None:
    response = app.test_client().post("/login", data={"token": TOKEN})
    cookie = response.headers["Set-Cookie"]
    assert TOKEN not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_a_wrong_token_gets_no_cookie(app: "Flask") -> None:
    for response in (
        app.test_client().get("/login", query_string={"token": "wrong"}),
        app.test_client().post("/login", data={"token": "wrong"}),
    ):
        assert "Set-Cookie" not in response.headers
        assert response.status_code == 401


def test_the_cookie_reads_and_writes_from_our_own_pages(browser: "FlaskClient") -> None:
    assert browser.get("/api/v1/jobs").status_code == 200
    response = browser.post("/api/v1/jobs", json=JOB, headers={"Origin": "http://localhost"})
    assert response.status_code == 202


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "",
        "http://localhost:8642",
        "http://evil.example",
        "http://localhost.evil.example",
        "http://localhost@evil.example",
    ],
)
@pytest.mark.parametrize("address", ["/api/v1/jobs", "/api/v1/files", "/new/sentiment"])
def test_the_cookie_from_another_origins_page_is_refused(
    browser: "FlaskClient", origin: str | None, address: str
) -> None:
    headers = {} if origin is None else {"Origin": origin}
    response = browser.post(address, json=JOB, headers=headers)
    assert response.status_code == 403
    assert response.mimetype == "application/problem+json"
    assert browser.get("/api/v1/jobs").json["items"] == []


def test_a_login_leads_to_the_page_that_was_asked_for(app: "Flask") -> None:
    visitor = app.test_client()
    address = "/?q=birds%20%26%20bees&state=failed"
    shown = visitor.get(address, headers={"Accept": "text/html"})
    assert shown.status_code == 401
    (following,) = re.findall(r'name="next" value="([^"]*)"', shown.text)
    data = {"token": "wrong", "next": html.unescape(following)}
    refused = visitor.post("/login", data=data)
    assert following in refused.text
    assert visitor.post("/login", data=data | {"token": TOKEN}).headers["Location"] == address
    link = {"token": TOKEN, "next": "/models/birds@1"}
    assert visitor.get("/login", query_string=link).headers["Location"] == "/models/birds@1"
    for elsewhere in ("//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nSet-Cookie: a=b"):
        response = visitor.get("/login", query_string={"token": TOKEN, "next": elsewhere})
        assert response.headers["Location"] == "/"
        assert "evil" not in app.test_client().get("/login", query_string={"next": elsewhere}).text


def test_behind_a_prefix_a_login_stays_below_it(app: "Flask") -> None:
    visitor = app.test_client()
    shown = visitor.get("/models?a=b", base_url="http://localhost/yard/")
    assert 'name="next" value="/yard/models?a=b"' in shown.text
    for following, leads_to in (("/yard/models", "/yard/models"), ("/models", "/yard/"), (None, "/yard/")):
        data = {"token": TOKEN} | ({"next": following} if following else {})
        response = visitor.post("/login", data=data, base_url="http://localhost/yard/")
        assert response.headers["Location"] == leads_to


def test_a_logout_ends_the_cookie_wherever_it_was_copied_to(app: "Flask", browser: "FlaskClient") -> None:
    cookie = browser.get_cookie("jobyard")
    assert cookie is not None
    copy, other = app.test_client(), app.test_client()
    copy.set_cookie("jobyard", cookie.value)
    assert other.get("/login", query_string={"token": TOKEN}).status_code == 302
    assert copy.get("/api/v1/jobs").status_code == 200
    response = browser.post("/logout", headers={"Origin": "http://localhost"})
    assert (response.status_code, response.headers["Location"]) == (303, "/login")
    assert browser.get_cookie("jobyard") is None
    for client, status in ((browser, 401), (copy, 401), (other, 200)):
        assert client.get("/api/v1/jobs").status_code == status


def test_another_sites_page_cannot_log_out(browser: "FlaskClient") -> None:
    assert browser.post("/logout", headers={"Origin": "http://evil.example"}).status_code == 403
    assert browser.get("/logout").status_code == 405
    assert browser.get("/api/v1/jobs").status_code == 200


def test_each_login_has_a_secret_of_its_own_of_which_the_database_has_a_digest(
    app: "Flask", backend: Backend
) -> None:
    secrets = set()
    for _ in range(2):
        client = app.test_client()
        client.get("/login", query_string={"token": TOKEN})
        cookie = client.get_cookie("jobyard")
        assert cookie is not None
        secrets.add(cookie.value)
    with backend.database.read() as session:
        digests = set(session.scalars(sa.select(Login.digest)))
    assert len(secrets) == len(digests) == 2
    assert not secrets & digests


def test_a_login_expires_and_is_deleted_by_a_later_one(
    app: "Flask", browser: "FlaskClient", backend: Backend
) -> None:
    with backend.database.write() as session:
        session.execute(sa.update(Login).values(expires_at=utcnow(-1)))
    assert browser.get("/api/v1/jobs").status_code == 401
    assert app.test_client().get("/login", query_string={"token": TOKEN}).status_code == 302
    with backend.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Login)) == 1


def test_a_second_login_of_a_browser_ends_its_first(browser: "FlaskClient", backend: Backend) -> None:
    assert browser.get("/login", query_string={"token": TOKEN}).status_code == 302
    with backend.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Login)) == 1


def test_guesses_are_bounded_and_keep_nobody_else_out(app: "Flask", browser: "FlaskClient") -> None:
    client = app.test_client()
    for number in range(FAILURES):
        assert client.post("/login", data={"token": str(number)}).status_code == 401
    for token in ("x", TOKEN):  # or a right guess would be told apart
        response = client.post("/login", data={"token": token})
        assert response.status_code == 429
        assert 0 < int(response.headers["Retry-After"]) <= SECONDS_PER_FAILURE
        assert "Set-Cookie" not in response.headers
    assert browser.get("/api/v1/jobs").status_code == 200
    assert client.get("/api/v1/jobs", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert client.get("/login").status_code == 200
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    assert client.post("/login", data={"token": TOKEN}, environ_base=elsewhere).status_code == 302


def test_a_new_token_ends_old_cookies(browser: "FlaskClient", make_app: "Callable[..., Flask]") -> None:
    cookie = browser.get_cookie("jobyard")
    assert cookie is not None
    other = make_app(token="another-token-of-the-tests").test_client()
    other.set_cookie("jobyard", cookie.value)
    assert other.get("/api/v1/jobs").status_code == 401


def test_the_cookies_value_is_no_token(app: "Flask", browser: "FlaskClient") -> None:
    cookie = browser.get_cookie("jobyard")
    assert cookie is not None
    response = app.test_client().get("/api/v1/jobs", headers={"Authorization": f"Bearer {cookie.value}"})
    assert response.status_code == 401


# ---- what is logged


def test_secrets_are_in_no_log_record(
    make_app: "Callable[..., Flask]", caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    app = make_app(log_level="DEBUG")
    client = app.test_client()
    client.get("/login", query_string={"token": TOKEN})
    client.post("/login", data={"token": TOKEN})
    client.get("/login", query_string={"token": TOKEN + "wrong"})
    headers = {"Authorization": f"Bearer {TOKEN}"}
    other = app.test_client()
    assert other.post("/api/v1/jobs", json=JOB, headers=headers).status_code == 202
    other.post("/api/v1/jobs", json={"kind": "nonsense"}, headers=headers)
    other.get("/api/v1/nowhere", headers=headers)
    other.get("/api/v1/jobs", headers={"Authorization": f"Bearer {TOKEN}wrong"})
    broken = make_app(
        log_level="DEBUG",
        database_url="postgresql://jobyard:sesame-open@127.0.0.1:1/jobyard",
        broker_url="redis://:sesame-open@127.0.0.1:1/0",
    )
    assert broken.test_client().get("/api/v1/jobs", headers=headers).status_code == 503
    with_broken_broker = make_app(log_level="DEBUG", broker_url="redis://:sesame-open@127.0.0.1:1/0")
    response = with_broken_broker.test_client().post("/api/v1/jobs", json=JOB, headers=headers)
    assert response.status_code == 202
    cookie = client.get_cookie("jobyard")
    assert cookie is not None
    assert len(caplog.records) >= 2  # the broker and the database that are away
    for record in caplog.records:
        line = f"{record.getMessage()} {record.args!r} {record.exc_text}"
        assert TOKEN not in line
        assert cookie.value not in line
        assert "sesame-open" not in line


def test_without_an_origin_no_form_is_taken_whatever_the_host(browser: "FlaskClient") -> None:
    """A Host that is no name is as good as none: it must not equal the Origin that is not there."""
    for host in ("localhost", "a b", ""):
        response = browser.post("/logout", base_url="http://localhost", headers={"Host": host})
        assert response.status_code == 403, host
