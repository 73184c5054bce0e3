"""Proxies of the environment: for other hosts, and never for this machine."""

import pytest

from jobyard.client import Client, ConnectionFailed
from jobyard.client.proxies import proxy_for

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "request_method")
PROXY = "http://proxy.example:3128"
TOKEN = "a-token-of-the-test"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("scheme", "environment", "expected"),
    [
        ("http", {}, None),
        ("http", {"HTTP_PROXY": PROXY}, PROXY),
        ("http", {"http_proxy": "proxy.example:3128"}, PROXY),
        ("https", {"HTTP_PROXY": "http://other.example:1", "https_proxy": PROXY}, PROXY),
        ("https", {"ALL_PROXY": PROXY}, PROXY),
        ("https", {"HTTP_PROXY": PROXY}, None),
    ],
)
def test_it_is_the_one_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, scheme: str, environment: dict[str, str], expected: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(scheme, "jobs.corp.example") == expected


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", "::"])  # noqa: S104
def test_it_is_not_for_this_machine(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    assert proxy_for("http", host) is None


@pytest.mark.parametrize(
    ("host", "excepted", "is_direct"),
    [
        ("jobs.corp.example", "*", True),
        ("jobs.corp.example", "other.example, .corp.example", True),
        ("jobs.corp.example", "corp.example", True),
        ("jobs.corp.example", "jobs.example", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "192.168.0.0/16, 10.0.0.0/8", True),
        ("10.1.2.3", "10.2.0.0/16", False),
        ("fd00::1", "10.0.0.0/8,fd00::/8", True),
        ("fd00::1", "[fd00::1]", True),
        ("fd00::1", "::1,[::1]", False),
        ("jobs.corp.example", "10.0.0.0/8,fd00::/8", False),
    ],
)
def test_it_is_not_for_what_no_proxy_has(
    monkeypatch: pytest.MonkeyPatch, host: str, excepted: str, is_direct: bool
) -> None:
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", excepted)
    assert (proxy_for("http", host) is None) == is_direct


@pytest.mark.parametrize(
    "environment",
    [
        {"HTTP_PROXY": "ftp://user:pass-word@proxy.example"},
        {"HTTP_PROXY": "socks5://user:pass-word@proxy.example"},  # needs a package that is not installed
        {"HTTP_PROXY": "http://user:pass-word@proxy.example:no-port"},
    ],
)
def test_a_proxy_that_cant_be_used_is_one_line_without_its_password(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConnectionFailed, match="HTTP_PROXY") as refused:
        Client("http://jobs.corp.example", TOKEN)
    assert "pass-word" not in str(refused.value)
    Client("http://127.0.0.1:8642", TOKEN).close()


def test_a_missing_file_of_certificates_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with pytest.raises(ConnectionFailed, match="SSL_CERT_FILE"):
        Client("https://jobs.corp.example", TOKEN)
