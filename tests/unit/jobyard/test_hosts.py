"""Hosts in addresses, and as settings have them."""

import pytest

from jobyard import hosts
from jobyard.client.settings import ClientSettings
from jobyard.shared.config import Settings
from jobyard.shared.errors import ConfigError
from jobyard.up.stack import flower_url, web_url


@pytest.mark.parametrize(
    ("host", "written"),
    [("127.0.0.1", "127.0.0.1:80"), ("jobs.example", "jobs.example:80"), ("::1", "[::1]:80")],
)
def test_a_host_and_its_port(host: str, written: str) -> None:
    assert hosts.host_and_port(host, 80) == written


@pytest.mark.parametrize(
    ("host", "is_it"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("fd00::1", False),
        ("localhost.example", False),
    ],
)
def test_what_this_machine_is_called(host: str, is_it: bool) -> None:
    assert hosts.is_this_machine(host) == is_it


@pytest.mark.parametrize(
    ("given", "address", "url"),
    [
        ("127.0.0.1", "127.0.0.1", "http://127.0.0.1"),
        ("0.0.0.0", "0.0.0.0", "http://127.0.0.1"),  # noqa: S104 - nothing listens
        ("::1", "::1", "http://[::1]"),
        ("[::1]", "::1", "http://[::1]"),
        ("::", "::", "http://[::1]"),
        ("[::]", "::", "http://[::1]"),
        ("fd00::7", "fd00::7", "http://[fd00::7]"),
        ("localhost", "127.0.0.1", "http://localhost"),
    ],
)
def test_server_and_client_make_the_same_addresses_of_a_host(
    monkeypatch: pytest.MonkeyPatch, given: str, address: str, url: str
) -> None:
    monkeypatch.setenv("JOBYARD_HOST", given)
    settings = Settings.load()
    assert settings.address() == address
    assert web_url(settings) == f"{url}:{settings.port}"
    assert flower_url(settings) == f"{url}:{settings.flower_port}"
    assert ClientSettings.load().find_url() == web_url(settings)


def test_a_zone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBYARD_HOST", "fe80::1%eth0")
    with pytest.raises(ConfigError, match="JOBYARD_HOST: should be an address without a zone"):
        Settings.load()


@pytest.mark.parametrize("name", ["[no-address", "a..b", "http://127.0.0.1"])
def test_what_is_no_host_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("JOBYARD_HOST", name)
    with pytest.raises(ConfigError, match="JOBYARD_HOST: there is no address"):
        Settings.load().address()
