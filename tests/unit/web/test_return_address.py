"""A login leads to a page of this server: as a browser reads the address, not as we do."""

from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from jobyard.web.return_address import MOST_CHARACTERS, asked_for, local

SITE = "http://jobyard.example"
# What makes addresses of other hosts, and what browsers leave out or turn round before they read one.
PIECES = (
    "/",
    "\\",
    "//",
    "/\\",
    ":",
    "@",
    "?",
    "#",
    "\t",
    "\n",
    "\r",
    " ",
    "\0",
    "%2f",
    "%5c",
    "%0a",
    "．",
    "/..",
)
WORDS = ("http:", "https:", "javascript:alert(1)", "evil.example", "data:text/html,x", "jobs", "login", "é")


def as_browsers_read_it(address: str) -> str:
    """Their first steps: without tabs and newlines, and with slashes for backslashes."""
    stripped = address.strip("".join(map(chr, range(33))))
    for left_out in "\t\n\r":
        stripped = stripped.replace(left_out, "")
    return urljoin(f"{SITE}/login", stripped.replace("\\", "/"))


@given(st.lists(st.sampled_from((*PIECES, *WORDS)), max_size=6).map("".join) | st.text(max_size=30))
def test_no_address_leads_to_another_host(written: str) -> None:
    found = local(written)
    if found is not None:
        assert found == written
        assert as_browsers_read_it(found).startswith(f"{SITE}/")
        assert found.isascii()


@pytest.mark.parametrize(
    "written",
    [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "\n//evil.example",
        "/jobs\r\nSet-Cookie: a=b",
        "https://evil.example/",
        "https:evil.example",
        "javascript:alert(1)",
        "evil.example",
        "",
        None,
        "/login",
        "/login/",
        "/login?next=/login",
        "/logout",
        f"/{'x' * MOST_CHARACTERS}",
    ],
)
def test_these_lead_to_the_first_page(written: str | None) -> None:
    assert local(written) is None


def test_pages_with_queries_and_behind_a_prefix_are_local() -> None:
    for written in ("/", "/jobs/1?label=a%20b&label=c#rows", "/%2Fevil.example", "/models/a@1", "/loginx"):
        assert local(written) == written
    assert local("/jobyard/jobs/1", "/jobyard") == "/jobyard/jobs/1"
    assert local("/jobyard/files/..a", "/jobyard") == "/jobyard/files/..a"
    outside = ("/jobyard/../other", "/jobyard/jobs/..", "/jobyard/.%2E/other?a=b", "/jobyard/%2e%2e#a")
    for written in (*outside, "/jobs/1", "/jobyardx/jobs", "/jobyard//evil.example", "/jobyard/login"):
        assert local(written, "/jobyard") is None


def test_a_request_is_for_its_address_and_a_form_s_for_the_page_that_it_was_on() -> None:
    def asked(method: str, path: str, **given: str) -> str | None:
        builder = EnvironBuilder(method=method, path=path, base_url=f"{SITE}/yard/", headers=given)
        return asked_for(Request(builder.get_environ()))

    assert asked("GET", "/jobs/é ü?q=a%20b&q=%C3%A9") == "/yard/jobs/%C3%A9%20%C3%BC?q=a%20b&q=%C3%A9"
    assert asked("POST", "/jobs/1/cancel", Referer=f"{SITE}/yard/jobs/1?a=b") == "/yard/jobs/1?a=b"
    for referer in (
        "http://evil.example/yard/jobs/1",
        f"{SITE}//evil.example",
        "http://[",
        "",
        f"{SITE}/else",
    ):
        assert asked("POST", "/jobs/1/cancel", Referer=referer) is None
