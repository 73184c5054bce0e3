"""Where webhooks may be sent: hosts on the Internet, and private networks that a setting names."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from jobyard.shared.addresses import Address
from jobyard.shared.errors import WorkError
from jobyard.shared.ip_addresses import IP, Network, is_in, is_ip, is_metadata, is_private, is_public

NETWORKS: Final = "JOBYARD_WEBHOOK_PRIVATE_NETWORKS"


def parse_network(entry: str) -> str:
    """`10.1.0.0/16`, `127.0.0.1`. Raises ValueError for what is no network, or not a private one."""
    try:
        network = ipaddress.ip_network(entry.strip())
    except ValueError:
        raise ValueError(f"{entry!r} should be a network, such as 10.1.0.0/16 or 127.0.0.1/32") from None
    if not (is_private(network[0]) and is_private(network[-1])) or is_metadata(network[0]):
        raise ValueError(f"{entry!r} should be a private network; others need no permission, or get none")
    return str(network)


@dataclass(frozen=True)
class Destinations:
    """The private networks that webhooks may lead to."""

    networks: Sequence[str] = ()

    def check(self, address: Address) -> None:
        """Raises WorkError for an address that nothing is sent to. It looks nothing up."""
        if address.scheme not in ("https", "http"):
            raise WorkError("should be an https:// address")
        if address.scheme == "http" and not self.networks:
            raise WorkError(f"should be https://; http:// is for the networks that {NETWORKS} names")
        if is_ip(address.host):
            self.check_ip(address, ipaddress.ip_address(address.host))

    def check_ip(self, address: Address, ip: IP) -> None:
        """Raises WorkError for an IP address that nothing is sent to."""
        host = address.netloc
        if is_metadata(ip):
            raise WorkError(f"{host} is at a link-local address or one of a cloud's own")
        if is_private(ip):
            if not is_in(ip, self._networks):
                raise WorkError(f"{host} is in a private network that {NETWORKS} doesn't name")
        elif not is_public(ip):
            raise WorkError(f"{host} is at a special address")
        elif address.scheme == "http":
            raise WorkError(f"{host} is outside of the networks of {NETWORKS}: it should be https://")

    @property
    def _networks(self) -> list[Network]:
        return [ipaddress.ip_network(one) for one in self.networks]
