"""Where webhooks may lead: to the Internet by https, and to private networks that the setting names."""

import ipaddress

import pytest

from jobyard.shared.addresses import parse
from jobyard.shared.errors import WorkError
from jobyard.shared.webhooks.destinations import Destinations, parse_network

NOWHERE = Destinations()
OWN = Destinations(("127.0.0.0/8", "10.1.0.0/16", "fd12::/16", "fd20::/16"))


def check(destinations: Destinations, url: str, ip: str) -> None:
    address = parse(url)
    destinations.check(address)
    destinations.check_ip(address, ipaddress.ip_address(ip))


@pytest.mark.parametrize("ip", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
@pytest.mark.parametrize("destinations", [NOWHERE, OWN])
def test_the_internet_needs_no_permission_but_https(destinations: Destinations, ip: str) -> None:
    check(destinations, "https://hooks.example.org/a", ip)
    with pytest.raises(WorkError, match="https://"):
        check(destinations, "http://hooks.example.org/a", ip)


@pytest.mark.parametrize("ip", ["127.0.0.1", "10.1.2.3", "fd12::1"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_private_network_is_allowed_where_the_setting_names_it(scheme: str, ip: str) -> None:
    check(OWN, f"{scheme}://hooks.internal:8000/a", ip)
    with pytest.raises(WorkError, match="JOBYARD_WEBHOOK_PRIVATE_NETWORKS"):
        check(NOWHERE, f"{scheme}://hooks.internal:8000/a", ip)


@pytest.mark.parametrize("ip", ["10.2.0.1", "192.168.0.1", "172.16.0.1", "100.64.0.1", "::1", "fc00::1"])
def test_another_private_network_stays_closed(ip: str) -> None:
    with pytest.raises(WorkError, match="a private network that JOBYARD_WEBHOOK_PRIVATE_NETWORKS doesn't"):
        check(OWN, "https://hooks.internal/a", ip)


@pytest.mark.parametrize(
    "ip",
    [
        *("169.254.169.254", "169.254.0.1", "fe80::1", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"),
        "fd20:ce::254",
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
        *("0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "192.0.2.1"),  # noqa: S104
    ],
)
@pytest.mark.parametrize("destinations", [NOWHERE, OWN])
def test_nothing_is_sent_to_a_special_address(destinations: Destinations, ip: str) -> None:
    with pytest.raises(WorkError, match=r"link-local|special"):
        check(destinations, "https://hooks.example.org/a", ip)


@pytest.mark.parametrize("url", ["https://127.0.0.1/a", "https://[::1]/a", "https://169.254.169.254/a"])
def test_an_address_that_is_written_as_numbers_is_refused_at_once(url: str) -> None:
    with pytest.raises(WorkError):
        NOWHERE.check(parse(url))


@pytest.mark.parametrize(
    "entry", ["8.8.8.0/24", "0.0.0.0/0", "10.0.0.0/7", "169.254.0.0/16", "x", "10.0.0.1/9"]
)
def test_the_setting_names_private_networks(entry: str) -> None:
    with pytest.raises(ValueError, match=r"should be a (private )?network"):
        parse_network(entry)
