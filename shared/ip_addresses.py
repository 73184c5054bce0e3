"""What an IP address stands for: a host on the Internet, a network of ours, or what no name may mean."""

import ipaddress
from collections.abc import Sequence
from typing import Final

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(*written: str) -> list[Network]:
    return [ipaddress.ip_network(one) for one in written]


# Of this machine or its neighbours.
PRIVATE: Final = _networks(
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8"),
    *("::1/128", "fc00::/7"),
)
# What clouds tell their machines, secrets among it, is never what a name stands for, whoever has named it.
METADATA: Final = _networks(
    *(
        "169.254.0.0/16",
        "fe80::/10",
        *("fd00:ec2::/32", "fd20:ce::254/128"),
        "100.100.100.200/32",
        "192.0.0.192/32",
        "168.63.129.16/32",
    )
)
# Of IPv6 only what is routed: in the others, and in those of 6to4 and Teredo, IPv4 addresses are hidden.
ROUTED: Final = ipaddress.ip_network("2000::/3")
HIDING: Final = _networks("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")


def is_metadata(ip: IP) -> bool:
    """Whether it is link-local or one of a cloud's own."""
    return is_in(ip, METADATA)


def is_private(ip: IP) -> bool:
    """Whether it is of this machine or a private network."""
    return is_in(ip, PRIVATE)


def is_public(ip: IP) -> bool:
    """Whether it is one host on the Internet."""
    if isinstance(ip, ipaddress.IPv6Address) and (ip not in ROUTED or is_in(ip, HIDING)):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def is_in(ip: IP, networks: Sequence[Network]) -> bool:
    """Whether it is in one of the networks."""
    return any(ip.version == network.version and ip in network for network in networks)


def is_ip(host: str) -> bool:
    """Whether a host is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
