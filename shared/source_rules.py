"""Which addresses files may be fetched from: JOBYARD_SOURCE_HOSTS and JOBYARD_SOURCE_BUCKETS say it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

from jobyard.hosts import is_this_machine
from jobyard.shared.addresses import BUCKET, PORTS, Address, host_of
from jobyard.shared.errors import WorkError
from jobyard.shared.ip_addresses import IP, is_ip, is_metadata, is_private, is_public

HOSTS, BUCKETS = "JOBYARD_SOURCE_HOSTS", "JOBYARD_SOURCE_BUCKETS"
ELSE: Final = "whoever runs Jobyard may add it, or upload the file instead"
ANY_BELOW: Final = "*."


@dataclass(frozen=True)
class Host:
    """An entry of the setting: a host, or all below a name; https, but for this machine's own http."""

    scheme: str
    name: str
    port: int
    is_wild: bool

    @classmethod
    def parse(cls, entry: str) -> Self:
        """`data.example.org`, `*.example.org`, `data.example.org:8443`, `http://127.0.0.1:8000`.

        Raises ValueError.
        """
        written = entry.strip()
        scheme = "http" if written.startswith("http://") else "https"
        rest = written.removeprefix("http://")
        is_wild = rest.startswith(ANY_BELOW)
        try:
            parts = urlsplit(f"//{rest.removeprefix(ANY_BELOW)}")
            name, port = host_of(parts.hostname or ""), parts.port
        except ValueError:
            raise ValueError(_shape(entry)) from None
        if parts.path or parts.query or parts.fragment or "@" in parts.netloc or port == 0:
            raise ValueError(_shape(entry))
        if is_wild and is_ip(name):
            raise ValueError(_shape(entry))
        if scheme == "http" and (is_wild or not is_this_machine(name)):
            raise ValueError(f"{entry!r} should be https; http:// is for 127.0.0.1, ::1 and localhost only")
        return cls(scheme, name, port or PORTS[scheme], is_wild)

    def allows(self, address: Address) -> bool:
        """Whether the address is on this host, by its name."""
        if (address.scheme, address.port) != (self.scheme, self.port):
            return False
        return address.host.endswith(f".{self.name}") if self.is_wild else address.host == self.name


def parse_bucket(entry: str) -> str:
    """Raises ValueError."""
    name = entry.strip()
    if not BUCKET.fullmatch(name) or ".." in name:
        raise ValueError(f"{entry!r} should be the name of a bucket, such as my-reviews")
    return name


@dataclass(frozen=True)
class SourceRules:
    """The hosts and buckets; without any, nothing is fetched."""

    hosts: Sequence[str] = ()
    buckets: Sequence[str] = ()

    def check(self, address: Address) -> None:
        """Raises WorkError for an address on no such host or bucket. It looks nothing up.

        Of what the settings name nothing is said: it may be hosts that nobody outside should know.
        """
        if address.scheme == "s3":
            if address.host not in self.buckets:
                raise WorkError(f"{BUCKETS} doesn't name the bucket {address.host}; {ELSE}")
        elif address.scheme == "http" and not is_this_machine(address.host):
            raise WorkError("should be https://, so that nobody on the way can change the file")
        elif not any(host.allows(address) for host in self._hosts):
            what = f"{address.scheme}://{address.netloc}" if address.scheme == "http" else address.netloc
            raise WorkError(f"{HOSTS} doesn't name {what}; {ELSE}")

    def names(self, address: Address) -> bool:
        """Whether the host itself is named, not all below a name: then it may be in a private network."""
        return any(host.allows(address) and not host.is_wild for host in self._hosts)

    def check_ip(self, address: Address, ip: IP) -> None:
        """Raises WorkError for an IP address that this one may not lead to."""
        # An IP address that is written into the setting is meant.
        if is_ip(address.host):
            return
        host = address.host
        if is_metadata(ip):
            raise WorkError(
                f"the host {host} is at a link-local address or one of a cloud's own, which is not read"
            )
        # A host that is named in the setting may be in a private network.
        if is_private(ip):
            if not self.names(address):
                raise WorkError(
                    f"the host {host} is in a private network; {HOSTS} should name it in full, without *"
                )
        elif not is_public(ip):
            raise WorkError(f"the host {host} is at a special address, which is not read")

    @property
    def _hosts(self) -> list[Host]:
        return [Host.parse(one) for one in self.hosts]


def _shape(entry: str) -> str:
    return (
        f"{entry!r} should be a host, such as data.example.org, *.example.org or data.example.org:8443; "
        "several are separated by commas"
    )
