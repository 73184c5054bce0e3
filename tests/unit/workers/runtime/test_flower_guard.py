"""Who gets to Flower, and with which requests: without a server."""

from base64 import b64encode
from types import SimpleNamespace
from typing import Any

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import Application, RequestHandler

from jobyard.shared.login_failures import FAILURES
from jobyard.workers.runtime.flower_guard import Guard, Refused

CREDENTIALS = "jobyard:a-töken-of-enough-characters"
INNER = "Basic inner"


class Behind(RequestHandler):
    """Stands for all of Flower."""


def guard(*, control: bool = False) -> Guard:
    return Guard(Application([(".*", Behind)]), CREDENTIALS, INNER, control=control)


def basic(credentials: str) -> str:
    return "Basic " + b64encode(credentials.encode()).decode()


def request(
    method: str = "GET", path: str = "/workers", given: str | None = basic(CREDENTIALS), ip: str = "127.0.0.1"
) -> HTTPServerRequest:
    headers = HTTPHeaders({"Host": "localhost"})
    if given is not None:
        headers["Authorization"] = given
    context: Any = SimpleNamespace(remote_ip=ip, protocol="http")
    connection: Any = SimpleNamespace(context=context, set_close_callback=lambda _: None)
    return HTTPServerRequest(
        start_line=RequestStartLine(method, path, "HTTP/1.1"), headers=headers, connection=connection
    )


def answer(one: Guard, asked: HTTPServerRequest) -> int:
    """The status with which it is refused, or 200 if Flower gets it."""
    delegate: Any = one.find_handler(asked)
    return int(delegate.handler_kwargs["status"]) if delegate.handler_class is Refused else 200


def test_the_password_opens_flower_which_is_shown_another() -> None:
    asked = request()
    assert answer(guard(), asked) == 200
    assert asked.headers["Authorization"] == INNER


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "Basic",
        "Basic ",
        "Basic %%%",
        "Bearer a-töken-of-enough-characters".encode().decode("latin-1"),
        basic(""),
        basic("jobyard:"),
        basic("é:é"),
        basic(f"{CREDENTIALS} "),
        basic(CREDENTIALS.upper()),
        INNER,
    ],
)
def test_nothing_else_does(given: str | None) -> None:
    assert answer(guard(), request(given=given)) == 401


def test_only_the_health_check_is_open_and_only_to_be_read() -> None:
    assert answer(guard(), request(path="/healthcheck", given=None)) == 200
    for method, path in [
        ("POST", "/healthcheck"),
        ("GET", "/healthcheck/x"),
        ("GET", "/metrics"),
        ("GET", "/"),
    ]:
        assert answer(guard(), request(method, path, given=None)) == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "GET ", "get"])
def test_it_only_reads_unless_it_may_control(method: str) -> None:
    asked = request(method, "/api/worker/shutdown/cpu@host")
    assert answer(guard(), asked) == 403
    assert answer(guard(control=True), request(method, "/api/worker/shutdown/cpu@host")) == 200
    assert answer(guard(control=True), request(method, "/workers", given=None)) == 401


def test_the_table_of_tasks_asks_by_post() -> None:
    assert answer(guard(), request("POST", "/tasks/datatable")) == 200
    assert answer(guard(), request("POST", "/tasks/datatable/")) == 403


def test_guesses_are_bounded_for_each_address_and_not_evaluated_beyond() -> None:
    one = guard()
    for number in range(FAILURES):
        assert answer(one, request(given=basic(f"jobyard:{number}"))) == 401
    assert answer(one, request(given=basic("jobyard:x"))) == 429
    assert answer(one, request()) == 429  # or a right guess would be told apart
    assert answer(one, request(given=None)) == 401
    assert answer(one, request(path="/healthcheck", given=None)) == 200
    assert answer(one, request(ip="127.0.0.2")) == 200


def test_a_host_with_many_addresses_is_one_stranger() -> None:
    one = guard()
    for number in range(FAILURES):
        assert answer(one, request(given=basic("x:y"), ip=f"2001:db8:1:2::{number}")) == 401
    assert answer(one, request(ip="2001:db8:1:2:ffff::")) == 429
    assert answer(one, request(ip="2001:db8:1:3::")) == 200
