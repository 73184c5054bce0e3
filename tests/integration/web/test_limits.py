"""Limits of bodies: by address and media type, after the token, and before anything is read."""

import io
from typing import TYPE_CHECKING, Any

import pytest

from jobyard.web.limits import FORM_BYTES, FORM_FIELDS, JSON_BYTES, LOGIN_BYTES, PARTS
from tests.conftest import TOKEN

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
MULTIPART = "multipart/form-data; boundary=b"
SETTINGS: dict[str, Any] = {"max_upload_bytes": 3_000_000}


class Untouched(io.RawIOBase):
    """A body that fails the test when it is read."""

    def readinto(self, _: object) -> int:
        raise AssertionError("the body was read")


@pytest.fixture
def app(make_app: Any) -> "Flask":
    found: Flask = make_app(**SETTINGS)
    return found


def announce(
    client: "FlaskClient", path: str, media_type: str, length: int | None, **headers: str
) -> "TestResponse":
    """Send the head of a request only: what it says of its body is to be enough."""
    environ = {"wsgi.input": Untouched(), "wsgi.input_terminated": True}
    if length is not None:
        environ["CONTENT_LENGTH"] = str(length)
    else:
        headers |= {"Transfer-Encoding": "chunked"}
    return client.post(path, content_type=media_type, headers=headers, environ_overrides=environ)


@pytest.mark.parametrize(
    ("path", "media_type", "most"),
    [
        ("/login", FORM, LOGIN_BYTES),
        ("/login", JSON, LOGIN_BYTES),
        ("/login", MULTIPART, LOGIN_BYTES),
        ("/new/sentiment", FORM, FORM_BYTES),
        ("/new/sentiment", "text/plain", FORM_BYTES),
        ("/new/sentiment", JSON, FORM_BYTES),
        ("/logout", MULTIPART, FORM_BYTES),
        ("/api/v1/jobs", FORM, FORM_BYTES),
        ("/api/v1/jobs", "", FORM_BYTES),
        ("/api/v1/jobs", MULTIPART, FORM_BYTES),
        ("/api/v1/jobs", JSON, JSON_BYTES),
        ("/api/v1/files", "application/octet-stream", FORM_BYTES),
    ],
)
def test_a_body_that_says_it_is_too_large_is_not_read(
    api: "FlaskClient", path: str, media_type: str, most: int
) -> None:
    response = announce(api, path, media_type, most + 1)
    assert response.status_code == 413
    assert f"at most {most:,} bytes" in response.json["detail"]
    assert "should be" in response.json["detail"]


@pytest.mark.parametrize("path", ["/api/v1/files", "/api/v1/datasets", "/new/import"])
def test_files_may_be_as_large_as_the_setting_says(api: "FlaskClient", path: str) -> None:
    most = SETTINGS["max_upload_bytes"] + (1 << 20)
    response = announce(api, path, MULTIPART, most + 1)
    assert response.status_code == 413
    assert f"at most {most:,} bytes" in response.json["detail"]


@pytest.mark.parametrize("length", [1, 10**12, None])
@pytest.mark.parametrize("media_type", [FORM, JSON, MULTIPART, "", "text/plain"])
@pytest.mark.parametrize("authorization", ["", "Bearer wrong"])
def test_the_token_comes_before_the_body(
    app: "Flask", media_type: str, length: int | None, authorization: str
) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    for path in ("/api/v1/jobs", "/api/v1/files", "/new/import", "/logout", "/nowhere"):
        assert announce(app.test_client(), path, media_type, length, **headers).status_code == 401, path


def test_a_login_of_unknown_length_is_not_read(app: "Flask") -> None:
    assert announce(app.test_client(), "/login", FORM, None).status_code == 411


@pytest.mark.parametrize("path", ["/new/sentiment", "/api/v1/jobs"])
def test_a_form_of_unknown_length_is_read_up_to_its_limit(api: "FlaskClient", path: str) -> None:
    body = io.BytesIO(b"a=" + b"x" * 2 * FORM_BYTES)
    environ = {"wsgi.input": body, "wsgi.input_terminated": True}
    headers = {"Transfer-Encoding": "chunked"}
    response = api.post(path, content_type=FORM, headers=headers, environ_overrides=environ)
    assert response.status_code == 413
    assert body.tell() <= FORM_BYTES + 1


def test_fields_of_a_form_are_counted_before_it_is_parsed(api: "FlaskClient") -> None:
    fields = {f"a{number}": "b" for number in range(FORM_FIELDS)}
    assert api.post("/new/sentiment", data=fields).status_code == 422
    response = api.post("/new/sentiment", data={**fields, "one": "more"})
    assert response.status_code == 413
    assert "1,000 fields" in response.json["detail"]


@pytest.mark.parametrize("path", ["/api/v1/files", "/new/sentiment"])
def test_parts_of_a_multipart_body_are_counted(api: "FlaskClient", path: str) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n'
    response = api.post(path, data=part * 1_101 + b"--b--\r\n", content_type=MULTIPART)
    assert response.status_code == 413
    assert "parts" in response.json["detail"]


def test_a_part_with_endless_headers_is_refused(api: "FlaskClient") -> None:
    body = b"--b\r\n" + b"X-Header: " + b"x" * 2_000_000
    assert api.post("/api/v1/files", data=body, content_type=MULTIPART).status_code in (413, 422)


def test_every_endpoint_that_takes_files_is_there(app: "Flask") -> None:
    assert set(PARTS) <= set(app.view_functions)


def test_a_login_form_as_browsers_send_it_fits(app: "Flask") -> None:
    for media_type in (FORM, "multipart/form-data"):
        response = app.test_client().post("/login", data={"token": TOKEN}, content_type=media_type)
        assert response.status_code == 302
