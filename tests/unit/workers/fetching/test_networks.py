"""Where a host may point: what is in no network of ours, or what the setting names."""

import socket

import pytest

from jobyard.shared.addresses import parse
from jobyard.shared.errors import WorkError
from jobyard.shared.source_rules import SourceRules
from jobyard.workers.fetching.networks import checked
from jobyard.workers.fetching.stream import Unreachable

PUBLIC = ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]
PRIVATE = [
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "127.0.0.1", "127.8.8.8"),
    *("::1", "fc00::1", "fd12:3456::1"),
]
# Link-local, clouds' own, multicast, reserved, and all in which an IPv4 address may be hidden.
NEVER = [
    *("169.254.169.254", "169.254.0.1", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
    *("0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),  # noqa: S104
    *("192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.0.0.1"),
    *(
        "::",
        "fe80::1",
        "fe80::1%2",
        "fec0::1",
        "ff02::1",
        "fd00:ec2::254",
        "100::1",
        "2001:db8::1",
        "5f00::1",
    ),
    *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:169.254.169.254", "::127.0.0.1", "::ffff:0:127.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::a9fe:a9fe", "2002:7f00:1::", "2001:0:7f00:1::1"),
]
ADDRESS = parse("https://data.example.org/a.csv")
NAMED, WILD = SourceRules(("data.example.org",)), SourceRules(("*.example.org",))


@pytest.mark.parametrize("rules", [NAMED, WILD])
@pytest.mark.parametrize("ip", PUBLIC)
def test_what_everybody_can_reach_may_be_read(ip: str, rules: SourceRules) -> None:
    assert checked(ADDRESS, rules, lambda *_: [ip]) == [ip]


@pytest.mark.parametrize("ip", PRIVATE)
def test_a_private_network_is_for_hosts_that_are_named(ip: str) -> None:
    assert checked(ADDRESS, NAMED, lambda *_: [ip]) == [ip]
    with pytest.raises(WorkError, match="is in a private network; JOBYARD_SOURCE_HOSTS should name it"):
        checked(ADDRESS, WILD, lambda *_: [ip])


@pytest.mark.parametrize("rules", [NAMED, WILD])
@pytest.mark.parametrize("ip", NEVER)
def test_special_addresses_are_not_read_whoever_points_there(ip: str, rules: SourceRules) -> None:
    with pytest.raises(WorkError, match="which is not read"):
        checked(ADDRESS, rules, lambda *_: [ip])


@pytest.mark.parametrize("ip", [*PRIVATE, *NEVER])
def test_one_wrong_address_among_good_ones_is_enough(ip: str) -> None:
    with pytest.raises(WorkError):
        checked(ADDRESS, WILD, lambda *_: [*PUBLIC, ip])


def test_an_ip_address_is_what_the_setting_names() -> None:
    address = parse("https://169.254.0.7/a.csv")
    assert checked(address, SourceRules(("169.254.0.7",))) == ["169.254.0.7"]
    with pytest.raises(WorkError, match="doesn't name"):
        checked(address, SourceRules(("169.254.0.8", "*.example.org")))


def test_a_host_that_is_not_allowed_is_not_even_looked_up() -> None:
    def look_up(host: str, port: int) -> list[str]:
        raise AssertionError(f"{host} was looked up")

    with pytest.raises(WorkError, match="doesn't name"):
        checked(parse("https://evil.example/a.csv"), NAMED, look_up)


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        (socket.EAI_NONAME, WorkError, "there is no host data.example.org"),
        (socket.EAI_AGAIN, Unreachable, "can't be looked up now"),
    ],
)
def test_a_host_that_is_not_known_is_named(
    monkeypatch: pytest.MonkeyPatch, code: int, error: type[WorkError], words: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(code, "-")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(WorkError, match=words) as refused:
        checked(ADDRESS, NAMED)
    assert type(refused.value) is error
