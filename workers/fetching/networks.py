"""Which IP addresses may be connected to: a host's name says nothing of where its owner lets it point."""

import errno
import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Final

from jobyard.shared.addresses import Address
from jobyard.shared.errors import WorkError
from jobyard.shared.source_rules import HOSTS, SourceRules, is_ip
from jobyard.workers.fetching.stream import Unreachable

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]


def _networks(*written: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [ipaddress.ip_network(one) for one in written]


# Of this machine or its neighbours. A host that is named in the setting may be there.
PRIVATE: Final = _networks(
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8"),
    *("::1/128", "fc00::/7"),
)
# What clouds tell their machines, secrets among it, is never what a name stands for, whoever has named it.
METADATA: Final = _networks(
    *(
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::/32",
        "100.100.100.200/32",
        "192.0.0.192/32",
        "168.63.129.16/32",
    )
)
# Of IPv6 only what is routed: in the others, and in those of 6to4 and Teredo, IPv4 addresses are hidden.
ROUTED: Final = ipaddress.ip_network("2000::/3")
HIDING: Final = _networks("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")


def resolve(host: str, port: int) -> list[str]:
    """The IP addresses of a host. Raises WorkError, and Unreachable if it isn't known now."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in (socket.EAI_AGAIN, socket.EAI_FAIL):
            raise Unreachable(f"the host {host} can't be looked up now") from None
        raise WorkError(f"there is no host {host}") from None
    except UnicodeError:
        raise WorkError(f"there is no host {host}") from None
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def checked(address: Address, rules: SourceRules, look_up: Resolve = resolve) -> list[str]:
    """The IP addresses to connect to for an address that the rules allow.

    They are all checked, and no name is looked up after this: it may stand for something else by then. Raises
    WorkError.
    """
    rules.check(address)
    # Who writes an IP address into the setting means that one.
    if is_ip(address.host):
        return [address.host]
    found = look_up(address.host, address.port)
    for one in found:
        _check(address.host, ipaddress.ip_address(one), is_named=rules.names(address))
    return list(found)


def _check(host: str, ip: IP, *, is_named: bool) -> None:
    if _is_in(ip, METADATA):
        raise WorkError(
            f"the host {host} is at a link-local address or one of a cloud's own, which is not read"
        )
    if _is_in(ip, PRIVATE):
        if not is_named:
            raise WorkError(
                f"the host {host} is in a private network; {HOSTS} should name it in full, without *"
            )
    elif not _is_public(ip):
        raise WorkError(f"the host {host} is at a special address, which is not read")


def _is_public(ip: IP) -> bool:
    if isinstance(ip, ipaddress.IPv6Address) and (ip not in ROUTED or _is_in(ip, HIDING)):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def _is_in(ip: IP, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    return any(ip.version == network.version and ip in network for network in networks)


def connected(address: Address, ips: Sequence[str], seconds: float) -> socket.socket:
    """A connection to the first of the addresses that takes one. Raises Unreachable."""
    why = "doesn't answer"
    for ip in ips:
        try:
            return socket.create_connection((ip, address.port), seconds)
        except TimeoutError:
            why = f"doesn't answer within {seconds:g} seconds"
        except OSError as error:
            refuses = error.errno == errno.ECONNREFUSED
            why = "takes no connections" if refuses else f"can't be reached: {error.strerror or error}"
    raise Unreachable(f"the host {address.netloc} {why}")
