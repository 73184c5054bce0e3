"""Which IP addresses may be connected to: a host's name says nothing of where its owner lets it point."""

import errno
import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Protocol

from jobyard.shared.addresses import Address
from jobyard.shared.errors import WorkError
from jobyard.shared.ip_addresses import IP, is_ip
from jobyard.workers.fetching.stream import Unreachable

Resolve = Callable[[str, int], Sequence[str]]


class Rules(Protocol):
    """Which hosts may be connected to, by their names and by the IP addresses that these stand for."""

    def check(self, address: Address) -> None:
        """Raises WorkError for an address that is not allowed. It looks nothing up."""

    def check_ip(self, address: Address, ip: IP) -> None:
        """Raises WorkError for an IP address that this one may not lead to."""


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


def checked(address: Address, rules: Rules, look_up: Resolve = resolve) -> list[str]:
    """The IP addresses to connect to for an address that the rules allow.

    They are all checked, and no name is looked up after this: it may stand for something else by then. Raises
    WorkError.
    """
    rules.check(address)
    found = [address.host] if is_ip(address.host) else list(look_up(address.host, address.port))
    for one in found:
        rules.check_ip(address, ipaddress.ip_address(one))
    return found


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
