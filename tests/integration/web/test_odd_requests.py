"""Headers, paths and queries that no client sends by accident: an answer of 4xx at worst, never a 500."""

import itertools
from typing import TYPE_CHECKING

import pytest

from tests.conftest import TOKEN
from tests.factories import post_job

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

JOB = {"kind": "sentiment", "spec": {"texts": ["one"]}}
ADDRESSES = [
    "http://[",
    "http://]",
    "http://[::1",
    "//[",
    "[",
    "http://a:b",
    "http://a:99999999",
    "http://\xff",
    "http://\x7f",
    "http://%",
    "null",
    "http://a@b@c",
    "http:///",
    ":",
    "\\\\",
    "http://a\tb",
    "*" * 5_000,
]


NAMES = ["Origin", "Referer", "Host", "X-Forwarded-Host", "X-Forwarded-For", "X-Forwarded-Proto"]


@pytest.mark.parametrize("address", ["/", "/logout", "/new/sentiment", "/login"])
def test_addresses_in_headers(web: "FlaskClient", address: str) -> None:
    for name, value in itertools.product(NAMES, ADDRESSES):
        for method in ("GET", "POST"):
            response = web.open(address, method=method, headers={name: value})
            assert response.status_code < 500, f"{method} {name}: {value[:40]}"


HEADERS = {
    "Authorization": [
        "Bearer \xff",
        "Bearer",
        "Bearer  ",
        "\xff \xff",
        "Basic ====",
        "Bearer " + "x" * 8_000,
    ],
    "Cookie": [
        "jobyard=\xff",
        "jobyard=" + "x" * 43,
        "jobyard=" + "\xff" * 43,
        "jobyard",
        ";;=;",
        "=",
        'jobyard="\\777"',
    ],
    "Idempotency-Key": ["\xff", "x" * 300, " "],
    "If-None-Match": ["\xff", '"', "W/", "*,*", '"a' * 2_000],
    "Range": ["bytes=", "bytes=-", "bytes=9-1", "\xff", "bytes=0-" + "9" * 400, "bytes=" + "0-1," * 1_000],
    "Accept": ["\xff", "*/*;q=nan", "text/html;q=" + "9" * 400, "," * 4_000],
    "Accept-Encoding": ["\xff", "gzip;q=x"],
    "Content-Type": [
        "\xff",
        "application/json; charset=nonsense",
        "multipart/form-data",
        "multipart/form-data; boundary=\xff",
        "multipart/form-data; boundary=" + "x" * 5_000,
        "application/x-www-form-urlencoded; charset=\xff",
    ],
    "Last-Event-ID": ["\xff", "9" * 400, "-1"],
    "X-Fragment": ["\xff"],
    "If-Modified-Since": ["\xff", "Thu, 99 Foo 9999 99:99:99 GMT"],
}


@pytest.mark.parametrize("name", HEADERS)
def test_values_of_headers(app: "Flask", api: "FlaskClient", web: "FlaskClient", name: str) -> None:
    job_id = post_job(api, **JOB)
    paths = [
        "/",
        "/login",
        f"/jobs/{job_id}",
        "/static/css/jobyard.css",
        "/assets/x/css/jobyard.css",
        f"/api/v1/jobs/{job_id}",
        "/api/v1/jobs",
        f"/api/v1/jobs/{job_id}/events",
        "/api/v1/files",
    ]
    clients = (api, web, app.test_client())
    for client, path, method, value in itertools.product(clients, paths, ("GET", "POST"), HEADERS[name]):
        with client.open(path, method=method, headers={name: value}, data=b"{}") as response:
            assert response.status_code < 500, f"{method} {path} {value[:40]}"


PATHS = [
    "/%00",
    "/jobs/%00",
    "/static/%00",
    "/static/..%2f..%2fauth.py",
    "/static/%ff",
    "/assets/x/%00",
    "/assets/x/..%2f..%2fauth.py",
    "/assets/%ff/%ff",
    "/api/v1/models/%00",
    "/api/v1/models/%ff",
    "/api/v1/models/" + "x" * 3_000,
    "/api/v1/datasets/a@99999999999999999999",
    "/api/v1/models/a@" + "9" * 130,
    "/api/v1/jobs/" + "0" * 36,
    "/api/v1/jobs/%F0%9F%98%80",
    "//",
    "/.",
    "/\xff",
    "/new/%00",
    "/new/" + "x" * 3_000,
    "/models/%00",
    "/datasets/a@-1",
    "/api/v1/models/a/aliases/%00",
    "/assets/%00",
    "/datasets/%ed%a0%80",
    "/api/v1/jobs/{id}/files/%00",
    "/api/v1/jobs/{id}/files/%ed%a0%80",
    "/datasets/a@99999999999999999999/thumbnail/%00",
]


def test_paths(api: "FlaskClient", web: "FlaskClient") -> None:
    job_id = post_job(api, **JOB)
    for client, path, method in itertools.product((api, web), PATHS, ("GET", "POST", "PUT", "DELETE")):
        with client.open(path.replace("{id}", job_id), method=method) as response:
            assert response.status_code < 500, f"{method} {path}"


NUMBERS = [
    "-1",
    "0",
    "1e400",
    "nan",
    "inf",
    "9" * 30,
    "9" * 5_000,
    "9223372036854775808",
    "\x00",
    "%ff",
    "%ed%a0%80",
    "1.5",
    "",
    "٣",
]
QUERIES = [
    "/api/v1/jobs?limit=",
    "/api/v1/jobs?cursor=",
    "/api/v1/jobs?kind=",
    "/api/v1/jobs?parent=",
    "/?kind=",
    "/?cursor=",
    "/?state=",
    "/api/v1/jobs/{id}?wait=",
    "/api/v1/jobs/{id}/events?after=",
    "/api/v1/jobs/{id}/metrics?points=",
    "/api/v1/jobs/{id}/metrics?name=",
    "/api/v1/jobs/{id}/predictions?cursor=",
    "/api/v1/jobs/{id}/predictions?label=",
    "/api/v1/jobs/{id}/scores?cursor=",
    "/api/v1/jobs/{id}/scores?search=",
    "/api/v1/jobs/{id}/groups?cursor=",
    "/api/v1/datasets?cursor=",
    "/api/v1/models?limit=",
    "/jobs/{id}?row=",
    "/jobs/{id}?page=",
    "/jobs/{id}?cursor=",
    "/jobs/{id}?search=",
    "/jobs/{id}?label=",
    "/compare?jobs=",
    "/compare?name=",
    "/api/v1/metrics/compare?jobs=",
    "/new/train?dataset=",
    "/login?token=",
    "/static/css/jobyard.css?v=",
]


def test_queries(api: "FlaskClient", web: "FlaskClient") -> None:
    job_id = post_job(api, **JOB)
    for client, address, number in itertools.product((api, web), QUERIES, NUMBERS):
        with client.get(f"{address.replace('{id}', job_id)}{number}") as response:
            assert response.status_code < 500, f"{address}{number[:40]}"


def test_a_token_beside_a_cookie_and_an_odd_origin_is_the_token(app: "Flask", web: "FlaskClient") -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Origin": "http://["}
    assert web.post("/api/v1/jobs", json=JOB, headers=headers).status_code == 202
    assert web.post("/api/v1/jobs", json=JOB, headers={"Origin": "http://["}).status_code == 403
